"""Pausing: the pause and what the history says of it come together."""

import pytest

from adapterd.scheduling.pause import pause, resume
from adapterd.store import Store


def kinds(store: Store) -> list[tuple[str, str | None, str]]:
    return [(event.kind, event.model, event.text) for event in store.events.latest()][::-1]


@pytest.mark.parametrize("model", ["m", None])
def test_a_pause_holds_until_it_is_taken_back(store: Store, model: str | None) -> None:
    pause(store, model, "on holiday")
    held = store.schedule_state.paused("m")
    assert held is not None
    assert (held.model, held.reason) == (model, "on holiday")
    assert resume(store, model)
    assert store.schedule_state.paused("m") is None
    assert kinds(store) == [
        ("schedule.paused", model, "paused: on holiday"), ("schedule.resumed", model, "goes on"),
    ]  # fmt: skip


def test_a_pause_of_everything_leaves_the_one_of_a_model(store: Store) -> None:
    pause(store, "m")
    pause(store, None)
    assert resume(store, None)
    assert store.schedule_state.paused("m") is not None
    assert store.schedule_state.paused("n") is None


def test_a_pause_that_there_was_not_is_not_noted_as_ended(store: Store) -> None:
    assert not resume(store, "m")
    assert kinds(store) == []
