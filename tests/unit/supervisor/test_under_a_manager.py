"""A daemon whose release or database is another: it ends so that it is started again, or waits; it never spins."""

import sqlite3
import threading
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapterd.errors import BusyError, ConfigError, DamagedStoreError, NewerStoreError, OtherReleaseError
from adapterd.home import Home
from adapterd.store import Store
from adapterd.supervisor import loop
from adapterd.supervisor.loop import Daemon, Session
from adapterd.supervisor.under_a_manager import LOOKS_AT_CONFIGURATION, own_home, run_as_service
from adapterd.system.locks import exclusive
from adapterd.system.release.installed import ReleaseWatch

LOOK_S = 0.01


@dataclass
class Replaced(ReleaseWatch):
    """Says of the files on disk what it is told to."""

    answers: list[str | None] = field(default_factory=list)

    def differs(self) -> bool:
        return bool(self.answers)

    def replaced(self) -> str | None:
        return self.answers.pop(0) if self.answers else None


@dataclass
class Stop(threading.Event):
    """Counts the looks, does something before one of them, and stops after the last."""

    at: dict[int, Any] = field(default_factory=dict)
    looks: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def wait(self, timeout: float | None = None) -> bool:
        self.looks += 1
        if act := self.at.get(self.looks):
            act()
        return self.is_set()


def set_schema(database: Path, number: int) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(f"PRAGMA user_version = {number}")


def make_store(home: Home) -> None:
    Store(home.database).close()


def test_a_daemon_ends_when_another_release_is_on_disk(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks: list[int] = []
    monkeypatch.setattr(Session, "tick", lambda _: ticks.append(1))
    daemon = Daemon(home, threading.Event(), release=Replaced(answers=[None, None, "another was installed"]))
    with pytest.raises(OtherReleaseError, match="another was installed") as caught:
        daemon.run()
    assert caught.value.exit_code == 75
    assert ticks == []  # nothing is begun while files are being replaced


def test_a_daemon_ends_when_a_command_of_a_newer_release_has_migrated_its_database(home: Home) -> None:
    daemon = Daemon(home, threading.Event())
    make_store(home)
    release = daemon.release

    class Migrating(ReleaseWatch):
        def replaced(self) -> str | None:
            set_schema(home.database, 99)
            return release.replaced()

    daemon.release = Migrating()
    with pytest.raises(NewerStoreError, match="schema 99"):
        daemon.run()


def test_in_a_service_a_newer_database_is_said_once_and_waited(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    make_store(home)
    set_schema(home.database, 99)
    stop = Stop()
    stop.at = {50: stop.set}
    run_as_service(Daemon(home, stop), look_every_s=LOOK_S)
    assert stop.looks == 50
    assert caplog.text.count("nothing is done until this is put right") == 1
    assert "schema 99" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("how", ["the database is put back", "the newer release is installed"])
def test_what_is_put_right_starts_it_again(home: Home, how: str) -> None:
    make_store(home)
    set_schema(home.database, 99)
    release, stop = Replaced(), Stop()
    changes = {
        "the database is put back": lambda: home.database.write_bytes(b""),
        "the newer release is installed": lambda: release.answers.append("another was installed"),
    }
    stop.at = {3: changes[how], 4: stop.set}
    with pytest.raises(NewerStoreError):
        run_as_service(Daemon(home, stop, release=release), look_every_s=LOOK_S)
    assert stop.looks == 3


def test_a_damaged_database_is_waited_for_too(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    home.database.write_bytes(b"this is no database" * 100)
    stop = Stop()
    stop.at = {5: stop.set}
    run_as_service(Daemon(home, stop), look_every_s=LOOK_S)
    assert "doctor --repair" in caplog.text
    with pytest.raises(DamagedStoreError):
        Daemon(home, threading.Event()).run()  # in the foreground it ends


def test_a_configuration_that_makes_no_sense_is_waited_for(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    home.config_file.write_text("[models")
    stop = Stop()
    stop.at = {5: lambda: home.config_file.write_text("[schedule]\n"), 6: stop.set}
    with pytest.raises(ConfigError):  # so that it is started again
        run_as_service(Daemon(home, stop), look_every_s=LOOK_S)
    assert stop.looks == 5
    assert caplog.text.count("nothing is done until this is put right") == 1


def test_a_configuration_is_tried_again_some_day_for_a_file_that_it_names(home: Home) -> None:
    home.config_file.write_text("[models")
    stop = Stop()
    stop.at = {LOOKS_AT_CONFIGURATION + 1: stop.set}
    with pytest.raises(ConfigError):
        run_as_service(Daemon(home, stop), look_every_s=LOOK_S)
    assert stop.looks == LOOKS_AT_CONFIGURATION


def test_another_daemon_is_waited_for(
    home: Home, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "LOCK_TIMEOUT_S", 0)
    with ExitStack() as other:
        other.enter_context(exclusive(home.daemon_lock, timeout_s=0, busy="held"))
        stop = Stop()
        stop.at = {4: other.close, 5: stop.set}
        with pytest.raises(BusyError):
            run_as_service(Daemon(home, stop), look_every_s=LOOK_S)
    assert stop.looks == 4
    assert caplog.text.count("another adapterd works on") == 1


def test_a_home_that_is_refused_is_waited_for(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.root.chmod(0o770)
    stop = Stop()
    stop.at = {3: lambda: home.root.chmod(0o700), 4: stop.set}
    assert own_home(home, stop, look_every_s=LOOK_S) == []
    assert stop.looks == 3
    assert capsys.readouterr().err.count("chmod 700") == 1


def test_a_daemon_whose_home_is_refused_can_be_stopped(home: Home) -> None:
    home.root.chmod(0o770)
    stop = Stop()
    stop.at = {2: stop.set}
    assert own_home(home, stop, look_every_s=LOOK_S) is None
