"""The history, and the frozen evaluation sets."""

import pytest

from adapterd.errors import StoreError
from adapterd.store import Store
from adapterd.store.evaluation_sets import EvaluationSet
from adapterd.store.events import Event
from tests.support.hand_clock import HandClock

CASES = [{"id": "p1", "messages": [{"role": "user", "content": "Grüße"}], "source_id": None}]


def test_an_event_comes_back_as_it_was_added(store: Store) -> None:
    store.events.add("run.started", "Läuft.", model="m", detail={"run": "r1"})
    assert store.events.latest() == [
        Event(1, "2026-01-02T03:04:05.000+00:00", "m", "run.started", "Läuft.", {"run": "r1"})
    ]


def test_an_event_needs_neither_model_nor_detail(store: Store) -> None:
    store.events.add("daemon.started", "t")
    (event,) = store.events.latest()
    assert (event.model, event.detail) == (None, {})


def test_the_newest_events_come_first_and_no_more_than_asked_for(store: Store) -> None:
    for number in range(5):
        store.events.add("k", str(number))
    assert [event.text for event in store.events.latest(limit=2)] == ["4", "3"]


def test_events_can_be_those_of_one_model(store: Store) -> None:
    store.events.add("k", "of m", model="m")
    store.events.add("k", "of n", model="n")
    store.events.add("k", "of none")
    assert [event.text for event in store.events.latest(model="m")] == ["of m"]
    assert len(store.events.latest()) == 3


def test_a_frozen_set_comes_back_as_it_was(store: Store, clock: HandClock) -> None:
    frozen = store.evaluation_sets.freeze("m", "hash", CASES)
    assert frozen == EvaluationSet(1, "hash", CASES, clock.now)
    assert store.evaluation_sets.newest("m") == frozen
    assert store.evaluation_sets.all("m") == [frozen]


def test_a_grown_set_knows_what_joined_and_keeps_its_first_bridge(store: Store) -> None:
    store.evaluation_sets.freeze("m", "first", [{"id": "a"}, {"id": "b"}])
    grown = store.evaluation_sets.freeze("m", "second", [{"id": "a"}, {"id": "b"}, {"id": "c"}], grown=True)
    assert grown.grown_from == 1
    assert store.evaluation_sets.joined("m", grown) == ["c"]
    assert [store.evaluation_sets.keep_bridge("m", "second", {"now": now}) for now in (1, 2)] == [True, False]
    assert not store.evaluation_sets.keep_bridge("m", "first", {"now": 1})
    assert [each.bridge for each in store.evaluation_sets.all("m")] == [None, {"now": 1}]


def test_another_set_that_was_not_grown_has_no_newcomers(store: Store) -> None:
    store.evaluation_sets.freeze("m", "first", [{"id": "a"}])
    chosen = store.evaluation_sets.freeze("m", "second", [{"id": "a"}, {"id": "b"}], by_hand=True)
    assert chosen.by_hand
    assert store.evaluation_sets.joined("m", chosen) == []


def test_a_model_without_sets_has_no_newest(store: Store) -> None:
    store.evaluation_sets.freeze("n", "hash", CASES)
    assert store.evaluation_sets.newest("m") is None
    assert store.evaluation_sets.all("m") == []


def test_sets_are_numbered_for_each_model(store: Store) -> None:
    numbers = [store.evaluation_sets.freeze(model, "hash", []).number for model in ("m", "n", "m", "m", "n")]
    assert numbers == [1, 1, 2, 3, 2]


def test_the_newest_set_is_the_last_one_frozen(store: Store) -> None:
    store.evaluation_sets.freeze("m", "first", CASES)
    store.evaluation_sets.freeze("m", "second", [])
    newest = store.evaluation_sets.newest("m")
    assert newest is not None
    assert newest.content_hash == "second"
    assert [each.content_hash for each in store.evaluation_sets.all("m")] == ["first", "second"]


def test_freezing_within_a_transaction_that_fails_freezes_nothing(store: Store) -> None:
    def freeze_and_break() -> None:
        with store.transaction():
            store.evaluation_sets.freeze("m", "hash", CASES)
            store.execute("no SQL")

    with pytest.raises(StoreError, match="syntax error"):
        freeze_and_break()
    assert store.evaluation_sets.all("m") == []
