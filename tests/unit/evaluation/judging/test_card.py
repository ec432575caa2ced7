"""The card of a judge: what it says of judges of which it is known what is wrong with them."""

import json
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pytest

from adapterd.errors import InputError
from adapterd.evaluation.bounded_mean import Array
from adapterd.evaluation.judging.agreement import Coefficient, kappa, kendall, spearman
from adapterd.evaluation.judging.ask import PairVerdict
from adapterd.evaluation.judging.card import JudgeCard, SeenPair, card_of
from adapterd.evaluation.judging.families import ModelIdentity, family_warnings, stems
from adapterd.serialization import plain_converter

RANDOM = np.random.default_rng(0)
PEOPLE = [float(each) for each in RANDOM.choice([1.0, 0.0, -1.0], 80, p=[0.5, 0.2, 0.3])]


def pairs(verdicts: list[PairVerdict], ours: list[int] | None = None) -> list[SeenPair]:
    lengths = ours or [100] * len(verdicts)
    return [
        SeenPair(verdict, said, length, 100) for verdict, said, length in zip(verdicts, PEOPLE, lengths, strict=True)
    ]


def test_card_of_a_judge_that_agrees() -> None:
    card = card_of("judge", pairs([PairVerdict(each, each) for each in PEOPLE]))
    assert card.kappa.value == pytest.approx(1.0)
    assert card.kappa.low < 0.99
    assert card.flips.count == 0
    assert (card.agrees, card.why_advice) == (True, "")


def test_card_of_a_judge_by_chance_only_advises() -> None:
    verdicts = [float(each) for each in np.random.default_rng(1).permutation(PEOPLE)]
    card = card_of("judge", pairs([PairVerdict(each, each) for each in verdicts]))
    assert not card.agrees
    assert "not shown that the judge agrees" in card.sentences()[0]


def test_card_of_a_judge_that_takes_the_first() -> None:
    card = card_of("judge", pairs([PairVerdict(1.0, -1.0)] * 60 + [PairVerdict(each, each) for each in PEOPLE[60:]]))
    assert (card.flips.count, card.flips.of) == (60, 80)
    assert any("favours the answer shown first" in each for each in card.sentences())


def test_card_of_a_judge_that_takes_the_longer() -> None:
    lengths = [int(each) for each in np.random.default_rng(2).choice([50, 200], 80)]
    verdicts = [PairVerdict(side, side) for side in (1.0 if each > 100 else -1.0 for each in lengths)]
    card = card_of("judge", pairs(verdicts, lengths))
    assert card.length.judge.value == 1.0
    assert any("favours longer answers more than people do" in each for each in card.sentences())


def test_few_votes_only_advise_and_invalid_verdicts_are_counted() -> None:
    seen = [SeenPair(PairVerdict(None, 1.0), 1.0, 1, 1), *(SeenPair(PairVerdict(1.0, 1.0), 1.0, 1, 1, 1.0),) * 9]
    card = card_of("judge", seen, ["A warning."])
    assert (card.pairs, card.invalid, card.voted, card.votes) == (10, 1, 10, 9)
    assert card.sentences()[0] == "A warning."
    assert "10 of the 30 votes" in card.why_advice  # as many as people gave, whatever the judge said
    assert any("1 of 10 pairs have no verdict" in each and "ties of the judge" in each for each in card.sentences())
    assert (card.repeated.count, card.repeated.of) == (9, 9)


@pytest.mark.parametrize("seen", [[], pairs([PairVerdict(each, each) for each in PEOPLE])])
def test_card_is_kept_as_json(seen: list[SeenPair]) -> None:
    card = card_of("judge", seen)
    text = json.dumps(asdict(card), allow_nan=False)
    assert plain_converter().structure(json.loads(text), JudgeCard) == card


def test_votes_outside_of_the_scale_are_refused() -> None:
    with pytest.raises(InputError, match="from -1 to 1"):
        card_of("judge", [SeenPair(PairVerdict(1.0, 1.0), 2.0, 1, 1)])


def test_coefficients_are_those_of_the_textbook() -> None:
    people, judge = np.array([1.0, 1, 0, -1] * 10), np.array([1.0, 0, 0, -1] * 10)
    assert kappa(people, judge).value == pytest.approx((0.75 - 0.3125) / (1 - 0.3125))
    assert spearman(people, people).value == pytest.approx(1)
    assert kendall(people, -people).value == pytest.approx(-1)
    assert kappa(people[:19], judge[:19]).value is None
    assert spearman(people, np.zeros(40)).value is None
    assert kappa(people, np.ones(40)).value is None


@pytest.mark.parametrize("measure", [kappa, spearman, kendall])
def test_it_does_not_matter_which_side_is_called_ours(measure: Callable[[Array, Array], Coefficient]) -> None:
    random = np.random.default_rng(7)
    people, judge = random.choice([1.0, -1.0], 40, p=[0.9, 0.1]), random.choice([1.0, 0.0, -1.0], 40)
    found, turned = measure(people, judge), measure(-people, -judge)
    assert (found.low, found.high) == pytest.approx((turned.low, turned.high))
    assert found.low < 0 < found.high


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("qwen2.5:7b-instruct", {"qwen"}), ("hf.co/org/Qwen2.5-7B-Instruct-GGUF:Q4_K_M", {"qwen"}),
        ("smollm2:135m", {"smollm"}), ("deepseek-r1-distill-qwen", {"deepseek", "qwen"}), ("my-model", set()),
    ],
)  # fmt: skip
def test_names_have_the_words_of_their_family(name: str, expected: set[str]) -> None:
    assert stems(name) == expected


@pytest.mark.parametrize(
    ("judge", "student", "warning"),
    [
        (("qwen3:14b", "qwen3"), ("qwen2.5:0.5b", "qwen2"), "both called qwen"),
        (("big-judge", "qwen3moe"), ("newsbrief", "qwen2"), "same architecture"),
        (("a:1", ""), ("a:1", ""), "judges its own answers"),
        (("gemma3:27b", "gemma3"), ("smollm2", "llama"), ""),
        (("one", ""), ("other", ""), ""),
    ],
)
def test_judge_of_the_same_family_is_warned_of(judge: tuple[str, str], student: tuple[str, str], warning: str) -> None:
    found = family_warnings(ModelIdentity(*judge), [("student", ModelIdentity(*student))])
    assert len(found) == bool(warning)
    assert warning in "".join(found)
