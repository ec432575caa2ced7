"""Fourteen nights in short: what tests/acceptance/test_fourteen_nights.py does with real trainings, here with given
differences."""

import numpy as np

from adapterd.serving.tags import BASE
from adapterd.store.evidence.comparisons import Purpose
from adapterd.store.versions import VersionState
from tests.unit.evidence.played import MODEL, Played

CASES = 20


def drawn(random: np.random.Generator, mean: float) -> list[float]:
    """A day's differences."""
    return [float(each) for each in np.clip(random.normal(mean, 0.3, CASES), -1, 1)]


def test_two_go_live_by_merit_and_what_was_forced_is_taken_back(played: Played) -> None:
    random, went_live = np.random.default_rng(5), []
    gains = {"1.0.0": 0.7, "1.1.0": 0.25}
    begins = {2: "1.0.0", 5: "1.1.0"}
    for night in range(1, 15):
        if night in begins:
            played.candidate(begins[night])
        if night == 11:
            played.candidate("1.2.0", -0.5)
            played.store.versions.set_state(MODEL, "1.2.0", VersionState.HELD, "held: json_valid falls")
            played.promote("1.2.0")
        [challenge, *_] = [*reversed(played.of(Purpose.CHALLENGE)), None]
        gain = gains[challenge.ours] if challenge else 0.0
        better_before = 0.8 if played.live == "1.2.0" else -gain
        decision = played.night(drawn(random, gain), drawn(random, better_before))
        if decision:
            went_live.append((decision.purpose, decision.version))
    wanted = [(Purpose.CHALLENGE, "1.0.0"), (Purpose.CHALLENGE, "1.1.0"), (Purpose.WATCH, "1.1.0")]
    assert went_live == wanted
    assert (played.live, played.state("1.2.0")) == ("1.1.0", VersionState.WITHDRAWN)
    watched = [(each.ours, each.theirs) for each in played.of(Purpose.WATCH)]
    assert watched == [(BASE, "1.0.0"), ("1.0.0", "1.1.0"), ("1.1.0", "1.2.0")]
