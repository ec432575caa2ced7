"""Asking the daemon for a run, and following it through the journal."""

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from adapterd.config import ModelSettings
from adapterd.errors import CancelledError, NotEnoughDataError, StageError
from adapterd.home import Home
from adapterd.runs.by_hand.requests import Asked, ask_daemon, follow, require_something_new
from adapterd.store import Store
from adapterd.store.feedback import NewFeedback
from adapterd.store.runs import RunState
from adapterd.store.teaching.examples import ExampleState, NewExample
from adapterd.system.locks import exclusive
from adapterd.system.release import running
from adapterd.system.release.running import write_running_release

MODEL = "news"
SETTINGS = ModelSettings(base="b.gguf", base_digest="sha256:base")


def arrives(store: Store, content: str) -> None:
    store.feedback.add(MODEL, NewFeedback(content, content, "{}", datetime.now(UTC), "f.jsonl", 1))


def begun(store: Store, run_id: str = "r1") -> None:
    last_id = store.feedback.last_id(MODEL)
    store.runs.start(run_id, MODEL, reason="test", fingerprint="f", last_feedback_id=last_id)


def at_work(home: Home) -> Any:
    return exclusive(home.run_lock, timeout_s=1, busy="held")


def alive(home: Home) -> Any:
    return exclusive(home.daemon_lock, timeout_s=1, busy="held")


def never(_: float) -> None:
    raise AssertionError("there was nothing to wait for")


def test_without_new_feedback_there_is_nothing_to_ask_for(store: Store, home: Home) -> None:
    with pytest.raises(NotEnoughDataError, match="no feedback that is new"):
        require_something_new(store, home, MODEL, SETTINGS)


def test_new_feedback_is_worth_a_run(store: Store, home: Home) -> None:
    arrives(store, "a")
    require_something_new(store, home, MODEL, SETTINGS)


def test_a_run_that_failed_is_worth_continuing_without_new_feedback(store: Store, home: Home) -> None:
    begun(store)
    store.runs.set_state("r1", RunState.FAILED, error="out of luck")
    require_something_new(store, home, MODEL, SETTINGS)


def test_feedback_that_a_version_has_learned_is_not_new(store: Store, home: Home) -> None:
    arrives(store, "a")
    begun(store)
    store.runs.set_state("r1", RunState.HELD)
    with pytest.raises(NotEnoughDataError):
        require_something_new(store, home, MODEL, SETTINGS)


@pytest.mark.parametrize(("state", "is_new"), [(ExampleState.KEPT, True), (ExampleState.UNSURE, False)])
def test_what_teachers_made_since_is_worth_a_run(store: Store, home: Home, state: ExampleState, is_new: bool) -> None:
    arrives(store, "a")
    begun(store)
    store.runs.set_state("r1", RunState.HELD)
    time.sleep(0.002)  # moments are stored in milliseconds
    store.teaching.examples.add(MODEL, NewExample("answer", "big", "big:70b", "p", [], "Ada", state))
    with contextlib.nullcontext() if is_new else pytest.raises(NotEnoughDataError):
        require_something_new(store, home, MODEL, SETTINGS)


def test_a_run_that_is_going_on_answers_the_wish(store: Store, home: Home) -> None:
    arrives(store, "a")
    begun(store)
    with at_work(home):
        assert ask_daemon(store, home, MODEL, afresh=False) == Asked(request=None, run="r1")
    assert store.runs.waiting_requests() == []


@pytest.mark.parametrize("why", ["afresh", "new feedback", "nobody at work"])
def test_else_the_daemon_is_asked_for_another(store: Store, home: Home, why: str) -> None:
    arrives(store, "a")
    begun(store)
    if why == "new feedback":
        arrives(store, "b")
    if why == "nobody at work":
        asked = ask_daemon(store, home, MODEL, afresh=False)
    else:
        with at_work(home):
            asked = ask_daemon(store, home, MODEL, afresh=why == "afresh")
    assert asked.run is None
    assert [request for request, *_ in store.runs.waiting_requests()] == [asked.request]


def test_following_hears_the_stages_and_ends_with_the_run(store: Store, home: Home) -> None:
    asked = ask_daemon(store, home, MODEL, afresh=False)
    heard: list[tuple[str, float | None]] = []

    def answered() -> None:
        begun(store)
        store.runs.answer_request(asked.request or 0, run_id="r1")

    def works() -> Iterator[Callable[[], None]]:
        yield answered
        yield lambda: store.runs.start_stage("r1", "training", "k")
        yield lambda: store.runs.report_stage("r1", "training", {"share": 0.5})
        yield lambda: store.runs.finish_stage("r1", "training", result={})
        yield lambda: store.runs.set_state("r1", RunState.PROMOTED)

    daemon = works()
    with alive(home):
        run = follow(
            store, home, asked, lambda stage, p: heard.append((stage, p.get("share"))), sleep=lambda _: next(daemon)()
        )
    assert run.state is RunState.PROMOTED
    assert [share for _, share in heard] == sorted((share for _, share in heard), key=lambda share: share or 0.0)
    assert heard[-1] == ("training", 1.0)


def test_a_run_that_cannot_begin_is_told_to_who_follows(store: Store, home: Home) -> None:
    asked = ask_daemon(store, home, MODEL, afresh=False)
    store.runs.answer_request(asked.request or 0, error="Ollama does not answer")
    with alive(home), pytest.raises(StageError, match="Ollama does not answer"):
        follow(store, home, asked, lambda *_: None, sleep=never)


def test_a_run_that_fails_is_told_to_who_follows(store: Store, home: Home) -> None:
    begun(store)
    store.runs.set_state("r1", RunState.FAILED, error="the loss is nan")
    with alive(home), pytest.raises(StageError, match="the loss is nan"):
        follow(store, home, Asked(None, "r1"), lambda *_: None, sleep=never)


@pytest.mark.parametrize("how", ["asked for", "going on"])
def test_a_run_that_is_begun_anew_with_other_prompts_is_followed_to_its_end(store: Store, home: Home, how: str) -> None:
    asked = ask_daemon(store, home, MODEL, afresh=False) if how == "asked for" else Asked(None, "r1")
    begun(store)
    if asked.request:
        store.runs.answer_request(asked.request, run_id="r1")

    def begun_anew() -> None:
        begun(store, "r2")
        if asked.request:
            store.runs.answer_request(asked.request, run_id="r2")

    def works() -> Iterator[Callable[[], None]]:
        yield lambda: store.runs.set_state("r1", RunState.FAILED, error="prompts are tokenised differently")
        yield lambda: None  # the runtime is asked what it makes of prompts now
        yield lambda: store.runs.set_state("r1", RunState.ABANDONED, error="Ollama was updated")
        yield lambda: None  # the base is proven
        yield begun_anew
        yield lambda: store.runs.set_state("r2", RunState.HELD)

    daemon = works()
    with alive(home), at_work(home):
        run = follow(store, home, asked, lambda *_: None, sleep=lambda _: next(daemon)())
    assert (run.id, run.state) == ("r2", RunState.HELD)


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.ABANDONED])
def test_a_run_that_ends_badly_is_over_also_while_another_models_goes_on(
    store: Store, home: Home, state: RunState
) -> None:
    begun(store)
    store.runs.set_state("r1", state, error="the loss is nan")
    store.runs.start("other", "other", reason="test", fingerprint="f", last_feedback_id=0)
    with alive(home), at_work(home), pytest.raises((StageError, CancelledError), match="the loss is nan"):
        follow(store, home, Asked(None, "r1"), lambda *_: None, sleep=never)


def test_a_run_that_cannot_be_begun_anew_is_told_to_who_follows(store: Store, home: Home) -> None:
    asked = ask_daemon(store, home, MODEL, afresh=False)
    begun(store)
    store.runs.answer_request(asked.request or 0, run_id="r1")
    store.runs.set_state("r1", RunState.FAILED, error="prompts are tokenised differently")

    def fails(_: float) -> None:
        store.runs.answer_request(asked.request or 0, error="Ollama does not answer")

    with alive(home), at_work(home), pytest.raises(StageError, match="prompts are tokenised differently"):
        follow(store, home, asked, lambda *_: None, sleep=fails)


def test_nobody_is_followed_when_the_daemon_is_gone(store: Store, home: Home) -> None:
    asked = ask_daemon(store, home, MODEL, afresh=False)
    with pytest.raises(StageError, match="the daemon ended"):
        follow(store, home, asked, lambda *_: None, sleep=never)


def test_a_daemon_of_another_release_is_not_followed(store: Store, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ask_daemon(store, home, MODEL, afresh=False)
    write_running_release(home)
    monkeypatch.setattr(running, "__version__", "9.0.0")
    with alive(home), pytest.raises(StageError, match=r"the daemon is adapterd .*, this is 9\.0\.0") as caught:
        follow(store, home, asked, lambda *_: None, sleep=never)
    assert "service restart" in caught.value.hint


def test_a_daemon_that_is_free_and_does_not_answer_is_not_followed_for_ever(store: Store, home: Home) -> None:
    asked = ask_daemon(store, home, MODEL, afresh=False)
    seconds = iter(range(0, 10_000, 10))
    with alive(home), pytest.raises(StageError, match="has not begun the run for 120 s") as caught:
        follow(store, home, asked, lambda *_: None, sleep=lambda _: None, clock=lambda: float(next(seconds)))
    assert "adapterctl logs" in caught.value.hint
    assert store.runs.request_answer(asked.request or 0) == (None, None)  # it stays asked for


def test_a_daemon_that_is_busy_with_another_run_is_waited_for(store: Store, home: Home) -> None:
    asked = ask_daemon(store, home, MODEL, afresh=False)
    waits = [0]

    def sleep(_: float) -> None:
        waits[0] += 1
        if waits[0] == 100:
            store.runs.answer_request(asked.request or 0, error="at last")

    with alive(home), at_work(home), pytest.raises(StageError, match="at last"):
        follow(store, home, asked, lambda *_: None, sleep=sleep, clock=lambda: waits[0] * 60.0)


def test_an_unfinished_registration_is_nothing_to_continue_by_training(store: Store, home: Home) -> None:
    store.runs.start("r1", MODEL, reason="test", fingerprint="f", last_feedback_id=0, adapter_source="/adapters/news")
    with pytest.raises(NotEnoughDataError, match="no feedback that is new"):
        require_something_new(store, home, MODEL, SETTINGS)


def test_a_registration_that_is_going_on_does_not_answer_the_wish(store: Store, home: Home) -> None:
    store.runs.start("r1", MODEL, reason="test", fingerprint="f", last_feedback_id=0, adapter_source="/adapters/news")
    with at_work(home):
        asked = ask_daemon(store, home, MODEL, afresh=False)
    assert (asked.run, len(store.runs.waiting_requests())) == (None, 1)
