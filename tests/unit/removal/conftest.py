"""A home with a model that is configured, and its store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapterd.config import FeedbackSettings, ModelSettings, Settings
from adapterd.home import Home
from adapterd.store import Store
from tests.support.hand_clock import HandClock

MODEL = "m"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    made.inbox(MODEL).mkdir(parents=True)
    return made


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(home: Home, clock: HandClock) -> Iterator[Store]:
    with Store(home.database, clock=clock) as opened:
        yield opened


@pytest.fixture
def settings() -> Settings:
    model = ModelSettings(base="tiny:1", base_digest="sha256:00", feedback=FeedbackSettings(keep_days=30))
    return Settings(models={MODEL: model})
