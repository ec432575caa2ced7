"""The page's process: found, started, ended, and gone when nobody uses it."""

import json
import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adapterd.errors import AdapterdError
from adapterd.home import HOME_VARIABLE, Home
from adapterd.page import running as running_module
from adapterd.page.running import running, start, stop
from tests.integration.page.conftest import Place


def command(home: Home, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "adapterctl", "open", *words], env={**os.environ, HOME_VARIABLE: str(home.root)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_it_is_started_once_and_ended(served_page: Place) -> None:
    assert start(served_page.home) == served_page.running
    assert stat.S_IMODE(served_page.home.page.stat().st_mode) == 0o600
    link = json.loads(command(served_page.home, "--json").stdout)["link"]
    assert link.startswith(f"{served_page.address}/enter?ticket=")
    assert "the page is closed" in command(served_page.home, "--stop").stdout
    assert running(served_page.home) is None
    assert not served_page.home.page.exists()
    assert "was not open" in command(served_page.home, "--stop").stdout


def test_one_of_another_release_is_replaced(served_page: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    written = json.loads(served_page.home.page.read_text())
    monkeypatch.setattr(running_module, "__version__", "0.0.1")
    replaced = running_module.start(served_page.home)
    assert replaced.pid != written["pid"]
    stop(served_page.home)


def test_one_that_was_killed_is_started_anew(served_page: Place) -> None:
    os.kill(served_page.running.pid, 9)
    until = time.monotonic() + 20
    while running(served_page.home) and time.monotonic() < until:
        time.sleep(0.05)
    assert start(served_page.home).pid != served_page.running.pid


def test_it_ends_when_nobody_uses_it(home: Home) -> None:
    home.config_file.write_text(home.config_file.read_text() + "idle_minutes = 0.01\n")
    start(home)
    until = time.monotonic() + 60
    while home.page.exists() and time.monotonic() < until:
        time.sleep(0.2)
    assert not home.page.exists()


def test_a_port_that_is_taken_is_said(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        home.config_file.write_text(home.config_file.read_text().replace("port = 0", f"port = {port}"))
        with pytest.raises(AdapterdError, match="cannot be opened"):
            start(home)
        said = command(home, "--no-browser")
    assert said.returncode == 1
    assert "page.port" in said.stderr


def test_a_faulty_configuration_is_said_by_the_command(home: Home) -> None:
    home.config_file.write_text("[models.m]\nbase = 7\n")
    said = command(home, "--no-browser")
    assert said.returncode == 3
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("written", ["", "{", "[]", '{"port": 1}', '{"port": 1, "pid": 1, "key": "k", "release": "0"}'])
def test_a_file_that_tells_of_no_page_is_none(tmp_path: Path, written: str) -> None:
    home = Home(tmp_path / "home")
    home.create()
    home.page.write_text(written)
    assert running(home) is None
    assert not stop(home)


def test_uninstall_ends_it_and_leaves_nothing(served_page: Place) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "adapterctl", "uninstall", "--with-feedback", "--yes"], capture_output=True, text=True,
        env={**os.environ, HOME_VARIABLE: str(served_page.home.root)}, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert running(served_page.home) is None
    assert not served_page.home.root.exists()
