"""adapterctl pause, resume and cancel."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import Result

from adapterd.errors import NotFoundError
from adapterd.home import Home
from adapterd.store import Store
from adapterd.store.runs import RunState

Command = Callable[..., Result]
TABLE = '[models.{name}]\nbase = "tiny:1"\nbase_digest = "d"\n'


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    """What the commands share with the daemon; two models are configured."""
    home.config_file.write_text(TABLE.format(name="m") + TABLE.format(name="n"))
    with Store(home.database) as opened:
        yield opened


def paused(store: Store) -> list[str | None]:
    """Why each of the two models is paused."""
    pauses = [store.schedule_state.paused(name) for name in "mn"]
    return [pause.reason if pause else None for pause in pauses]


def kinds(store: Store) -> list[tuple[str, str | None]]:
    return [(event.kind, event.model) for event in store.events.latest()]


def test_one_model_is_paused_with_a_reason(adapterctl: Command, store: Store) -> None:
    result = adapterctl("pause", "m", "--reason", "on holiday")
    assert result.stdout == "m is paused; `adapterctl resume m` goes on\n"
    assert paused(store) == ["on holiday", None]
    assert kinds(store) == [("schedule.paused", "m")]


def test_everything_is_paused_where_no_model_is_named(adapterctl: Command, store: Store) -> None:
    assert adapterctl("pause").stdout == "everything is paused; `adapterctl resume` goes on\n"
    assert paused(store) == ["", ""]


def test_a_paused_model_goes_on(adapterctl: Command, store: Store) -> None:
    adapterctl("pause", "m")
    assert adapterctl("resume", "m").stdout == "m goes on\n"
    assert paused(store) == [None, None]
    assert kinds(store) == [("schedule.resumed", "m"), ("schedule.paused", "m")]


def test_a_resume_without_a_pause_is_said_and_not_noted(adapterctl: Command, store: Store) -> None:
    assert adapterctl("resume").stdout == "nothing was paused\n"
    assert kinds(store) == []


def test_programs_hear_what_was_paused_and_resumed(as_json: Callable[..., Any], store: Store) -> None:
    assert as_json("pause", "--reason", "r") == {"paused": "all", "reason": "r"}
    assert as_json("resume") == {"resumed": "all", "was_paused": True}
    assert as_json("resume", "m") == {"resumed": "m", "was_paused": False}


@pytest.mark.parametrize("command", ["pause", "resume", "cancel"])
def test_a_model_that_is_not_configured_is_not_found(adapterctl: Command, store: Store, command: str) -> None:
    with pytest.raises(NotFoundError, match="no model named 'x'"):
        adapterctl(command, "x")
    assert kinds(store) == []


def test_a_run_is_given_up(adapterctl: Command, store: Store) -> None:
    store.runs.start("r1", "m", reason="asked", fingerprint="f", last_feedback_id=0)
    result = adapterctl("cancel", "m")
    assert result.stdout.startswith("run r1 ends; ")
    run = store.runs.get("r1")
    assert (run.state, run.error) == (RunState.ABANDONED, "cancelled by hand")


def test_programs_hear_which_run_ends(as_json: Callable[..., Any], store: Store) -> None:
    store.runs.start("r1", "m", reason="asked", fingerprint="f", last_feedback_id=0)
    assert as_json("cancel", "m", "--reason", "why") == {"cancelled": "r1", "reason": "why"}
    assert store.runs.get("r1").cancelled == "why"


def test_cancel_without_a_run_is_not_found(adapterctl: Command, store: Store) -> None:
    with pytest.raises(NotFoundError, match="no run of m"):
        adapterctl("cancel", "m")


def test_which_of_several_models_has_to_be_said(adapterctl: Command, store: Store) -> None:
    with pytest.raises(NotFoundError, match="which model"):
        adapterctl("cancel")
