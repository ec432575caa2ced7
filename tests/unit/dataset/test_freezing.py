"""Which prompts judge when a set is frozen by hand."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.chat import Message, Role
from adapterd.dataset.examples import Example
from adapterd.dataset.freezing import MOST_STRATA, Strategy, choose_cases
from adapterd.dataset.split import MIN_USABLE_PROMPTS
from adapterd.errors import NotEnoughDataError

START = datetime(2026, 1, 1, tzinfo=UTC)


def example(number: int, kind: str | None = None, completion: str = "a") -> Example:
    return Example(
        messages=(Message(Role.USER, f"prompt {number}"),), completion=completion, record=f"r{number}",
        prompt_hash=f"p{number}", created_at=START + timedelta(minutes=number), output_type=kind,
    )  # fmt: skip


KINDS = st.lists(st.sampled_from("abcde"), min_size=MIN_USABLE_PROMPTS, max_size=80)


@pytest.mark.parametrize("strategy", Strategy)
@given(KINDS, st.integers(MIN_USABLE_PROMPTS, 100))
def test_as_many_as_are_wanted_or_there_newest_first_and_none_twice(
    strategy: Strategy, kinds: list[str], size: int
) -> None:
    cases = choose_cases([example(n, kind) for n, kind in enumerate(kinds)], strategy, size)
    numbers = [int(case.id[1:]) for case in cases]
    assert len(cases) == min(size, len(kinds))
    assert numbers == sorted(set(numbers), reverse=True)


@given(KINDS, st.integers(MIN_USABLE_PROMPTS, 100))
def test_stratified_gives_every_kind_its_share_to_within_one(kinds: list[str], size: int) -> None:
    cases = choose_cases([example(n, kind) for n, kind in enumerate(kinds)], Strategy.STRATIFIED, size)
    chosen, all_ = Counter(kinds[int(case.id[1:])] for case in cases), Counter(kinds)
    for kind, count in all_.items():
        assert abs(chosen[kind] - len(cases) * count / len(kinds)) < 1


@given(KINDS)
def test_of_each_kind_the_newest_are_taken(kinds: list[str]) -> None:
    cases = choose_cases([example(n, kind) for n, kind in enumerate(kinds)], Strategy.STRATIFIED, MIN_USABLE_PROMPTS)
    chosen = {int(case.id[1:]) for case in cases}
    for kind in set(kinds):
        of_kind = [number for number, each in enumerate(kinds) if each == kind]
        taken = [number for number in of_kind if number in chosen]
        assert taken == of_kind[len(of_kind) - len(taken) :]


def test_temporal_takes_the_newest_of_all() -> None:
    cases = choose_cases([example(n) for n in range(40)], Strategy.TEMPORAL, 12)
    assert [case.id for case in cases] == [f"p{n}" for n in range(39, 27, -1)]


def test_where_answers_are_few_they_are_the_kinds() -> None:
    examples = [example(n, completion="war" if n % 10 else "sport") for n in range(100)]
    cases = choose_cases(examples, Strategy.STRATIFIED, 20)
    assert Counter(case.reference for case in cases) == {"war": 18, "sport": 2}


def test_where_every_answer_is_another_they_are_no_kinds() -> None:
    examples = [example(n, completion=f"text {n}") for n in range(MOST_STRATA + 10)]
    assert choose_cases(examples, Strategy.STRATIFIED, 10) == choose_cases(examples, Strategy.TEMPORAL, 10)


def test_several_answers_to_one_prompt_are_one_case_the_latest() -> None:
    examples = [example(n) for n in range(20)]
    again = Example(**{**vars(examples[3]), "completion": "better", "created_at": START + timedelta(days=9)})
    cases = choose_cases([*examples, again], Strategy.TEMPORAL, 10)
    assert (cases[0].id, cases[0].reference, len(cases)) == ("p3", "better", 10)


def test_too_few_prompts_make_no_set() -> None:
    with pytest.raises(
        NotEnoughDataError, match=f"there are {MIN_USABLE_PROMPTS - 1} prompts .*{MIN_USABLE_PROMPTS} are needed"
    ):
        choose_cases([example(n) for n in range(MIN_USABLE_PROMPTS - 1)], Strategy.TEMPORAL, 10)
