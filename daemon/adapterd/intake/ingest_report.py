"""What was ingested, and its line in the history: one a day for each inbox, however often it was read."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from adapterd.store import Store

INGESTED = "feedback.ingested"


@dataclass(frozen=True)
class IngestReport:
    """What was ingested: `files` were read to their end, `lines` are the pieces that were found in all of them.

    A piece gives records, which are accepted, known to the model already, or were taken back earlier (`removed`); or
    none, for nobody has judged it; or it is in quarantine. `not_judged` counts answers, `passed_over` those of them
    that are not kept. `metadata` names the fields that were kept aside, and `clamped` counts the records whose time was
    later than now. `withdrawn` records are no longer in force, for their file says something else now. `unsettled`
    files were changed just now and are left for the next time.
    """

    files: int
    lines: int
    accepted: int
    duplicates: int
    quarantined: int
    unsettled: tuple[Path, ...]
    not_judged: int = 0
    passed_over: int = 0
    clamped: int = 0
    withdrawn: int = 0
    metadata: tuple[str, ...] = ()
    removed: int = 0

    def __str__(self) -> str:
        withdrawn = f", {self.withdrawn} withdrawn" if self.withdrawn else ""
        return (
            f"took in feedback: {self.accepted} new, {self.duplicates} known already, "
            f"{self.quarantined} in quarantine{withdrawn}{self.removed_text} (files: {self.files})"
        )

    @property
    def removed_text(self) -> str:
        """What was refused because it was taken back, empty if nothing was."""
        return f", {self.removed} taken back earlier and not taken again" if self.removed else ""


def add_to_history(store: Store, model: str, report: IngestReport) -> None:
    """Write down what was ingested, in the line of this day if there is one already."""
    counts = {name: value for name, value in vars(report).items() if isinstance(value, int)} | {"readings": 1}
    with store.transaction():
        last = store.events.last(INGESTED, model)
        if last is None or _day(last.at) != _day(store.now()):
            store.events.add(INGESTED, str(report), model=model, detail=counts)
            return
        summed = {name: _count(last.detail, name) + value for name, value in counts.items()}
        of_report: dict[str, Any] = {name: value for name, value in summed.items() if name in vars(report)}
        in_all = replace(report, **of_report)
        store.events.change(last.id, str(in_all), summed | {"until": store.now()})


def _count(detail: Mapping[str, Any], name: str) -> int:
    return int(detail.get(name, 1 if name == "readings" else 0))


def _day(at: str) -> object:
    """The day of a time, where this machine is."""
    return datetime.fromisoformat(at).astimezone().date()
