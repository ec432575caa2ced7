"""Unpacks gzip as a stream, within bounds: a small file can hold more than a disk."""

import io
import zlib
from typing import Any, BinaryIO

MAGIC = b"\x1f\x8b"
FREE_BYTES = 64 << 20
MAX_RATIO = 200
"""Of what is beyond FREE_BYTES, at most this many bytes for one of the packed file."""
_CHUNK_BYTES = 1 << 16
_GZIP = 16 + zlib.MAX_WBITS


class Unpacked(io.RawIOBase):
    """What is packed in a stream of gzip members, one behind the other; it ends where the stream is damaged.

    `fault` is a sentence that says how it is damaged, or that it grows beyond the bounds; None while it is sound.
    """

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._begin()

    def _begin(self) -> None:
        self._member: zlib._Decompress | None = None
        self._input = b""
        self._read_bytes = 0
        self._given_bytes = 0
        self.fault: str | None = None

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def seekable(self) -> bool:
        """It can be read from its start once more."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to the start; nothing else is possible."""
        if (offset, whence) != (0, io.SEEK_SET):
            raise io.UnsupportedOperation("a packed file is read from its start only")
        self._packed.seek(0)
        self._begin()
        return 0

    def tell(self) -> int:
        """How many bytes were read."""
        return self._given_bytes

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as one step of unpacking does; 0 at the end."""
        view = memoryview(buffer).cast("B")
        data = b""
        while not data and not self.fault and self._has_input():
            data = self._step(len(view))
        self._given_bytes += len(data)
        if self._given_bytes > FREE_BYTES and self._given_bytes > MAX_RATIO * self._read_bytes:
            self.fault = f"the file unpacks to more than {MAX_RATIO} times its size; unpack it to have it read"
            return 0
        view[: len(data)] = data
        return len(data)

    def _has_input(self) -> bool:
        """Whether there is anything left to unpack; a member that has begun must not end here."""
        if not self._input and (self._member is None or not self._member.unconsumed_tail):
            self._input = self._packed.read(_CHUNK_BYTES)
            self._read_bytes += len(self._input)
            if not self._input and self._member is not None:
                self.fault = "the gzip file is cut off: its end is missing"
        if self._member is None:
            self._input = self._input.lstrip(b"\0") if self._given_bytes else self._input  # padding is allowed
        return bool(self._input or self._member) and not self.fault

    def _step(self, wanted: int) -> bytes:
        if self._member is None:
            self._member = zlib.decompressobj(_GZIP)
        try:
            data = self._member.decompress(self._member.unconsumed_tail + self._input, wanted)
        except zlib.error:
            self.fault = "the gzip file is damaged" if self._given_bytes else "the file is not gzip, whatever its name"
            return b""
        self._input = b""
        if self._member.eof:
            self._input, self._member = self._member.unused_data, None
        return data
