"""JSON Lines: every line is a value of its own; files may be of any size."""

from collections.abc import Callable, Iterator
from typing import BinaryIO

from adapterd.errors import InputError
from adapterd.feedback import strict_json
from adapterd.feedback.contents import envelopes, pieces
from adapterd.feedback.contents.pieces import ParsedPiece, Piece, RejectedPiece, stripped
from adapterd.feedback.contents.place import Place
from adapterd.feedback.listing import BUFFER_BYTES


def begins_with_a_record_line(stream: BinaryIO) -> bool:
    """Whether the first line is a whole object and no envelope that is all there is; the file is left at its start."""
    try:
        first = _next_filled(stream)
        value = None if is_cut(first) else strict_json.decode(stripped(first).decode())
        if not isinstance(value, dict):
            return False
        return not envelopes.may_be(value) or bool(_next_filled(stream))
    except (UnicodeDecodeError, InputError):
        return False
    finally:
        stream.seek(0)


def _next_filled(stream: BinaryIO) -> bytes:
    """The next line that is not blank; empty at the end."""
    return next((raw for raw in iter(lambda: stream.readline(pieces.MAX_LINE_BYTES + 1), b"") if stripped(raw)), b"")


def read_lines(
    stream: BinaryIO,
    size_bytes: int | None,
    *,
    is_whole: Callable[[], bool],
    decode: Callable[[bytes], object] = strict_json.decode_line,
    place: Place | None = None,
) -> Iterator[Piece]:
    """The lines that are not blank, up to the one that reaches `size_bytes` (None: all of them).

    A line that is too long is skipped without being held in memory. Unless the file `is_whole` then, a line without an
    end is left for the next time. `place` is where the stream begins; at the end it is how far it was read.
    """
    number, done_bytes, raw = (place.lines if place else 0), 0, b"\n"
    while (size_bytes is None or done_bytes < size_bytes) and (line := stream.readline(pieces.MAX_LINE_BYTES + 1)):
        raw = line
        number += 1
        done_bytes += len(raw)
        if is_cut(raw):
            done_bytes += skip_line(stream, None if size_bytes is None else size_bytes - done_bytes)
            yield RejectedPiece(number, f"the line is longer than {pieces.MAX_LINE_BYTES >> 20} MiB", None)
        elif not raw.endswith(b"\n") and not is_whole():
            number, done_bytes, raw = number - 1, done_bytes - len(raw), b"\n"
            break
        elif filled := stripped(raw):
            piece = _piece(number, filled, decode)
            if piece is None:
                yield from envelopes.read_object(filled.decode(), 0, line=number)
            else:
                yield piece
    if place:
        place.reached(done_bytes, number, is_open=not raw.endswith(b"\n"))


def is_cut(raw: bytes) -> bool:
    """Whether this is only the beginning of a line that is too long."""
    return len(raw) > pieces.MAX_LINE_BYTES and not raw.endswith(b"\n")


def skip_line(stream: BinaryIO, left_bytes: int | None) -> int:
    """Go to the end of the line, or of what is left (None: unknown); returns how many bytes that were."""
    skipped = 0
    while (left_bytes is None or skipped < left_bytes) and (chunk := stream.readline(BUFFER_BYTES)):
        skipped += len(chunk)
        if chunk.endswith(b"\n"):
            break
    return skipped


def _piece(number: int, raw: bytes, decode: Callable[[bytes], object]) -> Piece | None:
    """The piece that a line is; None if it may have a list of records inside."""
    try:
        value = decode(raw)
    except UnicodeDecodeError as exc:
        return RejectedPiece(number, f"the line is not UTF-8 at its byte {exc.start + 1}", raw)
    except InputError as exc:
        return RejectedPiece(number, f"the line {exc}", raw)
    return None if isinstance(value, dict) and envelopes.may_be(value) else ParsedPiece(number, value, raw)
