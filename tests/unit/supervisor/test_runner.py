"""A run in its thread: what goes wrong there ends the run, and nothing else."""

import errno
import threading
from typing import Any

import pytest

from adapterd.config import Settings
from adapterd.errors import NoSpaceError, StoreError
from adapterd.home import Home
from adapterd.runs import pipeline as pipeline_module
from adapterd.store.runs import Runs
from adapterd.supervisor import runner as runner_module
from adapterd.supervisor.runner import AGAIN_AFTER, Runner, Wanted
from tests.support.hand_clock import HandClock

WAIT_S = 10
WANTED = Wanted("news", "asked for by hand", request=1)


def refuse(fault: Exception) -> Any:
    """Something that can only fail."""

    def fail(*_: Any, **__: Any) -> Any:
        raise fault

    return fail


def test_a_run_whose_end_cannot_be_noted_has_ended_all_the_same(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pipeline_module, "Pipeline", refuse(NoSpaceError("the disk is full")))
    monkeypatch.setattr(Runs, "answer_request", refuse(StoreError("the disk is full, too")))
    ended = threading.Event()
    runner = Runner(home, ended=ended.set)
    runner.begin(WANTED, Settings())
    assert ended.wait(WAIT_S)
    assert "news: the run stopped: the disk is full" in caplog.text
    assert "how the run ended is not noted: the disk is full, too" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("fault", "whole_story"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/home/runs/1"), False),
        (NoSpaceError("the disk is full"), False),
        (ZeroDivisionError("nobody thought of this"), True),
    ],
)
def test_only_what_nobody_thought_of_is_logged_with_its_trace(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: Exception, whole_story: bool
) -> None:
    monkeypatch.setattr(pipeline_module, "Pipeline", refuse(fault))
    ended = threading.Event()
    Runner(home, ended=ended.set).begin(WANTED, Settings())
    assert ended.wait(WAIT_S)
    assert f"news: the run stopped: {fault}" in caplog.text
    assert ("Traceback" in caplog.text) is whole_story


def test_nor_does_a_store_that_cannot_be_opened_end_anything_else(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(runner_module, "Store", refuse(StoreError("the disk is full")))
    ended = threading.Event()
    Runner(home, ended=ended.set).begin(WANTED, Settings())
    assert ended.wait(WAIT_S)
    assert "how the run ended is not noted: the disk is full" in caplog.text


def test_after_the_store_could_not_be_used_nothing_is_begun_for_a_while(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "Store", refuse(StoreError("of a newer release")))
    clock, ended = HandClock(), threading.Event()
    runner = Runner(home, ended=ended.set, clock=clock)
    assert runner.may_begin()
    runner.begin(WANTED, Settings())
    assert ended.wait(WAIT_S)
    assert not runner.may_begin()
    clock.now += AGAIN_AFTER
    assert runner.may_begin()


def test_what_an_upgrade_breaks_is_told_as_one(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pipeline_module, "Pipeline", refuse(ImportError("cannot import name 'plan'")))
    monkeypatch.setattr(runner_module, "release_on_disk", lambda: "9.0.0")
    ended = threading.Event()
    Runner(home, ended=ended.set).begin(WANTED, Settings())
    assert ended.wait(WAIT_S)
    assert "adapterd 9.0.0 was installed while" in caplog.text
    assert "Traceback" not in caplog.text
