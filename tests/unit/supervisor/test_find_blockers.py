"""What blocks a run before it starts: a runtime that does not answer does, a base that a run repairs does not."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from adapterd.config import DatasetSettings, ModelSettings, Settings
from adapterd.errors import RuntimeUnavailableError
from adapterd.home import Home
from adapterd.store import Store
from adapterd.store.new_feedback import NewFeedback
from adapterd.supervisor import planner as planner_module
from adapterd.supervisor.activity import Activity
from adapterd.supervisor.planner import Planner
from tests.support.fakes import FakeRuntime
from tests.support.hand_clock import HandClock

MODEL, BASE_TAG = "news", "news:base"


@pytest.fixture
def fake_runtime(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    made = FakeRuntime()
    monkeypatch.setattr(planner_module, "runtime_for", lambda *_: made)
    return made


@pytest.fixture
def planner(tmp_path: Path, fake_runtime: FakeRuntime) -> Iterator[Planner]:
    home, clock = Home(tmp_path / "home"), HandClock()
    home.create()
    with Store(home.database, clock=clock) as store:
        yield Planner(store, home, Settings(models={MODEL: ModelSettings(base="b:1", base_digest="sha256:base")}))


def test_a_damaged_base_blocks_no_run_for_the_run_repairs_it(planner: Planner, fake_runtime: FakeRuntime) -> None:
    fake_runtime.add(BASE_TAG)
    fake_runtime.tear(BASE_TAG)
    assert planner.find_blockers(MODEL, planner.store.clock()) == []


def test_a_base_that_is_gone_blocks_no_run(planner: Planner) -> None:
    assert planner.find_blockers(MODEL, planner.store.clock()) == []


def test_a_runtime_that_does_not_answer_blocks_a_run(
    planner: Planner, fake_runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: str) -> None:
        raise RuntimeUnavailableError("Ollama does not answer")

    monkeypatch.setattr(fake_runtime, "show", refuse)
    assert planner.find_blockers(MODEL, planner.store.clock()) == ["Ollama does not answer"]


def test_a_first_set_that_waits_for_more_days_blocks_a_run(planner: Planner, fake_runtime: FakeRuntime) -> None:
    dataset = DatasetSettings(freeze_after_days=7)
    waiting = ModelSettings(base="b:1", base_digest="sha256:base", dataset=dataset)
    planner.settings = Settings(models={MODEL: waiting})
    now = planner.store.clock()
    planner.store.feedback.add(MODEL, NewFeedback("c", "p", "{}", now, "f.jsonl", 1))
    [blocker] = planner.find_blockers(MODEL, now)
    assert "the first evaluation set is frozen from" in blocker
    assert planner.find_blockers(MODEL, now + timedelta(days=7)) == []


def test_a_lid_that_is_opened_is_a_use_at_the_next_look(planner: Planner, fake_runtime: FakeRuntime) -> None:
    """Not only once a run is due: what was slept through begins after as much rest as any other."""
    asleep = [0.0]
    planner._activity = Activity(asleep_s=lambda: asleep[0])
    now = planner.store.clock()
    asleep[0] = 30_000.0
    planner.refresh(busy=False)
    assert planner._activity.idle_s(fake_runtime, now + timedelta(minutes=9)) == 540
