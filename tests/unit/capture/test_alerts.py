"""When the rate of a fault has left its band."""

import random
from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from adapterd.capture.alerts import alarms, alerts
from adapterd.capture.captures import Counted

FIRST, TODAY = date(2026, 1, 1), "2026-12-31"


def days(rates: Sequence[float], answers: int = 50, spread: float = 0.0, seed: int = 1) -> list[tuple[int, int]]:
    """Days with so many answers, of which as many are faulty as chance says; they differ by more where it is said."""
    chance, found = random.Random(seed), []
    for rate in rates:
        of_day = chance.betavariate(rate * (1 / spread - 1), (1 - rate) * (1 / spread - 1)) if spread else rate
        found.append((sum(chance.random() < of_day for _ in range(answers)), answers))
    return found


def counted(series: Sequence[tuple[int, int]], digest: str = "a", model: str = "news", first: int = 0) -> list[Counted]:
    return [
        Counted((FIRST + timedelta(first + number)).isoformat(), model, digest, answers, {"json": count})
        for number, (count, answers) in enumerate(series)
    ]


@pytest.mark.parametrize("rate", [0.005, 0.02, 0.1])
@pytest.mark.parametrize("spread", [0.0, 0.02])
def test_a_rate_that_stays_gives_no_alert(rate: float, spread: float) -> None:
    begun = [alarm for seed in range(8) for alarm in alarms(days([rate] * 200, 50, spread, seed))]
    assert len(begun) <= 1  # in four years


@pytest.mark.parametrize(("before", "after"), [(0.02, 0.15), (0.0, 0.1), (0.2, 0.5)])
def test_a_jump_is_told_within_days(before: float, after: float) -> None:
    [alarm] = alarms(days([before] * 60 + [after] * 20))
    assert 60 <= alarm.risen <= alarm.began < 70
    assert alarm.is_open
    assert alarm.before == pytest.approx(before, abs=0.02)


def test_a_slow_drift_is_told() -> None:
    rates = [0.02] * 60 + [0.02 + 0.1 * number / 60 for number in range(60)]
    assert any(alarm.began > 80 for alarm in alarms(days(rates)))


def test_an_alert_is_over_when_the_rate_is_back() -> None:
    [alarm] = alarms(days([0.02] * 60 + [0.3] * 10 + [0.02] * 40))
    assert not alarm.is_open


def test_what_lasts_becomes_the_usual_rate() -> None:
    *_, last = alarms(days([0.02] * 60 + [0.3] * 150))
    assert not last.is_open


def test_fewer_faults_are_no_alert() -> None:
    assert list(alarms(days([0.3] * 60 + [0.0] * 60))) == []


@pytest.mark.parametrize("series", [[], [(0, 1)], [(5, 5)] * 5, [(1, 1)] * 40, [(9, 9)] * 100])
def test_little_to_go_by_gives_none(series: list[tuple[int, int]]) -> None:
    assert list(alarms(series)) == []


def test_an_alert_names_what_answered() -> None:
    series = counted(days([0.02] * 60)) + counted(days([0.3] * 10, seed=2), "b", first=60)
    other = counted(days([0.02] * 70, seed=3), "c", "other")
    [found] = alerts(series + other, TODAY)
    assert (found.model, found.fault, found.digests) == ("news", "json", ("b",))
    assert found.text.startswith("news: the rate of json has left its band: ")
    assert f"{found.share:.1%}".replace("%", " %") in found.text
    assert found.share > 0.2


def test_a_day_that_is_not_over_takes_no_part() -> None:
    """What it says at noon may be otherwise in the evening."""
    series = counted([(1, 50)] * 60 + [(50, 50)])
    assert alerts(series, series[-1].day) == []
    assert len(alerts(series, "9999-12-31")) == 1
