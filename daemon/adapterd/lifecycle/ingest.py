"""Taking feedback in: the files of an inbox become rows of the store, and what cannot be used goes into quarantine.

It may be killed at any moment and started again. A file counts as read only when its last batch is stored, and a
record is stored once however often it is read, so that reading a file again loses nothing and doubles nothing.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from adapterd.errors import InputError
from adapterd.feedback import quarantine
from adapterd.feedback.formats import parse
from adapterd.feedback.inbox import InboxFile, pending
from adapterd.feedback.reader import Bad, Good, read_file
from adapterd.home import Home
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.store.feedback import FileRead, NewFeedback

BATCH_PIECES = 1000
BATCH_BYTES = 16 << 20
PIECES_KEPT_APART = 100  # of one file; for more the whole file is kept once


@dataclass(frozen=True)
class IngestReport:
    """What was taken: `files` were read to their end, `lines` are the pieces that were found in all of them.

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
    on_progress: Callable[[int, int], None] | None = None,
) -> IngestReport:
    """Take in every new or changed file of the inbox.

    `clock` gives seconds since the epoch. `on_progress` gets the bytes done and in total after every transaction.
    Raises InputError if the inbox cannot be listed and StoreError if something cannot be stored or kept; a file that
    cannot be read is noted in quarantine, and tried again the next time.
    """
    stamps = {file.path: (file.size_bytes, file.mtime_ns) for file in store.feedback.files(model)}
    found = pending(inbox.absolute(), stamps.get, now=clock(), settle_s=settle_s)
    intakes = [_Intake(home, model, file) for file in found.ready]
    done_bytes, total_bytes = 0, sum(file.size_bytes for file in found.ready)
    for group in _grouped(batch for intake in intakes for batch in intake.batches()):
        with store.transaction():
            for batch in group:
                batch.intake.store(store, batch)
        done_bytes += sum(batch.size_bytes for batch in group)
        if on_progress:
            on_progress(done_bytes, total_bytes)
    return _recorded(store, model, _report(intakes, found.unsettled))


def _report(intakes: "list[_Intake]", unsettled: tuple[Path, ...]) -> IngestReport:
    return IngestReport(
        files=sum(intake.is_complete for intake in intakes),
        lines=sum(intake.lines for intake in intakes),
        accepted=sum(intake.accepted for intake in intakes),
        duplicates=sum(intake.duplicates for intake in intakes),
        quarantined=sum(len(intake.noted) for intake in intakes),
        unsettled=unsettled,
    )


def _recorded(store: Store, model: str, report: IngestReport) -> IngestReport:
    if report.files and report.lines:
        counts = {name: value for name, value in vars(report).items() if isinstance(value, int)}
        store.events.add("feedback.ingested", str(report), model=model, detail=counts)
    return report


@dataclass(frozen=True)
class _Note:
    """A piece that cannot be used; its bytes are kept at `kept` below the quarantine (empty: there were none)."""

    line: int
    reason: str
    excerpt: str
    kept: str


@dataclass(frozen=True)
class _Batch:
    """Pieces of a file that are read and judged, and not yet stored."""

    intake: "_Intake"
    records: list[NewFeedback]
    notes: list[_Note]
    size_bytes: int
    is_last: bool

    @property
    def pieces(self) -> int:
        """How many pieces these are, of either kind."""
        return len(self.records) + len(self.notes)


def _grouped(batches: Iterable[_Batch]) -> Iterator[list[_Batch]]:
    """What goes into one transaction: as many batches as make one full one, since small files are many."""
    group: list[_Batch] = []
    pieces = size_bytes = 0
    for batch in batches:
        pieces += batch.pieces
        size_bytes += batch.size_bytes
        if group and (pieces > BATCH_PIECES or size_bytes > BATCH_BYTES):
            yield group
            group, pieces, size_bytes = [], batch.pieces, batch.size_bytes
        group.append(batch)
    if group:
        yield group


class _Intake:
    """The intake of one file, and the account of it."""

    def __init__(self, home: Home, model: str, file: InboxFile) -> None:
        self._model = model
        self._file = file
        self._name = file.name
        self._quarantine = home.quarantine
        self._received_at = datetime.fromtimestamp(file.mtime_ns / 1e9, UTC)
        self.is_complete = False
        self.lines = 0
        self.accepted = 0
        self.duplicates = 0
        self.noted: list[tuple[int, str]] = []

    def batches(self) -> Iterator[_Batch]:
        """Read and judge the file; what cannot be used is kept, and nothing is stored. The last batch may be empty."""
        pieces = self._pieces()
        left_bytes = self._file.size_bytes
        while not (batch := self._batch(pieces, left_bytes)).is_last:
            yield batch
            left_bytes -= batch.size_bytes
        yield batch

    def store(self, store: Store, batch: _Batch) -> None:
        """Store a batch within a transaction; with the last one, remember that the file was read."""
        accepted = store.feedback.add_many(self._model, batch.records)
        self.accepted += accepted
        self.duplicates += len(batch.records) - accepted
        for note in batch.notes:
            store.feedback.quarantine(self._model, file=self._name, **vars(note))
        if batch.is_last and self.is_complete:
            store.feedback.forget_quarantine_except(self._model, file=self._name, lines_kept=self.noted)
            store.feedback.record_file(self._model, self._account())

    def _account(self) -> FileRead:
        return FileRead(
            path=self._name,
            size_bytes=self._file.size_bytes,
            mtime_ns=self._file.mtime_ns,
            lines=self.lines,
            accepted=self.accepted,
            duplicates=self.duplicates,
            quarantined=len(self.noted),
        )

    def _pieces(self) -> Iterator[Good | Bad]:
        try:
            yield from read_file(self._file.path)
            self.is_complete = True
        except InputError as exc:
            if not isinstance(exc.__cause__, FileNotFoundError):
                yield Bad(0, str(exc), None)

    def _batch(self, pieces: Iterator[Good | Bad], left_bytes: int) -> _Batch:
        records: list[NewFeedback] = []
        notes: list[_Note] = []
        size_bytes = 0
        for piece in pieces:
            self.lines += 1
            size_bytes += len(piece.raw or b"") + 1
            judged = self._judge(piece)
            if isinstance(judged, NewFeedback):
                records.append(judged)
            else:
                notes.append(self._note(judged))
            if len(records) + len(notes) == BATCH_PIECES or size_bytes >= BATCH_BYTES:
                return _Batch(self, records, notes, min(size_bytes, left_bytes), is_last=False)
        return _Batch(self, records, notes, left_bytes, is_last=True)

    def _judge(self, piece: Good | Bad) -> NewFeedback | Bad:
        if isinstance(piece, Bad):
            return piece
        try:
            return _new_feedback(parse(piece.value, received_at=self._received_at), self._name, piece.line)
        except InputError as exc:
            return Bad(piece.line, str(exc), piece.raw)

    def _note(self, fault: Bad) -> _Note:
        kept = self._keep(fault.raw)
        self.noted.append((fault.line, kept))
        seen = quarantine.excerpt_of_file(self._file.path) if fault.raw is None else quarantine.excerpt(fault.raw)
        return _Note(fault.line, fault.reason.encode(errors="backslashreplace").decode(), seen, kept)

    def _keep(self, raw: bytes | None) -> str:
        folder = self._quarantine / self._model
        if raw is None or len(self.noted) >= PIECES_KEPT_APART:
            name = quarantine.keep_file(folder, self._file)
        else:
            name = quarantine.keep(folder, raw)
        return f"{self._model}/{name}" if name else ""


def _new_feedback(record: FeedbackRecord, file: str, line: int) -> NewFeedback:
    return NewFeedback(
        content_hash=record.content_hash,
        prompt_hash=record.prompt_hash,
        record=record.to_json(),
        created_at=record.created_at,
        file=file,
        line=line,
        output_type=record.output_type,
        source_id=record.source_id,
        rating=record.rating,
        failure_tags=record.failure_tags,
    )
