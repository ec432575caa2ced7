"""Asking the daemon for a run, and following it through the journal."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from adapterd.config import ModelSettings
from adapterd.errors import NotEnoughDataError, StageError
from adapterd.home import Home
from adapterd.runs.requests import Asked, ask_daemon, follow, require_something_new
from adapterd.store import Store
from adapterd.store.feedback import NewFeedback
from adapterd.store.runs import RunState
from adapterd.system.locks import exclusive

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


def test_nobody_is_followed_when_the_daemon_is_gone(store: Store, home: Home) -> None:
    asked = ask_daemon(store, home, MODEL, afresh=False)
    with pytest.raises(StageError, match="the daemon ended"):
        follow(store, home, asked, lambda *_: None, sleep=never)


def test_an_unfinished_registration_is_nothing_to_continue_by_training(store: Store, home: Home) -> None:
    store.runs.start("r1", MODEL, reason="test", fingerprint="f", last_feedback_id=0, adapter_source="/adapters/news")
    with pytest.raises(NotEnoughDataError, match="no feedback that is new"):
        require_something_new(store, home, MODEL, SETTINGS)


def test_a_registration_that_is_going_on_does_not_answer_the_wish(store: Store, home: Home) -> None:
    store.runs.start("r1", MODEL, reason="test", fingerprint="f", last_feedback_id=0, adapter_source="/adapters/news")
    with at_work(home):
        asked = ask_daemon(store, home, MODEL, afresh=False)
    assert (asked.run, len(store.runs.waiting_requests())) == (None, 1)
