"""A process that sleeps is woken by another one, by a thread and by a signal, and by nothing else."""

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from adapterd.system.host.wakeup import Wakeup, wake_up

LONG_S = 30.0


def test_what_nobody_wakes_sleeps_on(tmp_path: Path) -> None:
    with Wakeup(tmp_path / "fifo") as wakeup:
        assert wakeup.wait(0.01) is False


def test_another_process_wakes_it(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    with Wakeup(fifo) as wakeup:
        assert wakeup.is_reachable
        script = (
            f"from pathlib import Path; from adapterd.system.host.wakeup import wake_up; wake_up(Path({str(fifo)!r}))"
        )
        other = subprocess.Popen([sys.executable, "-c", script])
        assert wakeup.wait(LONG_S) is True
        assert other.wait(LONG_S) == 0
        assert wakeup.wait(0) is False, "once is once, and its writer has gone"


def test_it_is_woken_before_it_begins_to_wait(tmp_path: Path) -> None:
    with Wakeup(tmp_path / "fifo") as wakeup:
        wakeup.set()
        wakeup.set()
        assert wakeup.wait(LONG_S) is True
        assert wakeup.wait(0) is False


def test_a_thread_wakes_it(tmp_path: Path) -> None:
    with Wakeup(tmp_path / "fifo") as wakeup:
        threading.Timer(0.05, wakeup.set).start()
        assert wakeup.wait(LONG_S) is True


def test_a_signal_wakes_it_whenever_it_comes(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with Wakeup(tmp_path / "fifo") as wakeup:
            wakeup.by_signals()
            os.kill(os.getpid(), signal.SIGUSR1)
            assert wakeup.wait(LONG_S) is True
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            assert wakeup.wait(LONG_S) is True
        assert signal.set_wakeup_fd(-1) == -1, "it is given back"
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_more_calls_than_fit_are_as_good_as_one(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    with Wakeup(fifo) as wakeup:
        for _ in range(70_000):
            wakeup.set()
        assert wake_up(fifo) is True
        while wakeup.wait(0):
            pass
        assert wakeup.wait(0) is False


def test_where_nobody_waits_there_is_nobody_to_wake(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    assert wake_up(fifo) is False
    with Wakeup(fifo):
        pass
    assert wake_up(fifo) is False
    fifo.unlink()
    fifo.write_text("a file of somebody else")
    assert wake_up(fifo) is False
    assert fifo.read_text() == "a file of somebody else"


def test_the_fifo_is_its_owners_and_takes_the_place_of_whatever_was_there(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    fifo.symlink_to(tmp_path / "elsewhere")
    with Wakeup(fifo) as wakeup:
        status = fifo.lstat()
        assert stat.S_ISFIFO(status.st_mode)
        assert status.st_mode & 0o077 == 0
        assert wake_up(fifo)
        assert wakeup.wait(LONG_S)
    assert not (tmp_path / "elsewhere").exists()


def test_where_there_can_be_no_fifo_threads_still_wake_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "mkfifo", refuse)
    with Wakeup(tmp_path / "fifo") as wakeup:
        assert not wakeup.is_reachable
        assert wake_up(tmp_path / "fifo") is False
        wakeup.set()
        assert wakeup.wait(LONG_S) is True
