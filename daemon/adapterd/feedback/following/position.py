"""How far a file of lines was read, and by what its known beginning is known again.

A file that only grows is read from there on. Whether it has only grown is told by its content: a digest of its first
bytes and of the last ones before the position. The inode says nothing of that, for editors keep it or change it.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO, Self

from adapterd.feedback.contents.place import Place
from adapterd.feedback.following.open_file import OpenFile

HEAD_BYTES = 1 << 18
TAIL_BYTES = 1 << 16
SAMPLED_BYTES = 1 << 16
SAMPLED_LINES = 4
SHORTEST_SAMPLE = 8
_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class Position:
    """`end_bytes` were read, in which `lines` have ended; `is_open` if one more was read that has no end.

    `head` and `tail` are digests of the first HEAD_BYTES and the last TAIL_BYTES of what was read, `samples` those of
    some lines of it. A table has its `columns` and `delimiter`. A file that was seen to grow `is_log`; of one that
    `is_stopped` nothing is taken, for a rating in it is beyond its scale.
    """

    end_bytes: int
    lines: int
    is_open: bool
    head: str
    tail: str
    samples: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    delimiter: str = ""
    is_log: bool = False
    is_stopped: bool = False

    @classmethod
    def from_json(cls, text: str) -> Self | None:
        """The position in what `to_json` gave; None of an empty text."""
        if not text:
            return None
        fields = json.loads(text)
        return cls(**{**fields, "samples": tuple(fields["samples"]), "columns": tuple(fields["columns"])})

    def to_json(self) -> str:
        """As text, for the store."""
        return json.dumps(vars(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def reached(cls, file: OpenFile, place: Place, *, is_log: bool, is_stopped: bool = False) -> Self | None:
        """The position after a reading; None where the file cannot be gone on with from there."""
        if not place.end_bytes:
            return None
        head = file.bytes_at(0, min(HEAD_BYTES, place.end_bytes))
        tail = head[-TAIL_BYTES:] if place.end_bytes <= HEAD_BYTES else _tail(file, place.end_bytes)
        if len(head) < min(HEAD_BYTES, place.end_bytes) or len(tail) < min(TAIL_BYTES, place.end_bytes):
            return None
        known = _samples(head[:SAMPLED_BYTES], tail, has_header=bool(place.columns))
        of_head = digest(head)
        return cls(
            place.end_bytes, place.lines, place.is_open, of_head, of_head if tail == head else digest(tail),
            known[:SAMPLED_LINES] + known[-SAMPLED_LINES:], place.columns, place.delimiter, is_log, is_stopped,
        )  # fmt: skip

    def place(self) -> Place:
        """Where the next reading begins."""
        return Place(self.end_bytes, self.lines, self.columns, self.delimiter)

    def is_in(self, file: OpenFile) -> bool:
        """Whether the file begins as it was read, and has only grown since. Raises OSError."""
        if file.status().st_size < self.end_bytes:
            return False
        if (
            digest(_tail(file, self.end_bytes)) != self.tail
            or digest(file.bytes_at(0, min(HEAD_BYTES, self.end_bytes))) != self.head
        ):
            return False
        return not self.is_open or file.bytes_at(self.end_bytes, 1) in (b"", b"\n", b"\r")

    def is_in_stream(self, stream: BinaryIO) -> bool:
        """The same of a stream that can only be read from its start, as that of a packed file is."""
        head, tail, done = hashlib.blake2b(digest_size=16), b"", 0
        while done < self.end_bytes:
            data = stream.read(min(_CHUNK_BYTES, self.end_bytes - done))
            if not data:
                return False
            head.update(data[: max(0, HEAD_BYTES - done)])
            tail = (tail + data)[-TAIL_BYTES:]
            done += len(data)
            if done >= min(HEAD_BYTES, self.end_bytes) and head.hexdigest() != self.head:
                return False
        after = stream.read(1) if self.is_open else b""
        return digest(tail) == self.tail and after in (b"", b"\n", b"\r")

    def knows_lines_of(self, file: OpenFile) -> bool:
        """Whether any line that was read is still there, among the first and the last lines. Raises OSError."""
        size = file.status().st_size
        head = file.bytes_at(0, SAMPLED_BYTES)
        tail = file.bytes_at(max(0, size - TAIL_BYTES), TAIL_BYTES)
        there = (
            _hashes(head.split(b"\n")) if size <= SAMPLED_BYTES else _hashes([*head.split(b"\n"), *tail.split(b"\n")])
        )
        return not there.isdisjoint(self.samples)


def _tail(file: OpenFile, end_bytes: int) -> bytes:
    return file.bytes_at(max(0, end_bytes - TAIL_BYTES), min(TAIL_BYTES, end_bytes))


def digest(data: bytes) -> str:
    """BLAKE2b of the bytes, 32 hex digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _samples(head: bytes, tail: bytes, *, has_header: bool) -> tuple[str, ...]:
    """Digests of whole lines of the head and of the tail, each once and in order."""
    first = head.split(b"\n", SAMPLED_LINES + has_header)[has_header:][:SAMPLED_LINES]
    _, *last = tail.rsplit(b"\n", SAMPLED_LINES + 1)
    lines = (*first, *last)
    return tuple(dict.fromkeys(_short(line) for line in lines if len(line.strip()) >= SHORTEST_SAMPLE))


def _hashes(lines: Iterable[bytes]) -> set[str]:
    return {_short(line) for line in lines if len(line.strip()) >= SHORTEST_SAMPLE}


def _short(line: bytes) -> str:
    return hashlib.blake2b(line.strip(), digest_size=6).hexdigest()
