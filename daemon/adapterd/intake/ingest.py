"""Ingesting an inbox: its files become rows of the store, and what cannot be used goes into quarantine.

It may be killed at any moment and started again. A file counts as read only when its last batch is stored, and a
record is stored once however often it is read, so that reading a file again loses nothing and doubles nothing.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapterd.feedback.inbox import pending
from adapterd.feedback.settling import SettleTracker
from adapterd.home import Home
from adapterd.intake.file_intake import FileIntake, transaction_groups
from adapterd.store import Store


@dataclass(frozen=True)
class IngestReport:
    """What was ingested: `files` were read to their end, `lines` are the pieces that were found in all of them.

    Every piece was accepted, is a duplicate of what the model has already, or is in quarantine. `unsettled` files
    were changed just now and are left for the next time.
    """

    files: int
    lines: int
    accepted: int
    duplicates: int
    quarantined: int
    unsettled: tuple[Path, ...]

    def __str__(self) -> str:
        return (
            f"took in feedback: {self.accepted} new, {self.duplicates} known already, "
            f"{self.quarantined} in quarantine (files: {self.files})"
        )


def ingest(
    store: Store,
    home: Home,
    model: str,
    inbox: Path,
    *,
    clock: Callable[[], float] = time.time,
    settle_s: float = 1.0,
    tracker: SettleTracker | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> IngestReport:
    """Ingest every new or changed file of the inbox.

    `clock` gives seconds since the epoch. `tracker` is kept by a caller that scans the inbox repeatedly. `on_progress`
    gets the bytes done and in total after every transaction.
    Raises InputError if the inbox cannot be listed and StoreError if something cannot be stored or kept; a file that
    cannot be read is noted in quarantine, and tried again the next time.
    """
    known = store.feedback.stamps(model)
    found = pending(inbox.absolute(), known.get, now=clock(), settle_s=settle_s, tracker=tracker)
    intakes = [FileIntake(home, model, file, store.clock()) for file in found.ready]
    done_bytes, total_bytes = 0, sum(file.size_bytes for file in found.ready)
    for group in transaction_groups(batch for intake in intakes for batch in intake.batches()):
        with store.transaction():
            for batch in group:
                batch.intake.store(store, batch)
        done_bytes += sum(batch.size_bytes for batch in group)
        if on_progress:
            on_progress(done_bytes, total_bytes)
    unreadable = {intake.name: intake.refusal for intake in intakes if intake.refusal}
    refused = _note_refusals(store, model, {**found.refused, **unreadable})
    report = _report(intakes, refused, found.unsettled)
    if refused or (report.files and report.lines):
        _record(store, model, report)
    return report


def _note_refusals(store: Store, model: str, refused: Mapping[str, str]) -> int:
    """Keep the notes about what cannot be read in step with what is there; returns how many are new.

    A note is written once, not at every scan: a scan that finds nothing new writes nothing.
    """
    current = {name: reason.encode(errors="backslashreplace").decode() for name, reason in refused.items()}
    noted = store.feedback.refusals(model)
    new = {name: reason for name, reason in current.items() if noted.get(name) != reason}
    gone = noted.keys() - current.keys()
    if new or gone:
        with store.transaction():
            store.feedback.forget_refusals(model, gone)
            for name, reason in new.items():
                store.feedback.quarantine(model, file=name, line=0, reason=reason, excerpt="", kept="")
    return len(new)


def _report(intakes: Sequence[FileIntake], refused: int, unsettled: tuple[Path, ...]) -> IngestReport:
    return IngestReport(
        files=sum(intake.is_complete for intake in intakes),
        lines=sum(intake.lines for intake in intakes) + refused,
        accepted=sum(intake.accepted for intake in intakes),
        duplicates=sum(intake.duplicates for intake in intakes),
        quarantined=sum(intake.quarantined for intake in intakes) + refused,
        unsettled=unsettled,
    )


def _record(store: Store, model: str, report: IngestReport) -> None:
    counts = {name: value for name, value in vars(report).items() if isinstance(value, int)}
    store.events.add("feedback.ingested", str(report), model=model, detail=counts)
