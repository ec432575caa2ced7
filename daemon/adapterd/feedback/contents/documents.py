"""A JSON document: one record, an array of them, or an object that holds such an array. It is held in memory, but for
an array that is too large."""

from collections.abc import Iterator
from typing import BinaryIO

from adapterd.errors import InputError
from adapterd.feedback import strict_json
from adapterd.feedback.contents import envelopes
from adapterd.feedback.contents.arrays import ArrayReader
from adapterd.feedback.contents.large_arrays import read_large_array
from adapterd.feedback.contents.pieces import ParsedPiece, Piece, RejectedPiece, stripped

MAX_DOCUMENT_BYTES = 32 << 20
_SNIFFED_BYTES = 1 << 16


def read_document(stream: BinaryIO) -> Iterator[Piece]:
    """The records of a document, as far as it can be read, and the fault where it breaks off."""
    data = stream.read(MAX_DOCUMENT_BYTES + 1)
    try:
        if len(data) <= MAX_DOCUMENT_BYTES:
            yield from _values(data.decode().removeprefix("\ufeff"))
        elif stripped(data[:_SNIFFED_BYTES]).startswith(b"["):
            stream.seek(0)
            yield from read_large_array(stream)
        else:
            most = f"{MAX_DOCUMENT_BYTES >> 20} MiB"
            yield RejectedPiece(0, f"the file is larger than {most}; a list and JSON Lines may be of any size", None)
    except UnicodeDecodeError as exc:
        yield RejectedPiece(0, f"the file is not UTF-8 at its byte {exc.start + 1}", None)
    except InputError as exc:
        yield RejectedPiece(0, f"the file {exc}", None)


def _values(text: str) -> Iterator[Piece]:
    start = strict_json.skip_white_space(text, 0)
    if text[start : start + 1] == "[":
        array = ArrayReader(text, start)
        yield from array.pieces()
        strict_json.expect_end(text, array.end)
    elif text[start : start + 1] == "{":
        yield from envelopes.read_object(text, start)
    elif start < len(text):
        yield ParsedPiece(1, strict_json.decode(text), text.encode())
