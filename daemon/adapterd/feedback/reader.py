"""Reads feedback files as a stream of pieces: every value in a file, or why it cannot be read, with bounded memory.

JSON Lines may be of any size. A single document (`.json`) is held in memory and is therefore limited.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from adapterd.errors import InputError
from adapterd.feedback import strict_json
from adapterd.feedback.listing import BUFFER_BYTES, InboxFile

MAX_LINE_BYTES = 4 << 20
MAX_DOCUMENT_BYTES = 32 << 20

_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_WHITE_SPACE = b" \t\r\n"
_SNIFFED_BYTES = 8000  # as much as git looks at to tell text from binary


@dataclass(frozen=True)
class ParsedPiece:
    """A JSON value; `line` counts the file's lines, or the elements of its array, from 1; `raw` are its bytes."""

    line: int
    value: object
    raw: bytes


@dataclass(frozen=True)
class RejectedPiece:
    """A piece that is no value. `raw` is None where only the whole file holds it; line 0 is the file itself."""

    line: int
    reason: str
    raw: bytes | None


def read_file(file: InboxFile) -> Iterator[ParsedPiece | RejectedPiece]:
    """The pieces of a `.jsonl`, `.ndjson` or `.json` file in their order; raises InputError if it cannot be read.

    Of lines no more are read than the file had when it was listed, but for the rest of the last one: a file may grow
    as quickly as it is read. Of one that is growing a line without an end is left for the next time.
    """
    try:
        with file.open() as stream:
            yield from _pieces(stream, file)
    except OSError as exc:
        raise InputError(f"{file.path} cannot be read: {exc.strerror}") from exc


def _pieces(stream: BinaryIO, file: InboxFile) -> Iterator[ParsedPiece | RejectedPiece]:
    head = stream.read(_SNIFFED_BYTES)
    stream.seek(0)
    if head.startswith(_UTF16_BOMS) or b"\0" in head:
        yield RejectedPiece(0, "the file is not text in UTF-8: it has NUL bytes or is UTF-16", None)
    elif not file.has_lines and not _begins_with_an_object_line(stream):
        yield from _document(stream.read(MAX_DOCUMENT_BYTES + 1))
    else:
        yield from _lines(stream, file)


def _begins_with_an_object_line(stream: BinaryIO) -> bool:
    """Whether the first line is a whole object, as in JSON Lines; the file is left at its start."""
    try:
        first = next(raw for raw in iter(lambda: stream.readline(MAX_LINE_BYTES + 1), b"") if _stripped(raw))
        return not _is_cut(first) and isinstance(strict_json.decode(_stripped(first).decode()), dict)
    except (StopIteration, UnicodeDecodeError, InputError):
        return False
    finally:
        stream.seek(0)


def _lines(stream: BinaryIO, file: InboxFile) -> Iterator[ParsedPiece | RejectedPiece]:
    """The lines that are not blank; a line that is too long is skipped without being held in memory."""
    number = done_bytes = 0
    while done_bytes < file.size_bytes and (raw := stream.readline(MAX_LINE_BYTES + 1)):
        number += 1
        done_bytes += len(raw)
        if _is_cut(raw):
            done_bytes += _skip_line(stream, file.size_bytes - done_bytes)
            yield RejectedPiece(number, f"the line is longer than {MAX_LINE_BYTES >> 20} MiB", None)
        elif file.is_growing and not raw.endswith(b"\n"):
            return
        elif stripped := _stripped(raw):
            yield _line(number, stripped)


def _is_cut(raw: bytes) -> bool:
    return len(raw) > MAX_LINE_BYTES and not raw.endswith(b"\n")


def _stripped(raw: bytes) -> bytes:
    return raw.removeprefix(_BOM).strip(_WHITE_SPACE)


def _skip_line(stream: BinaryIO, left_bytes: int) -> int:
    """Go to the end of the line, or of what is left; returns how many bytes that were."""
    skipped = 0
    while skipped < left_bytes and (chunk := stream.readline(BUFFER_BYTES)):
        skipped += len(chunk)
        if chunk.endswith(b"\n"):
            break
    return skipped


def _line(number: int, raw: bytes) -> ParsedPiece | RejectedPiece:
    try:
        return ParsedPiece(number, strict_json.decode(raw.decode()), raw)
    except UnicodeDecodeError as exc:
        return RejectedPiece(number, f"the line is not UTF-8 at its byte {exc.start + 1}", raw)
    except InputError as exc:
        return RejectedPiece(number, f"the line {exc}", raw)


def _document(data: bytes) -> Iterator[ParsedPiece | RejectedPiece]:
    if len(data) > MAX_DOCUMENT_BYTES:
        yield RejectedPiece(
            0, f"the file is larger than {MAX_DOCUMENT_BYTES >> 20} MiB; JSON Lines may be of any size", None
        )
        return
    try:
        yield from _values(data.decode().removeprefix("\ufeff"))
    except UnicodeDecodeError as exc:
        yield RejectedPiece(0, f"the file is not UTF-8 at its byte {exc.start + 1}", None)
    except InputError as exc:
        yield RejectedPiece(0, f"the file {exc}", None)


def _values(text: str) -> Iterator[ParsedPiece | RejectedPiece]:
    """The elements of an array, or the one value that is not an array; raises InputError where the file breaks off."""
    start = strict_json.skip_white_space(text, 0)
    if text[start : start + 1] == "[":
        yield from _elements(text, start)
    elif start < len(text):
        yield ParsedPiece(1, strict_json.decode(text), text.encode())


def _elements(text: str, start: int) -> Iterator[ParsedPiece | RejectedPiece]:
    number, position = 0, strict_json.skip_white_space(text, start + 1)
    while number or text[position : position + 1] != "]":
        number += 1
        piece, position = _element(text, number, position)
        yield piece
        position = strict_json.skip_white_space(text, position)
        if text[position : position + 1] == "]":
            break
        if text[position : position + 1] != ",":
            raise strict_json.syntax_error("expecting ',' or ']'", text, position)
        position = strict_json.skip_white_space(text, position + 1)
    strict_json.expect_end(text, position + 1)


def _element(text: str, number: int, start: int) -> tuple[ParsedPiece | RejectedPiece, int]:
    try:
        value, end = strict_json.decode_at(text, start)
        return ParsedPiece(number, value, text[start:end].encode()), end
    except strict_json.JsonSyntaxError:
        raise
    except InputError as exc:
        end = strict_json.end_of_value(text, start)
        return RejectedPiece(number, f"the element {exc}", text[start:end].encode()), end
