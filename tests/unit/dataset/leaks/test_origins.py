"""How many cases each origin may have."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.dataset.leaks.origins import ENOUGH, in_words, places_by_origin


@pytest.mark.parametrize(
    ("prompts", "size", "share", "places"),
    [
        ({"desk": 50, "shop": 10_000}, 200, 0.5, {"desk": 25, "shop": 25}),
        ({"desk": 500, "shop": 500}, 200, 0.5, {"desk": 100, "shop": 100}),
        ({"desk": 500, "shop": 300, "web": 300}, 90, 0.2, {"desk": 30, "shop": 30, "web": 30}),
        ({"desk": 9, "shop": 1000}, 200, 0.5, {"desk": 9, "shop": 1000}),
        ({"desk": 1000}, 200, 0.5, {"desk": 1000}),
        ({"desk": 50, "shop": 1000}, 200, 1.0, {"desk": 50, "shop": 1000}),
    ],
    ids=["a flood", "equals", "three", "too few others", "alone", "no limit"],
)
def test_places_of_each_origin(prompts: Mapping[str, int], size: int, share: float, places: Mapping[str, int]) -> None:
    assert places_by_origin(prompts, size, share) == places


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 3000), min_size=2), st.integers(10, 300))
def test_no_origin_has_more_than_half_where_the_others_are_enough(prompts: dict[str, int], size: int) -> None:
    places = places_by_origin(prompts, size, 0.5)
    total = sum(prompts.values())
    if all(total - count >= ENOUGH for count in prompts.values()):
        filled = min(size, sum(places.values()))
        assert max(places.values()) <= max(1, filled / 2 + 0.5)


def test_origins_are_named_the_largest_first() -> None:
    assert in_words({"http": 3, "desk": 12, "file": 3}) == "desk 12, file 3, http 3"
