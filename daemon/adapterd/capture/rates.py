"""How often answers have which fault: by day, and by version of a model, with intervals.

They are of all answers that a model gave through the pass-through while it was recorded, kept or not: what is sampled,
or removed because it is old, changes none of them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import sqrt

from adapterd.capture.captures import Counted

COUNTED_DAYS = 400
"""Counts of days before these are removed."""
SHOWN_DAYS = 30
"""Of so many days rates are shown, unless it is said."""
DAY_S = 86_400
_Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution; the daemon would keep `statistics` in memory for it."""


@dataclass(frozen=True)
class Rate:
    """The share of answers with a fault: `count` of `answers`, 0…1, and its 95 % interval from `low` to `high`.

    `digest` is that of the model's file, empty where Ollama did not tell; `day` is `YYYY-MM-DD`. None: of all.
    """

    model: str
    digest: str | None
    day: str | None
    fault: str
    count: int
    answers: int
    share: float
    low: float
    high: float


def day_of(at: float) -> str:
    """The day of a moment (seconds since 1970) by this machine's clock, as `YYYY-MM-DD`."""
    return datetime.fromtimestamp(at, UTC).astimezone().date().isoformat()


def first_day(now: float, days: int) -> str:
    """The first of so many days, of which the last is the one of `now`."""
    return day_of(now - (days - 1) * DAY_S)


def wilson(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share: `count` of `of` (Wilson, 1927). Answers count as independent of one another; where
    days differ by more than chance it is too narrow. From 0 to 1 where there is nothing to count."""
    if of <= 0:
        return 0.0, 1.0
    share, spread = count / of, _Z * _Z / of
    middle, half = share + spread / 2, _Z * sqrt(share * (1 - share) / of + spread / (4 * of))
    return max(0.0, min(share, (middle - half) / (1 + spread))), min(1.0, max(share, (middle + half) / (1 + spread)))


def by_version(counted: Sequence[Counted]) -> list[Rate]:
    """The rates of each file of a model over all the days, in the order in which the files came."""
    return _rates(counted, lambda each: (each.model, each.digest, None))


def by_day(counted: Sequence[Counted]) -> list[Rate]:
    """The rates of each day of a model, whichever its file, the oldest day first."""
    return _rates(counted, lambda each: (each.model, None, each.day))


Key = tuple[str, str | None, str | None]


def _rates(counted: Sequence[Counted], key: Callable[[Counted], Key]) -> list[Rate]:
    """A rate for each key and each fault that the model had at all."""
    answers, faulty = Counter[Key](), Counter[tuple[Key, str]]()
    had: dict[str, set[str]] = {}
    for each in counted:
        answers[key(each)] += each.answers
        had.setdefault(each.model, set()).update(each.faults)
        for fault, count in each.faults.items():
            faulty[key(each), fault] += count
    models = sorted(had)
    return [
        rate(which, fault, faulty[which, fault], of)
        for model in models
        for which, of in answers.items()
        if which[0] == model
        for fault in sorted(had[model])
    ]


def rate(which: Key, fault: str, count: int, answers: int) -> Rate:
    """A rate with its interval."""
    return Rate(*which, fault, count, answers, count / answers if answers else 0.0, *wilson(count, answers))


def answers_of(counted: Iterable[Counted]) -> dict[str, int]:
    """How many answers each model gave."""
    found = Counter[str]()
    for each in counted:
        found[each.model] += each.answers
    return dict(found)
