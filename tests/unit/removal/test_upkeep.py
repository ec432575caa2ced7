"""Feedback that is removed by age."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from adapterd.capture.captures import Captures
from adapterd.config import Settings
from adapterd.errors import BusyError
from adapterd.home import Home
from adapterd.intake.http_intake import take_posted
from adapterd.removal.remove import finish_removals
from adapterd.removal.upkeep import KEEP_DAYS, expired, look_after, remove_expired, remove_old_captures
from adapterd.store import Store
from adapterd.store.prompt_pool.prompts import NewPrompt
from adapterd.store.reviews.choices import NewChoice, Vote
from adapterd.store.teaching.requests import NewRequest
from tests.support.hand_clock import HandClock
from tests.unit.capture.test_captures import HELLO
from tests.unit.removal.conftest import MODEL


@pytest.fixture
def full(store: Store, clock: HandClock) -> Store:
    """One record came 31 days ago, and one now that says it is older."""
    take_posted(store, MODEL, [{"prompt": "Long ago?", "correction": "Yes."}])
    clock.now += timedelta(days=31)
    take_posted(store, MODEL, [{"prompt": "Now?", "correction": "Yes.", "created_at": "2001-01-01T00:00:00Z"}])
    return store


def asked(store: Store) -> list[str]:
    return [json.loads(row.record)["messages"][0]["content"] for row in store.feedback.all(MODEL)]


def test_what_came_too_long_ago_is_removed_and_history_says_so(full: Store, home: Home, settings: Settings) -> None:
    assert remove_expired(full, home, settings) == [f"m: records removed: 1 ({KEEP_DAYS})"]
    assert asked(full) == ["Now?"]
    event = full.events.latest(limit=1)[0]
    text = f"m: removed for good: 1 records, 0 pieces in quarantine ({KEEP_DAYS})"
    assert (event.kind, event.text) == ("feedback.removed", text)


def test_it_is_looked_after_once_a_day(full: Store, home: Home, settings: Settings, clock: HandClock) -> None:
    remove_expired(full, home, settings)
    clock.now += timedelta(days=30.5)
    assert list(expired(full, settings)) == [MODEL]
    remove_expired(full, home, settings)
    take_posted(full, MODEL, [{"prompt": "Later?", "correction": "Yes."}])
    full.execute("UPDATE feedback SET received_at = '2000-01-01T00:00:00+00:00'")
    assert expired(full, settings) == {}
    clock.now += timedelta(days=1)
    assert list(expired(full, settings)) == [MODEL]


def test_without_the_setting_everything_is_kept(full: Store, home: Home) -> None:
    assert look_after(full, home, Settings()) == []
    assert len(asked(full)) == 2


def test_nothing_is_begun_where_nothing_is_too_old(store: Store, home: Home, settings: Settings) -> None:
    take_posted(store, MODEL, [{"prompt": "Now?", "correction": "Yes."}])
    assert look_after(store, home, settings) == []
    assert store.removals.last_begun(MODEL, KEEP_DAYS) is None


def test_what_is_no_longer_in_force_is_removed_by_age_as_well(full: Store, settings: Settings, home: Home) -> None:
    full.execute("UPDATE feedback SET withdrawn_at = received_at WHERE id = 1")
    assert list(expired(full, settings)) == [MODEL]
    remove_expired(full, home, settings)
    assert [row.id for row in full.feedback.everything(MODEL)] == [2]


def test_a_file_that_was_never_read_gives_nothing_to_remove(store: Store, settings: Settings, clock: HandClock) -> None:
    store.feedback.quarantine(MODEL, file="a.xlsx", line=0, reason="is not read", excerpt="", kept="")
    clock.now += timedelta(days=31)
    assert expired(store, settings) == {}


def test_prompts_without_answers_are_removed_by_age_as_well(
    store: Store, clock: HandClock, home: Home, settings: Settings
) -> None:
    store.prompts.add(MODEL, [NewPrompt("old", "[]", ("k",), "a.jsonl")])
    clock.now += timedelta(days=31)
    store.prompts.add(MODEL, [NewPrompt("new", "[]", (), "a.jsonl")])

    assert list(expired(store, settings)) == [MODEL]
    assert remove_expired(store, home, settings) == [f"m: prompts without answers removed: 1 ({KEEP_DAYS})"]
    assert [each.prompt_hash for each in store.prompts.newest(MODEL, 10)] == ["new"]
    assert store.prompts.known_by(MODEL, "k") is None
    assert expired(store, settings) == {}


def test_expired_prompts_leave_the_free_pages_although_somebody_reads(
    store: Store, home: Home, settings: Settings, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = [{"role": "user", "content": "A prompt of long ago"}]
    store.prompts.add(MODEL, [NewPrompt("h" * 64, json.dumps(message), ("key",), "file", None, None)])
    clock.now += timedelta(days=31)

    def busy() -> None:
        raise BusyError("somebody reads")

    with monkeypatch.context() as patch:
        patch.setattr(store, "compact", busy)
        with pytest.raises(BusyError):
            remove_expired(store, home, settings)
    assert store.removals.unfinished()
    finish_removals(store, home, settings)
    assert store.removals.unfinished() == []
    assert b"A prompt of long ago" not in home.database.read_bytes()


def test_what_was_recorded_goes_by_age_with_what_waits_to_be_chosen_between(
    store: Store, home: Home, clock: HandClock
) -> None:
    now = clock.now.timestamp()
    with Captures(home.captures) as captures:
        for name, days in (("old", 31), ("new", 1)):
            captures.add(replace(HELLO, id=name, prompt_hash=f"p {name}", at=now - days * 86_400))
    for prompt, vote in (("p old", None), ("p new", None), ("p gone", Vote.SAME), ("p gone too", Vote.OURS)):
        store.choices.add(MODEL, NewChoice(prompt, [], "1.0.0", "a", "x", "base", "b", "y", ours_first=True), vote)
    remove_old_captures(store, home, Settings())
    with Captures(home.captures) as captures:
        assert [each.id for each in captures.all()] == ["new"]
    assert [each.prompt_hash for each in store.choices.all(MODEL)] == ["p new", "p gone too"]
    home.captures.unlink()
    remove_old_captures(store, home, Settings())
    assert [each.prompt_hash for each in store.choices.all(MODEL)] == ["p gone too"]


def test_the_journal_of_teachers_goes_by_age(store: Store, home: Home, clock: HandClock) -> None:
    for key in ("ended", "open"):
        store.teaching.requests.begin(MODEL, NewRequest(key, "answer", "big", "big:70b", {}))
    store.teaching.requests.begin(MODEL, NewRequest("of a judge", "verdict", "big", "big:70b", {}))
    store.teaching.requests.answered(MODEL, "ended", {"text": "Ada"}, (1, 1), 0.1)
    clock.now += timedelta(days=29)
    remove_old_captures(store, home, Settings())
    assert len(store.teaching.requests.all(MODEL)) == 3
    clock.now += timedelta(days=2)
    remove_old_captures(store, home, Settings())
    assert [each.key for each in store.teaching.requests.all(MODEL)] == ["open"]
