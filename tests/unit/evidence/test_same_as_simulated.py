"""The season in the store decides as the simulation does, whose figures chose the rule."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from bench.season_rule import GUARD_LIMIT, MARGIN, Processes
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.evidence.season import DROPPED_AT, LEAST_CASES
from adapterd.store import Store
from adapterd.store.evidence.comparisons import ComparisonState, Purpose
from tests.support.hand_clock import HandClock
from tests.unit.evidence.played import PRIMARY, RAIL, Played, evidence

ONE = np.ones(1, bool)
Night = tuple[list[float], list[float]]
differences = st.sampled_from([-1.0, -0.3, -0.05, 0.0, 0.02, 0.1, 0.4, 1.0])
kinds_of_nights = st.integers(1, 30).flatmap(
    lambda count: st.tuples(
        st.lists(differences, min_size=count, max_size=count),
        st.lists(st.sampled_from([-1.0, 0.0, 0.0, 1.0]), min_size=count, max_size=count),
    )
)
good_nights = st.integers(1, 30).map(lambda count: ([0.4] * count, [0.5] * count))


@given(nights=st.lists(kinds_of_nights | good_nights, min_size=1, max_size=8))
@settings(max_examples=8)
def test_a_challenger_is_decided_in_the_same_night_in_the_same_way(nights: list[Night]) -> None:
    with TemporaryDirectory() as folder:
        clock = HandClock()
        with Store(Path(folder) / "state.db", clock=clock) as store:
            played = Played.begun(store, clock, (RAIL,))
            played.candidate("1.0.0")
            played.promote("1.0.0")
            played.night()
            comparison = played.challenger("1.1.0")
            primary, rail = Processes(1), Processes(1, -GUARD_LIMIT)
            for each in (primary, rail):
                each.begin(ONE, np.array([comparison.level]))
            for night in nights:
                expected = simulated(primary, rail, night)
                assert decided(played, night) == expected
                [challenge] = played.of(Purpose.CHALLENGE)
                least = min(float(primary.log[0]), float(rail.log[0]))
                assert played.standing(challenge).log_capital == pytest.approx(least)
                if expected:
                    break


def simulated(primary: Processes, rail: Processes, night: Night) -> str:
    """What the simulation's rule makes of it: `_decide` of bench/season_rule.py."""
    for process, values in zip((primary, rail), night, strict=True):
        process.see(ONE, np.array([values]))
    if primary.proven[0] and rail.proven[0] and rail.mean[0] >= -MARGIN:
        return "promoted"
    least = min(primary.log[0], rail.log[0])
    return "dropped" if primary.count[0] >= LEAST_CASES and least < np.log(DROPPED_AT) else ""


def decided(played: Played, night: Night) -> str:
    played.clock.move_on()
    season = played.season
    [challenge] = [each for each in season.open if each.purpose is Purpose.CHALLENGE]
    cases = [evidence(next(played.numbers), {PRIMARY: one, RAIL: other}) for one, other in zip(*night, strict=True)]
    if season.decide(challenge, season.add(challenge, cases)):
        return "promoted"
    [challenge] = played.of(Purpose.CHALLENGE)
    return "dropped" if challenge.state is ComparisonState.DROPPED else ""
