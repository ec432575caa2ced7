"""The daemon's log: a JSON object per line, in a few files of bounded size; `adapterctl logs` reads it for people.

A line has `at` (ISO 8601, UTC), `level`, `text`, and where they are known `model` and `trace`.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO, Any

from adapterd.printable import json_safe

FILE = "adapterd.log"
FILE_BYTES = 1 << 20
OLDER_FILES = 5
POLL_S = 0.5


@dataclass(frozen=True)
class Line:
    """One line of the log."""

    at: datetime
    level: str
    text: str
    model: str | None = None
    trace: str | None = None


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "text": record.getMessage(),
        }
        if model := getattr(record, "model", None):
            line["model"] = model
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        written = json.dumps(line, ensure_ascii=False).encode(errors="replace").decode()
        return json_safe(written)  # somebody will look at the file itself


def log_to(folder: Path) -> logging.Handler:
    """A handler that writes into the folder; a full disk costs lines, never the daemon."""
    handler = RotatingFileHandler(
        folder / FILE, maxBytes=FILE_BYTES, backupCount=OLDER_FILES, encoding="utf-8", errors="replace", delay=True
    )
    handler.setFormatter(JsonFormatter())
    return handler


def read(folder: Path, *, last: int, wanted: Callable[[Line], bool] = lambda _: True) -> list[Line]:
    """The last wanted lines, oldest first, over as many files as needed; none where there is no log yet."""
    found: list[Line] = []
    for file in (folder / FILE, *(folder / f"{FILE}.{number}" for number in range(1, OLDER_FILES + 1))):
        handle = _opened(file) if len(found) < last else None
        if handle is not None:
            with handle:
                found = [*filter(wanted, _lines(handle.read())), *found]
    return found[-last:] if last else []


def follow(folder: Path, *, sleep: Callable[[float], object] = time.sleep) -> Iterator[Line]:
    """New lines as they are written, for ever; goes on in the new file when a full one is put away."""
    file = folder / FILE
    handle = _opened(file)
    rest = handle.read().rpartition(b"\n")[2] if handle else b""
    while True:
        if handle is None:
            sleep(POLL_S)
        else:
            with handle:
                yield from _until_put_away(handle, file, rest, sleep)
        handle, rest = _opened(file), b""


def _until_put_away(handle: IO[bytes], file: Path, rest: bytes, sleep: Callable[[float], object]) -> Iterator[Line]:
    """New lines of one file, until another is in its place and this one is read to its end."""
    there = True
    while there:
        sleep(POLL_S)
        there = _identity(file) == os.fstat(handle.fileno()).st_ino
        complete, _, rest = (rest + handle.read()).rpartition(b"\n")
        yield from _lines(complete)


def _opened(file: Path) -> IO[bytes] | None:
    try:
        return file.open("rb")
    except OSError:
        return None


def _identity(file: Path) -> int | None:
    try:
        return file.stat().st_ino
    except OSError:
        return None


def _lines(data: bytes) -> Iterator[Line]:
    """What can be read of them: a crash or a full disk may have left a part of a line."""
    for raw in data.split(b"\n"):
        try:
            values = json.loads(raw)
            yield Line(
                datetime.fromisoformat(values["at"]), str(values["level"]), str(values["text"]),
                values.get("model"), values.get("trace"),
            )  # fmt: skip
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
