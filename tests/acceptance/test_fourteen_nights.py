"""Fourteen nights with real trainings (bench/nights.py): better versions go live by what fresh cases say, a poisoned
one does not, and where a person makes it live all the same it is taken back."""

from pathlib import Path
from typing import Any

import pytest
from bench.nights import NIGHTS, POISONED, fourteen_nights, summary

from adapterd.config import RuntimeKind
from adapterd.demo.environment import open_environment

pytestmark = [pytest.mark.long, pytest.mark.ollama]
Nights = list[dict[str, Any]]


@pytest.fixture(scope="module")
def season_of_nights(ollama_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """What happened, night by night."""
    folder = tmp_path_factory.mktemp("nights") / "stage"
    with open_environment(folder, RuntimeKind.OLLAMA, ollama_binary) as stage:
        return fourteen_nights(stage)


def test_two_versions_go_live_by_merit(season_of_nights: Nights) -> None:
    found = summary(season_of_nights)
    assert found["nights"] == NIGHTS
    assert len(found["by_merit"]) >= 2
    assert max(found["by_merit"].values()) < POISONED


def test_what_the_poisoned_night_made_is_held(season_of_nights: Nights) -> None:
    found = summary(season_of_nights)
    assert found["poisoned"]["state"] == "held", found["poisoned"]
    assert found["poisoned"]["version"] not in found["by_merit"]


def test_what_was_made_live_by_force_is_taken_back_by_the_watch(season_of_nights: Nights) -> None:
    found = summary(season_of_nights)
    [bad] = found["forced"]
    after = [each for night in season_of_nights[POISONED:] for each in night["decisions"]]
    assert [each["purpose"] for each in after] == ["watch"]
    assert found["live"] in found["by_merit"]
    assert found["live"] != bad
