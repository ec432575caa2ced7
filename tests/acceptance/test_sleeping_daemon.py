"""A daemon that has nothing to do sleeps for a minute, and yet nobody has to wait for it."""

import signal
import stat
import time
from pathlib import Path

import psutil
import pytest

from adapterd.home import Home
from adapterd.runs.by_hand.requests import ask_daemon
from adapterd.store import Store
from adapterd.supervisor.loop import LONGEST_REST_S
from adapterd.system.host.wakeup import wake_up
from tests.acceptance.person import MODEL, Daemon, Person, wait_until

SOONER_S = LONGEST_REST_S / 2
"""Who is not woken comes later than this."""
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


def until(what: str, daemon: Daemon, words: str) -> None:
    wait_until(what, lambda: words in daemon.said, timeout_s=SOONER_S)


def rests(daemon: Daemon) -> bool:
    """Whether the daemon does nothing for two seconds, which is longer than it waits for a file to settle."""
    process = psutil.Process(daemon.process.pid)
    before = process.cpu_times(), process.num_ctx_switches().voluntary
    time.sleep(2)
    return before == (process.cpu_times(), process.num_ctx_switches().voluntary)


def test_a_request_a_setting_a_file_and_a_signal_are_heard_at_once(person: Person) -> None:
    with person.daemon() as daemon:
        assert stat.S_ISFIFO(person.home.wakeup.stat().st_mode)
        wait_until("it rests", lambda: rests(daemon))
        with Store(person.home.database) as store:
            ask_daemon(store, person.home, MODEL, afresh=True)
        until("the request is taken up", daemon, "run begins")
        until("it has ended, for there is no base", daemon, "the run stopped")
        wait_until("it rests", lambda: rests(daemon))
        person.correct('base = "base.gguf"', 'base = "other.gguf"')
        until("the configuration is read", daemon, "configuration read again")
        (person.inbox / "f.jsonl").write_text('{"prompt": "a", "output": "b", "rating": 1}\n')
        until("the file is read", daemon, "1 records taken")
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(SOONER_S) == 0
    assert wake_up(person.home.wakeup) is False, "nobody waits any more"


def test_the_end_of_a_pause_is_heard_at_once(person: Person) -> None:
    with Store(person.home.database) as store:
        store.runs.start("old", MODEL, reason="", fingerprint="f", last_feedback_id=0)
        store.schedule_state.pause(MODEL, "on holiday")
    with person.daemon() as daemon:
        wait_until("it waits", lambda: person.json("status")["models"][0]["blocked_by"] == "paused: on holiday")
        assert "run begins" not in daemon.said
        wait_until("it rests", lambda: rests(daemon))
        assert person.run("resume", MODEL).code == 0
        until("the run goes on", daemon, "run begins")


def test_a_command_that_is_killed_in_its_run_is_noticed_soon(person: Person) -> None:
    with person.daemon() as daemon:
        until("it watches", daemon, "watching")
        with Store(person.home.database) as store:
            store.runs.start("old", MODEL, reason="", fingerprint="f", last_feedback_id=0)
        wake_up(person.home.wakeup)
        until("the run of the dead command goes on", daemon, "run begins")
