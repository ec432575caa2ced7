"""When the daemon begins a run, and when it waits."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapterd.errors import BusyError
from adapterd.home import Home
from adapterd.lifecycle import daemon as daemon_module
from adapterd.lifecycle.daemon import _Session
from adapterd.lifecycle.locks import exclusive
from adapterd.lifecycle.pipeline import Outcome

MODEL = "news"
CONFIG = """
runtime = "embedded"

[models.news]
base = "base.gguf"
base_digest = "sha256:aa"
"""


class Runs:
    """Stands for the pipeline: notes what is asked of it, and says that another was quicker as often as it is told."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.busy = 0

    def __call__(self, store: Any, home: Home, settings: Any, *, begun: Any) -> Any:
        @dataclass
        class Scripted:
            runs: Runs

            def run(self, model: str, reason: str) -> Outcome:
                self.runs.reasons.append(reason)
                if self.runs.busy:
                    self.runs.busy -= 1
                    raise BusyError("another run is going on")
                begun("r")
                return Outcome("r", "1.0.0", False, "held", {}, continued=False)

        return Scripted(self)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    made = Runs()
    monkeypatch.setattr(daemon_module, "Pipeline", made)
    return made


@pytest.fixture
def session(tmp_path: Path, runs: Runs) -> Iterator[_Session]:
    home = Home(tmp_path / "home")
    home.create()
    home.config_file.write_text(CONFIG)
    session = _Session(home)
    yield session
    session.store.close()


def look(session: _Session) -> None:
    """One look at what is to be done, until the run that it may have begun is over."""
    session._start_next()
    for thread in threading.enumerate():
        if thread.name == f"run-{MODEL}":
            thread.join(10)


def interrupted(session: _Session, *, given: str | None = None) -> None:
    session.store.runs.start("old", MODEL, reason="", fingerprint="f", last_feedback_id=0, given=given)


def test_a_request_waits_while_a_command_does_a_run(session: _Session, runs: Runs) -> None:
    request = session.store.runs.request(MODEL, "asked")
    with exclusive(session.home.run_lock, timeout_s=0, busy=""):
        look(session)
        assert runs.reasons == []
    look(session)
    assert runs.reasons == ["asked"]
    assert session.store.runs.request_answer(request) == ("r", None)


def test_what_is_due_waits_too(session: _Session, runs: Runs) -> None:
    interrupted(session)
    session._due.add(MODEL)
    with exclusive(session.home.run_lock, timeout_s=0, busy=""):
        look(session)
        assert runs.reasons == []
    look(session)
    assert runs.reasons == ["continued after an interruption"]
    assert session._due == set()


def test_a_request_is_kept_when_a_command_was_quicker(session: _Session, runs: Runs) -> None:
    request, runs.busy = session.store.runs.request(MODEL, "asked"), 1
    look(session)
    assert session.store.runs.request_answer(request) == (None, None)
    look(session)
    assert session.store.runs.request_answer(request) == ("r", None)


def test_what_was_due_is_due_again_when_a_command_was_quicker(session: _Session, runs: Runs) -> None:
    interrupted(session)
    session._due.add(MODEL)
    runs.busy = 1
    look(session)
    assert session._due == {MODEL}
    look(session)
    assert runs.reasons == ["continued after an interruption"] * 2


def test_an_interrupted_registration_is_left_to_the_person(session: _Session, runs: Runs) -> None:
    interrupted(session, given="/adapters/news")
    session._due.add(MODEL)
    look(session)
    assert runs.reasons == []
