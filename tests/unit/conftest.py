"""Fixtures that the unit tests of several rooms share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapterd.home import Home
from adapterd.store import Store


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home in which nothing was done yet."""
    made = Home(tmp_path / "home")
    made.create()
    return made


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    """The empty store of that home."""
    with Store(home.database) as opened:
        yield opened
