"""The copies of feedback that we keep ourselves: what was taken back is cut out of them.

Files of an application in an inbox are not ours, and are never written.
"""

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from adapterd.errors import InputError
from adapterd.feedback.listing import inbox_file
from adapterd.feedback.reader import ParsedPiece, RejectedPiece, read_file
from adapterd.system.files import atomic_path, sync_folder

LINES = (".jsonl", ".ndjson")
_BOM, _WHITE_SPACE = b"\xef\xbb\xbf", b" \t\r\n"
_OURS = re.compile(r"feedback-[0-9a-f]{32}\..+|import-[0-9a-f]{16}-.+", re.DOTALL)

Piece = ParsedPiece | RejectedPiece
Unwanted = Callable[[Piece], bool]


@dataclass(frozen=True)
class Cut:
    """What was cut out of a file, by the numbers of its pieces. A file in which nothing would be left `is_gone`; where
    `renumbered`, the pieces behind one that was cut have lower numbers now."""

    numbers: tuple[int, ...]
    is_gone: bool = False
    renumbered: bool = False


def is_ours(path: Path) -> bool:
    """Whether the name is one of those that `adapterctl feedback add` and `import` give."""
    return _OURS.fullmatch(path.name) is not None


def hash_of_piece(raw: bytes) -> str:
    """SHA-256 in hex of a piece that is no record: it is known again by its bytes."""
    return hashlib.sha256(raw).hexdigest()


def pieces_of(path: Path) -> list[Piece]:
    """The pieces of a file; none of a file that cannot be read."""
    try:
        return list(read_file(inbox_file(str(path), path.stat())))
    except (OSError, InputError):
        return []


def unwanted_in(path: Path, unwanted: Unwanted) -> tuple[list[int], int]:
    """The numbers of the unwanted pieces of a file, and how many pieces it has; none of a file that has gone.

    Raises OSError where it may not be read: nobody knows what is in it.
    """
    numbers, count = [], 0
    with suppress(FileNotFoundError):
        try:
            for piece in read_file(inbox_file(str(path), path.stat())):
                count += 1
                if unwanted(piece):
                    numbers.append(piece.line)
        except InputError as exc:
            if isinstance(exc.__cause__, OSError):
                raise exc.__cause__ from exc
    return numbers, count


def cut(path: Path, unwanted: Unwanted) -> Cut:
    """Cut unwanted pieces out of one of our copies, in one step; the time of change stays.

    A line becomes an empty one, so that the others keep their numbers. A file that cannot be divided (a table, say) is
    removed as a whole: what it holds besides is in the store. Raises OSError.
    """
    gone = dict[int, bytes | None]()

    def noted(piece: Piece) -> bool:
        found = unwanted(piece)
        if found:
            gone[piece.line] = piece.raw
        return found

    numbers, count = unwanted_in(path, noted)
    if not numbers:
        return Cut(())
    if len(numbers) < count and _rewrite(path, gone):
        pieces = frozenset(gone.values())
        still_there, left = unwanted_in(path, lambda piece: piece.raw in pieces)
        if not still_there and left == count - len(numbers):
            return Cut(tuple(numbers), renumbered=not _is_of_lines(path))
    path.unlink(missing_ok=True)
    sync_folder(path.parent)
    return Cut(tuple(numbers), is_gone=True)


def _is_of_lines(path: Path) -> bool:
    if path.suffix.lower() in LINES:
        return True
    with path.open("rb") as stream:
        return not stream.read(64).lstrip(_BOM + _WHITE_SPACE).startswith(b"[")


def _rewrite(path: Path, gone: Mapping[int, bytes | None]) -> bool:
    """Write the file without these pieces; whether it is of a form that can be divided."""
    if path.suffix.lower() not in (*LINES, ".json"):
        return False
    status = path.stat()
    with suppress(_OtherFormError), atomic_path(path) as partial:
        if _is_of_lines(path):
            _copy_lines(path, partial, gone)
        else:
            pieces = read_file(inbox_file(str(path), status))
            left = [piece.raw for piece in pieces if piece.line not in gone and piece.raw is not None]
            partial.write_bytes(b"[" + b",\n".join(left) + b"]\n")
        os.utime(partial, ns=(status.st_mtime_ns, status.st_mtime_ns))
        return True
    return False


class _OtherFormError(Exception):
    """The pieces of a file are not its lines."""


def _copy_lines(source: Path, target: Path, gone: Mapping[int, bytes | None]) -> None:
    """Copy the lines, with an empty one in the place of each that goes; raises _OtherFormError if one is no line."""
    with source.open("rb") as reader, target.open("wb") as writer:
        for number, line in enumerate(reader, start=1):
            if number in gone and line.removeprefix(_BOM).strip(_WHITE_SPACE) != gone[number]:
                raise _OtherFormError
            writer.write(b"\n" if number in gone else line)
