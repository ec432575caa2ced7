"""A daemon whose process that finds the next times is stuck or lost."""

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from adapterd.errors import WorkerLostError
from adapterd.home import Home
from adapterd.scheduling.schedule import Asked, next_times
from adapterd.supervisor import loop
from adapterd.supervisor.loop import Daemon, Session

STUCK = """
import signal, sys, threading, time
from pathlib import Path
from adapterd.home import Home
from adapterd.supervisor import loop
from adapterd.system.child.call import call
loop.next_times_by_child = lambda asked, now, *, stopped: call(time.sleep, 600, stopped=stopped)
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
loop.Daemon(Home(Path(sys.argv[1])), stop).run()
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    made.config_file.write_text('runtime = "embedded"\n[models.m]\nbase = "base.gguf"\nbase_digest = "sha256:aa"\n')
    return made


def test_it_ends_within_two_seconds_while_that_process_is_stuck(home: Home) -> None:
    daemon = subprocess.Popen([sys.executable, "-c", STUCK, str(home.root)], stderr=subprocess.PIPE)
    children = psutil.Process(daemon.pid).children
    until = time.monotonic() + 60
    while not children() and time.monotonic() < until:
        time.sleep(0.05)
    stuck = children()
    assert stuck
    told = time.monotonic()
    daemon.send_signal(signal.SIGTERM)
    _, said = daemon.communicate(timeout=60)
    assert time.monotonic() - told < 2
    assert (daemon.returncode, said) == (0, b"")
    assert psutil.wait_procs(stuck, timeout=10)[1] == []


def test_it_begins_once_that_process_is_not_lost_any_more(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answers: list[Any] = [WorkerLostError("out of memory"), WorkerLostError("killed"), next_times]
    stop, ticks = threading.Event(), []

    def find(asked: Sequence[Asked], now: datetime, *, stopped: Any) -> list[datetime | None]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        found: list[datetime | None] = answer(asked, now)
        return found

    def tick(session: Session) -> None:
        ticks.append(session.planner.schedule.next("m"))
        stop.set()

    monkeypatch.setattr(loop, "next_times_by_child", find)
    monkeypatch.setattr(loop, "FAILED_TICK_WAIT_S", 0.01)
    monkeypatch.setattr(Session, "start", lambda _: None)
    monkeypatch.setattr(Session, "tick", tick)
    monkeypatch.setattr(Session, "rest_s", lambda _: 0.0)
    with caplog.at_level(logging.ERROR):
        Daemon(home, stop).run()
    assert caplog.messages == [f"nothing can be begun yet: {why}" for why in ("out of memory", "killed")]
    assert answers == []
    assert len(ticks) == 1
    assert ticks[0] is not None


def test_it_ends_when_it_is_told_to_before_that_process_was_found(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()

    def lost(asked: Sequence[Asked], now: datetime, *, stopped: Any) -> list[datetime | None]:
        stop.set()
        raise WorkerLostError("killed")

    monkeypatch.setattr(loop, "next_times_by_child", lost)
    Daemon(home, stop).run()
