"""Looking around before a run: what is wrong with the runtime, and what a run puts right by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapterd.config import ModelSettings, Settings
from adapterd.errors import RuntimeUnavailableError
from adapterd.home import Home
from adapterd.store import Store
from adapterd.supervisor import planner as planner_module
from adapterd.supervisor.planner import Planner
from tests.support.fakes import FakeRuntime
from tests.support.hand_clock import HandClock

MODEL, BASE_TAG = "news", "news:base"


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    made = FakeRuntime()
    monkeypatch.setattr(planner_module, "runtime_for", lambda *_: made)
    return made


@pytest.fixture
def planner(tmp_path: Path, runtime: FakeRuntime) -> Iterator[Planner]:
    home, clock = Home(tmp_path / "home"), HandClock()
    home.create()
    with Store(home.database, clock=clock) as store:
        yield Planner(store, home, Settings(models={MODEL: ModelSettings(base="b:1", base_digest="sha256:base")}))


def test_a_damaged_base_keeps_no_run_from_beginning_for_that_puts_it_back(
    planner: Planner, runtime: FakeRuntime
) -> None:
    runtime.add(BASE_TAG)
    runtime.tear(BASE_TAG)
    assert planner.look_around(MODEL, planner.store.clock()) == []


def test_nor_does_one_that_is_gone(planner: Planner) -> None:
    assert planner.look_around(MODEL, planner.store.clock()) == []


def test_a_runtime_that_does_not_answer_does(
    planner: Planner, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: str) -> None:
        raise RuntimeUnavailableError("Ollama does not answer")

    monkeypatch.setattr(runtime, "show", refuse)
    assert planner.look_around(MODEL, planner.store.clock()) == ["Ollama does not answer"]
