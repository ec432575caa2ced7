"""A daemon that may not read the inbox says so, by its own view: the terminal may have rights that it has not."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapterd.home import HOME_VARIABLE, Home
from adapterd.store import Store
from tests.acceptance.person import MODEL, Person, wait_until
from tests.support.without_rights import without_rights

NEEDS_ATTENTION = 10
LONG_S = 150.0
CONFIG = f"""
runtime = "embedded"
[models.{MODEL}]
base = "base.gguf"
base_digest = "sha256:aa"
"""


@pytest.fixture
def person(tmp_path: Path) -> Person:
    home = Home(tmp_path / "home")
    home.create()
    home.config_file.write_text(CONFIG)
    home.inbox(MODEL).mkdir(parents=True)
    return Person(home)


@contextmanager
def closed(path: Path) -> Iterator[None]:
    """A folder or file that nobody may read who has no special rights."""
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        yield
    finally:
        path.chmod(mode)


@contextmanager
def daemon(person: Person) -> Iterator[None]:
    """`adapterd` as launchd or systemd start it, for a user like any other."""
    log = person.home.root / "daemon.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            without_rights(sys.executable, "-m", "adapterd"), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env={**os.environ, HOME_VARIABLE: str(person.home.root)},
        )  # fmt: skip
    try:
        wait_until("the daemon watches", lambda: "watching" in log.read_text() or process.poll() is not None)
        yield
    finally:
        process.terminate()
        assert process.wait(60) == 0
        assert "Traceback" not in log.read_text()


def paths(person: Person) -> list[str]:
    with Store(person.home.database) as store:
        return [each.path for each in store.unreadable.all(MODEL)]


def write(path: Path, number: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"prompt": f"question {number}", "output": "answer", "rating": 1}) + "\n")
    os.utime(path, (1e9, 1e9))
    return path


def records(person: Person) -> int:
    with Store(person.home.database) as store:
        return store.feedback.count(MODEL)


def test_a_daemon_that_cannot_read_the_inbox_is_told_of_until_it_can(person: Person) -> None:
    inbox = person.inbox
    write(inbox / "f.jsonl", 1)
    with closed(inbox), daemon(person):
        wait_until("it is noted", lambda: paths(person) == [str(inbox)], timeout_s=LONG_S)
        said = person.run("status", "--check")
        assert said.code == NEEDS_ATTENTION
        [fault] = [line for line in said.stdout.splitlines() if "cannot read" in line]
        assert f"{MODEL}: the daemon cannot read {inbox}: Permission denied ({inbox} belongs to " in fault
        assert "has mode 0000" in fault
        assert f"{inbox}: Permission denied" in person.run("status").stdout
        assert f"the daemon cannot read {inbox}: Permission denied" in person.run("doctor").stdout
        assert [each["kind"] for each in person.json("history")].count("feedback.unreadable") == 1
        inbox.chmod(0o700)
        wait_until("it can read again", lambda: records(person) == 1 and not paths(person), timeout_s=LONG_S)
        assert "cannot read" not in person.run("status", "--check").stdout


def test_a_folder_and_a_file_within_are_told_of_and_the_rest_is_read(person: Person) -> None:
    write(person.inbox / "open.jsonl", 1)
    folder = write(person.inbox / "folder" / "within.jsonl", 2).parent
    file = write(person.inbox / "closed.jsonl", 3)
    with closed(folder), closed(file), daemon(person):
        wait_until("both are noted", lambda: paths(person) == [str(file), str(folder)], timeout_s=LONG_S)
        assert records(person) == 1
        said = person.run("status", "--check").stdout
        assert f"the daemon cannot read {folder}: Permission denied" in said
        assert f"the daemon cannot read {file}: Permission denied" in said
        folder.chmod(0o700)
        file.chmod(0o600)
        wait_until("all is read", lambda: records(person) == 3 and not paths(person), timeout_s=LONG_S)


def test_files_in_a_folder_that_cannot_be_looked_into_are_not_taken_for_gone(person: Person) -> None:
    person.correct('base = "base.gguf"', 'base = "base.gguf"\nfeedback.withdraw_vanished = true')
    folder = write(person.inbox / "folder" / "within.jsonl", 2).parent
    with daemon(person):
        wait_until("it is read", lambda: records(person) == 1, timeout_s=LONG_S)
    with closed(folder), daemon(person):
        wait_until("it is noted", lambda: paths(person) == [str(folder)], timeout_s=LONG_S)
        assert records(person) == 1
