"""Somebody swaps files and folders while they are read: a pipe is not waited for, and no link is followed out."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapterd.feedback.listing import walk
from adapterd.home import Home
from adapterd.intake.ingest import ingest
from adapterd.store import Store

MODEL = "m"
SECRET = b'{"prompt": "secret", "output": "x"}\n'


@contextmanager
def within_seconds() -> Iterator[None]:
    """Whoever waits for the other end of a pipe is interrupted, so that the test fails rather than hangs."""

    def interrupt(*_: object) -> None:
        raise TimeoutError("it waits for something that never comes")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(120)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def to_pipe(path: Path, outside: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def to_link(path: Path, outside: Path) -> None:
    path.unlink()
    path.symlink_to(outside)


def to_device(path: Path, outside: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("swap", [to_pipe, to_link, to_device])
@pytest.mark.parametrize("at_look", [0, 1, 2, 3, 4, 6])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv", "a.jsonl.gz"])
def test_a_file_that_is_swapped_while_it_is_read_is_the_one_that_was_opened(
    tmp_path: Path, name: str, at_look: int, swap: Callable[[Path, Path], None]
) -> None:
    home = Home(tmp_path / "home")
    home.create()
    inbox, outside = tmp_path / "inbox", tmp_path / "secret.jsonl"
    inbox.mkdir()
    outside.write_bytes(SECRET)
    content = b'{"prompt": broken\n' * 30
    (inbox / name).write_bytes(content)
    looks: list[None] = []

    def look() -> None:
        if len(looks) == at_look:
            swap(inbox / name, outside)
        looks.append(None)

    with Store(home.database) as store, within_seconds():
        ingest(store, home, MODEL, inbox, settle_s=0, look=look)
        assert store.feedback.count(MODEL) == 0
    kept = [path.read_bytes() for path in home.quarantine.rglob("*") if path.is_file()]
    assert kept
    assert all(each in content for each in kept)


@pytest.mark.parametrize("becomes", ["a link", "a pipe", "nothing"])
def test_a_subfolder_that_is_swapped_between_two_looks_is_not_followed(tmp_path: Path, becomes: str) -> None:
    inbox, outside = tmp_path / "inbox", tmp_path / "outside"
    (inbox / "sub" / "deeper").mkdir(parents=True)
    (inbox / "sub" / "a.jsonl").touch()
    (inbox / "a.jsonl").touch()
    (outside / "deeper").mkdir(parents=True)
    (outside / "secret.jsonl").write_bytes(SECRET)
    found = []
    with within_seconds():
        for path, _ in walk(inbox):
            found.append(Path(path).name)
            if (inbox / "sub").is_dir() and not (inbox / "sub").is_symlink():
                (inbox / "sub").rename(tmp_path / "away")
                if becomes == "a link":
                    (inbox / "sub").symlink_to(outside)
                elif becomes == "a pipe":
                    os.mkfifo(inbox / "sub")
    assert "secret.jsonl" not in found
