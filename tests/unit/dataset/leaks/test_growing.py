"""How a frozen set grows: by a share of new prompts that were never trained on, whoever looks and when."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.chat import Message, Role
from adapterd.config import DatasetSettings
from adapterd.dataset.cases import EvaluationCase
from adapterd.dataset.examples import Example
from adapterd.dataset.leaks.growing import NewPrompts, joins
from adapterd.dataset.split import Split, split
from tests.unit.dataset.leaks.test_sources import text

START = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = DatasetSettings(growing_share=0.3)


def example(number: int, source: str | None = None, origin: str = "app", words: str = "") -> Example:
    return Example(
        messages=(Message(Role.USER, words or text(number)),),
        completion="answer",
        record=f"r{number}",
        prompt_hash=f"p{number}",
        created_at=START + timedelta(hours=number),
        source_id=source,
        origin=origin,
    )


def examples(first: int, count: int, origin: str = "app") -> list[Example]:
    return [example(number, origin=origin) for number in range(first, first + count)]


class Season:
    """Runs one after the other: what one has trained on is known to the next, and so is the set in force."""

    def __init__(self, chosen: DatasetSettings = SETTINGS) -> None:
        self.chosen = chosen
        self.known: list[Example] = []
        self.frozen: list[EvaluationCase] = []
        self.waiting: frozenset[str] = frozenset()
        self.trained: set[str] = set()
        self.sizes: list[int] = []

    def run(self, coming: Sequence[Example]) -> Split:
        self.known = [*self.known, *coming]
        new = NewPrompts({each.prompt_hash for each in coming}, self.waiting)
        judged = {case.id for case in self.frozen}
        sets = split(self.known, self.chosen, frozen=self.frozen, evaluation_prompt_hashes=judged, new=new)
        taught = {each.prompt_hash for each in (*sets.train, *sets.validation)}
        self.frozen, self.waiting = sets.evaluation, frozenset(sets.newcomers.waiting)
        self.trained |= taught
        self.sizes.append(len(self.frozen))
        assert not taught & self.waiting
        return sets

    @property
    def held_out(self) -> set[str]:
        return {case.id for case in self.frozen} | self.waiting


@settings(deadline=None, max_examples=10)
@given(st.lists(st.integers(1, 12), min_size=3, max_size=12), st.randoms(use_true_random=False))
def test_no_version_was_trained_on_what_is_held_out_and_it_stays_bounded(
    nights: list[int], chance: random.Random
) -> None:
    season = Season(replace(SETTINGS, evaluation_max=chance.randrange(8, 30)))
    season.run(examples(0, 40))
    first = [case.id for case in season.frozen]
    for count in nights:
        before = season.frozen
        season.run(examples(len(season.known), count))
        assert season.frozen[: len(before)] == before
        assert not season.trained & season.held_out
        assert len(season.held_out) <= max(season.chosen.evaluation_max, len(first))


def test_the_choice_does_not_depend_on_when_somebody_looks() -> None:
    by_night, at_once = Season(), Season()
    for season in (by_night, at_once):
        season.run(examples(0, 40))
    coming = examples(40, 24)
    for number in range(0, len(coming), 3):
        by_night.run(coming[number : number + 3])
    at_once.run(coming)
    assert by_night.held_out == at_once.held_out
    assert by_night.held_out - {case.id for case in by_night.frozen[:8]} == {
        each.prompt_hash for each in coming if joins(each.prompt_hash, 0.3)
    }


def test_the_share_of_new_prompts_joins() -> None:
    drawn = sum(joins(f"prompt {number}", 0.05) for number in range(10_000))
    assert 400 < drawn < 600
    assert not any(joins(f"prompt {number}", 0.0) for number in range(100))


@pytest.mark.parametrize(("words", "is_left_out"), [("Please: {}", True), ("{}!", True), ("Another thing.", False)])
def test_nothing_joins_that_is_nearly_a_prompt_that_a_teacher_answered(words: str, is_left_out: bool) -> None:
    season = Season()
    known = season.run(examples(0, 40))
    coming = examples(40, 24)
    drawn = next(each for each in coming if joins(each.prompt_hash, 0.3))
    answered = (Message(Role.USER, words.format(drawn.messages[-1].content)),)
    joining = [
        split(
            [*season.known, *coming], SETTINGS, frozen=known.evaluation,
            evaluation_prompt_hashes={case.id for case in known.evaluation},
            new=NewPrompts({each.prompt_hash for each in coming}, answered=given),
        ).newcomers.examples
        for given in ([], [answered])
    ]  # fmt: skip
    before, after = ({each.prompt_hash for each in some} for some in joining)
    assert before - after == ({drawn.prompt_hash} if is_left_out else set())
    assert after <= before


def test_a_set_grows_by_several_cases_at_a_time() -> None:
    season = Season()
    season.run(examples(0, 40))
    for number in range(40, 140, 4):
        season.run(examples(number, 4))
    steps = [after - before for before, after in zip(season.sizes, season.sizes[1:], strict=False) if after > before]
    assert min(steps) >= 5
    assert len(steps) >= 4


def of_source(name: str, numbers: Sequence[int]) -> list[Example]:
    return [example(number, name) for number in numbers]


def name_that(joins_the_set: bool) -> str:
    return next(f"s{n}" for n in range(1000) if joins(f"s{n}", SETTINGS.growing_share) is joins_the_set)


@pytest.mark.parametrize("joins_the_set", [True, False])
def test_a_source_goes_as_a_whole(joins_the_set: bool) -> None:
    season = Season()
    season.run(examples(0, 40))
    season.run(of_source(name_that(joins_the_set), range(40, 46)))
    held = {f"p{number}" for number in range(40, 46)} & season.held_out
    assert len(held) == (6 if joins_the_set else 0)


def test_a_source_that_was_trained_on_does_not_join() -> None:
    season, name = Season(), name_that(True)
    season.run([*of_source(name, range(3)), *examples(3, 40)])
    assert "p0" in season.trained
    season.run(of_source(name, range(50, 53)))
    assert not {"p50", "p51", "p52"} & season.held_out


def drawn_numbers(first: int, count: int) -> list[int]:
    numbers = (n for n in range(first, first + 1000) if joins(f"p{n}", SETTINGS.growing_share))
    return [next(numbers) for _ in range(count)]


def test_a_near_duplicate_of_what_was_trained_on_does_not_join() -> None:
    season, [like, other] = Season(), drawn_numbers(50, 2)
    season.run(examples(0, 40))
    assert "p1" in season.trained
    sets = season.run([example(like, words=text(1, changes=2)), example(other)])
    assert season.waiting == {f"p{other}"}
    assert f"p{like}" in {each.prompt_hash for each in (*sets.train, *sets.validation)}


def test_a_near_duplicate_of_what_joins_is_not_trained_on() -> None:
    season, [joining] = Season(), drawn_numbers(50, 1)
    season.run(examples(0, 40))
    sets = season.run([example(joining), example(2000, words=text(joining, changes=2))])
    assert season.waiting == {f"p{joining}"}
    assert sets.near_duplicates == 1


def test_one_origin_that_sends_a_lot_gets_no_more_than_its_share() -> None:
    season = Season(replace(SETTINGS, growing_share=0.9))
    season.run([*examples(0, 30), *examples(30, 10, origin="shop")])
    for night in range(6):
        season.run(examples(100 + 30 * night, 30, origin="burst"))
    given_by = Counter(case.origin for case in season.frozen)
    assert given_by["burst"] <= 0.5 * len(season.frozen)
    assert given_by["burst"] > 0


def test_one_night_adds_a_quarter_or_ten_cases_at_most() -> None:
    season = Season(replace(SETTINGS, growing_share=0.9))
    season.run(examples(0, 40))
    season.run(examples(40, 200))
    assert season.sizes == [8, 18]


def test_nothing_joins_where_it_is_turned_off() -> None:
    season = Season()
    season.run(examples(0, 40))
    season.run([example(number) for number in drawn_numbers(50, 2)])
    assert len(season.waiting) == 2
    season.chosen = replace(SETTINGS, growing_share=0.0)
    season.run(examples(2000, 10))
    assert not season.waiting
    assert len(season.frozen) == 8


def test_what_cannot_be_asked_does_not_join() -> None:
    coming = [example(number) for number in drawn_numbers(50, 2)]
    frozen = split(examples(0, 40), SETTINGS, frozen=(), evaluation_prompt_hashes=set()).evaluation
    divided = partial(
        split, [*examples(0, 40), *coming], SETTINGS, frozen=frozen,
        evaluation_prompt_hashes={case.id for case in frozen}, new=NewPrompts({each.prompt_hash for each in coming}),
    )  # fmt: skip
    odd = coming[0].record
    assert len(divided().newcomers.waiting) == 2
    sets = divided(unaskable=lambda each: "too long" if each.record == odd else "")
    assert sets.newcomers.waiting == [coming[1].prompt_hash]
    assert odd in {each.record for each in (*sets.train, *sets.validation)}


def test_a_waiting_prompt_that_was_taken_back_waits_no_longer() -> None:
    season = Season()
    season.run(examples(0, 40))
    season.run([example(number) for number in drawn_numbers(50, 1)])
    season.known.pop()
    season.run(examples(2000, 1))
    assert not season.waiting & {f"p{number}" for number in drawn_numbers(50, 1)}
