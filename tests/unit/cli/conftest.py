"""A person at a terminal, and a home of their own."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from adapterd.home import HOME_VARIABLE, Home

Command = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home in which nothing was done yet."""
    made = Home(tmp_path / "home")
    made.create()
    monkeypatch.setenv(HOME_VARIABLE, str(made.root))
    return made


@pytest.fixture
def in_india(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is five and a half hours ahead."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def adapterctl(home: Home) -> Command:
    """Gives a command; what it raises is raised here."""
    from adapterctl.main import cli

    def give(*words: str) -> Result:
        return CliRunner().invoke(cli, words, catch_exceptions=False, standalone_mode=False)

    return give


@pytest.fixture
def as_json(adapterctl: Command) -> Callable[..., Any]:
    """Gives a command with `--json`; returns what it says."""
    return lambda *words: json.loads(adapterctl(*words, "--json").stdout)
