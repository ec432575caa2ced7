"""The reading of one feedback file, piece by piece, with an account of what was found; it needs no store."""

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapterd.errors import InputError
from adapterd.feedback.clocks_ahead import ReadRecord, TimesOfPlaces
from adapterd.feedback.contents.place import Place
from adapterd.feedback.following.open_file import Look, OpenFile
from adapterd.feedback.following.position import HEAD_BYTES, Position
from adapterd.feedback.formats import OffScaleError, Reading, ReadingOptions, may_be_off_scale, parse
from adapterd.feedback.listing import InboxFile
from adapterd.feedback.own_copies import hash_of_piece
from adapterd.feedback.reader import ParsedPiece, RejectedPiece, read_open
from adapterd.feedback.strict_json import decode_line, glance
from adapterd.intake.notes import Note, Notes
from adapterd.store.feedback import FileRead, NewFeedback


@dataclass(frozen=True)
class BatchLimit:
    """How much is parsed at once, and stored in one transaction."""

    pieces: int
    size_bytes: int


@dataclass(frozen=True)
class ReadingRules:
    """What holds for all files of an inbox: the model, the folder of its quarantine, the hashes of what was taken back
    (`removed`), and the limit of a batch."""

    model: str
    quarantine: Path
    removed: AbstractSet[str]
    limit: BatchLimit


@dataclass(frozen=True)
class FileToRead:
    """A file that is to be read, known by its `number`. `previous` is its last reading, if it was read before; with
    `resume` only what stands behind that position is read."""

    number: int
    file: InboxFile
    options: ReadingOptions
    previous: FileRead | None = None
    resume: Position | None = None


@dataclass(frozen=True)
class FileAccount:
    """What was found in a file.

    It `is_complete` when the file was read to its end; else `refusal` is the reason, unless the file had gone.
    `quarantined` counts the pieces that cannot be used, noted or not; `removed_lines` are those of pieces that cannot
    be used and were taken back earlier. `metadata` names the fields that were kept aside, and `clamped` counts the
    records that say a time later than now. `noted` has line and place of each piece that is kept, `kept_whole` the name
    in quarantine of a copy of the whole file. Of a file that `is_stopped` nothing is taken. One that `is_grown` begins
    with all that it had when it was read before. `digest` is that of all pieces.
    """

    is_complete: bool = False
    refusal: str | None = None
    lines: int = 0
    quarantined: int = 0
    not_judged: int = 0
    passed_over: int = 0
    clamped: int = 0
    metadata: frozenset[str] = frozenset()
    removed_lines: tuple[int, ...] = ()
    noted: tuple[tuple[int, str], ...] = ()
    kept_whole: str | None = None
    is_stopped: bool = False
    is_grown: bool = False
    digest: str = ""
    position: Position | None = None


NOTHING_FOUND = FileAccount()


@dataclass(frozen=True)
class PieceBatch:
    """Pieces of the file with this number that are parsed and not yet stored.

    The first `read_before` of the records stand in the part of the file that was read before. The last batch of a file
    has the `account` of it.
    """

    number: int
    records: list[NewFeedback]
    read_before: int
    notes: list[Note]
    pieces: int
    size_bytes: int
    account: FileAccount | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle the records are plain tuples, which takes a third of the time."""
        records = [tuple(each) for each in self.records]
        rest = (self.read_before, self.notes, self.pieces, self.size_bytes, self.account)
        return _unpickled, (self.number, records, *rest)


def _unpickled(number: int, records: list[tuple[Any, ...]], *rest: Any) -> PieceBatch:
    return PieceBatch(number, [NewFeedback._make(each) for each in records], *rest)


class _OffScalePieceError(Exception):
    """A rating lies beyond its scale, in this piece."""

    def __init__(self, piece: RejectedPiece) -> None:
        super().__init__(piece.reason)
        self.piece = piece


class FileReading:
    """The reading of one file, once. `clock` gives the moment at which it is read; `look` is called before each
    BUFFER_BYTES, and may raise to end the reading."""

    def __init__(self, rules: ReadingRules, given: FileToRead, clock: Callable[[], datetime], look: Look) -> None:
        self._rules, self._given, self._look = rules, given, look
        self._file, self._options, self._resume = given.file, given.options, given.resume
        self._name = given.file.name
        self._notes = Notes(rules.quarantine, rules.model, given.file)
        self._now = clock()
        self._received_at = min(datetime.fromtimestamp(given.file.mtime_ns / 1e9, UTC), self._now)
        self._times = TimesOfPlaces()
        self._digest = hashlib.blake2b(given.options.digest.encode(), digest_size=16)
        self._place = given.resume.place() if given.resume else Place()
        self._position: Position | None = None
        self._opened: OpenFile
        self._is_scale_checked = self._is_stopped = self._is_grown = self._is_over = self._is_complete = False
        self._refusal: str | None = None
        self._lines = self._quarantined = self._not_judged = self._passed_over = self._clamped = self._pieces_read = 0
        self._metadata: set[str] = set()
        self._removed_lines: list[int] = []

    def batches(self) -> Iterator[PieceBatch]:
        """Read and parse the file; what cannot be used is kept in quarantine. The last batch may be empty.

        Where a rating lies beyond its scale nothing of the file is used, so that all of it is looked at first.
        """
        last = PieceBatch(self._given.number, [], 0, [], 0, 0)
        try:
            with OpenFile(self._file, self._look) as self._opened:
                if self._is_as_looked_up():
                    last = yield from self._read_batches()
        except OSError as exc:
            self._is_complete = False
            self._refuse(exc)
        yield replace(last, account=self._account())

    def _is_as_looked_up(self) -> bool:
        """Whether the file still has what was read of it; else it was written anew since, and is read the next time."""
        return self._resume is None or self._file.kind.is_packed or self._resume.is_in(self._opened)

    def _account(self) -> FileAccount:
        return FileAccount(
            self._is_complete, self._refusal, self._lines, self._quarantined, self._not_judged, self._passed_over,
            self._clamped, frozenset(self._metadata), tuple(self._removed_lines), tuple(self._notes.noted),
            self._notes.kept_whole, self._is_stopped, self._is_grown, self._digest.hexdigest(), self._position,
        )  # fmt: skip

    def _read_batches(self) -> Generator[PieceBatch, None, PieceBatch]:
        """All batches; the last one is returned."""
        if self._resume is not None and self._resume.is_stopped:
            return self._still_stopped()
        pieces, head = self._pieces(), self._head()
        left_bytes = max(0, self._file.size_bytes - self._place.start_bytes)
        try:
            batch = self._batch(pieces, left_bytes)
            if not self._is_over:
                self._check_scales()
        except _OffScalePieceError as exc:
            return self._stopped(exc.piece)
        self._is_scale_checked = True
        while not self._is_over:
            yield batch
            left_bytes -= batch.size_bytes
            batch = self._batch(pieces, left_bytes)
        if self._file.has_lines and (self._head() != head or self._opened.status().st_size < self._place.end_bytes):
            self._is_complete = False  # it was written anew while it was read: it is read again
        self._note_position(self._place)
        return batch

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
        self._is_complete = True
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
        self._is_complete = True
        self._not_judged = self._passed_over = self._clamped = 0
        self._metadata.clear()
        self._notes.clear()
        self._lines = self._quarantined = 1
        reason = f"nothing of this file was taken: {fault.reason}"
        return self._with_nothing_taken([self._notes.note(RejectedPiece(fault.line, reason, None), self._opened)])

    def _with_nothing_taken(self, notes: list[Note]) -> PieceBatch:
        self._is_stopped = True
        size_bytes = self._file.size_bytes
        is_open = self._opened.bytes_at(size_bytes - 1, 1) != b"\n" if size_bytes else False
        self._note_position(Place(end_bytes=size_bytes, is_open=is_open))
        left_bytes = size_bytes - self._place.start_bytes
        return PieceBatch(self._given.number, [], 0, notes, len(notes), left_bytes)

    def _was_read_before(self, raw: bytes) -> bool:
        """Whether the piece stands in the part of the file that was read before. All of a file does that was changed
        there; one that has only grown has new pieces behind it."""
        self._pieces_read += 1
        self._digest.update(b"%d\0%b" % (len(raw), raw))
        previous = self._given.previous
        if previous is None:
            return False
        if self._pieces_read == previous.lines:
            self._is_grown = self._digest.hexdigest() == previous.digest
            return True
        return self._pieces_read < previous.lines or not self._is_grown

    def _pieces(self) -> Iterator[ParsedPiece | RejectedPiece]:
        try:
            yield from read_open(self._opened, self._file, place=self._place)
            self._is_complete = True
        except OSError as exc:
            self._refuse(exc)

    def _refuse(self, exc: OSError) -> None:
        """Note why the file cannot be read, unless it has gone."""
        if not isinstance(exc, FileNotFoundError):
            self._refusal = f"{self._file.path} cannot be read: {exc.strerror}"

    def _batch(self, pieces: Iterator[ParsedPiece | RejectedPiece], left_bytes: int) -> PieceBatch:
        records: list[ReadRecord] = []
        faults: list[RejectedPiece] = []
        count = size_bytes = read_before = 0
        for piece in pieces:
            count += 1
            was_read = self._resume is None and self._was_read_before(piece.raw or b"")
            size_bytes += len(piece.raw or b"") + 1
            parsed = self._parse(piece)
            if isinstance(parsed, Reading):
                self._count(parsed)
                records += ReadRecord.all_of(parsed, piece.line, self._received_at)
                read_before = len(records) if was_read else read_before
            elif self._was_removed(parsed):
                self._removed_lines.append(parsed.line)
            else:
                faults.append(parsed)
            if count == self._rules.limit.pieces or size_bytes >= self._rules.limit.size_bytes:
                size_bytes = min(size_bytes, left_bytes)
                break
        else:
            self._is_over, size_bytes = True, left_bytes
        self._lines += count
        self._quarantined += len(faults)
        notes = self._notes.of(faults, self._opened, is_last=self._is_over)
        return PieceBatch(self._given.number, self._rows(records), read_before, notes, count, size_bytes)

    def _was_removed(self, piece: RejectedPiece) -> bool:
        return bool(self._rules.removed) and piece.raw is not None and hash_of_piece(piece.raw) in self._rules.removed

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

    def _count(self, reading: Reading) -> None:
        if reading.not_judged:
            self._not_judged += reading.not_judged
            self._passed_over += reading.passed_over
        self._clamped += reading.is_clamped
        if reading.metadata:
            self._metadata |= reading.metadata

    def _rows(self, records: Sequence[ReadRecord]) -> list[NewFeedback]:
        placed = self._times.placed(records)
        return [NewFeedback.of(each.record, self._name, each.line, dated=each.is_dated) for each in placed]


def transaction_groups(batches: Iterable[PieceBatch], limit: BatchLimit) -> Iterator[list[PieceBatch]]:
    """Batches grouped by transaction: those of small files together, up to the size of one full batch."""
    group: list[PieceBatch] = []
    pieces = size_bytes = 0
    for batch in batches:
        pieces += batch.pieces
        size_bytes += batch.size_bytes
        if group and (pieces > limit.pieces or size_bytes > limit.size_bytes):
            yield group
            group, pieces, size_bytes = [], batch.pieces, batch.size_bytes
        group.append(batch)
    if group:
        yield group


def read_files(
    files: Iterable[FileToRead], rules: ReadingRules, clock: Callable[[], datetime], look: Look
) -> Iterator[PieceBatch]:
    """The batches of all files; each file is taken when the one before was read."""
    for given in files:
        yield from FileReading(rules, given, clock, look).batches()
