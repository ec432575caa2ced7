"""A model whose untouched base is live, in a real store, with a clock that the test moves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapterd.store import Store
from tests.support.hand_clock import HandClock
from tests.unit.evidence.played import Played


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(tmp_path: Path, clock: HandClock) -> Iterator[Store]:
    with Store(tmp_path / "state.db", clock=clock) as opened:
        yield opened


@pytest.fixture
def played(store: Store, clock: HandClock) -> Played:
    return Played.begun(store, clock)
