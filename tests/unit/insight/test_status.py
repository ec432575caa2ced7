"""What is going on: a picture, whatever is missing or broken."""

import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapterd.config import ModelSettings, OllamaSettings, RuntimeKind, ScheduleSettings, Settings
from adapterd.config.addresses.ollama_host import HostSource
from adapterd.home import Home
from adapterd.insight import status as status_module
from adapterd.insight.capture.state import CaptureStatus
from adapterd.insight.enough import Enough
from adapterd.insight.status import ModelStatus, RunStatus, RuntimeStatus, Status, describe, status
from adapterd.serialization import dumps
from adapterd.store import Store
from adapterd.store.feedback import NewFeedback
from adapterd.store.prompt_pool.prompts import PoolCounts
from adapterd.store.runs import RunState
from adapterd.store.schedule_state import DueReason
from adapterd.store.versions import VersionState
from adapterd.system.locks import exclusive
from tests.support.fakes import FakeRuntime

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
MODEL = ModelSettings(base="qwen2.5:7b", base_digest="d", schedule=ScheduleSettings(min_new_records=5))
SETTINGS = Settings(models={"m": MODEL})


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    with Store(home.database, clock=lambda: NOW) as opened:
        yield opened


@pytest.fixture
def fake_runtime(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    """A runtime that answers and has `m:latest`."""
    made = FakeRuntime()
    made.add("m:latest")
    monkeypatch.setattr(status_module, "runtime_for", lambda settings, home: made)
    return made


@pytest.fixture
def look(home: Home, fake_runtime: FakeRuntime) -> Callable[[], ModelStatus]:
    """What is seen of the only model."""
    return lambda: status(home, SETTINGS).models[0]


def seen_run(look: Callable[[], ModelStatus]) -> RunStatus:
    run = look().run
    assert run is not None
    return run


def start_run(store: Store, run_id: str = "r1", *, last_feedback_id: int = 0) -> None:
    store.runs.start(run_id, "m", reason="asked", fingerprint="f", last_feedback_id=last_feedback_id)
    store.runs.set_version(run_id, "1.1.0")


def add_feedback(store: Store, count: int) -> None:
    for number in range(count):
        store.feedback.add("m", NewFeedback(f"c{number}", "p", "{}", NOW, "f", number))


def closed_port() -> int:
    """A port of this machine where nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def test_nothing_is_there_yet(tmp_path: Path) -> None:
    seen = status(Home(tmp_path / "home"), Settings(runtime=RuntimeKind.EMBEDDED))
    assert (seen.home, seen.daemon_running, seen.models) == (str(tmp_path / "home"), False, [])
    assert seen.runtime.fault is None


def test_looking_creates_no_home(tmp_path: Path) -> None:
    status(Home(tmp_path / "home"), Settings(runtime=RuntimeKind.EMBEDDED))
    assert not (tmp_path / "home").exists()


@pytest.mark.usefixtures("fake_runtime")
def test_a_model_of_which_nothing_is_known_yet(home: Home) -> None:
    assert status(home, SETTINGS) == Status(
        home=str(home.root),
        daemon_running=False,
        runtime=RuntimeStatus("fake", "fake 1.0", None, None, "http://127.0.0.1:11434", HostSource.DEFAULT),
        models=[
            ModelStatus(
                name="m", base="qwen2.5:7b", live=None, live_since=None, previous=None, served_as_recorded=None,
                newest=None, newest_state=None, newest_reason=None, run=None, records=0,
                enough=[Enough("synthesis", 0, 800, 3000)], prompts=PoolCounts(0, 0, 0),
                new_records=0, min_new_records=5, quarantined=0, held=0, oldest_new=None,
                schedule='at "0 3 * * *" (cron)', next_run=None,
                due_reason=None, due=None, due_since=None, blocked_by=None, paused=None, base_drift=None,
            )
        ],
        capture=CaptureStatus("127.0.0.1:11481"),
    )  # fmt: skip


def test_a_live_version_is_shown_with_what_was_before(
    store: Store, fake_runtime: FakeRuntime, look: Callable[[], ModelStatus]
) -> None:
    digest = fake_runtime.tags()["m:latest"]
    store.versions.deploy("m", "promote", live="1.0.0", live_digest=digest, previous="base", previous_digest="b")
    seen = look()
    assert (seen.live, seen.previous, seen.live_since) == ("1.0.0", "base", NOW)
    assert seen.served_as_recorded is True


@pytest.mark.parametrize("tag", ["m:latest", "another:latest"])
def test_a_tag_that_somebody_moved_or_removed_is_noticed(
    store: Store, fake_runtime: FakeRuntime, look: Callable[[], ModelStatus], tag: str
) -> None:
    fake_runtime.made = {tag: ("somebody else's", fake_runtime.made["m:latest"][1])}
    store.versions.deploy("m", "promote", live="1.0.0", live_digest="ours")
    assert look().served_as_recorded is False


def test_the_newest_version_is_shown_with_its_verdict(store: Store, look: Callable[[], ModelStatus]) -> None:
    for version in ("1.0.0", "1.1.0"):
        store.versions.add("m", version, run_id="r1", digest="d", base_digest="b")
    store.versions.set_state("m", "1.1.0", VersionState.HELD, "field_f1 falls")
    seen = look()
    assert (seen.newest, seen.newest_state, seen.newest_reason) == ("1.1.0", "held", "field_f1 falls")


def test_records_are_counted_and_new_are_those_that_no_run_learned(
    store: Store, look: Callable[[], ModelStatus]
) -> None:
    add_feedback(store, 7)
    start_run(store, last_feedback_id=4)
    assert (look().records, look().new_records) == (7, 7)
    store.runs.set_state("r1", RunState.HELD)
    assert (look().records, look().new_records) == (7, 3)


def test_quarantine_and_the_next_time_are_shown(store: Store, look: Callable[[], ModelStatus]) -> None:
    store.feedback.quarantine("m", file="f", line=1, reason="why", excerpt="", kept="")
    store.schedule_state.update("m", scheduled_at=NOW)
    assert (look().quarantined, look().next_run) == (1, NOW)


def test_a_run_that_goes_on_is_shown_with_its_progress(
    store: Store, home: Home, look: Callable[[], ModelStatus]
) -> None:
    start_run(store)
    store.runs.start_stage("r1", "dataset", "k")
    store.runs.start_stage("r1", "training", "k")
    store.runs.report_stage("r1", "training", {"share": 0.25, "loss": 1.5})
    with exclusive(home.run_lock, timeout_s=0, busy=""):
        assert look().run == RunStatus(
            id="r1", version="1.1.0", state="running", stage="training", share=0.25,
            progress={"share": 0.25, "loss": 1.5}, error=None, hint=None, since=NOW, attempts=0, retry_at=None,
        )  # fmt: skip


def test_a_run_on_which_nobody_works_is_interrupted(store: Store, look: Callable[[], ModelStatus]) -> None:
    start_run(store)
    store.runs.start_stage("r1", "training", "k")
    store.runs.report_stage("r1", "training", {"share": 0.25})
    run = seen_run(look)
    assert (run.state, run.stage, run.share) == ("interrupted", "training", 0.25)


def test_a_run_that_has_not_reached_a_stage_has_none(store: Store, look: Callable[[], ModelStatus]) -> None:
    start_run(store)
    run = seen_run(look)
    assert (run.state, run.stage, run.share, run.progress) == ("interrupted", None, None, {})


def test_a_run_that_failed_says_where_and_why(store: Store, look: Callable[[], ModelStatus]) -> None:
    start_run(store)
    store.runs.start_stage("r1", "training", "k")
    store.runs.set_state("r1", RunState.FAILED, error="memory ran out", hint="lower batch_size")
    run = seen_run(look)
    assert (run.state, run.stage, run.error, run.hint) == ("failed", "training", "memory ran out", "lower batch_size")


@pytest.mark.parametrize("state", [RunState.PROMOTED, RunState.HELD, RunState.ABANDONED])
def test_a_run_that_is_over_shows_no_progress(store: Store, look: Callable[[], ModelStatus], state: RunState) -> None:
    start_run(store)
    store.runs.start_stage("r1", "evaluation", "k")
    store.runs.report_stage("r1", "evaluation", {"share": 1.0})
    store.runs.set_state("r1", state)
    run = seen_run(look)
    assert (run.state, run.stage, run.share, run.progress) == (str(state), None, None, {})


def test_only_the_newest_run_is_shown(home: Home, look: Callable[[], ModelStatus]) -> None:
    for run_id, day in (("old", 1), ("new", 2)):
        with Store(home.database, clock=partial(NOW.replace, day=day)) as store:
            start_run(store, run_id)
    assert seen_run(look).id == "new"


@pytest.mark.usefixtures("fake_runtime")
def test_the_daemon_is_running_while_its_lock_is_held(home: Home) -> None:
    with exclusive(home.daemon_lock, timeout_s=0, busy=""):
        assert status(home, SETTINGS).daemon_running
    assert not status(home, SETTINGS).daemon_running


@pytest.mark.usefixtures("fake_runtime")
def test_models_are_shown_by_name_or_only_the_one_asked_for(home: Home) -> None:
    three = Settings(models={"b": MODEL, "a": MODEL, "c": MODEL})
    assert [model.name for model in status(home, three).models] == ["a", "b", "c"]
    assert [model.name for model in status(home, three, only="c").models] == ["c"]


def test_a_runtime_that_is_away_is_part_of_the_picture(home: Home, store: Store) -> None:
    store.versions.deploy("m", "promote", live="1.0.0", live_digest="d")
    away = Settings(ollama=OllamaSettings(f"http://127.0.0.1:{closed_port()}", timeout_s=5), models={"m": MODEL})
    seen = status(home, away)
    assert (seen.runtime.name, seen.runtime.version) == ("ollama", None)
    assert "does not answer" in (seen.runtime.fault or "")
    assert "ollama serve" in (seen.runtime.hint or "")
    assert (seen.models[0].live, seen.models[0].served_as_recorded) == ("1.0.0", None)


@pytest.mark.usefixtures("fake_runtime")
def test_the_picture_can_be_written_as_json(home: Home, store: Store) -> None:
    start_run(store)
    store.schedule_state.update("m", scheduled_at=NOW)
    written: dict[str, Any] = json.loads(dumps(status(home, SETTINGS)))
    assert written["models"][0]["run"]["state"] == "interrupted"
    assert written["models"][0]["next_run"] == "2026-01-02T03:04:00+00:00"


def test_a_run_that_is_due_and_what_it_waits_for_are_shown(store: Store, look: Callable[[], ModelStatus]) -> None:
    add_feedback(store, 7)
    store.schedule_state.update(
        "m", due_reason=DueReason.NEW_FEEDBACK, due_text="scheduled, 7 new records", due_since=NOW,
        blocked_by="on battery", base_drift="sha256:x",
    )  # fmt: skip
    store.schedule_state.pause(None, "on holiday")
    seen = look()
    assert (seen.due_reason, seen.due) == (DueReason.NEW_FEEDBACK, "scheduled, 7 new records")
    assert (seen.due_since, seen.blocked_by) == (NOW, "on battery")
    assert (seen.paused, seen.base_drift, seen.oldest_new) == ("on holiday", "sha256:x", NOW)


def test_an_interval_is_described_as_one() -> None:
    assert describe(ScheduleSettings(every_hours=6)) == "every 6 h"


@pytest.mark.usefixtures("fake_runtime")
def test_faults_are_what_somebody_should_look_at(home: Home, store: Store, fake_runtime: FakeRuntime) -> None:
    fake_runtime.add("m:1.0.0")
    digest = fake_runtime.tags()["m:1.0.0"]
    store.versions.add("m", "1.0.0", run_id="r0", digest=digest, base_digest="b")
    store.versions.deploy("m", "promote", live="1.0.0", live_digest=digest)
    start_run(store)
    store.runs.set_state("r1", RunState.FAILED, error="the schema is gone")
    assert status(home, SETTINGS).faults == [
        "the daemon is not running",
        "m: m:latest is not 1.0.0 as recorded, somebody changed it",
        "m: its last run failed: the schema is gone",
    ]


@pytest.mark.usefixtures("fake_runtime")
def test_waiting_is_no_fault(home: Home, store: Store, fake_runtime: FakeRuntime) -> None:
    store.versions.deploy("m", "promote", live="1.0.0", live_digest=fake_runtime.tags()["m:latest"])
    start_run(store)
    store.runs.set_state("r1", RunState.FAILED, error="Ollama does not answer")
    store.runs.retry_later("r1", NOW)
    store.schedule_state.update("m", due_reason=DueReason.RETRY, due_text="tried again", blocked_by="on battery")
    with exclusive(home.daemon_lock, timeout_s=0, busy=""):
        assert status(home, SETTINGS).faults == []


def test_what_the_service_manager_knows_of_a_daemon_that_does_not_run_is_said(
    look: Callable[[], ModelStatus], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_module, "why_not_running", lambda _: "it is switched off")
    assert status(home, SETTINGS).faults[0] == "the daemon is not running: it is switched off"
    with exclusive(home.daemon_lock, timeout_s=1, busy=""):
        assert status(home, SETTINGS).daemon_why_not == ""


def test_what_the_daemon_cannot_read_is_a_fault(look: Callable[[], ModelStatus], store: Store) -> None:
    store.unreadable.replace("m", [("/inbox", "Operation not permitted", "allow it"), ("/inbox/b", "it is gone", "")])
    assert look().faults == [
        "the daemon cannot read /inbox: Operation not permitted (allow it)",
        "the daemon cannot read /inbox/b: it is gone",
    ]
