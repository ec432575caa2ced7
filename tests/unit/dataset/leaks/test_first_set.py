"""Which prompts the first frozen set is made of, where several origins gave some and groups stay together."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from adapterd.chat import Message, Role
from adapterd.dataset.examples import Example
from adapterd.dataset.leaks.first_set import FaultOf, FirstSet

START = datetime(2026, 1, 1, tzinfo=UTC)


def given_by(origin: str, count: int, *, sources: int = 0, first: int = 0) -> list[Example]:
    """So many prompts of an origin, oldest first; of each of the `sources` as many, none of any where there are 0."""
    return [
        Example(
            messages=(Message(Role.USER, f"{origin} {number}"),), completion="a", record=f"{origin} {number}",
            prompt_hash=f"{origin} {number}", created_at=START + timedelta(minutes=first + number), origin=origin,
            source_id=f"{origin} source {number % sources}" if sources else None,
        )
        for number in range(count)
    ]  # fmt: skip


def first_set(examples: Sequence[Example], size: int, unaskable: FaultOf = lambda _: "") -> list[Example]:
    newest_first = sorted(examples, key=lambda each: each.created_at, reverse=True)
    names = list(dict.fromkeys(each.source_id or each.prompt_hash for each in newest_first))
    groups = {each.prompt_hash: names.index(each.source_id or each.prompt_hash) for each in newest_first}
    return FirstSet(newest_first, groups, size, 0.5, unaskable).choose()[0]


def origins(chosen: Sequence[Example]) -> dict[str, int]:
    return dict(Counter(each.origin for each in chosen))


@pytest.mark.parametrize("sources", [1, 3, 40], ids=["one feed", "a few sources", "many sources"])
@pytest.mark.parametrize("flood", [100, 5_000])
def test_a_desk_judges_half_whatever_sources_its_prompts_are_of(sources: int, flood: int) -> None:
    examples = [*given_by("desk", 120, sources=sources), *given_by("shop", flood, first=10_000)]
    found = origins(first_set(examples, 40))
    assert found["desk"] == found["shop"] >= 18


def test_a_flood_of_one_source_does_not_keep_the_others_from_judging() -> None:
    examples = [*given_by("desk", 120), *given_by("shop", 2_000, sources=1, first=10_000)]
    assert origins(first_set(examples, 40)) == {"desk": 20, "shop": 20}


def test_a_flood_that_names_the_sources_of_the_desk_does_not_keep_it_from_judging() -> None:
    desk, shop = given_by("desk", 100, sources=100), given_by("shop", 5_000, sources=100, first=10_000)
    joined = [Example(**{**vars(each), "source_id": str(each.source_id).removeprefix(each.origin)}) for each in shop]
    desk = [Example(**{**vars(each), "source_id": str(each.source_id).removeprefix(each.origin)}) for each in desk]
    assert origins(first_set([*desk, *joined], 100)) == {"desk": 50, "shop": 50}


def test_single_prompts_are_of_as_few_sources_as_can_be() -> None:
    examples = [*given_by("desk", 90, sources=3), *given_by("shop", 100, first=10_000)]
    chosen = first_set(examples, 40)
    assert len({each.source_id for each in chosen if each.origin == "desk"}) == 1


def test_where_no_other_origin_can_be_asked_one_fills_the_set() -> None:
    examples = [*given_by("desk", 60), *given_by("shop", 500, first=10_000)]
    chosen = first_set(examples, 40, lambda each: "too long" if each.origin == "desk" else "")
    assert origins(chosen) == {"shop": 40}


def test_where_some_of_the_others_can_be_asked_a_flood_fills_half_at_most() -> None:
    examples = [*given_by("desk", 60), *given_by("shop", 500, first=10_000)]
    chosen = first_set(
        examples, 40, lambda each: "too long" if each.origin == "desk" and each.created_at.minute % 3 else ""
    )
    assert origins(chosen) == {"desk": 20, "shop": 20}
