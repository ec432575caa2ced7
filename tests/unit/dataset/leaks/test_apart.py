"""Validation has no near-duplicates in training."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.chat import Message, Prompt, Role
from adapterd.dataset.leaks.apart import validating_apart
from adapterd.dataset.leaks.near_duplicates import near_duplicates_of
from adapterd.dataset.validation import Arrival, most_that_validate, validating
from tests.unit.dataset.leaks.test_sources import text

START = datetime(2026, 1, 1, tzinfo=UTC)
SHARE = 0.1


def prompts_of(groups: list[int]) -> dict[str, Prompt]:
    """As many near-duplicates of a text as each number says, in any order."""
    texts = [text(number, changes) for number, size in enumerate(groups) for changes in range(size)]
    random.Random(len(texts)).shuffle(texts)
    return {f"p{place}": (Message(Role.USER, each),) for place, each in enumerate(texts)}


def arrivals_of(prompts: Mapping[str, Prompt]) -> list[Arrival]:
    return [Arrival(name, None, START + timedelta(hours=number)) for number, name in enumerate(prompts)]


def alike_in_training(validation: set[str], prompts: Mapping[str, Prompt]) -> int:
    trained = [each for name, each in prompts.items() if name not in validation]
    return sum(near_duplicates_of([prompts[each] for each in sorted(validation)], trained))


@settings(deadline=None, max_examples=10)
@given(st.lists(st.integers(1, 4), min_size=30, max_size=60))
def test_no_near_duplicate_of_what_validates_is_trained_on(groups: list[int]) -> None:
    prompts = prompts_of(groups)
    found = validating_apart(arrivals_of(prompts), prompts, SHARE)
    assert found.alike_in_training == 0
    assert alike_in_training(set(found.prompts), prompts) == 0
    assert 1 <= len(found.prompts) <= most_that_validate(len(prompts), SHARE)


def test_without_near_duplicates_the_sample_is_as_it_was() -> None:
    prompts = prompts_of([1] * 80)
    found = validating_apart(arrivals_of(prompts), prompts, SHARE)
    assert found.prompts == validating(arrivals_of(prompts), prompts.keys(), SHARE)
    assert not found.moved


def test_what_was_sampled_and_is_trained_on_is_counted() -> None:
    prompts = prompts_of([2] * 40)
    first = validating(arrivals_of(prompts), prompts.keys(), SHARE)
    assert alike_in_training(first, prompts) > 0
    found = validating_apart(arrivals_of(prompts), prompts, SHARE)
    assert found.moved == first - found.prompts
    assert found.moved


def test_where_all_are_near_duplicates_some_validate_and_it_is_said() -> None:
    prompts = prompts_of([12])
    found = validating_apart(arrivals_of(prompts), prompts, SHARE)
    assert found.alike_in_training == len(found.prompts) == 1
    assert not found.moved
