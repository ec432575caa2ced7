"""Feedback files as a stream of pieces: every value in a file, or why there is none, with bounded memory.

JSON Lines may be of any size. A single document (`.json`) is held in memory and is therefore limited.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from adapterd.errors import InputError
from adapterd.feedback import strict_json

ENDINGS = (".json", ".jsonl", ".ndjson")
MAX_LINE_BYTES = 4 << 20
MAX_DOCUMENT_BYTES = 32 << 20

_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_WHITE_SPACE = b" \t\r\n"
_SNIFFED_BYTES = 8000  # as much as git looks at to tell text from binary
_BUFFER_BYTES = 1 << 16


@dataclass(frozen=True)
class Good:
    """A JSON value; `line` counts the file's lines, or the elements of its array, from 1; `raw` are its bytes."""

    line: int
    value: object
    raw: bytes


@dataclass(frozen=True)
class Bad:
    """A piece that is no value. `raw` is None where only the whole file holds it; line 0 is the file itself."""

    line: int
    reason: str
    raw: bytes | None


def read_file(path: Path) -> Iterator[Good | Bad]:
    """The pieces of a `.jsonl`, `.ndjson` or `.json` file in their order; raises InputError if it cannot be read."""
    try:
        with path.open("rb", _BUFFER_BYTES) as file:
            yield from _pieces(file, single=path.suffix.lower() == ".json")
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror}") from exc


def _pieces(file: BinaryIO, *, single: bool) -> Iterator[Good | Bad]:
    head = file.read(_SNIFFED_BYTES)
    file.seek(0)
    if head.startswith(_UTF16_BOMS) or b"\0" in head:
        yield Bad(0, "the file is not text in UTF-8: it has NUL bytes or is UTF-16", None)
    elif single and not _begins_with_an_object_line(file):
        yield from _document(file.read(MAX_DOCUMENT_BYTES + 1))
    else:
        yield from _lines(file)


def _begins_with_an_object_line(file: BinaryIO) -> bool:
    """Whether the first line is a whole object, as in JSON Lines; the file is left at its start."""
    try:
        first = next(raw for _, raw in _raw_lines(file))
        return first is not None and isinstance(strict_json.decode(first.decode()), dict)
    except (StopIteration, UnicodeDecodeError, InputError):
        return False
    finally:
        file.seek(0)


def _raw_lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """The lines that are not blank with their numbers; None stands for one that is too long to be held."""
    number = 0
    while raw := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(raw) > MAX_LINE_BYTES and not raw.endswith(b"\n"):
            _skip_line(file)
            yield number, None
        elif stripped := raw.removeprefix(_BOM).strip(_WHITE_SPACE):
            yield number, stripped


def _skip_line(file: BinaryIO) -> None:
    while (chunk := file.readline(_BUFFER_BYTES)) and not chunk.endswith(b"\n"):
        pass


def _lines(file: BinaryIO) -> Iterator[Good | Bad]:
    for number, raw in _raw_lines(file):
        yield _too_long(number) if raw is None else _line(number, raw)


def _too_long(number: int) -> Bad:
    return Bad(number, f"the line is longer than {MAX_LINE_BYTES >> 20} MiB", None)


def _line(number: int, raw: bytes) -> Good | Bad:
    try:
        return Good(number, strict_json.decode(raw.decode()), raw)
    except UnicodeDecodeError as exc:
        return Bad(number, f"the line is not UTF-8 at its byte {exc.start + 1}", raw)
    except InputError as exc:
        return Bad(number, f"the line {exc}", raw)


def _document(data: bytes) -> Iterator[Good | Bad]:
    if len(data) > MAX_DOCUMENT_BYTES:
        yield Bad(0, f"the file is larger than {MAX_DOCUMENT_BYTES >> 20} MiB; JSON Lines may be of any size", None)
        return
    try:
        yield from _values(data.decode().removeprefix("\ufeff"))
    except UnicodeDecodeError as exc:
        yield Bad(0, f"the file is not UTF-8 at its byte {exc.start + 1}", None)
    except InputError as exc:
        yield Bad(0, f"the file {exc}", None)


def _values(text: str) -> Iterator[Good | Bad]:
    """The elements of an array, or the one value that is not an array; raises InputError where the file breaks off."""
    start = strict_json.skip_white_space(text, 0)
    if text[start : start + 1] == "[":
        yield from _elements(text, start)
    elif start < len(text):
        yield Good(1, strict_json.decode(text), text.encode())


def _elements(text: str, start: int) -> Iterator[Good | Bad]:
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


def _element(text: str, number: int, start: int) -> tuple[Good | Bad, int]:
    try:
        value, end = strict_json.decode_at(text, start)
        return Good(number, value, text[start:end].encode()), end
    except strict_json.JsonSyntaxError:
        raise
    except InputError as exc:
        end = strict_json.end_of_value(text, start)
        return Bad(number, f"the element {exc}", text[start:end].encode()), end
