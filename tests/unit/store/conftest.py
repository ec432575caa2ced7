"""A real store in a file, with a clock that the test moves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapterd.store import Store
from tests.support.hand_clock import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(tmp_path: Path, clock: HandClock) -> Iterator[Store]:
    with Store(tmp_path / "state.db", clock=clock) as opened:
        yield opened
