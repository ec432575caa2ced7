"""Every step can die: what was finished is kept, and giving `retrain` again goes on from there."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from subprocess import Popen

import pytest

from adapterd.formats.run_folder import CANDIDATE
from adapterd.serving.server import PrivateOllama
from adapterd.store.runs import RunState
from tests.acceptance.conftest import begin, feed
from tests.acceptance.person import MODEL, Person, is_alive, wait_until, worker_of

LONG = ("training.epochs=6", "training.patience=1000")
"""Some seconds of training, in which something can happen."""
GONE_WITHIN_S = 10


@pytest.fixture
def patient(stranger: Person, tiny_path: Path, tmp_path: Path) -> Person:
    """Somebody whose training takes a while."""
    begin(stranger, tiny_path, "--runtime", "embedded", changes=LONG)
    return feed(stranger, tmp_path / "application")


@contextmanager
def training(person: Person) -> "Iterator[tuple[Popen[str], int]]":
    """`retrain` in the midst of training, and its worker."""
    with person.begun("retrain") as command:
        wait_until("a step of training is done", lambda: command.poll() is not None or person.is_at("training"))
        yield command, worker_of(command.pid)


def impatient(person: Person) -> None:
    """Change the settings for a run that takes no time."""
    person.correct("epochs = 6", "epochs = 1")


def started(person: Person, stage: str) -> datetime:
    return person.last_run()[1][stage].started_at


def state(person: Person) -> str:
    said: str = person.json("status")["models"][0]["run"]["state"]
    return said


def finishes(person: Person) -> str:
    """Give `retrain` again, which must succeed; returns the run's id."""
    said = person.run("retrain")
    assert said.code == 0, said
    run, _ = person.last_run()
    assert run.state in (RunState.PROMOTED, RunState.HELD)
    return run.id


@pytest.fixture
def own_ollama(ollama_binary: Path, tmp_path: Path) -> Iterator[PrivateOllama]:
    """A server that only this test has, and may end."""
    with PrivateOllama(ollama_binary, tmp_path / "ollama") as server:
        yield server


@pytest.mark.ollama
def test_ollama_ends_during_a_run(stranger: Person, own_ollama: PrivateOllama, tiny_path: Path, tmp_path: Path) -> None:
    person = feed(begin(stranger, tiny_path, "--host", own_ollama.host), tmp_path / "application")
    with person.begun("retrain") as command:
        wait_until("training is done", lambda: command.poll() is not None or person.has_finished("training"))
        own_ollama.kill()
        said = person.wait(command)
    assert said.code == 5, said
    assert f"Ollama does not answer at {own_ollama.host}" in said.complaint
    assert "start Ollama" in said.stderr

    without = person.run("retrain")
    assert (without.code, without.complaint) == (5, said.complaint)
    assert person.json("status")["models"][0]["run"]["error"] == said.complaint
    before, _ = person.last_run()
    trained_at = started(person, "training")

    own_ollama.start()
    assert finishes(person) == before.id
    assert started(person, "training") == trained_at


def test_the_worker_is_killed_during_training(patient: Person) -> None:
    with training(patient) as (command, worker):
        os.kill(worker, signal.SIGKILL)
        said = patient.wait(command)
    assert said.code == 7, said
    assert said.complaint == "the training worker was killed by signal 9"
    assert "`adapterctl retrain` goes on" in said.stderr
    text = patient.run("status").stdout
    assert "failed at training" in text
    assert said.complaint in text

    before, _ = patient.last_run()
    divided_at = started(patient, "dataset")
    assert finishes(patient) == before.id
    assert started(patient, "dataset") == divided_at


def test_the_command_is_killed_during_training(patient: Person) -> None:
    with training(patient) as (command, worker):
        command.kill()
        patient.wait(command)
        wait_until("the worker has ended", lambda: not is_alive(worker), timeout_s=GONE_WITHIN_S)
    assert state(patient) == "interrupted"
    assert "interrupted at training" in patient.run("status").stdout

    before, _ = patient.last_run()
    assert finishes(patient) == before.id


def test_a_person_stops_the_command(patient: Person) -> None:
    with training(patient) as (command, worker):
        command.send_signal(signal.SIGINT)
        said = patient.wait(command)
        wait_until("the worker has ended", lambda: not is_alive(worker), timeout_s=GONE_WITHIN_S)
    assert (said.code, said.complaint) == (130, "stopped")
    assert state(patient) == "failed"


def test_a_second_command_finds_the_first_at_work(patient: Person) -> None:
    with training(patient) as (command, _):
        said = patient.run("retrain")
        assert said.code == 8, said
        assert said.complaint == "another run is going on"
        assert command.poll() is None
        assert state(patient) == "running"


def test_changed_settings_begin_a_new_run(patient: Person) -> None:
    with training(patient) as (command, worker):
        os.kill(worker, signal.SIGKILL)
        patient.wait(command)
    before, _ = patient.last_run()
    folder = patient.home.run(before.id)
    (folder / CANDIDATE).write_bytes(b"as large as the base")
    impatient(patient)
    after = finishes(patient)
    assert after != before.id
    told = [event["text"] for event in patient.json("history") if event["kind"] == "run.abandoned"]
    assert told == [f"run {before.id} is given up: the settings or the base changed since"]
    assert not any((folder / large).exists() for large in (CANDIDATE, "dataset"))
    assert f"makes {MODEL} 1.0.0" in patient.run("history").stdout
