"""A night whose fresh cases cannot be asked: a person is told, and nothing else is lost."""

from pathlib import Path

from adapterd.config import OllamaSettings, Settings
from adapterd.home import Home
from adapterd.intake.http_intake import take_posted
from adapterd.runs.season.night import EvidenceNight
from adapterd.store import Store
from tests.support.hand_clock import HandClock
from tests.unit.evidence.played import MODEL, SETTINGS, Played

NOWHERE = "http://127.0.0.1:9"


def test_where_nothing_can_be_asked_a_person_is_told_and_another_night_goes_on(tmp_path: Path) -> None:
    home, clock, told = Home(tmp_path / "home"), HandClock(), list[str]()
    home.create()
    with Store(home.database, clock=clock) as store:
        played = Played.begun(store, clock)
        played.challenger("1.0.0")
        take_posted(store, MODEL, [{"prompt": "Who bought whom?", "correction": "Nobody."}])
        settings = Settings(ollama=OllamaSettings(host=NOWHERE), models={MODEL: SETTINGS})
        night = EvidenceNight(store, home, settings, MODEL, told.append)
        assert night.tried() is None
        [sentence] = told
        assert sentence.startswith(f"{MODEL}: no fresh case could be asked: ")
        assert [each.text for each in store.events.latest(model=MODEL) if each.kind == "evidence.failed"] == told
        assert [each.is_open for each in store.comparisons.all(MODEL)] == [True]
