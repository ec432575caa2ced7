"""Logs that grow for years: a line a minute behind gigabytes, rotations while somebody writes, SIGTERM meanwhile."""

import argparse
import gzip
import json
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from adapterd.home import Home
from adapterd.store import Store
from tests.acceptance.person import MODEL, Person
from tests.torture.alone import alone
from tests.torture.ready import percentiles, tiny

FILLING = "of the mayor, the bridge and the harbour "
FILLED_BYTES = 16_000
"""Of one line of the gigabytes: a long article."""
END_TIMEOUT_S = 60.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """How much."""
    parser.add_argument("--gb", type=float, default=2.0, help="how large the log is that lines are appended to")
    parser.add_argument("--appends", type=int, default=20, help="how many lines are appended to it, one by one")
    parser.add_argument("--append-every-s", type=float, default=60.0, help="seconds from one to the next")
    parser.add_argument("--rotations", type=int, default=6, help="how often a log that is written is rotated")
    parser.add_argument("--stops", type=int, default=30, help="how often a daemon that reads is told to end")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """`stop`: how long a daemon that reads takes to end; `log`: what a log costs that grows, and what is lost of it."""
    with _place(options.keep) as person:
        return _stops(person, options) if options.scenario == "stop" else _log(person, options)


@contextmanager
def _place(keep: Path | None) -> Iterator[Person]:
    with tempfile.TemporaryDirectory(prefix="torture-", dir="/var/tmp") as made:
        folder = keep or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        person = Person(Home(folder / "home"))
        said = person.run("init", MODEL, "--base", tiny(folder, "base"), "--runtime", "embedded")
        if said.code:
            raise RuntimeError(said.stderr)
        yield person


def _line(number: int, size_bytes: int = 0) -> bytes:
    text = FILLING * (size_bytes // len(FILLING))
    return json.dumps({"prompt": f"Item {number} {text}", "correction": f"Title {number}"}).encode() + b"\n"


def _fill(path: Path, size_bytes: float, first: int = 0) -> int:
    """Write so many bytes of lines; returns the number of the next one."""
    with path.open("wb") as file:
        while file.tell() < size_bytes:
            file.write(_line(first, FILLED_BYTES))
            first += 1
    return first


def _append(path: Path, *numbers: int) -> None:
    with path.open("ab") as file:
        for number in numbers:
            file.write(_line(number))


def _log(person: Person, options: argparse.Namespace) -> dict[str, Any]:
    log = person.inbox / "log.jsonl"
    written = _fill(log, options.gb * 1e9)
    with person.daemon() as daemon:
        began = time.monotonic()
        _until_stored(person, written, options.patience_s + 3600 * options.gb)
        read_s = time.monotonic() - began
        time.sleep(3)
        process = psutil.Process(daemon.process.pid)
        before, began = sum(process.cpu_times()[:2]), time.monotonic()
        for _ in range(options.appends):
            _append(log, written)
            written += 1
            time.sleep(options.append_every_s)
        spent, took_s = sum(process.cpu_times()[:2]) - before, time.monotonic() - began
        _until_stored(person, written, options.patience_s)
        for turn in range(options.rotations):
            written = _rotated(log, written, copies=bool(turn % 2))
            _until_stored(person, written, options.patience_s)
        rss_mb = process.memory_info().rss / 1e6
    stored, rows = _stored(person)
    return {
        "gb": options.gb,
        "appends": options.appends,
        "append_every_s": options.append_every_s,
        "core_percent": round(100 * spent / took_s, 4),
        "append_ms": round(1000 * spent / max(1, options.appends), 2),
        "rotations": options.rotations,
        "lost": written - stored,
        "twice": rows - stored,
        "first_reading_s": round(read_s, 1),
        "rss_mb": round(rss_mb, 1),
    }


def _rotated(log: Path, written: int, *, copies: bool) -> int:
    """Rotate the log as logrotate does, while lines are written that nobody has read yet."""
    for number in (3, 2, 1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.rename(log.with_name(f"{log.name}.{number + 1}"))
    _append(log, written, written + 1)
    if copies:
        shutil.copy2(log, log.with_name(f"{log.name}.1"))
        os.truncate(log, 0)
    else:
        log.rename(log.with_name(f"{log.name}.1"))
    _append(log, written + 2, written + 3)
    return written + 4


def _stops(person: Person, options: argparse.Namespace) -> dict[str, Any]:
    """One daemon after the other is told to end while it reads; what it has taken stays taken."""
    share = options.gb * 1e9 / 4
    written = _fill(person.inbox / "log.jsonl", share)
    written = _fill(person.inbox / "lines.jsonl", share, written)
    (person.inbox / "packed.jsonl.gz").write_bytes(gzip.compress((person.inbox / "lines.jsonl").read_bytes(), 1))
    (person.inbox / "lines.jsonl").unlink()
    written = _array(person.inbox / "array.json", share, written)
    written = _table(person.inbox / "table.csv", share, written)
    chance = random.Random(options.seed)
    ends: list[float] = []
    taken = 0
    lost = 0
    for _ in range(options.stops):
        with person.daemon() as daemon:
            time.sleep(chance.uniform(0, 4))
            began = time.monotonic()
            daemon.process.send_signal(signal.SIGTERM)
            daemon.process.wait(END_TIMEOUT_S)
            ends.append(time.monotonic() - began)
        before, (taken, _) = taken, _stored(person)
        lost += max(0, before - taken)
    return {**percentiles(ends), "max": round(max(ends), 2), "stops": options.stops, "lost": lost, "gb": options.gb}


def _array(path: Path, size_bytes: float, first: int) -> int:
    with path.open("wb") as file:
        file.write(b"[")
        while file.tell() < size_bytes:
            file.write((b"," if file.tell() > 1 else b"") + _line(first, FILLED_BYTES))
            first += 1
        file.write(b"]")
    return first


def _table(path: Path, size_bytes: float, first: int) -> int:
    with path.open("wb") as file:
        file.write(b"prompt,correction\n")
        while file.tell() < size_bytes:
            text = FILLING.replace(",", "") * (FILLED_BYTES // len(FILLING))
            file.write(f"Item {first} {text},Title {first}\n".encode())
            first += 1
    return first


def _until_stored(person: Person, count: int, within_s: float) -> None:
    """Wait until so many records are stored, or raise TimeoutError."""
    deadline = time.monotonic() + within_s
    while _stored(person)[0] < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{_stored(person)[0]} of {count} records are stored")
        time.sleep(1)


def _stored(person: Person) -> tuple[int, int]:
    """How many different records are stored, and how many rows."""
    with Store(person.home.database) as store:
        row = store.row("SELECT count(DISTINCT content_hash), count(*) FROM feedback")
    return (int(row[0]), int(row[1])) if row else (0, 0)


if __name__ == "__main__":
    alone(add_options, run)
