"""Reads feedback files as a stream of pieces: every value in a file, or why it cannot be read, with bounded memory.

JSON Lines, tables and JSON arrays may be of any size. Any other document is held in memory and is therefore limited.
"""

import io
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

from adapterd.errors import InputError
from adapterd.feedback.contents import documents, json_lines, tables, unpacking
from adapterd.feedback.contents.pieces import ParsedPiece, Piece, RejectedPiece
from adapterd.feedback.contents.place import Place
from adapterd.feedback.following.open_file import OpenFile
from adapterd.feedback.kinds import Kind, Layout
from adapterd.feedback.listing import BUFFER_BYTES, InboxFile
from adapterd.feedback.strict_json import decode_line

__all__ = ["ParsedPiece", "RejectedPiece", "read_file", "read_open", "unpacked"]

_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_SNIFFED_BYTES = 8000  # as much as git looks at to tell text from binary
_PACKED = {
    unpacking.MAGIC: "the file is packed with gzip: name it so that it ends in .gz",
    b"PK\x03\x04": "the file is a zip archive or a spreadsheet: unpack it, or save the sheet as CSV in UTF-8",
    b"PAR1": "the file is Parquet: write it as JSON Lines, with pandas or DuckDB, for instance",
    b"SQLite format 3": "the file is a SQLite database: export its rows as JSON Lines or CSV",
}


def read_file(file: InboxFile, decode: Callable[[bytes], object] = decode_line) -> Iterator[Piece]:
    """The pieces of a file in their order; raises InputError if it cannot be read.

    Of lines no more are read than the file had when it was listed, but for the rest of the last one: a file may grow
    as quickly as it is read. Of one that is growing a line without an end is left for the next time. Of a packed file
    that is damaged, the records before the damage are there, and a fault for the rest. `decode` gives the value of a
    line of JSON Lines.
    """
    try:
        with OpenFile(file) as opened:
            yield from read_open(opened, file, decode)
    except OSError as exc:
        raise InputError(f"{file.path} cannot be read: {exc.strerror}") from exc


def read_open(
    opened: OpenFile, file: InboxFile, decode: Callable[[bytes], object] = decode_line, place: Place | None = None
) -> Iterator[Piece]:
    """The same of a file that is open; raises OSError. Of lines and rows it begins at `place`, which is how far it came
    when it has ended."""
    place = place or Place()
    if file.kind.is_packed:
        yield from _unpacked(opened.stream(), file.kind, decode, place)
    else:
        left_bytes = file.size_bytes - place.start_bytes
        stream = opened.stream(place.start_bytes)
        yield from _pieces(stream, file.kind, left_bytes, decode, place, is_whole=lambda: not file.is_growing)


def unpacked(opened: OpenFile) -> BinaryIO:
    """The content of a packed file, as far as it is sound."""
    return cast(BinaryIO, io.BufferedReader(unpacking.Unpacked(opened.stream()), BUFFER_BYTES))


def _unpacked(packed: BinaryIO, kind: Kind, decode: Callable[[bytes], object], place: Place) -> Iterator[Piece]:
    raw = unpacking.Unpacked(packed)
    stream = io.BufferedReader(raw, BUFFER_BYTES)
    _skip(stream, place.start_bytes)
    for piece in _pieces(stream, kind, None, decode, place, is_whole=lambda: raw.fault is None):
        if piece.line or raw.fault is None:
            yield piece
    if raw.fault:
        yield RejectedPiece(0, raw.fault, None)


def _skip(stream: BinaryIO, size_bytes: int) -> None:
    while size_bytes and (data := stream.read(min(size_bytes, BUFFER_BYTES))):
        size_bytes -= len(data)


def _pieces(
    stream: BinaryIO,
    kind: Kind,
    size_bytes: int | None,
    decode: Callable[[bytes], object],
    place: Place,
    *,
    is_whole: Callable[[], bool],
) -> Iterator[Piece]:
    head = b"" if place.start_bytes else stream.read(_SNIFFED_BYTES)
    if head:
        stream.seek(0)
    if reason := next((reason for magic, reason in _PACKED.items() if head.startswith(magic)), None):
        yield RejectedPiece(0, reason, None)
    elif head.startswith(_UTF16_BOMS) or b"\0" in head:
        yield RejectedPiece(0, "the file is not text in UTF-8: it has NUL bytes or is UTF-16", None)
    elif kind.layout is Layout.TABLE:
        yield from tables.read_table(stream, size_bytes, delimiter=kind.delimiter, is_whole=is_whole, place=place)
    elif kind.layout is Layout.DOCUMENT and not json_lines.begins_with_a_record_line(stream):
        yield from documents.read_document(stream)
    else:
        yield from json_lines.read_lines(stream, size_bytes, is_whole=is_whole, decode=decode, place=place)
