"""The intake of one feedback file, piece by piece, with an account of what became of every piece."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from adapterd.errors import InputError
from adapterd.feedback import quarantine
from adapterd.feedback.formats import parse
from adapterd.feedback.listing import InboxFile
from adapterd.feedback.reader import ParsedPiece, RejectedPiece, read_file
from adapterd.home import Home
from adapterd.store import Store
from adapterd.store.feedback import FileRead, NewFeedback

BATCH_PIECES = 2000
BATCH_BYTES = 16 << 20
PIECES_KEPT_APART = 20  # of one file, each synced to the disk; for more the whole file is kept once
MAX_NOTES = 10_000  # about one file; those beyond are counted in one note


@dataclass(frozen=True)
class Note:
    """A piece that cannot be used; its bytes are kept at `kept` below the quarantine (empty: there were none)."""

    line: int
    reason: str
    excerpt: str
    kept: str


@dataclass(frozen=True)
class PieceBatch:
    """Pieces of a file that are parsed and not yet stored."""

    intake: "FileIntake"
    records: list[NewFeedback]
    notes: list[Note]
    size_bytes: int
    is_last: bool

    @property
    def pieces(self) -> int:
        """How many pieces these are, of either kind."""
        return len(self.records) + len(self.notes)


class FileIntake:
    """The intake of one file, and the account of it.

    It `is_complete` when the file was read to its end; else `refusal` is the reason, unless the file had gone.
    `quarantined` counts the pieces that cannot be used, noted or not.
    """

    def __init__(self, home: Home, model: str, file: InboxFile, now: datetime) -> None:
        self._model = model
        self._file = file
        self._quarantine = home.quarantine
        self._now = now
        self._received_at = min(datetime.fromtimestamp(file.mtime_ns / 1e9, UTC), now)
        self._whole: str | None = None
        self._noted: list[tuple[int, str]] = []
        self._first_unnoted: int | None = None
        self.name = file.name
        self.is_complete = False
        self.refusal: str | None = None
        self.lines = 0
        self.accepted = 0
        self.duplicates = 0
        self.quarantined = 0

    def batches(self) -> Iterator[PieceBatch]:
        """Read and parse the file; what cannot be used is kept, and nothing is stored. The last batch may be empty."""
        pieces = self._pieces()
        left_bytes = self._file.size_bytes
        while not (batch := self._batch(pieces, left_bytes)).is_last:
            yield batch
            left_bytes -= batch.size_bytes
        yield batch

    def store(self, store: Store, batch: PieceBatch) -> None:
        """Store a batch within a transaction; with the last one, remember that the file was read."""
        accepted = store.feedback.add_many(self._model, batch.records)
        self.accepted += accepted
        self.duplicates += len(batch.records) - accepted
        for note in batch.notes:
            store.feedback.quarantine(self._model, file=self.name, **vars(note))
        if batch.is_last and self.is_complete:
            store.feedback.forget_quarantine_except(self._model, file=self.name, lines_kept=self._noted)
            store.feedback.record_file(self._model, self._account())

    def _account(self) -> FileRead:
        """Of a file that was growing the time is left out, so that it counts as changed, and is read again."""
        return FileRead(
            path=self.name,
            size_bytes=self._file.size_bytes,
            mtime_ns=0 if self._file.is_growing else self._file.mtime_ns,
            lines=self.lines,
            accepted=self.accepted,
            duplicates=self.duplicates,
            quarantined=self.quarantined,
        )

    def _pieces(self) -> Iterator[ParsedPiece | RejectedPiece]:
        try:
            yield from read_file(self._file)
            self.is_complete = True
        except InputError as exc:
            if not isinstance(exc.__cause__, FileNotFoundError):
                self.refusal = str(exc)

    def _batch(self, pieces: Iterator[ParsedPiece | RejectedPiece], left_bytes: int) -> PieceBatch:
        records: list[NewFeedback] = []
        faults: list[RejectedPiece] = []
        size_bytes = 0
        for piece in pieces:
            size_bytes += len(piece.raw or b"") + 1
            parsed = self._parse(piece)
            if isinstance(parsed, NewFeedback):
                records.append(parsed)
            else:
                faults.append(parsed)
            if len(records) + len(faults) == BATCH_PIECES or size_bytes >= BATCH_BYTES:
                return self._counted(records, faults, min(size_bytes, left_bytes), is_last=False)
        return self._counted(records, faults, left_bytes, is_last=True)

    def _parse(self, piece: ParsedPiece | RejectedPiece) -> NewFeedback | RejectedPiece:
        if isinstance(piece, RejectedPiece):
            return piece
        try:
            return NewFeedback.of(
                parse(piece.value, received_at=self._received_at, now=self._now), self.name, piece.line
            )
        except InputError as exc:
            return RejectedPiece(piece.line, str(exc), piece.raw)

    def _counted(
        self, records: list[NewFeedback], faults: list[RejectedPiece], size_bytes: int, *, is_last: bool
    ) -> PieceBatch:
        self.lines += len(records) + len(faults)
        self.quarantined += len(faults)
        notes = [self._note(fault) for fault in faults[: MAX_NOTES - len(self._noted)]]
        if len(notes) < len(faults) and self._first_unnoted is None:
            self._first_unnoted = faults[len(notes)].line
        if is_last and self._first_unnoted is not None:
            reason = f"from here on {self.quarantined - len(self._noted):,} more cannot be used"
            notes.append(self._note(RejectedPiece(self._first_unnoted, reason, None)))
        return PieceBatch(self, records, notes, size_bytes, is_last)

    def _note(self, fault: RejectedPiece) -> Note:
        kept = self._keep(fault.raw)
        self._noted.append((fault.line, kept))
        seen = quarantine.excerpt_of_file(self._file) if fault.raw is None else quarantine.excerpt(fault.raw)
        return Note(fault.line, fault.reason.encode(errors="backslashreplace").decode(), seen, kept)

    def _keep(self, raw: bytes | None) -> str:
        folder = self._quarantine / self._model
        if raw is None or len(self._noted) >= PIECES_KEPT_APART:
            if self._whole is None:  # once: of a file that grows every copy would be another
                self._whole = quarantine.keep_file(folder, self._file)
            name = self._whole
        else:
            name = quarantine.keep(folder, raw)
        return f"{self._model}/{name}" if name else ""


def transaction_groups(batches: Iterable[PieceBatch]) -> Iterator[list[PieceBatch]]:
    """Batches grouped by transaction: those of small files together, up to the size of one full batch."""
    group: list[PieceBatch] = []
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
