"""Two answers beside each other: which prompts, who is where, what a vote teaches and decides."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from adapterd.chat import Answer, ChatOptions, Message
from adapterd.errors import InputError, NotFoundError
from adapterd.evaluation.e_process import VOTE, EProcess
from adapterd.evaluation.rules import HUMAN_PREFERENCE
from adapterd.review import choices
from adapterd.review.choices import ASKED_FOR_EACH, Meter, make_choices, meter, next_choice, pair_of, vote
from adapterd.review.frame import Frame
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Purpose
from adapterd.store.reviews.choices import Choice, Vote
from tests.support.fakes import FakeRuntime
from tests.support.hand_clock import HandClock
from tests.unit.evidence.played import MODEL, SETTINGS, Played
from tests.unit.review.conftest import Asked

PROMPTS = 12


class Talking(FakeRuntime):
    """Answers with the tag's name, for some prompts with the same words whoever is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def chat(self, tag: str, messages: Sequence[Message], options: ChatOptions, *, logprobs: bool = False) -> Answer:
        self.asked.append(messages[-1].content)
        same = "alike" in messages[-1].content
        return Answer("the same" if same else f"I am {tag}", "stop", 1, 1, 0.1, 0.1)


@pytest.fixture
def played(store: Store, captured: Asked) -> Played:
    """A challenger of the base, and captured prompts."""
    for number in range(PROMPTS):
        captured(f"What happened in village {number}, which has {'x' * number} letters?", model=MODEL)
    made = Played.begun(store, HandClock())
    made.challenger("1.0.0", 0.1)
    return made


@pytest.fixture
def choices_of(played: Played, store: Store, frame: Callable[[], Frame]) -> Callable[[int], list[Choice]]:
    """Has both versions answer so many prompts; gives all that wait."""

    def make(count: int) -> list[Choice]:
        pair = pair_of(store, MODEL)
        make_choices(replace(frame(), model=MODEL), pair, Talking(), SETTINGS, count)
        return store.choices.waiting(MODEL, pair.ours_digest, pair.theirs_digest)

    return make


def test_the_challenger_and_live_answer_prompts_that_nobody_has_judged(
    choices_of: Callable[[int], list[Choice]], store: Store, captured: Asked
) -> None:
    found = choices_of(5)
    assert len(found) == 5
    assert {(each.ours_answer, each.theirs_answer) for each in found} == {(f"I am {MODEL}:1.0.0", f"I am {MODEL}:base")}
    assert len(choices_of(100)) == PROMPTS
    assert len({each.prompt_hash for each in choices_of(1)}) == PROMPTS


def test_what_was_said_since_it_began_chooses_no_prompts_and_nearly_the_same_is_one(
    played: Played, choices_of: Callable[[int], list[Choice]], store: Store, captured: Asked
) -> None:
    from adapterd.intake.http_intake import take_posted

    prompt = "What happened in village 0, which has  letters?"
    take_posted(store, MODEL, [{"prompt": prompt, "output": "x", "rating": 1}])
    text = "The council of the town has met on Monday and decided to mend the old bridge over the river this year"
    captured(text, model=MODEL)
    captured(text + ".", model=MODEL)
    found = [each.messages[-1]["content"] for each in choices_of(100)]
    assert prompt in found  # or the prompts would be those that live answered badly
    assert len([each for each in found if each.startswith("The council")]) == 1


def test_answers_that_are_the_same_are_no_choice_and_are_asked_once(
    played: Played, frame: Callable[[], Frame], store: Store, captured: Asked
) -> None:
    captured("alike", model=MODEL)
    runtime = Talking()
    made = make_choices(replace(frame(), model=MODEL), pair_of(store, MODEL), runtime, SETTINGS, 100)
    assert made == PROMPTS
    make_choices(replace(frame(), model=MODEL), pair_of(store, MODEL), runtime, SETTINGS, 100)
    assert runtime.asked.count("alike") == 2
    assert meter(store, MODEL, SETTINGS, pair_of(store, MODEL)).votes == 0


def test_two_that_answer_alike_are_not_asked_for_ever(
    played: Played, frame: Callable[[], Frame], store: Store, captured: Asked
) -> None:
    for number in range(40):
        captured(f"alike, whatever was said of number {number} in year {number * 7}", model=MODEL)
    runtime = Talking()
    pair = pair_of(store, MODEL)
    make_choices(replace(frame(), model=MODEL), pair, runtime, SETTINGS, 1)
    assert len(runtime.asked) <= 2 * ASKED_FOR_EACH


def test_a_vote_on_a_pair_that_went_is_not_taken_for_one_on_another(
    choices_of: Callable[[int], list[Choice]], store: Store
) -> None:
    *_, last = choices_of(3)
    vote(store, MODEL, SETTINGS, last, Vote.TIE)
    store.choices.forget(MODEL, last.id)
    [new] = [each for each in choices_of(1) if each.id >= last.id]
    vote(store, MODEL, SETTINGS, new, Vote.OURS)
    assert new.id > last.id
    counted = meter(store, MODEL, SETTINGS, pair_of(store, MODEL))
    assert (counted.ours, counted.neither) == (1, 1)


def test_prompts_are_found_behind_all_that_were_asked_or_judged(
    played: Played, choices_of: Callable[[int], list[Choice]], store: Store, captured: Asked,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(choices, "LOOKED_AT", 3)
    assert len(choices_of(4)) == 4
    assert len(choices_of(PROMPTS)) == PROMPTS
    store.execute("DELETE FROM choices")
    monkeypatch.setattr(store.feedback, "known_prompts", lambda _model, hashes, **_more: {*[*hashes][:2]})
    assert len(choices_of(PROMPTS)) == PROMPTS // 3


def test_a_vote_counts_though_a_version_is_gone(choices_of: Callable[[int], list[Choice]], store: Store) -> None:
    [choice, *_] = choices_of(1)
    store.execute("DELETE FROM versions WHERE version = ?", (choice.ours,))
    vote(store, MODEL, SETTINGS, choice, Vote.OURS)
    assert len(store.choices.voted(MODEL)) == 1


def test_sides_are_by_chance(choices_of: Callable[[int], list[Choice]]) -> None:
    """All twelve on one side have a probability of 1 in 2,048; three times, none."""
    sides = {each.ours_first for each in choices_of(100)}
    assert sides == {True, False}


@pytest.mark.parametrize(
    ("given", "correction", "taught"),
    [
        (Vote.OURS, None, {"output": "I am m:1.0.0", "rejected_output": "I am m:base", "correction": None}),
        (Vote.THEIRS, None, {"output": "I am m:base", "rejected_output": "I am m:1.0.0", "correction": None}),
        (Vote.THEIRS, "right", {"output": "I am m:base", "rejected_output": "I am m:1.0.0", "correction": "right"}),
        (Vote.BOTH_BAD, "right", {"output": "I am m:base", "rejected_output": None, "correction": "right"}),
        (Vote.TIE, None, None),
        (Vote.BOTH_BAD, None, None),
    ],
)
def test_what_a_vote_teaches(
    choices_of: Callable[[int], list[Choice]],
    store: Store,
    given: Vote,
    correction: str | None,
    taught: dict[str, object],
) -> None:
    vote(store, MODEL, SETTINGS, choices_of(1)[0], given, correction)
    records = [json.loads(row.record) for row in store.feedback.all(MODEL)]
    assert [{name: each[name] for name in taught} for each in records] == ([taught] if taught else [])


def test_votes_are_evidence_of_their_own_kind(choices_of: Callable[[int], list[Choice]], store: Store) -> None:
    votes = [Vote.OURS] * 6 + [Vote.THEIRS] + [Vote.TIE, Vote.BOTH_BAD]
    for choice, given in zip(choices_of(100), votes, strict=False):
        vote(store, MODEL, SETTINGS, choice, given)
    comparison = store.comparisons.open(MODEL, Purpose.CHALLENGE)
    assert comparison
    [look] = store.comparisons.looks(comparison.id)
    assert [case.differences[HUMAN_PREFERENCE] for case in look.cases] == [1.0] * 6 + [-1.0, 0.0, 0.0]
    assert {(case.kind, case.origin) for case in look.cases} == {(VOTE, "")}
    wanted = EProcess(comparison.level, horizon=comparison.horizon)
    for each in (1, 1, 1, 1, 1, 1, -1, 0, 0):
        wanted = wanted.after(np.array([float(each)]), kind=VOTE)
    found = meter(store, MODEL, SETTINGS, pair_of(store, MODEL))
    assert found.way == pytest.approx(float(wanted.way))
    assert (found.ours, found.theirs, found.neither, found.votes) == (6, 1, 2, 9)
    assert found.votes_left


def test_so_many_votes_as_the_meter_says_prove_it(
    choices_of: Callable[[int], list[Choice]], store: Store, captured: Asked
) -> None:
    for number in range(60):
        captured(f"Who won the race {number} of year {1900 + number}?", model=MODEL)
    choices = choices_of(100)
    left = meter(store, MODEL, SETTINGS, pair_of(store, MODEL)).votes_left
    assert left
    assert left < len(choices)
    seen: list[Meter] = []
    for choice in choices[:left]:
        seen.append(meter(store, MODEL, SETTINGS, pair_of(store, MODEL)))
        vote(store, MODEL, SETTINGS, choice, Vote.OURS)
    assert [each.way < 1 for each in seen] == [True] * left
    last = meter(store, MODEL, SETTINGS, pair_of(store, MODEL))
    assert "the next night makes it live" in last.text


def test_no_vote_is_given_twice(choices_of: Callable[[int], list[Choice]], store: Store) -> None:
    [choice, *_] = choices_of(1)
    vote(store, MODEL, SETTINGS, choice, Vote.OURS)
    with pytest.raises(InputError, match="made already"):
        vote(store, MODEL, SETTINGS, choice, Vote.THEIRS)
    assert len(store.feedback.all(MODEL)) == 1
    assert next_choice(store, MODEL, pair_of(store, MODEL)) is None


def test_votes_on_two_others_decide_nothing(played: Played, store: Store, frame: Callable[[], Frame]) -> None:
    played.candidate("1.1.0", 0.2)
    pair = pair_of(store, MODEL, "1.1.0", "1.0.0")
    make_choices(replace(frame(), model=MODEL), pair, Talking(), SETTINGS, 1)
    choice = next_choice(store, MODEL, pair)
    assert choice
    vote(store, MODEL, SETTINGS, choice, Vote.OURS)
    comparison = store.comparisons.open(MODEL, Purpose.CHALLENGE)
    assert comparison
    assert store.comparisons.looks(comparison.id) == []
    assert "decide nothing" in meter(store, MODEL, SETTINGS, pair).text


@pytest.mark.parametrize(
    ("ours", "theirs", "error", "why"),
    [
        ("9.9.9", None, NotFoundError, "no version"),
        ("1.0.0", "1.0.0", InputError, "two different"),
        ("1.0.0", "9.9.9", NotFoundError, "no version"),
    ],
)
def test_a_pair_that_is_none_is_said(
    played: Played, store: Store, ours: str, theirs: str | None, error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        pair_of(store, MODEL, ours, theirs)


def test_without_a_challenger_two_versions_are_to_be_named(store: Store) -> None:
    with pytest.raises(NotFoundError, match="no version that is live"):
        pair_of(store, MODEL)
    Played.begun(store, HandClock())
    with pytest.raises(NotFoundError, match="no challenger"):
        pair_of(store, MODEL)


def test_a_vote_that_is_taken_back_closes_what_it_is_evidence_of(
    choices_of: Callable[[int], list[Choice]], store: Store
) -> None:
    vote(store, MODEL, SETTINGS, choices_of(1)[0], Vote.OURS)
    [row] = store.feedback.all(MODEL)
    store.comparisons.forget(MODEL, [row.content_hash])
    assert store.comparisons.open(MODEL, Purpose.CHALLENGE) is None


def test_a_prompt_that_was_known_when_it_began_is_not_taken(
    store: Store, captured: Asked, frame: Callable[[], Frame]
) -> None:
    from adapterd.intake.http_intake import take_posted

    captured("Who won the race?", model=MODEL)
    captured("What happened in the village of the north?", model=MODEL)
    take_posted(store, MODEL, [{"prompt": "Who won the race?", "output": "x", "rating": 1}])
    Played.begun(store, HandClock()).challenger("1.0.0", 0.1)
    pair = pair_of(store, MODEL)
    assert make_choices(replace(frame(), model=MODEL), pair, Talking(), SETTINGS, 10) == 1
