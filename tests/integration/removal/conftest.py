"""Homes from which something is taken back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapterd import config
from adapterd.config import Settings
from adapterd.home import Home
from adapterd.store import Store
from tests.support.old_home import copy_old_home

MODEL = "news"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """The home of an earlier release: frozen sets, answers, versions, caches, quarantine and a run that was killed."""
    return copy_old_home(tmp_path / "old")


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    with Store(home.database) as opened:
        yield opened


@pytest.fixture
def settings(home: Home) -> Settings:
    return config.load(home)
