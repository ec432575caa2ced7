"""Standard input, output and error as they may be: closed, a pipe whose reader left, with an encoding of few signs."""

import io
import os
import sys
from contextlib import suppress
from typing import TextIO


def prepare_streams() -> None:
    """Have whatever is written reach its stream or be dropped, never end a command.

    Signs that an encoding does not know are written as escapes. A stream that is closed is the null device from now on:
    else the next file that is opened, the database's say, would be what a library takes for standard output.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            _open_null(number)
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 (open for the process's life)
    sys.stdout = _writable(sys.stdout)
    sys.stderr = _writable(sys.stderr)


def _writable(stream: TextIO | None) -> TextIO:
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 (open for the process's life)
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream


def _open_null(number: int) -> None:
    opened = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, so mostly this one
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)


def finish_streams() -> bool:
    """Write out what is left; returns whether somebody still takes it. Python would complain of a broken pipe at its
    end, when nobody can catch that."""
    taken = True
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            taken = False
            with suppress(OSError, ValueError):
                _open_null(stream.fileno())
    return taken
