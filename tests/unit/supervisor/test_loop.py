"""When the daemon begins a run, and when it waits."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapterd.errors import AdapterdError, BusyError, InputError, RuntimeUnavailableError, StoreError
from adapterd.home import Home
from adapterd.runs import pipeline as pipeline_module
from adapterd.runs.pipeline import RunOutcome
from adapterd.store import Store
from adapterd.store.feedback import NewFeedback
from adapterd.store.runs import RunState
from adapterd.supervisor import loop as loop_module
from adapterd.supervisor import planner as planner_module
from adapterd.supervisor.loop import LONGEST_REST_S, RUN_ELSEWHERE_S, Session
from adapterd.supervisor.reading import SETTLING_S
from adapterd.supervisor.runner import AGAIN_AFTER
from adapterd.system.locks import exclusive
from tests.support.hand_clock import HandSeconds

NEWS, MAIL = "news", "mail"
CONFIG = """
runtime = "embedded"

[models.news]
base = "base.gguf"
base_digest = "sha256:aa"
[models.news.schedule]
min_new_records = 2

[models.mail]
base = "base.gguf"
base_digest = "sha256:aa"
"""
START = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


@dataclass
class Clock:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Runs:
    """Stands for the pipeline: notes what is asked of it, and fails as it is told, before or after a run began."""

    reasons: list[tuple[str, str]] = field(default_factory=list)
    refusals: list[AdapterdError] = field(default_factory=list)
    failures: list[AdapterdError] = field(default_factory=list)

    def __call__(self, store: Store, home: Home, settings: Any, *, begun: Any, notify: Any, decided: Any) -> Any:
        @dataclass
        class Scripted:
            runs: Runs

            def run(self, model: str, reason: str) -> RunOutcome:
                self.runs.reasons.append((model, reason))
                if self.runs.refusals:
                    raise self.runs.refusals.pop(0)
                last = store.runs.latest(model)
                run_id = last.id if last and last.state.open else f"{model}-{len(self.runs.reasons)}"
                if last is None or not last.state.open:
                    last_id = store.feedback.last_id(model)
                    store.runs.start(run_id, model, reason=reason, fingerprint="f", last_feedback_id=last_id)
                begun(run_id)
                if self.runs.failures:
                    exc = self.runs.failures.pop(0)
                    store.runs.set_state(run_id, RunState.FAILED, error=str(exc), hint="")
                    if exc.transient:
                        store.runs.retry_later(run_id, store.clock() + 10 * SECOND)
                    raise exc
                store.runs.set_state(run_id, RunState.HELD)
                return RunOutcome(run_id, "1.0.0", False, "held", {}, {}, continued=False)

        return Scripted(self)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    made = Runs()
    monkeypatch.setattr(pipeline_module, "Pipeline", made)
    return made


@pytest.fixture
def loop_clock() -> Clock:
    return Clock()


@pytest.fixture
def woken() -> threading.Event:
    """Set when the daemon is to look at once."""
    return threading.Event()


@pytest.fixture
def blockers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What stands in the way of a run at the moment."""
    made: list[str] = []
    monkeypatch.setattr(planner_module.Planner, "find_blockers", lambda *_: list(made))
    return made


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    made.config_file.write_text(CONFIG)
    return made


@pytest.fixture
def session(
    home: Home, runs: Runs, loop_clock: Clock, blockers: list[str], woken: threading.Event
) -> Iterator[Session]:
    home.inbox(NEWS).mkdir(parents=True)
    home.inbox(MAIL).mkdir(parents=True)
    made = Session(home, loop_clock, wake=woken.set, seconds=HandSeconds())
    yield made
    made.store.close()


def look(session: Session, times: int = 1) -> None:
    """Read the inboxes, look at what is to be done, and wait until each run that this may have begun is over."""
    for _ in range(times):
        session.reader.begin({name: session._inbox_of(name) for name in session.settings.models}, session._watch)
        session.reader.join()
        session.tick()
        for thread in threading.enumerate():
            if thread.name.startswith("run-"):
                thread.join(10)


def give(session: Session, count: int, model: str = NEWS) -> None:
    first = session.store.feedback.last_id(model)
    session.store.feedback.add_many(model, [record(first + number) for number in range(count)])


def record(number: int) -> NewFeedback:
    return NewFeedback(
        content_hash=f"c{number}", prompt_hash=f"p{number}", record="{}", created_at=START, file="f",
        line=number,
    )  # fmt: skip


def due(session: Session, model: str = NEWS) -> str | None:
    return session.store.schedule_state.get(model).due_text


def blocked_by(session: Session, model: str = NEWS) -> str | None:
    return session.store.schedule_state.get(model).blocked_by


def interrupted(session: Session, model: str = NEWS, *, given: str | None = None) -> None:
    session.store.runs.start("old", model, reason="", fingerprint="f", last_feedback_id=0, adapter_source=given)


def test_a_request_waits_while_a_command_does_a_run(session: Session, runs: Runs) -> None:
    request = session.store.runs.request(NEWS, "asked")
    with exclusive(session.home.run_lock, timeout_s=0, busy=""):
        look(session)
        assert runs.reasons == []
    look(session)
    assert runs.reasons == [(NEWS, "asked")]
    assert session.store.runs.request_answer(request) == ("news-1", None)


def test_a_request_for_a_model_that_is_not_configured_is_answered(session: Session, runs: Runs) -> None:
    request = session.store.runs.request("gone", "asked")
    look(session)
    assert session.store.runs.request_answer(request) == (None, "no model named 'gone' is configured")


def test_a_request_is_kept_when_a_command_was_quicker(session: Session, runs: Runs) -> None:
    request = session.store.runs.request(NEWS, "asked")
    runs.refusals = [BusyError("another run is going on")]
    look(session)
    assert session.store.runs.request_answer(request) == (None, None)
    look(session, 2)
    assert session.store.runs.request_answer(request) == ("news-2", None)


def test_a_request_that_cannot_begin_is_told_why(session: Session, runs: Runs) -> None:
    request = session.store.runs.request(NEWS, "asked")
    runs.refusals = [RuntimeUnavailableError("Ollama does not answer")]
    look(session, 3)
    assert session.store.runs.request_answer(request) == (None, "Ollama does not answer")
    assert len(runs.reasons) == 1


def test_an_interrupted_run_goes_on(session: Session, runs: Runs) -> None:
    interrupted(session)
    with exclusive(session.home.run_lock, timeout_s=0, busy=""):
        look(session)
        assert runs.reasons == []
    look(session, 3)
    assert runs.reasons == [(NEWS, "continued after an interruption")]
    assert due(session) is None


def test_a_run_that_a_command_finished_meanwhile_is_not_begun(
    session: Session, runs: Runs, blockers: list[str]
) -> None:
    interrupted(session)
    blockers.append("on battery")
    look(session)
    assert due(session) == "continued after an interruption"
    session.store.runs.set_state("old", RunState.PROMOTED)
    blockers.clear()
    look(session)
    assert (runs.reasons, due(session)) == ([], None)


def test_an_interrupted_registration_is_left_to_the_person(session: Session, runs: Runs) -> None:
    interrupted(session, given="/adapters/news")
    look(session, 2)
    assert runs.reasons == []


def test_at_night_a_model_that_has_enough_to_learn_is_trained_once(
    session: Session, runs: Runs, loop_clock: Clock
) -> None:
    give(session, 2)
    look(session)
    assert runs.reasons == []
    loop_clock.now += DAY
    look(session, 3)
    assert runs.reasons == [(NEWS, "scheduled, 2 new records")]


def test_a_model_with_too_few_new_records_says_so(session: Session, runs: Runs, loop_clock: Clock) -> None:
    give(session, 1)
    loop_clock.now += DAY
    look(session)
    assert runs.reasons == []
    assert blocked_by(session) == "1 of 2 new records"


def test_a_run_that_is_due_waits_for_the_machine_and_says_for_what(
    session: Session, runs: Runs, loop_clock: Clock, blockers: list[str]
) -> None:
    give(session, 2)
    blockers += ["on battery", "quiet hours until 18:00"]
    loop_clock.now += DAY
    look(session)
    assert runs.reasons == []
    assert blocked_by(session) == "on battery; quiet hours until 18:00"
    blockers.clear()
    look(session)
    assert runs.reasons == [], "it is asked every few seconds only"
    loop_clock.now += 20 * SECOND
    look(session)
    assert len(runs.reasons) == 1
    assert blocked_by(session) is None


def test_a_run_that_is_due_is_still_due_for_the_next_daemon(
    session: Session, runs: Runs, loop_clock: Clock, blockers: list[str]
) -> None:
    give(session, 2)
    blockers.append("on battery")
    loop_clock.now += DAY
    look(session)
    blockers.clear()
    another = Session(session.home, loop_clock)
    look(another)
    another.store.close()
    assert runs.reasons == [(NEWS, "scheduled, 2 new records")]


def test_a_night_that_no_daemon_saw_is_made_up_for(session: Session, runs: Runs, loop_clock: Clock) -> None:
    give(session, 2)
    look(session)
    loop_clock.now += 5 * DAY
    another = Session(session.home, loop_clock)
    look(another, 3)
    another.store.close()
    assert runs.reasons == [(NEWS, "scheduled, 2 new records")]


def test_models_take_turns_and_the_longest_waiting_is_first(
    session: Session, runs: Runs, loop_clock: Clock, blockers: list[str]
) -> None:
    blockers.append("on battery")
    interrupted(session, MAIL)
    look(session)
    give(session, 2)
    loop_clock.now += DAY
    look(session)
    blockers.clear()
    loop_clock.now += 20 * SECOND
    look(session)
    look(session)
    assert [model for model, _ in runs.reasons] == [MAIL, NEWS]


def test_a_pause_holds_until_it_is_taken_back(session: Session, runs: Runs, loop_clock: Clock) -> None:
    give(session, 2)
    session.store.schedule_state.pause(None, "on holiday")
    loop_clock.now += DAY
    look(session)
    assert (runs.reasons, blocked_by(session)) == ([], "paused: on holiday")
    session.store.schedule_state.resume(None)
    look(session)
    assert len(runs.reasons) == 1


def test_somebody_who_asks_is_not_held_by_a_pause(session: Session, runs: Runs) -> None:
    session.store.schedule_state.pause(NEWS, "")
    session.store.runs.request(NEWS, "asked")
    look(session)
    assert runs.reasons == [(NEWS, "asked")]


def test_a_fault_that_may_pass_is_tried_again_when_it_is_time(session: Session, runs: Runs, loop_clock: Clock) -> None:
    session.store.runs.request(NEWS, "asked")
    runs.failures = [RuntimeUnavailableError("Ollama does not answer")]
    look(session, 3)
    assert len(runs.reasons) == 1
    loop_clock.now += 10 * SECOND
    look(session, 3)
    assert runs.reasons[1:] == [(NEWS, "tried again after: Ollama does not answer")]


def test_a_fault_that_will_not_pass_is_left_to_the_person(session: Session, runs: Runs, loop_clock: Clock) -> None:
    session.store.runs.request(NEWS, "asked")
    runs.failures = [InputError("the schema is not JSON")]
    look(session)
    loop_clock.now += timedelta(hours=10)
    look(session, 3)
    assert len(runs.reasons) == 1


def test_a_run_that_cannot_even_start_is_tried_again_a_minute_later(
    session: Session, runs: Runs, loop_clock: Clock
) -> None:
    give(session, 2)
    runs.refusals = [RuntimeUnavailableError("Ollama does not answer")]
    loop_clock.now += DAY
    look(session, 3)
    assert len(runs.reasons) == 1
    assert (due(session), blocked_by(session)) == ("scheduled, 2 new records", "Ollama does not answer")
    loop_clock.now += AGAIN_AFTER
    look(session)
    assert len(runs.reasons) == 2


def test_a_run_that_can_never_start_is_not_due_any_more_and_says_why(
    session: Session, runs: Runs, loop_clock: Clock
) -> None:
    give(session, 2)
    runs.refusals = [InputError("the base is not the pinned one")]
    loop_clock.now += DAY
    look(session)
    loop_clock.now += AGAIN_AFTER
    look(session)
    assert len(runs.reasons) == 1
    assert (due(session), blocked_by(session)) == (None, "the base is not the pinned one")
    assert session.store.events.latest(model=NEWS)[0].kind == "run.refused"


def test_a_changed_configuration_is_taken_up(session: Session, runs: Runs, loop_clock: Clock) -> None:
    look(session)
    give(session, 1)
    session.home.config_file.write_text(CONFIG.replace("min_new_records = 2", "min_new_records = 1"))
    look(session)
    loop_clock.now += DAY
    look(session)
    assert runs.reasons == [(NEWS, "scheduled, 1 new records")]
    session._close()


def test_a_broken_configuration_leaves_the_old_one_in_force(session: Session, runs: Runs, loop_clock: Clock) -> None:
    look(session)
    give(session, 2)
    session.home.config_file.write_text(CONFIG.replace("[models.news.schedule]", '[models.news.schedule]\ncron = "x"'))
    look(session)
    loop_clock.now += DAY
    look(session)
    assert len(runs.reasons) == 1


def test_a_configuration_that_could_not_be_taken_up_is_taken_up_the_next_time(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object) -> None:
        raise StoreError("the database is locked")

    session.home.config_file.write_text(CONFIG.replace("min_new_records = 2", "min_new_records = 3"))
    with monkeypatch.context() as patched:
        patched.setattr(loop_module, "Planner", locked)
        with pytest.raises(StoreError):
            session.tick()
    assert session.settings.models[NEWS].schedule.min_new_records == 2
    session.tick()
    assert session.settings.models[NEWS].schedule.min_new_records == 3
    session.reader.join()
    session._close()


@pytest.fixture
def resting(session: Session) -> Iterator[Session]:
    """A session that watches its folders, and has taken in all that was there."""
    session._open()
    look(session)
    assert session.rest_s() >= LONGEST_REST_S
    yield session
    session._close()


def test_with_nothing_to_do_it_sleeps_for_long(resting: Session) -> None:
    look(resting)
    assert resting.rest_s() >= LONGEST_REST_S


def test_without_a_model_it_sleeps_as_well(tmp_path: Path) -> None:
    empty = Home(tmp_path / "empty")
    empty.create()
    session = Session(empty, seconds=HandSeconds())
    session.tick()
    assert session.rest_s() >= LONGEST_REST_S
    session.store.close()


def test_it_sleeps_until_the_schedule_comes(resting: Session, loop_clock: Clock) -> None:
    at = resting.planner.schedule.next(NEWS)
    assert at is not None
    loop_clock.now = at - 5 * SECOND
    look(resting)
    assert resting.rest_s() == 5


def test_it_sleeps_until_a_failed_run_is_tried_again(resting: Session, runs: Runs) -> None:
    resting.store.runs.request(NEWS, "asked")
    runs.failures = [RuntimeUnavailableError("Ollama does not answer")]
    look(resting, 2)
    assert resting.rest_s() == 10


def test_it_sleeps_until_what_blocks_a_run_is_asked_again(
    resting: Session, loop_clock: Clock, blockers: list[str]
) -> None:
    interrupted(resting)
    blockers.append("on battery")
    look(resting)
    assert resting.rest_s() == 20
    loop_clock.now += 15 * SECOND
    assert resting.rest_s() == 5


def test_it_looks_often_while_a_file_settles(resting: Session) -> None:
    resting.home.inbox(NEWS).joinpath("f.jsonl").write_text('{"prompt": "a", "output": "b", "rating": 1}\n')
    for _ in range(100):  # the event comes from a thread of its own
        look(resting)
        resting.reader.join()
        if resting.rest_s() <= SETTLING_S:
            return
        time.sleep(0.05)
    raise AssertionError("the file was not seen, or it is not looked at again")


def test_it_looks_often_while_a_command_does_a_run_which_may_be_killed(resting: Session) -> None:
    with exclusive(resting.home.run_lock, timeout_s=0, busy=""):
        assert resting.rest_s() <= RUN_ELSEWHERE_S


def test_it_never_sleeps_for_nothing_while_another_model_waits_its_turn(
    resting: Session, runs: Runs, blockers: list[str], loop_clock: Clock
) -> None:
    blockers.append("on battery")
    interrupted(resting)
    look(resting)
    loop_clock.now += 100 * SECOND
    assert resting.rest_s() > 0
    runs.refusals = [RuntimeUnavailableError("Ollama does not answer")]
    blockers.clear()
    look(resting, 2)
    assert resting.rest_s() > 0


def test_a_file_that_comes_and_the_end_of_a_run_wake_it(resting: Session, woken: threading.Event) -> None:
    woken.clear()
    resting.home.inbox(NEWS).joinpath("f.jsonl").write_text('{"prompt": "a", "output": "b", "rating": 1}\n')
    assert woken.wait(30)
    resting.store.runs.request(NEWS, "asked")
    woken.clear()
    look(resting)
    assert woken.wait(30)
    assert resting.runner.finished(), "it is told of the end when that is there to be seen"


def test_a_changed_configuration_wakes_it(session: Session, woken: threading.Event) -> None:
    session._config_watch.start()
    woken.clear()
    session.home.config_file.write_text(CONFIG.replace("min_new_records = 2", "min_new_records = 3"))
    assert woken.wait(30)
    woken.clear()
    replacement = session.home.root / "written-by-an-editor"
    replacement.write_text(CONFIG)
    replacement.rename(session.home.config_file)
    assert woken.wait(30)
    session._config_watch.stop()
