"""Where a comparison stands: by a computation with the hand, and by what no origin, guard rail or vote may do alone."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest

from adapterd.evaluation.e_process import VOTE
from adapterd.evidence.standing import Standing
from adapterd.evidence.weighing import standing_of
from adapterd.serving.tags import BASE
from adapterd.store.evidence.comparisons import CaseEvidence, Comparison, ComparisonState, Counts, Look, Purpose
from tests.unit.evidence.played import PRIMARY, RAIL, evidence

AT = datetime(2026, 1, 2, tzinfo=UTC)
LEVEL, HORIZON = 0.0125, 300
HALF = 0.5


def comparison(theirs: str = "1.0.0") -> Comparison:
    return Comparison(
        "m", Purpose.CHALLENGE, "1.1.0", "d1", theirs, "d0", LEVEL, HORIZON, 0,
        id=1, seen_id=0, began_at=AT, state=ComparisonState.OPEN, reason="", ended_at=None, log_capital=None,
        standing={},
    )  # fmt: skip


def nights(*cases: Sequence[CaseEvidence]) -> list[Look]:
    return [Look(number, AT, tuple(each)) for number, each in enumerate(cases, start=1)]


def stands(looks: Sequence[Look], rails: Sequence[str] = (), *, theirs: str = "1.0.0") -> Standing:
    return standing_of(comparison(theirs), looks, PRIMARY, rails, HALF)


def said(differences: Sequence[float], start: int = 0, **more: object) -> list[CaseEvidence]:
    """One case for each difference."""
    return [evidence(number, {PRIMARY: each}, **more) for number, each in enumerate(differences, start)]  # type: ignore[arg-type]


def log_capital_by_hand(looks: Sequence[Sequence[float]], null: float = 0.0) -> list[float]:
    """The logarithm of the capital after each night, by the formula of the paper that e_process.py names."""
    count = total = squares = log = 0.0
    found = []
    for night in looks:
        variance = (0.25 + squares - total**2 / (count + 1)) / (count + 1)
        bet = min(math.sqrt(2 * math.log(1 / LEVEL) / (max(HORIZON, count) * variance)), 0.98 / (null + 1))
        log += sum(math.log(1 + bet * (each - null)) for each in night)
        count, total, squares = count + len(night), total + sum(night), squares + sum(each**2 for each in night)
        found.append(log)
    return found


def test_it_is_what_the_hand_computes() -> None:
    days = [[0.5, -0.25, 1.0], [0.0, 0.125], [-0.5, 0.75, 0.25, 0.5]]
    looks = nights(said(days[0]), said(days[1], 10), said(days[2], 20))
    found, by_hand = stands(looks), log_capital_by_hand(days)
    everything = [each for day in days for each in day]
    assert (found.cases, found.votes, found.shown, found.units) == (9, 0, 0, 9)
    assert found.gain == pytest.approx(sum(everything) / 9)
    assert found.low < found.gain < found.high
    assert found.log_capital == pytest.approx(by_hand[-1])
    assert found.ways == pytest.approx([max(0.0, each / math.log(1 / LEVEL)) for each in by_hand])
    pace = found.way / 3
    assert found.nights_left == math.ceil((1 - found.way) / pace)


def test_cases_of_one_source_are_one_unit_and_later_ones_of_it_none() -> None:
    looks = nights(said([1.0, 0.0], source="a"), said([0.9], 5, source="a"), said([0.5], 9))
    found = stands(looks)
    assert (found.cases, found.units) == (4, 2)
    assert found.log_capital == pytest.approx(log_capital_by_hand([[0.5], [0.5]])[-1])


def test_what_was_proven_once_stays_proven() -> None:
    won = said([0.9] * 30)
    assert stands(nights(won)).is_proven
    assert stands(nights(won, said([-0.1] * 40, 100))).is_proven


def test_cases_that_do_not_decide_are_shown_and_prove_nothing() -> None:
    found = stands(nights(said([0.9] * 100, counts=Counts.SHOWN)))
    assert (found.cases, found.shown, found.units) == (0, 100, 0)
    assert found.shown_gain == pytest.approx(0.9)
    assert (found.way, found.is_proven, found.nights_left) == (0, False, None)


def test_a_case_that_was_not_answered_says_nothing() -> None:
    unanswered = [evidence(number, {}, counts=Counts.SHOWN) for number in range(5)]
    found = stands(nights([*unanswered, *said([0.5], 10), *said([0.3], 20, counts=Counts.SHOWN)]))
    assert (found.cases, found.shown) == (1, 1)
    assert found.shown_gain == pytest.approx(0.3)


def test_nothing_is_known_before_the_first_night() -> None:
    found = stands([])
    assert (found.units, found.gain, found.low, found.high, found.way) == (0, 0, -1, 1, 0)
    assert not found.is_proven


def test_an_origin_alone_does_not_prove_what_others_speak_against() -> None:
    looks = nights([*said([1.0] * 60, origin="loud"), *said([-0.1] * 20, 100, origin="quiet")])
    found = stands(looks)
    assert found.way == 1
    assert (found.against, found.is_proven) == ("loud", False)


@pytest.mark.parametrize("others", [[0.0] * 20, [0.9] * 3, [0.1, -0.1] * 30])
def test_an_origin_alone_does_not_prove_what_others_do_not(others: list[float]) -> None:
    looks = nights([*said([1.0] * 60, origin="loud"), *said(others, 100, origin="quiet")])
    found = stands(looks)
    assert (found.way, found.against, found.is_proven) == (1, "loud", False)
    any_share = standing_of(comparison(), looks, PRIMARY, (), 1.0)
    assert (any_share.against, any_share.is_proven) == (None, True), "where an origin may have any share"


def test_where_others_prove_it_too_it_is_proven() -> None:
    looks = nights([*said([1.0] * 30, origin="loud"), *said([0.9] * 15, 100, origin="quiet")])
    assert (stands(looks).against, stands(looks).is_proven) == (None, True)


def test_an_origin_has_no_more_than_its_share_of_the_weight() -> None:
    found = stands(nights([*said([1.0] * 90, origin="loud"), *said([-1.0] * 10, 100, origin="quiet")]))
    assert found.gain == pytest.approx(0.0), "ten cases of the one weigh as much as ninety of the other"
    assert not found.is_proven


def test_a_guard_rail_has_to_be_proven_within_its_limit() -> None:
    few, many = ([evidence(n, {PRIMARY: 0.9, RAIL: 0.0}) for n in range(count)] for count in (40, 300))
    found = stands(nights(few), [RAIL])
    [rail] = found.rails
    assert (rail.metric, rail.mean) == (RAIL, 0.0)
    assert (found.way, found.log_capital < math.log(1 / LEVEL)) == (rail.way, True)
    assert not found.is_proven
    assert stands(nights(few)).is_proven
    parts = nights(*(many[start : start + 30] for start in range(0, 300, 30)))
    assert stands(parts, [RAIL]).is_proven


def test_a_guard_rail_that_was_proven_may_not_fall_by_more_than_its_margin() -> None:
    good = [evidence(number, {PRIMARY: 0.9, RAIL: 0.5}) for number in range(100)]
    bad = [evidence(number, {PRIMARY: 0.9, RAIL: -1.0}) for number in range(100, 160)]
    looks = nights(good[:50], good[50:])
    assert stands(looks, [RAIL]).is_proven
    found = stands([*looks, Look(3, AT, tuple(bad))], [RAIL])
    assert (found.way, found.rails[0].is_within_margin, found.is_proven) == (1, False, False)


def test_against_the_base_a_guard_rail_is_looked_at_and_needs_no_proof() -> None:
    same, lost = ([evidence(n, {PRIMARY: 0.9, RAIL: each}) for n in range(40)] for each in (0.0, -0.1))
    assert stands(nights(same), [RAIL], theirs=BASE).is_proven
    assert not stands(nights(lost), [RAIL], theirs=BASE).is_proven


def test_a_guard_rail_that_no_case_measures_is_not_asked_for() -> None:
    assert stands(nights(said([0.9] * 30)), [RAIL]).is_proven


def test_votes_prove_with_bets_of_their_own() -> None:
    votes = said([1.0] * 10, kind=VOTE)
    found = stands(nights(votes, said([0.0] * 10, 100)))
    assert (found.votes, found.cases, found.units) == (10, 10, 20)
    assert found.log_capital == pytest.approx(log_capital_by_hand([[1.0]] * 10)[-1])  # one after the other
    wanted = found.votes_left
    assert wanted is not None
    assert wanted > 1
    one_fewer, enough = (stands(nights(votes, *([vote] for vote in more(count)))) for count in (wanted - 1, wanted))
    assert (one_fewer.is_proven, enough.is_proven) == (False, True)


def more(count: int) -> list[CaseEvidence]:
    """Votes that are won."""
    return said([1.0] * count, 500, kind=VOTE)


def test_it_comes_no_nearer_where_it_does_not() -> None:
    found = stands(nights(said([-0.1] * 5), said([0.02] * 5, 10)))
    assert (found.way, found.nights_left) == (0, None)


def test_it_is_read_as_it_was_kept() -> None:
    found = stands(nights([evidence(1, {PRIMARY: 0.5, RAIL: 0.1})]), [RAIL])
    assert Standing.from_plain(asdict(found)) == found
    assert Standing.from_plain({}) is None


@pytest.mark.parametrize(
    "change", [{"rails": None}, {"gain": None}, {"rails": [{"metric": "x"}]}, {"ways": 1}, {"log_capitals": ["x"]}]
)
def test_what_another_release_has_written_otherwise_is_computed_again(change: dict[str, Any]) -> None:
    found = stands(nights(said([0.2, 0.4])))
    plain = asdict(found)
    assert Standing.from_plain({**plain, "of_a_newer_release": 1}) == found
    assert Standing.from_plain({**plain, **change}) is None
    assert Standing.from_plain({"primary": "x"}) is None
