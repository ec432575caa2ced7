"""Heavy work is freed from the background in which the daemon runs."""

from pathlib import Path

import pytest

from adapterd.system.priority import unthrottled

WORKER = ("/opt/env/bin/python3", "-m", "adapterd.worker", "training", "/x y")


@pytest.fixture
def taskpolicy(tmp_path: Path) -> Path:
    program = tmp_path / "taskpolicy"
    program.write_text('#!/bin/sh\nshift; exec "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return program


def test_on_macos_it_is_started_as_an_application(taskpolicy: Path) -> None:
    assert unthrottled(WORKER, "darwin", taskpolicy) == [str(taskpolicy), "-a", *WORKER]


def test_a_mac_without_the_tool_starts_it_as_it_is(tmp_path: Path) -> None:
    assert unthrottled(WORKER, "darwin", tmp_path / "missing") == list(WORKER)


def test_elsewhere_it_is_left_as_it_is(taskpolicy: Path) -> None:
    assert unthrottled(WORKER, "linux", taskpolicy) == list(WORKER)
