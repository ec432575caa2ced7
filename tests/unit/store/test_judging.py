"""Verdicts of judges: each judge's apart, with the choice that they are on, and looks that are taken once."""

from dataclasses import replace
from pathlib import Path

import pytest

from adapterd.store import Store
from adapterd.store.evidence.comparisons import NewComparison, Purpose
from adapterd.store.judging.verdicts import NOT_ON_A_CHOICE, KeptJudge, KeptVerdict, Look
from adapterd.store.reviews.choices import NOT_CHOSEN_BETWEEN, NewChoice, Vote
from adapterd.store.teaching.requests import NewRequest
from adapterd.store.whole_model import forget_model, rows_of
from tests.support.hand_clock import HandClock

MODEL = "m"
JUDGE = KeptJudge("j1", "s1", "big", "big:1", "sha256:" + "a" * 64, ("it is of the family",), "advice")
VERDICT = KeptVerdict(1, 1.0, -1.0, 1.0)
LOOK = Look(1, "j1", 30, 100, 0.9875, 0.6, 0.5, 0.7)


@pytest.fixture
def choosing(store: Store) -> Store:
    """Three choices, of which the first was voted on."""
    for number in range(3):
        new = NewChoice(f"p{number}", [{"role": "user", "content": "?"}], "1.0.0", "d1", "a", "base", "d0", "b", True)
        assert store.choices.add(MODEL, new)
    assert store.choices.vote(MODEL, 1, Vote.OURS, None)
    return store


def test_verdicts_belong_to_one_judge_and_are_kept_once(choosing: Store) -> None:
    assert choosing.judging.keep(MODEL, "j1", VERDICT)
    assert not choosing.judging.keep(MODEL, "j1", replace(VERDICT, ours_first=-1.0))
    assert choosing.judging.keep(MODEL, "j2", KeptVerdict(1, None, 0.0))
    assert choosing.judging.of(MODEL, "j1") == {1: VERDICT}
    assert choosing.judging.of(MODEL, "j2") == {1: KeptVerdict(1, None, 0.0)}
    assert (choosing.judging.of_others(MODEL, "j1"), choosing.judging.of_others(MODEL, "j3")) == (1, 2)
    assert choosing.judging.of("other", "j1") == {}


@pytest.mark.parametrize(("model", "choice"), [(MODEL, 9), ("other", 1)])
def test_there_is_no_verdict_on_what_is_not_there(choosing: Store, model: str, choice: int) -> None:
    assert not choosing.judging.keep(model, "j1", replace(VERDICT, choice=choice))


def test_a_verdict_goes_with_its_choice_and_no_other_gets_it(choosing: Store) -> None:
    for number in (1, 2, 3):
        choosing.judging.keep(MODEL, "j1", replace(VERDICT, choice=number))
    choosing.choices.forget(MODEL, 3)
    choosing.choices.forget_prompts(["p1"])
    assert list(choosing.judging.of(MODEL, "j1")) == [1]
    new = NewChoice("p9", [], "1.0.0", "d1", "a", "base", "d0", "b", True)
    assert choosing.choices.add(MODEL, new)  # the id of one that went
    assert list(choosing.judging.of(MODEL, "j1")) == [1]


def test_what_judges_were_asked_goes_with_the_pairs_that_nobody_chose_between(choosing: Store) -> None:
    requests = choosing.teaching.requests
    for key, model, kind, records in (
        ("voted", MODEL, "verdict", ("choice 1", "record")), ("waits", MODEL, "verdict", ("choice 2",)),
        ("other prompt", MODEL, "verdict", ("choice 3",)), ("case", MODEL, "verdict", ("case 2",)),
        ("other model", "other", "verdict", ("choice 2",)), ("teacher", MODEL, "answer", ("choice 2",)),
    ):  # fmt: skip
        assert requests.begin(model, NewRequest(key, kind, "big", "big:1", {"text": key}, records))
    choosing.choices.forget_prompts(["p0", "p1"])
    assert {each.key for each in requests.all(MODEL)} == {"voted", "other prompt", "case", "teacher"}
    assert [each.key for each in requests.all("other")] == ["other model"]
    assert [each.id for each in choosing.choices.all(MODEL)] == [1, 3]


def test_a_copy_without_what_waits_has_no_verdict_on_it(choosing: Store, tmp_path: Path) -> None:
    for number in (1, 2):
        choosing.judging.keep(MODEL, "j1", replace(VERDICT, choice=number))
    choosing.copy_to(tmp_path / "copy.db", without=(NOT_CHOSEN_BETWEEN, NOT_ON_A_CHOICE))
    with Store(tmp_path / "copy.db") as copy:
        assert list(copy.judging.of(MODEL, "j1")) == [1]
        assert copy.rows("PRAGMA foreign_key_check") == []


def test_the_newest_judge_is_the_one_asked_last(store: Store, clock: HandClock) -> None:
    other = replace(JUDGE, id="j2", settings="s2", warnings=(), advice="")
    assert store.judging.newest(MODEL) is None
    for each in (JUDGE, other):
        store.judging.use(MODEL, each)
        clock.move_on()
    assert store.judging.newest(MODEL) == other
    assert store.judging.newest(MODEL, "s1") == JUDGE
    store.judging.use(MODEL, replace(JUDGE, advice=""))
    assert store.judging.newest(MODEL) == replace(JUDGE, advice="")
    assert store.judging.newest(MODEL, "s3") is None
    assert str(JUDGE) == "big (big:1, aaaaaaaaaaaa)"
    assert str(replace(JUDGE, digest="")) == "big (big:1)"


def test_looks_are_taken_once_and_all_goes_with_the_model(choosing: Store) -> None:
    new = NewComparison(MODEL, Purpose.CHALLENGE, "1.0.0", "d1", "base", "d0", 0.01, 30, 0)
    comparison = choosing.comparisons.begin(new)
    assert choosing.judging.add_look(MODEL, comparison.id, replace(LOOK, number=2, advice="no"))
    assert choosing.judging.add_look(MODEL, comparison.id, LOOK)
    assert not choosing.judging.add_look(MODEL, comparison.id, replace(LOOK, low=0.1))
    assert choosing.judging.looks(comparison.id) == [LOOK, replace(LOOK, number=2, advice="no")]
    choosing.judging.use(MODEL, JUDGE)
    choosing.judging.keep(MODEL, JUDGE.id, VERDICT)
    with choosing.transaction():
        forget_model(choosing, MODEL)
    assert rows_of(choosing, MODEL) == {}
