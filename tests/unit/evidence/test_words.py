"""Sentences on where a comparison stands."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from adapterd.evidence import words
from adapterd.evidence.standing import Standing
from adapterd.home import Home
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Comparison, Counts, Purpose
from tests.support.compared_versions import add_night, begin
from tests.support.hand_clock import HandClock


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    with Store(home.database, clock=HandClock()) as opened:
        yield opened


def standing(comparison: Comparison) -> Standing:
    found = Standing.from_plain(comparison.standing)
    assert found is not None
    return found


def test_a_challenger_says_how_much_better_how_far_and_how_long(store: Store) -> None:
    found = add_night(store, begin(store), [0.2, 0.1] * 5)
    stands = words.stands(found, standing(found))
    assert stands.startswith("0.150 better than 1.2.0 on 10 fresh cases, ")
    assert "% of the way; about " in stands
    assert stands.endswith(" nights more at today's pace"), "nobody votes, so nothing is said of votes"
    assert words.waits(found, standing(found)) == f"not proven: {stands}"


def test_a_challenger_that_does_worse_comes_no_nearer(store: Store) -> None:
    found = add_night(store, begin(store), [-0.3] * 10)
    assert "0.300 worse than 1.2.0 on 10 fresh cases, 0% of the way; it comes no nearer so far" in words.stands(
        found, standing(found)
    )


def test_where_people_vote_the_votes_that_would_prove_it_are_told(store: Store) -> None:
    found = add_night(store, begin(store), [0.2, 0.1] * 5)
    voted = replace(standing(found), votes=3, votes_left=9)
    assert words.stands(found, voted).endswith("at today's pace, or 9 votes")


def test_no_difference_is_told_as_none(store: Store) -> None:
    found = add_night(store, begin(store), [0.1, -0.1] * 5)
    assert words.stands(found, standing(found)).startswith("as good as 1.2.0 on 10 fresh cases, 0% of the way")
    watch = add_night(store, begin(store, "1.1.0", "1.2.0", purpose=Purpose.WATCH), [0.1, -0.1] * 5)
    assert ": as good as before on 10 fresh cases" in words.watched(watch, standing(watch))


def test_only_corrections_of_mistakes_decide_nothing_and_say_what_is_missing(store: Store) -> None:
    found = add_night(store, begin(store), [0.4] * 12, counts=Counts.SHOWN)
    stands = words.stands(found, standing(found))
    assert stands.startswith("no fresh case yet compares it with 1.2.0; 12 corrections of what 1.2.0 or 1.3.0 had ")
    assert words.NEEDED in stands


@pytest.mark.parametrize(
    ("difference", "said"),
    [(-0.1, "0.100 better than before on 10 fresh cases, no sign against it"), (0.1, "0.100 worse than before")],
)
def test_the_watch_tells_of_what_is_live(store: Store, difference: float, said: str) -> None:
    comparison = begin(store, "1.1.0", "1.2.0", purpose=Purpose.WATCH)
    found = add_night(store, comparison, [difference] * 10, rail=0.1)
    told = words.watched(found, standing(found))
    assert told.startswith(f"watched against 1.1.0 since 2026-01-02: {said}")
    assert ("to a proof against it" in told) is (difference > 0)
