"""Transactions that a thread commits while the caller goes on."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapterd.errors import StoreError
from adapterd.store import Store

ORPHAN = "INSERT INTO stages (run_id, name, state, key, started_at) VALUES ('none', 'dataset', 'running', '', '')"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state.db") as opened:
        yield opened


def kinds(store: Store) -> list[str]:
    return [event.kind for event in reversed(store.events.latest())]


def add(store: Store, kind: str) -> None:
    with store.transaction():
        store.events.add(kind, "t")


def fail_to_commit(store: Store) -> None:
    """A transaction whose COMMIT itself fails, as no statement of it does."""
    with store.transaction():
        store.events.add("lost", "t")
        store.execute("PRAGMA defer_foreign_keys = ON")
        store.execute(ORPHAN)


def test_all_is_committed_when_the_block_has_ended(store: Store) -> None:
    with store.commits_behind():
        for number in range(50):
            add(store, f"event {number}")
    with Store(store.path) as other:
        assert kinds(other) == [f"event {number}" for number in range(50)]


def test_what_is_asked_within_the_block_sees_what_was_written_before(store: Store) -> None:
    with store.commits_behind():
        add(store, "first")
        assert kinds(store) == ["first"]


def test_a_thread_commits(store: Store) -> None:
    before = set(threading.enumerate())
    with store.commits_behind():
        add(store, "first")
        assert [each.name for each in set(threading.enumerate()) - before] == ["commit_0"]
    assert set(threading.enumerate()) == before


def test_an_inner_block_is_committed_with_the_outer_one(store: Store) -> None:
    with store.commits_behind(), Store(store.path) as other:
        with store.transaction():
            add(store, "inner")
            assert kinds(other) == []
        add(store, "next")
    assert kinds(store) == ["inner", "next"]


def test_a_commit_that_fails_is_said_by_the_next_use_and_taken_back(store: Store) -> None:
    with store.commits_behind():
        add(store, "before")
        fail_to_commit(store)
        with pytest.raises(StoreError, match="FOREIGN KEY constraint failed"):
            add(store, "next")
        add(store, "after")
    assert kinds(store) == ["before", "after"]


def test_a_commit_that_fails_at_last_is_said_at_the_end_and_taken_back(store: Store) -> None:
    def fail_at_last() -> None:
        with store.commits_behind():
            add(store, "before")
            fail_to_commit(store)

    with pytest.raises(StoreError, match="FOREIGN KEY constraint failed"):
        fail_at_last()
    add(store, "after")
    assert kinds(store) == ["before", "after"]


def test_what_ends_the_block_early_leaves_what_was_committed(store: Store) -> None:
    def interrupted() -> None:
        with store.commits_behind():
            add(store, "before")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with Store(store.path) as other:
        assert kinds(other) == ["before"]


def test_a_transaction_that_fails_is_taken_back(store: Store) -> None:
    def failing() -> None:
        with store.transaction():
            store.events.add("lost", "t")
            raise ValueError("no")

    with store.commits_behind():
        add(store, "before")
        with pytest.raises(ValueError, match="no"):
            failing()
    assert kinds(store) == ["before"]
