"""A night whose fresh cases cannot be asked: a person is told, and nothing else is lost."""

from dataclasses import replace
from pathlib import Path

from adapterd.config import OllamaSettings, Settings
from adapterd.evidence.decision import Decision
from adapterd.home import Home
from adapterd.intake.http_intake import take_posted
from adapterd.runs.season.night import EvidenceNight
from adapterd.serving.tags import BASE
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Purpose
from adapterd.store.versions import VersionState
from tests.support.hand_clock import HandClock
from tests.unit.evidence.played import MODEL, PRIMARY, SETTINGS, Played

NOWHERE = "http://127.0.0.1:9"


def test_where_nothing_can_be_asked_a_person_is_told_and_another_night_goes_on(tmp_path: Path) -> None:
    home, clock, told = Home(tmp_path / "home"), HandClock(), list[str]()
    home.create()
    with Store(home.database, clock=clock) as store:
        played = Played.begun(store, clock)
        played.challenger("1.0.0")
        take_posted(store, MODEL, [{"prompt": "Who bought whom?", "correction": "Nobody."}])
        model = replace(SETTINGS, evaluation=replace(SETTINGS.evaluation, primary=PRIMARY))
        settings = Settings(ollama=OllamaSettings(host=NOWHERE), models={MODEL: model})
        night = EvidenceNight(store, home, settings, MODEL, told.append)
        assert night.tried() is None
        [sentence] = told
        assert sentence.startswith(f"{MODEL}: no fresh case could be asked: ")
        assert [each.text for each in store.events.latest(model=MODEL) if each.kind == "evidence.failed"] == told
        assert [each.is_open for each in store.comparisons.all(MODEL)] == [True]


def test_what_a_person_ends_meanwhile_is_not_done(tmp_path: Path) -> None:
    home, clock = Home(tmp_path / "home"), HandClock()
    home.create()
    with Store(home.database, clock=clock) as store:
        played = Played.begun(store, clock)
        comparison = played.challenger("1.0.0")
        played.season.drop(comparison, "by hand")
        night = EvidenceNight(store, home, Settings(models={MODEL: SETTINGS}), MODEL)
        assert night._carry_out(Decision(Purpose.CHALLENGE, "1.0.0", "proven")) is None
        assert (played.live, played.state("1.0.0")) == (BASE, VersionState.DROPPED)
