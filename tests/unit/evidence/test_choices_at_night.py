"""A night has two answers ready for people to choose between, and nothing of it depends on that."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapterd.capture.captures import Captures
from adapterd.config import OllamaSettings, Settings
from adapterd.evidence.decision import Night
from adapterd.home import Home
from adapterd.runs.season.fresh_answers import FreshAnswers
from adapterd.runs.season.night import EvidenceNight
from adapterd.store import Store
from adapterd.store.evidence.comparisons import ComparisonState
from tests.support.hand_clock import HandClock
from tests.unit.evidence.played import MODEL, PRIMARY, SETTINGS, Played
from tests.unit.evidence.test_night import NOWHERE
from tests.unit.review.conftest import recorded
from tests.unit.review.test_choices import Talking

MODEL_SETTINGS = replace(SETTINGS, evaluation=replace(SETTINGS.evaluation, primary=PRIMARY))
WANTED = SETTINGS.evaluation.choices_per_night
CAPTURED = 30


@pytest.fixture
def night_home(tmp_path: Path) -> Home:
    """A home with captured prompts."""
    home = Home(tmp_path / "home")
    home.create()
    chance = random.Random(1)
    with Captures(home.captures) as captures:
        for number in range(CAPTURED):
            captures.add(recorded(number, f"What happened in village {number}? {'x' * number}", chance, model=MODEL))
    return home


@pytest.fixture
def night_store(night_home: Home) -> Iterator[Store]:
    """Its store, with a challenger of the base."""
    clock = HandClock()
    with Store(night_home.database, clock=clock) as store:
        Played.begun(store, clock).challenger("1.0.0")
        yield store


def waiting(store: Store) -> int:
    return sum(each.vote is None for each in store.choices.all(MODEL))


def test_so_many_wait_in_the_morning(night_home: Home, night_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapterd.runs.season.fresh_answers.runtime_for", lambda *_: Talking())
    night = Night(night_home.root, Settings(models={MODEL: SETTINGS}), MODEL, night_store.clock(), (), None)
    answers = FreshAnswers(night_store, night_home, night)
    assert (answers.make_choices(), waiting(night_store)) == (WANTED, WANTED)
    assert (answers.make_choices(), waiting(night_store)) == (0, WANTED)


@pytest.mark.parametrize("lacks", ["captures", "challenger"])
def test_without_captures_or_a_challenger_there_is_nothing_to_make(
    night_home: Home, night_store: Store, lacks: str
) -> None:
    if lacks == "captures":
        night_home.captures.unlink()
    else:
        night_store.comparisons.end(night_store.comparisons.all(MODEL)[0].id, ComparisonState.DROPPED, "by hand")
    night = Night(night_home.root, Settings(models={MODEL: SETTINGS}), MODEL, night_store.clock(), (), None)
    assert FreshAnswers(night_store, night_home, night).make_choices() == 0


@pytest.mark.parametrize("damaged", [False, True])
def test_a_night_goes_on_where_they_cannot_be_made(night_home: Home, night_store: Store, damaged: bool) -> None:
    if damaged:
        night_home.captures.write_bytes(b"no database" * 1000)
    told = list[str]()
    settings = Settings(ollama=OllamaSettings(host=NOWHERE), models={MODEL: MODEL_SETTINGS})
    assert EvidenceNight(night_store, night_home, settings, MODEL, told.append).tried() is None
    assert told == []
    [event] = [each for each in night_store.events.latest(model=MODEL) if each.kind == "choices.failed"]
    assert "no choice could be made ready" in event.text
