"""What feedback that has just come teaches now, with all that was said before of the same prompts."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from adapterd.dataset.statements import Teaching, Use, resolve
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.store.feedback import StoredFeedback

_MOST_REASONS = 3
_VALUE = re.compile(r"^(\S+ is ).*?(?=, which could be |: only |, and it is not known )", re.DOTALL)
_AT_ONCE = 5_000
"""New records whose prompts are looked at in one go."""


@dataclass(frozen=True)
class TeachingCounts:
    """How many records teach an example or a preference, only say that an answer is bad, were replaced by what was said
    later, judge nothing, or are refused; `refused_for` has the reasons with their counts, the most frequent first."""

    examples: int = 0
    preferences: int = 0
    bad: int = 0
    replaced: int = 0
    not_judged: int = 0
    refused: int = 0
    refused_for: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, teachings: Iterable[Teaching], faults: Iterable[str] = (), *, not_judged: int = 0) -> Self:
        """The counts of records, of the reasons why others cannot be used, and of answers that nobody judged."""
        uses, reasons = Counter[Use](), Counter(faults)
        for each in teachings:
            uses.update(each.uses)
            if Use.REFUSED in each.uses:
                reasons[each.reason] += 1
        return cls(
            examples=uses[Use.EXAMPLE],
            preferences=uses[Use.PREFERENCE],
            bad=uses[Use.BAD],
            replaced=uses[Use.REPLACED],
            not_judged=uses[Use.NOT_JUDGED] + not_judged,
            refused=reasons.total(),
            refused_for=_alike(reasons),
        )

    @property
    def taken(self) -> int:
        """How many uses there are, and verdicts that count; what was only refused is none."""
        return self.examples + self.preferences + self.bad + self.replaced + self.not_judged

    def __str__(self) -> str:
        return f"{self.without_reasons}{self._reasons()}"

    @property
    def without_reasons(self) -> str:
        """The counts in words; why records are refused is not said."""
        said = [
            _counted(self.examples, "example"),
            _counted(self.preferences, "preference"),
            *([f"{self.bad} only bad"] if self.bad else []),
            *([f"{self.replaced} replaced by what was said later"] if self.replaced else []),
            f"{self.not_judged} not judged",
            f"{self.refused} refused",
        ]
        return ", ".join(said)

    def _reasons(self) -> str:
        first = [f"{reason} ({count})" if count > 1 else reason for reason, count in self.refused_for[:_MOST_REASONS]]
        more = sum(count for _, count in self.refused_for[_MOST_REASONS:])
        return f": {'; '.join(first)}{f'; and {more} more' if more else ''}" if first else ""


def teachings_since(
    store: Store,
    model: str,
    after_id: int,
    *,
    thinks: bool = True,
    on_progress: Callable[[int, int], object] = lambda _done, _total: None,
) -> Iterator[Teaching]:
    """What each record teaches now that the model has got since the given id.

    Where these are many, prompts are looked at part by part, with bounded memory; `on_progress` gets the number of
    parts done and in total.
    """
    new = store.feedback.count(model, after_id=after_id)
    parts = ("",) if new <= _AT_ONCE else tuple(f"{number:02x}" for number in range(256))
    for done, part in enumerate(parts if new else (), start=1):
        rows = store.feedback.about_the_same(model, after_id=after_id, begins_with=part)
        for row, teaching in zip(rows, teachings_of(rows, thinks=thinks), strict=True):
            if row.id > after_id:
                yield teaching
        on_progress(done, len(parts))


def teachings_of(rows: Sequence[StoredFeedback], *, thinks: bool = True) -> list[Teaching]:
    """What each of these records teaches, where there are no others about their prompts."""
    return resolve((FeedbackRecord.from_json(row.record) for row in rows), thinks=thinks).teachings


def _alike(reasons: Counter[str]) -> tuple[tuple[str, int], ...]:
    """The reasons, the most frequent first; those that differ by the value of a field alone are one: its first."""
    counts, first = Counter[str](), dict[str, str]()
    for reason, count in reasons.items():
        kind = _VALUE.sub(r"\1", reason)
        counts[kind] += count
        first.setdefault(kind, reason)
    return tuple((first[kind], count) for kind, count in counts.most_common())


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
