"""The intake of one feedback file, piece by piece, with an account of what became of every piece."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from adapterd.errors import InputError
from adapterd.feedback.clocks_ahead import ReadRecord, TimesOfPlaces
from adapterd.feedback.contents.place import Place
from adapterd.feedback.following.open_file import Look, OpenFile, go_on
from adapterd.feedback.following.position import HEAD_BYTES, Position
from adapterd.feedback.formats import OffScaleError, Reading, ReadingOptions, may_be_off_scale, parse
from adapterd.feedback.kinds import Layout
from adapterd.feedback.listing import InboxFile
from adapterd.feedback.own_copies import hash_of_piece
from adapterd.feedback.reader import ParsedPiece, RejectedPiece, read_open
from adapterd.feedback.strict_json import decode_line, glance
from adapterd.home import Home
from adapterd.intake.notes import Note, Notes
from adapterd.store import Store
from adapterd.store.feedback import FileRead, NewFeedback
from adapterd.store.statements import Reading as StatementReading

BATCH_PIECES = 8000
BATCH_BYTES = 16 << 20
FOLLOWED = "followed"
"""The digest of a file that was read in parts, in place of one of all its pieces."""
DEFAULT_OPTIONS = ReadingOptions()


@dataclass(frozen=True)
class BatchLimit:
    """How much is parsed at once, and stored in one transaction."""

    pieces: int
    size_bytes: int


@dataclass(frozen=True)
class PieceBatch:
    """Pieces of a file that are parsed and not yet stored; the first `read_before` of the records stand in the part of
    the file that was read before."""

    intake: "FileIntake"
    records: list[NewFeedback]
    read_before: int
    notes: list[Note]
    pieces: int
    size_bytes: int
    is_last: bool


class _OffScalePieceError(Exception):
    """A rating lies beyond its scale, in this piece."""

    def __init__(self, piece: RejectedPiece) -> None:
        super().__init__(piece.reason)
        self.piece = piece


class FileIntake:
    """The intake of one file, and the account of it.

    It `is_complete` when the file was read to its end; else `refusal` is the reason, unless the file had gone.
    `quarantined` counts the pieces that cannot be used, noted or not; `removed_lines` are those of pieces that were
    taken back earlier (`removed` has their hashes), which are neither stored nor noted. `metadata` names the fields
    that were kept aside, and `clamped` counts the records that say a time later than now. `previous` is the last
    reading of the file, if it was read before: what it said then and no longer says is `withdrawn` where it says
    something else instead, or with `withdraw_vanished` in any case. With `resume` only what stands behind that position
    is read. `look` is called before each BUFFER_BYTES, and may raise to end the reading; `limit` is that of a batch.
    """

    def __init__(
        self,
        home: Home,
        model: str,
        file: InboxFile,
        now: datetime,
        options: ReadingOptions = DEFAULT_OPTIONS,
        *,
        previous: FileRead | None = None,
        withdraw_vanished: bool = False,
        removed: AbstractSet[str] = frozenset(),
        resume: Position | None = None,
        look: Look = go_on,
        limit: BatchLimit | None = None,
    ) -> None:
        self._model = model
        self._removed = removed
        self._options = options
        self._file = file
        self._notes = Notes(home.quarantine, model, file)
        self._now = now
        self._received_at = min(datetime.fromtimestamp(file.mtime_ns / 1e9, UTC), now)
        self._is_scale_checked = False
        self._is_stopped = False
        self._previous = previous
        self._withdraw_vanished = withdraw_vanished
        self._times = TimesOfPlaces()
        self._is_first_batch = self._is_as_it_was = True
        self._digest = hashlib.blake2b(options.digest.encode(), digest_size=16)
        self._pieces_read = 0
        self._is_grown = False
        self._resume = resume
        self._place = resume.place() if resume else Place()
        self._position: Position | None = None
        self._document = ""
        self._look = look
        self._limit = limit or BatchLimit(BATCH_PIECES, BATCH_BYTES)
        self._opened: OpenFile
        self.name = file.name
        self.is_complete = False
        self.refusal: str | None = None
        self.lines = 0
        self.accepted = 0
        self.duplicates = 0
        self.withdrawn = 0
        self.quarantined = 0
        self.not_judged = 0
        self.passed_over = 0
        self.clamped = 0
        self.metadata: set[str] = set()
        self.removed_lines: list[int] = []

    @property
    def file(self) -> InboxFile:
        """The file as it was listed."""
        return self._file

    @property
    def kept_whole(self) -> str | None:
        """The name in quarantine of a copy of the whole file, None where none was kept."""
        return self._notes.kept_whole

    def batches(self) -> Iterator[PieceBatch]:
        """Read and parse the file; what cannot be used is kept, and nothing is stored. The last batch may be empty.

        Where a rating lies beyond its scale nothing of the file is used, so that all of it is looked at first.
        """
        try:
            with OpenFile(self._file, self._look) as self._opened:
                if self._resume is not None and self._resume.is_stopped:
                    yield self._still_stopped()
                else:
                    yield from self._read_batches()
        except OSError as exc:
            self._refuse(exc)

    def _read_batches(self) -> Iterator[PieceBatch]:
        pieces, head = self._pieces(), self._head()
        left_bytes = max(0, self._file.size_bytes - self._place.start_bytes)
        try:
            batch = self._batch(pieces, left_bytes)
            if not batch.is_last:
                self._check_scales()
        except _OffScalePieceError as exc:
            yield self._stopped(exc.piece)
            return
        self._is_scale_checked = True
        while not batch.is_last:
            yield batch
            left_bytes -= batch.size_bytes
            batch = self._batch(pieces, left_bytes)
        if self._file.has_lines and (self._head() != head or self._opened.status().st_size < self._place.end_bytes):
            self.is_complete = False  # it was written anew while it was read: it is read again
        self._note_position(self._place)
        yield batch

    def _head(self) -> bytes:
        """The beginning, which stays in a file that grows."""
        return self._opened.bytes_at(0, min(HEAD_BYTES, self._file.size_bytes)) if self._file.has_lines else b""

    def _note_position(self, place: Place) -> None:
        if self._file.has_lines:
            is_log = self._file.is_growing or (
                self._resume is not None and (self._resume.is_log or place.end_bytes > self._resume.end_bytes)
            )
            self._position = Position.reached(self._opened, place, is_log=is_log, is_stopped=self._is_stopped)

    def _still_stopped(self) -> PieceBatch:
        """Nothing of a file whose beginning has a rating beyond its scale, however much it grows."""
        self.is_complete = True
        return self._with_nothing_taken([])

    def _check_scales(self) -> None:
        """Raise _OffScalePieceError if any rating of the file lies beyond its scale."""
        place = self._resume.place() if self._resume else None
        with suppress(OSError):  # the file cannot be read to its end, as the reading itself finds as well
            for piece in read_open(self._opened, self._file, self._glance, place):
                if isinstance(piece, ParsedPiece) and may_be_off_scale(piece.value, self._options):
                    self._parse(piece)

    def _glance(self, raw: bytes) -> object:
        """The value in a line that may have a rating beyond its scale, None for any other line; raises InputError and
        UnicodeDecodeError."""
        return decode_line(raw) if may_be_off_scale(glance(raw), self._options) else None

    def _stopped(self, fault: RejectedPiece) -> PieceBatch:
        """What a file gives that has a rating beyond its scale: one note about all of it."""
        self.is_complete = True
        self.not_judged = self.passed_over = self.clamped = 0
        self.metadata.clear()
        self._notes.clear()
        self.lines = self.quarantined = 1
        reason = f"nothing of this file was taken: {fault.reason}"
        return self._with_nothing_taken([self._notes.note(RejectedPiece(fault.line, reason, None), self._opened)])

    def _with_nothing_taken(self, notes: list[Note]) -> PieceBatch:
        self._is_stopped = True
        size_bytes = self._file.size_bytes
        is_open = self._opened.bytes_at(size_bytes - 1, 1) != b"\n" if size_bytes else False
        self._note_position(Place(end_bytes=size_bytes, is_open=is_open))
        return PieceBatch(self, [], 0, notes, len(notes), size_bytes - self._place.start_bytes, True)

    def store(self, store: Store, batch: PieceBatch) -> None:
        """Store a batch within a transaction; with the last one, remember that the file was read."""
        if self._is_first_batch:
            self._begin(store)
        allowed, removed = store.removals.divide(self._model, batch.records)
        self.removed_lines += [record.line for record in removed]
        read_before = len(allowed)
        if self._is_as_it_was:
            gone = set(map(id, removed))
            read_before = sum(id(record) not in gone for record in batch.records[: batch.read_before])
        reading = StatementReading(
            read_before,
            watched=self._previous is not None and self._resume is None,
            apart=self._withdraw_vanished,
            read_by_earlier_release=self._previous is not None and not self._previous.digest,
            document=self._document,
        )
        accepted = store.feedback.add_many(self._model, allowed, reading)
        self.accepted += accepted
        self.duplicates += len(allowed) - accepted
        for note in batch.notes:
            store.feedback.quarantine(self._model, file=self.name, **vars(note))
        if batch.is_last and self.is_complete:
            self._end(store)

    def _begin(self, store: Store) -> None:
        """Look whether the file was read meanwhile under another name, as an import that was corrected is."""
        self._is_first_batch = False
        last = store.feedback.last_reading(self._model, self.name)
        self._is_as_it_was = last == self._previous
        self._document = store.feedback.followed.document(self._model, self.name)
        if self._resume is not None:
            return
        self._previous = last
        if last is not None:
            store.feedback.statements.begin()

    def _end(self, store: Store) -> None:
        is_changed = self._previous is not None and not (self._is_grown and self._is_as_it_was)
        if is_changed and not self._is_stopped and self._resume is None:
            self.withdrawn = store.feedback.statements.end(
                self._model, self.name, self._document, vanished=self._withdraw_vanished
            )
        if self._resume is None:
            store.feedback.forget_quarantine_except(self._model, file=self.name, lines_kept=self._notes.noted)
        store.feedback.forget_former_imports(self._model, self.name)
        store.feedback.record_file(self._model, self._account(), self._document)
        store.feedback_reading.note_read(self._model, self.name, self._options.digest)

    def _account(self) -> FileRead:
        """Of a file that was growing the time is left out, so that it counts as changed, and is read again."""
        before = self._previous if self._resume is not None else None
        of_pieces = FOLLOWED if self._resume is not None else self._digest.hexdigest()
        kind, identity = self._file.kind, self._file.identity
        has_lines = kind.layout is not Layout.DOCUMENT
        return FileRead(
            path=self.name,
            size_bytes=self._file.size_bytes,
            mtime_ns=0 if self._file.is_growing else self._file.mtime_ns,
            lines=self.lines + (before.lines if before else 0),
            accepted=self.accepted + (before.accepted if before else 0),
            duplicates=self.duplicates + (before.duplicates if before else 0),
            quarantined=self.quarantined + (before.quarantined if before else 0),
            digest="" if self._is_stopped else of_pieces,
            inode="{}:{}".format(*identity) if has_lines and identity else "",
            position=self._position.to_json() if self._position else "",
            log=self._file.log if has_lines else "",
        )

    def _was_read_before(self, piece: ParsedPiece | RejectedPiece) -> bool:
        """Whether the piece stands in the part of the file that was read before. All of a file does that was changed
        there; one that has only grown has new pieces behind it."""
        if self._resume is not None:
            return False
        self._pieces_read += 1
        raw = piece.raw or b""
        self._digest.update(b"%d\0%b" % (len(raw), raw))
        if self._previous is None:
            return False
        if self._pieces_read == self._previous.lines:
            self._is_grown = self._digest.hexdigest() == self._previous.digest
            return True
        return self._pieces_read < self._previous.lines or not self._is_grown

    def _pieces(self) -> Iterator[ParsedPiece | RejectedPiece]:
        try:
            yield from read_open(self._opened, self._file, place=self._place)
            self.is_complete = True
        except OSError as exc:
            self._refuse(exc)

    def _refuse(self, exc: OSError) -> None:
        """Note why the file cannot be read, unless it has gone."""
        if not isinstance(exc, FileNotFoundError):
            self.refusal = f"{self._file.path} cannot be read: {exc.strerror}"

    def _batch(self, pieces: Iterator[ParsedPiece | RejectedPiece], left_bytes: int) -> PieceBatch:
        records: list[ReadRecord] = []
        faults: list[RejectedPiece] = []
        count = size_bytes = read_before = 0
        for piece in pieces:
            count += 1
            was_read = self._was_read_before(piece)
            size_bytes += len(piece.raw or b"") + 1
            parsed = self._parse(piece)
            if isinstance(parsed, RejectedPiece) and self._was_removed(parsed):
                self.removed_lines.append(parsed.line)
            elif isinstance(parsed, RejectedPiece):
                faults.append(parsed)
            else:
                records += self._counted_records(parsed, piece.line)
                read_before = len(records) if was_read else read_before
            if count == self._limit.pieces or size_bytes >= self._limit.size_bytes:
                rows, size_bytes = self._rows(records), min(size_bytes, left_bytes)
                return self._counted(PieceBatch(self, rows, read_before, [], count, size_bytes, is_last=False), faults)
        rows = self._rows(records)
        return self._counted(PieceBatch(self, rows, read_before, [], count, left_bytes, is_last=True), faults)

    def _was_removed(self, piece: RejectedPiece) -> bool:
        return bool(self._removed) and piece.raw is not None and hash_of_piece(piece.raw) in self._removed

    def _parse(self, piece: ParsedPiece | RejectedPiece) -> Reading | RejectedPiece:
        if isinstance(piece, RejectedPiece):
            return piece
        try:
            return parse(piece.value, options=self._options, received_at=self._received_at, now=self._now)
        except OffScaleError as exc:
            rejected = RejectedPiece(piece.line, str(exc), piece.raw)
            if not self._is_scale_checked:
                raise _OffScalePieceError(rejected) from exc
            return rejected
        except InputError as exc:
            return RejectedPiece(piece.line, str(exc), piece.raw)

    def _counted_records(self, reading: Reading, line: int) -> list[ReadRecord]:
        if reading.not_judged:
            self.not_judged += reading.not_judged
            self.passed_over += reading.passed_over
        self.clamped += reading.is_clamped
        if reading.metadata:
            self.metadata |= reading.metadata
        return ReadRecord.all_of(reading, line, self._received_at)

    def _rows(self, records: Sequence[ReadRecord]) -> list[NewFeedback]:
        placed = self._times.placed(records)
        return [NewFeedback.of(each.record, self.name, each.line, dated=each.is_dated) for each in placed]

    def _counted(self, batch: PieceBatch, faults: list[RejectedPiece]) -> PieceBatch:
        """The batch with the notes about the pieces that cannot be used."""
        self.lines += batch.pieces
        self.quarantined += len(faults)
        return replace(batch, notes=self._notes.of(faults, self._opened, is_last=batch.is_last))


def transaction_groups(batches: Iterable[PieceBatch], limit: BatchLimit | None = None) -> Iterator[list[PieceBatch]]:
    """Batches grouped by transaction: those of small files together, up to the size of one full batch."""
    most = limit or BatchLimit(BATCH_PIECES, BATCH_BYTES)
    group: list[PieceBatch] = []
    pieces = size_bytes = 0
    for batch in batches:
        pieces += batch.pieces
        size_bytes += batch.size_bytes
        if group and (pieces > most.pieces or size_bytes > most.size_bytes):
            yield group
            group, pieces, size_bytes = [], batch.pieces, batch.size_bytes
        group.append(batch)
    if group:
        yield group
