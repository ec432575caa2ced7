"""When the rate of a fault has left its band: each day against the days before it, by a sum of evidence (CUSUM).

Each day that is over adds the logarithm of how much likelier its count is at a raised rate than at the rate of before,
never below zero; an alert begins where the sum comes to `ENOUGH`. Days differ by more than chance, so that counts are
beta-binomial, with the spread that the days before had. Where the rate of before were known exactly, false alarms were
at most one in exp(ENOUGH) days of a fault on average (Lorden, 1971); what is left of that where it is estimated was
simulated (docs/decisions/0039-alerts-by-sums-of-evidence.md, `python -m bench.capture_alerts`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import lgamma, sqrt
from typing import NamedTuple

from adapterd.capture.captures import Counted

ENOUGH = 8.0
"""Evidence (nats) at which an alert begins; at half of it it is over."""
BEFORE_DAYS, APART_DAYS = 90, 7
"""The rate of before is that of so many days, which end so many days earlier."""
FEWEST, FEWEST_DAYS = 50, 7
"""Without so many answers, on so many days, there is no rate of before."""
LEAST_SPREAD, MOST_SPREAD = 0.01, 0.3
"""The spread of days: the correlation of two answers of the same day."""
RAISED_BY, RAISED_TO = 0.03, 2.0
"""A raised rate is higher by so much, or so many times as high, whichever is more."""
HIGHEST = 0.999
"""No rate of before is taken to be higher."""
_CAUTIOUS = 1.0
"""The rate of before is taken to be so many standard errors higher than it was."""

Days = Sequence[tuple[int, int]]
"""Of each day how many answers had a fault, and how many there were."""


@dataclass(frozen=True)
class Alert:
    """A rate that has left its band: of which fault of which model, on which day (`YYYY-MM-DD`), the share before and
    from when evidence began to gather (`risen`) to that day, and the digests of the files that answered meanwhile.

    It `is_open` until the rate is back, or has been the same for so long that it is the usual one.
    """

    model: str
    fault: str
    day: str
    risen: str
    before: float
    share: float
    digests: tuple[str, ...]
    is_open: bool

    @property
    def text(self) -> str:
        """A sentence."""
        days = f"on {self.day}" if self.risen == self.day else f"from {self.risen} to {self.day}"
        rates = f"{self.share:.1%} of the answers {days}, {self.before:.1%} before"
        return f"{self.model}: the rate of {self.fault} has left its band: {rates}".replace("%", " %")


@dataclass(frozen=True)
class Alarm:
    """A stretch of days, by their places in a series: where evidence began to gather, where it was enough, and whether
    it still is at the end; with the rate of before when it was."""

    risen: int
    began: int
    before: float
    is_open: bool


def alerts(counted: Sequence[Counted], today: str) -> list[Alert]:
    """All alerts in these days, the oldest first. `today`, which is not over, takes no part."""
    found: list[Alert] = []
    over = [each for each in counted if each.day < today and each.answers]
    for model in sorted({each.model for each in over}):
        of_model = [each for each in over if each.model == model]
        answers, faulty = Counter[str](), dict[str, Counter[str]]()
        for each in of_model:
            answers[each.day] += each.answers
            for fault, count in each.faults.items():
                faulty.setdefault(fault, Counter())[each.day] += count
        days = sorted(answers)
        for fault, counts in sorted(faulty.items()):
            sums = [(counts[day], answers[day]) for day in days]
            found += [_alert(model, fault, days, sums, alarm, of_model) for alarm in alarms(sums)]
    return sorted(found, key=lambda each: (each.day, each.model, each.fault))


def alarms(days: Days) -> Iterator[Alarm]:
    """The alarms in a series of days on which there were answers."""
    evidence, risen = 0.0, 0
    alarm: Alarm | None = None
    sums = list(accumulate((Sums.of(*day) for day in days), Sums.plus, initial=Sums()))
    for number, (count, answers) in enumerate(days):
        end = max(0, number - APART_DAYS)
        before = sums[end].minus(sums[max(0, end - BEFORE_DAYS)])
        if before.days < FEWEST_DAYS or before.answers < FEWEST:
            continue
        rate, spread = before.usual()
        risen = number if evidence == 0.0 else risen
        likelier = _log_likelihood(count, answers, raised(rate), spread) - _log_likelihood(count, answers, rate, spread)
        evidence = min(ENOUGH, max(0.0, evidence + likelier))
        if alarm is None and evidence >= ENOUGH:
            alarm = Alarm(risen, number, before.share, is_open=True)
        elif alarm is not None and evidence <= ENOUGH / 2:
            yield replace(alarm, is_open=False)
            alarm, evidence = None, 0.0
    if alarm is not None:
        yield alarm


class Sums(NamedTuple):
    """Sums over days: how many these are, faulty answers, answers, and squares and products of the two."""

    days: int = 0
    faulty: int = 0
    answers: int = 0
    faulty_squared: int = 0
    product: int = 0
    answers_squared: int = 0

    @classmethod
    def of(cls, count: int, answers: int) -> "Sums":
        """Those of one day."""
        return cls(1, count, answers, count * count, count * answers, answers * answers)

    def plus(self, other: "Sums") -> "Sums":
        """Those of these days and the others."""
        return Sums(
            self.days + other.days, self.faulty + other.faulty, self.answers + other.answers,
            self.faulty_squared + other.faulty_squared, self.product + other.product,
            self.answers_squared + other.answers_squared,
        )  # fmt: skip

    def minus(self, other: "Sums") -> "Sums":
        """Those of these days without the others."""
        return Sums(
            self.days - other.days, self.faulty - other.faulty, self.answers - other.answers,
            self.faulty_squared - other.faulty_squared, self.product - other.product,
            self.answers_squared - other.answers_squared,
        )  # fmt: skip

    @property
    def share(self) -> float:
        """The share of faulty answers."""
        return self.faulty / self.answers

    def usual(self) -> tuple[float, float]:
        """The rate of these days, some standard errors up, and the spread of the days."""
        spread = self._spread((self.faulty + 0.5) / (self.answers + 1))
        worth = self.answers / (1 + (self.answers / self.days - 1) * spread)
        """So many independent answers are they worth."""
        square = _CAUTIOUS**2 / worth
        half = _CAUTIOUS * sqrt(self.share * (1 - self.share) / worth + square / (4 * worth))
        return min(HIGHEST, (self.share + square / 2 + half) / (1 + square)), spread

    def _spread(self, rate: float) -> float:
        """By the method of moments: how much more the counts vary than binomial ones."""
        varied = self.faulty_squared - 2 * rate * self.product + rate * rate * self.answers_squared
        chance = rate * (1 - rate)
        most = chance * (self.answers_squared - self.answers)
        return min(MOST_SPREAD, max(LEAST_SPREAD, (varied - chance * self.answers) / most if most else 0.0))


def raised(rate: float) -> float:
    """The rate that an alert is about."""
    return min(max(RAISED_TO * rate, rate + RAISED_BY), (1 + rate) / 2)


def _log_likelihood(count: int, of: int, rate: float, spread: float) -> float:
    """The logarithm of the beta-binomial likelihood, but for the part that is the same at every rate."""
    whole = 1 / spread - 1
    bad, good = rate * whole, (1 - rate) * whole
    return lgamma(count + bad) - lgamma(bad) + lgamma(of - count + good) - lgamma(good)


def _alert(
    model: str, fault: str, days: Sequence[str], sums: Days, alarm: Alarm, counted: Sequence[Counted]
) -> Alert:  # fmt: skip
    since = sums[alarm.risen : alarm.began + 1]
    faulty, answers = sum(count for count, _ in since), sum(of for _, of in since)
    risen, began = days[alarm.risen], days[alarm.began]
    digests = dict.fromkeys(each.digest for each in counted if risen <= each.day <= began)
    return Alert(model, fault, began, risen, alarm.before, faulty / answers, tuple(digests), alarm.is_open)
