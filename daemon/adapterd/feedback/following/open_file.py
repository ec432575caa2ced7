"""An inbox file that was opened once: what is read, compared and copied of it comes from one descriptor."""

import io
import os
from collections.abc import Callable
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

from adapterd.feedback.listing import BUFFER_BYTES, InboxFile

Look = Callable[[], object]


def go_on() -> None:
    """The look of somebody who never stops a reading."""


class OpenFile:
    """A file that was checked when it was opened; whatever has its name by now is not looked at any more.

    `look` is called before each BUFFER_BYTES that are read, and may raise to end the reading. Raises OSError.
    """

    def __init__(self, file: InboxFile, look: Look = go_on) -> None:
        self._file = file.open()
        self._look = look

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the descriptor back."""
        self._file.close()

    def status(self) -> os.stat_result:
        """The attributes of the file as it is now."""
        return os.fstat(self._file.fileno())

    def stream(self, start_bytes: int = 0) -> BinaryIO:
        """The content from there on; any number of streams may be read at the same time."""
        return cast(BinaryIO, io.BufferedReader(_Part(self._file.fileno(), start_bytes, self._look), BUFFER_BYTES))

    def bytes_at(self, start_bytes: int, count: int) -> bytes:
        """So many bytes from there on, fewer at the end of the file."""
        self._look()
        return os.pread(self._file.fileno(), count, start_bytes)


class _Part(io.RawIOBase):
    """The bytes of a descriptor from a place on, with a position of its own."""

    def __init__(self, handle: int, start_bytes: int, look: Look) -> None:
        self._handle = handle
        self._start = self._position = start_bytes
        self._look = look

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._handle

    def tell(self) -> int:
        return self._position - self._start

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place counted from where this part begins."""
        if whence == io.SEEK_CUR:
            offset += self.tell()
        elif whence != io.SEEK_SET:
            raise io.UnsupportedOperation("the end of a file that may grow is not known")
        self._position = self._start + offset
        return offset

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        self._look()
        data = os.pread(self._handle, min(len(view), 1 << 20), self._position)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)
