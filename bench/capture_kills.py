"""What kills cost: `python -m bench.capture_kills [--kills N]`, kept as `kills` in bench/capture.json.

Clients ask again and again through the pass-through, in front of a scripted server; the recorder, and every fifth time
the daemon that runs beside it on the same home, is killed (kill -9) at a moment of chance. An answer that does not come
whole is lost; a record that is not there, is there twice, or is not what was said, is counted, and so is each answer
that the counts of rates have too often or not at all. About two and a half seconds a kill.
"""

import argparse
import json
import os
import random
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from adapterd.capture.captures import Captures
from adapterd.capture.standing import counts_of
from bench import capture, results

LINES, INTERVAL_S, CLIENTS, PAUSE_S = 5, 0.01, 4, 0.05
END = b"\r\n0\r\n\r\n"
"""Of a chunked answer; a head may end like the rest of it, where the id of its capture does with 0."""
ANSWER = "word " * LINES
EVERY = 5
"""Of so many kills one is of the daemon."""
STORED_S, END_S = 60.0, 300.0
_ID = re.compile(rb"X-Adapterd-Capture: (\w+)\r\n", re.IGNORECASE)


@dataclass
class Load:
    """Clients that ask until `stop`; the ids of the answers that came whole, and how many did not."""

    port: int
    stop: threading.Event = field(default_factory=threading.Event)
    ids: list[str] = field(default_factory=list)
    lost: int = 0

    def ask_on(self, client: int) -> None:
        """One client: another prompt each time."""
        number = 0
        while not self.stop.is_set():
            number += 1
            found = _answered(self.port, f"question {number} of client {client}")
            told = _ID.search(found)
            if told and found.endswith(END) and found.count(b'"word "') == LINES:
                self.ids.append(told[1].decode())
            else:
                self.lost += 1
            time.sleep(PAUSE_S)


def kills(count: int) -> dict[str, Any]:
    """What was lost by so many kills."""
    with tempfile.TemporaryDirectory() as name, capture.upstream(LINES, INTERVAL_S) as direct:
        home = Path(name) / "home"
        with capture.pass_through(home, direct) as (port, passing):
            load, began = Load(port), time.monotonic()
            clients = [threading.Thread(target=load.ask_on, args=(number,)) for number in range(CLIENTS)]
            for each in clients:
                each.start()
            try:
                of_daemon = _kill(count, passing, home, port)
            finally:
                load.stop.set()
                for each in clients:
                    each.join()
            told = _when_stored(port)
        return {
            "kills": count, "of_daemon": of_daemon, "answers": len(load.ids), "lost": load.lost,
            **_recorded(home / "captures.db", load.ids), "dropped": told["dropped"],
            "seconds": round(time.monotonic() - began),
        }  # fmt: skip


def _kill(count: int, passing: psutil.Process, home: Path, port: int) -> int:
    """Kill that often; a recorder when it has stored something, as one that others died of is given up."""
    chance, of_daemon = random.Random(1), 0
    daemon = _started(home)
    try:
        for number in range(count):
            _wait_for_more(port)
            time.sleep(chance.uniform(0, 0.3))
            if number % EVERY == EVERY - 1:
                daemon.kill()
                daemon.wait()
                daemon, of_daemon = _started(home), of_daemon + 1
                continue
            _kill_recorder(passing)
    finally:
        daemon.kill()
        daemon.wait()
    return of_daemon


def _kill_recorder(passing: psutil.Process) -> None:
    """Kill the one that records now, awaited if there is none; one that has just ended is not it."""
    until = time.monotonic() + STORED_S
    while time.monotonic() < until:
        for each in passing.children():
            with suppress(psutil.NoSuchProcess):
                if each.status() != psutil.STATUS_ZOMBIE:
                    each.kill()
                    return
        time.sleep(0.01)
    raise TimeoutError("nothing records")


def _started(home: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-P", "-m", "adapterd"]
    environment = {**os.environ, "ADAPTERD_HOME": str(home)}
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def _wait_for_more(port: int) -> None:
    before, until = _counts(port)["stored"], time.monotonic() + STORED_S
    while _counts(port)["stored"] == before:
        if time.monotonic() > until:
            raise TimeoutError("nothing more is recorded")
        time.sleep(0.05)


def _when_stored(port: int) -> dict[str, int]:
    """The counts of the pass-through when nothing waits any more."""
    until = time.monotonic() + END_S
    while (found := _counts(port))["waiting"] and time.monotonic() < until:
        time.sleep(0.2)
    return found


def _counts(port: int) -> dict[str, int]:
    found = counts_of(f"127.0.0.1:{port}")
    if found is None:
        raise ConnectionError("the pass-through does not answer")
    return found


def _recorded(file: Path, ids: Sequence[str]) -> dict[str, int]:
    """What the file has of these answers."""
    with Captures(file) as captures:
        found = list(captures.all())
        counted = sum(each.answers for each in captures.counted(""))
    whole = {each.id for each in found if (each.answer, each.complete, each.faults) == (ANSWER, True, ["repetition"])}
    with sqlite3.connect(file) as plain:
        sound = plain.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    plain.close()
    return {
        "records": len(found), "missing": len(set(ids) - {each.id for each in found}),
        "half_written": len(found) - len(whole) + (not sound), "counted_wrong": abs(counted - len(found)),
    }  # fmt: skip


def _answered(port: int, prompt: str) -> bytes:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": prompt}]}).encode()
    found = b""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(
            b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        while not found.endswith(END) and (data := connection.recv(1 << 16)):
            found += data
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Kill, and keep what came of it."""
    parser = argparse.ArgumentParser(prog="python -m bench.capture_kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="how often (200)")
    parser.add_argument("--dry", action="store_true", help="only print what was found")
    given = parser.parse_args(arguments)
    found = kills(given.kills)
    print(json.dumps({"kills": found}), flush=True)
    if not given.dry:
        results.write({"kills": found}, capture.FILE)


if __name__ == "__main__":
    main()
