"""Tables: CSV and TSV with a header (RFC 4180). A row is a record, in which blank cells are null."""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from adapterd.errors import InputError
from adapterd.feedback.checks import shown
from adapterd.feedback.contents import pieces
from adapterd.feedback.contents.cells import value_of
from adapterd.feedback.contents.json_lines import is_cut
from adapterd.feedback.contents.pieces import ParsedPiece, Piece, RejectedPiece, stripped
from adapterd.feedback.contents.place import Place

MAX_COLUMNS = 1000
_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_BYTES = 1 << 18
_SAMPLE_ROWS = 20
_STATED = re.compile(rb'"?sep=([^"])"?\r?\n', re.IGNORECASE)
_FAULTS = {
    "unexpected end of data": "a quotation mark is not closed",
    "new-line character seen": "a carriage return stands within it; end lines with a line feed",
    "expected after": "text follows after a closing quotation mark; a quotation mark within a cell is written twice",
}

csv.field_size_limit(pieces.MAX_LINE_BYTES)  # of the whole process; what bounds a row here is the length of its lines


@dataclass(frozen=True)
class _Row:
    """The cells that begin in a line of the file; `raw` are their bytes. With a `fault` it cannot be read."""

    line: int
    cells: Sequence[str]
    raw: bytes | None
    fault: str | None = None


def read_table(
    stream: BinaryIO,
    size_bytes: int | None,
    *,
    delimiter: str | None,
    is_whole: Callable[[], bool],
    place: Place | None = None,
) -> Iterator[Piece]:
    """The rows below the header, up to the one that reaches `size_bytes` (None: all of them).

    Unless the file `is_whole` then, a last row that may be half there is left for the next time. A first line `sep=;`
    states the delimiter; else it is `delimiter`, or found in the first rows. Where it stays open, or the header has a
    name twice, that is the only piece. `place` is where the stream begins (behind the header, if it has columns); at
    the end it is how far the table was read.
    """
    place = place or Place()
    lines = _Lines(stream, size_bytes, is_whole, place.lines)
    try:
        if place.columns:
            yield from _pieces(_rows(lines, place.delimiter), place.columns)
            lines.note_end(place)
            return
        head = stripped(stream.readline(16)) + b"\n"
        stream.seek(0)
        stated = _STATED.fullmatch(head)
        if stated:
            next(lines)
            delimiter = stated[1].decode(errors="replace")
        place.delimiter = delimiter or _found_delimiter(stream)
        rows = _rows(lines, place.delimiter)
        header = next((row for row in rows if row.fault or any(row.cells)), None)
        if header is not None:
            names = _names(header)
            yield from _pieces(rows, names)
            place.columns = tuple(names)
            lines.note_end(place)
    except InputError as exc:
        yield RejectedPiece(0, f"the table {exc}", None)


def _pieces(rows: Iterator["_Row"], names: Sequence[str]) -> Iterator[Piece]:
    return (_piece(row, names) for row in rows if row.fault or any(map(str.strip, row.cells)))


class _Lines:
    """The lines of a file as text, for the csv module, and the bytes of the row that is being read.

    Bytes that are not UTF-8 are kept as surrogates (PEP 383).
    """

    def __init__(self, stream: BinaryIO, size_bytes: int | None, is_whole: Callable[[], bool], number: int) -> None:
        self._stream = stream
        self._left_bytes = size_bytes
        self._is_whole = is_whole
        self.number = number
        self._done_bytes = 0
        self._row_start = (0, number)
        self._is_open = self._is_within_a_row = False
        self._taken: list[bytes] = []
        self._taken_bytes = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        raw = (
            self._stream.readline(pieces.MAX_LINE_BYTES + 1)
            if self._left_bytes is None or self._left_bytes > 0
            else b""
        )
        if not raw or (not raw.endswith(b"\n") and not is_cut(raw) and self.may_go_on()):
            raise StopIteration
        self.number += 1
        self._done_bytes += len(raw)
        self._is_open = not raw.endswith(b"\n")
        if self._left_bytes is not None:
            self._left_bytes -= len(raw)
        self._taken.append(raw)
        self._taken_bytes += len(raw)
        if self._taken_bytes > pieces.MAX_LINE_BYTES:
            most = f"{pieces.MAX_LINE_BYTES >> 20} MiB"
            raise InputError(
                f"the row is longer than {most}: is a quotation mark not closed? The rest of the table is not read"
            )
        return (raw.removeprefix(pieces.BOM) if self.number == 1 else raw).decode(errors="surrogateescape")

    def begin_row(self) -> None:
        """From here on the lines are those of the next row."""
        self._taken.clear()
        self._taken_bytes = 0
        self._row_start = (self._done_bytes, self.number)

    def break_off(self) -> None:
        """Note that the table ends within a row, so that nobody can go on from there."""
        self._is_within_a_row = True

    def note_end(self, place: Place) -> None:
        """Note how far whole rows were read."""
        read_bytes, lines = self._row_start
        if not self._is_within_a_row:
            place.reached(read_bytes, lines, is_open=self._is_open and read_bytes == self._done_bytes)

    @property
    def row(self) -> bytes:
        """The bytes of the row, as far as it was read."""
        return stripped(b"".join(self._taken))

    def may_go_on(self) -> bool:
        """Whether the file may go on where it ends now."""
        return not self._is_whole()


def _rows(lines: _Lines, delimiter: str) -> Iterator[_Row]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin_row()
        first = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except InputError as exc:  # from here on nobody knows what is within quotation marks
            lines.break_off()
            yield _Row(first, (), None, str(exc))
            return
        except csv.Error as exc:
            if "unexpected end" in str(exc) and lines.may_go_on():
                return
            if "unexpected end" in str(exc):
                lines.break_off()
            yield _Row(first, (), lines.row, f"the row is not CSV: {_fault(str(exc))}")
        else:
            yield _Row(first, cells, lines.row)


def _fault(message: str) -> str:
    return next((fault for part, fault in _FAULTS.items() if part in message), message)


def _found_delimiter(stream: BinaryIO) -> str:
    """The delimiter that the header has; of several, the one that cuts all rows into as many cells as the header."""
    sample = stream.read(_SAMPLE_BYTES)
    stream.seek(0)
    lines = sample.removeprefix(pieces.BOM).decode(errors="replace").splitlines(keepends=True)
    widths = {each: _widths(lines, each, is_sample_cut=len(sample) == _SAMPLE_BYTES) for each in _DELIMITERS}
    there = [each for each, found in widths.items() if found and found[0] > 1]
    fitting = [each for each in there if len(set(widths[each])) == 1]
    if len(there) < 2:
        return there[0] if there else ","
    if len(fitting) != 1:
        raise InputError(f"may be separated by {' or '.join(map(shown, there))}: write sep=; as its first line, say")
    return fitting[0]


def _widths(lines: Sequence[str], delimiter: str, *, is_sample_cut: bool) -> list[int]:
    """How many cells the header and the first rows have; not of a row that the sample may cut."""
    widths: list[int] = []
    try:
        for cells in csv.reader(lines, delimiter=delimiter, strict=True):
            widths += [len(cells)] if cells else []
            if len(widths) > _SAMPLE_ROWS:
                break
    except csv.Error:
        return widths
    return widths[:-1] if is_sample_cut and 1 < len(widths) <= _SAMPLE_ROWS else widths


def _names(header: _Row) -> list[str]:
    """The names of the columns, empty where there is none; raises InputError."""
    if header.fault:
        raise InputError(f"has a header that cannot be read: {header.fault}")
    names = [name.strip() for name in header.cells]
    if len(names) > MAX_COLUMNS:
        raise InputError(f"has {len(names):,} columns; at most {MAX_COLUMNS:,} are read")
    seen: set[str] = set()
    for name in filter(None, names):
        if name in seen:
            raise InputError(f"names the column {shown(name)} twice; give each column a name of its own")
        if not _is_utf8([name]):
            raise InputError("has a header that is not UTF-8; save it as CSV in UTF-8")
        seen.add(name)
    return names


def _piece(row: _Row, names: Sequence[str]) -> Piece:
    try:
        if row.fault:
            raise InputError(row.fault)
        return ParsedPiece(row.line, _record(row.cells, names), row.raw or b"")
    except InputError as exc:
        return RejectedPiece(row.line, str(exc), row.raw)


def _record(cells: Sequence[str], names: Sequence[str]) -> dict[str, object]:
    if len(cells) < len(names) or any(cells[len(names) :]):
        raise InputError(
            f"the row has {len(cells)} cells and the header {len(names)}; is a cell with the delimiter or a line feed "
            "in it not in quotation marks?"
        )
    if not _is_utf8(cells):
        raise InputError("the row is not UTF-8; save the table as CSV in UTF-8")
    unnamed = [cell for place, (name, cell) in enumerate(zip(names, cells, strict=False)) if not name and place]
    if any(map(str.strip, unnamed)) or (not names[0] and cells[0] and not cells[0].isdecimal()):
        raise InputError("the row has a cell in a column that has no name in the header")
    named = zip(names, cells, strict=False)
    return {name: value_of(name, cell) if cell.strip() else None for name, cell in named if name}


def _is_utf8(cells: Sequence[str]) -> bool:
    joined = "".join(cells)
    return joined.isascii() or not re.search("[\udc80-\udcff]", joined)
