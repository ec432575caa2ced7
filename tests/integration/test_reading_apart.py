"""Feedback that a process of its own reads: the store has what it has of a reading in one process, whatever happens."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from adapterd.errors import StoreError
from adapterd.feedback.listing import InboxFile
from adapterd.home import Home
from adapterd.intake import reading_apart
from adapterd.intake.file_reading import BatchLimit
from adapterd.intake.ingest import IngestReport, ingest
from adapterd.intake.rotation import Rotation
from adapterd.store import Store
from adapterd.system.child import stream

READS_APART = "adapterd.system.child.streaming"
MODEL = "m"
LIMIT = BatchLimit(pieces=100, size_bytes=1 << 20)


def line(prompt: str, **fields: Any) -> bytes:
    return json.dumps({"prompt": prompt, "output": "x", "rating": 2, **fields}).encode() + b"\n"


def lines(name: str, count: int, **fields: Any) -> bytes:
    return b"".join(line(f"{name} {number}", **fields) for number in range(count))


class Place:
    """A home with its store, and an inbox that may be that of other homes, too."""

    def __init__(self, home: Path, inbox: Path) -> None:
        self.home, self.inbox = Home(home), inbox
        self.home.create()
        inbox.mkdir(exist_ok=True)
        self.store = Store(self.home.database)

    def put(self, name: str, content: bytes) -> Path:
        path = self.inbox / name
        path.write_bytes(content)
        moment = 1_700_000_000 + len(list(self.inbox.iterdir()))
        os.utime(path, (moment, moment))
        return path

    def ingest(self, **options: Any) -> IngestReport:
        return ingest(self.store, self.home, MODEL, self.inbox, settle_s=0.0, limit=LIMIT, **options)

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that the store has learned, but for the moment."""
        return {
            table: list(map(tuple, self.store.rows(f"SELECT {columns} FROM {table} ORDER BY rowid")))
            for table, columns in (
                ("feedback", "record, file, line, document, withdrawn_at IS NULL, repeats"),
                ("quarantine", "file, line, reason, excerpt, kept"),
                ("feedback_files", "path, lines, accepted, duplicates, quarantined, digest, position"),
            )
        }  # fmt: skip

    def prompts(self) -> int:
        return len({row["prompt_hash"] for row in self.store.rows("SELECT prompt_hash FROM feedback")})


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Place]]:
    """Makes homes with one inbox, of which everything but the first small file is read apart."""
    monkeypatch.setattr(reading_apart, "processors", lambda: 2)
    monkeypatch.setattr(reading_apart, "APART_FROM_BYTES", 1 << 10)
    monkeypatch.setattr(reading_apart, "HEAD_START_BYTES", 1 << 9)
    made = list[Place]()

    def make_one(name: str) -> Place:
        made.append(Place(tmp_path / name, tmp_path / "inbox"))
        return made[-1]

    yield make_one
    for place in made:
        place.store.close()


def children() -> list[psutil.Process]:
    """Those that read apart; this process may have others, such as a server of the session."""
    return [child for child in psutil.Process().children() if READS_APART in command(child)]


def command(child: psutil.Process) -> list[str]:
    try:
        return child.cmdline()
    except psutil.Error:  # it has ended
        return []


def fill(place: Place) -> None:
    place.put("0.jsonl", line("first"))
    place.put("1.jsonl", lines("one", 250) + b"{\n" + line("one 3") + b"[]\n")
    place.put("2.csv", b"prompt,correction\nWho met?,The council.\nWhen?\n")
    place.put("3.json", b"[" + line("first") + b"," + line("three") + b"]")
    place.put("4.jsonl.gz", gzip.compress(lines("four", 150))[:-4])
    place.put("5.jsonl", lines("five", 150) + line("over the scale", rating=77))
    place.put("6.jsonl", b"".join(b"broken %d\n" % number for number in range(30)))
    place.put("7.jsonl", lines("one", 250, source_id="again"))
    place.put("8.jsonl", b"")


def test_the_store_has_the_same_whoever_reads(make: Callable[[str], Place], monkeypatch: pytest.MonkeyPatch) -> None:
    apart, here = make("apart"), make("here")
    fill(apart)
    pids = set[int]()
    first = apart.ingest(on_progress=lambda *_: pids.update(child.pid for child in children()))
    assert len(pids) == 1
    with monkeypatch.context() as patched:
        patched.setattr(reading_apart, "processors", lambda: 1)
        assert here.ingest() == first
    assert first.accepted > 600
    assert first.quarantined == 2 + 1 + 1 + 1 + 30
    assert apart.content() == here.content()
    kept = [sorted(path.name for path in place.home.quarantine.rglob("*")) for place in (apart, here)]
    assert kept[0] == kept[1]
    assert len(kept[0]) > 20


def test_what_a_killed_process_has_not_read_is_read_here_and_nothing_is_doubled(make: Callable[[str], Place]) -> None:
    place, killed = make("home"), list[int]()
    for number in range(20):
        place.put(f"{number:02}.jsonl", lines(f"file {number}", 450))

    def kill(*_: int) -> None:
        if len(killed) < 1 and place.prompts() > 2_000:
            for child in children():
                killed.append(child.pid)
                child.kill()

    report = place.ingest(on_progress=kill)
    assert len(killed) == 1
    assert (report.files, report.lines, report.accepted, report.duplicates) == (20, 9_000, 9_000, 0)
    assert place.prompts() == 9_000
    assert {(each.lines, each.accepted, each.duplicates) for each in place.store.feedback.files(MODEL)} == {
        (450, 450, 0)
    }


def test_files_are_read_here_where_no_process_can_be_started(
    make: Callable[[str], Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make("home")
    fill(place)
    monkeypatch.setattr(stream, "module_command", lambda module: ["/nonexistent/python", module])
    assert place.ingest().files == 9


def test_who_looks_may_end_the_ingest_and_what_was_stored_stays(make: Callable[[str], Place]) -> None:
    place, stopping = make("home"), list[bool]()
    place.put("a.jsonl", lines("a", 5_000))

    def look() -> None:
        if stopping:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        place.ingest(look=look, on_progress=lambda *_: stopping.append(True))
    assert children() == []
    assert 0 < place.prompts() < 5_000
    assert place.store.feedback.files(MODEL) == []
    report = place.ingest()
    assert report.accepted + report.duplicates == place.prompts() == 5_000


def test_a_quarantine_that_cannot_be_written_stops_the_ingest(make: Callable[[str], Place]) -> None:
    place = make("home")
    place.put("a.jsonl", lines("a", 50) + b"{\n")
    (place.home.quarantine / MODEL).touch()
    with pytest.raises(StoreError, match="cannot be written"):
        place.ingest()
    (place.home.quarantine / MODEL).unlink()
    assert (place.ingest().quarantined, place.prompts()) == (1, 50)


KILLED = """
import os, pathlib, sys
from adapterd.home import Home
from adapterd.intake import reading_apart
from adapterd.intake.ingest import ingest
from adapterd.store import Store
reading_apart.processors = lambda: 2
reading_apart.APART_FROM_BYTES, reading_apart.HEAD_START_BYTES = 1, 0
home, inbox = map(pathlib.Path, sys.argv[1:])
def tell(*_):
    print("stored", flush=True)
    sys.stdin.readline()
ingest(Store(Home(home).database), Home(home), "m", inbox, settle_s=0, on_progress=tell)
"""


def test_kill_9_ends_both_and_loses_nothing(make: Callable[[str], Place]) -> None:
    place = make("home")
    place.put("a.jsonl", lines("a", 17_000))
    command = [sys.executable, "-c", KILLED, str(place.home.root), str(place.inbox)]
    caller = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert caller.stdout is not None
    assert caller.stdout.readline() == b"stored\n"
    made = psutil.Process(caller.pid).children()
    caller.send_signal(signal.SIGKILL)
    caller.communicate()
    assert len(made) == 1
    assert psutil.wait_procs(made, timeout=10)[1] == []
    report = place.ingest()
    assert (report.files, report.accepted + report.duplicates, place.prompts()) == (1, 17_000, 17_000)


def test_a_log_that_is_written_anew_after_it_was_looked_up_is_read_from_its_start(
    make: Callable[[str], Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many files are looked up at once, so that some time passes until one is read."""
    place = make("home")
    path = place.put("log.jsonl", lines("before", 40))
    place.ingest()
    with path.open("ab") as log:
        log.write(lines("more", 3))
    begin = Rotation.begin

    def begin_and_write_anew(rotation: Rotation, file: InboxFile) -> Any:
        found = begin(rotation, file)
        path.write_bytes(lines("after", 60))
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Rotation, "begin", begin_and_write_anew)
        assert place.ingest().lines == 0
    time.sleep(0.01)
    assert place.ingest().accepted == 60
    assert place.store.feedback.quarantined(MODEL) == []
