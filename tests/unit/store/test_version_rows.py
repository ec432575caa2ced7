"""Versions, what is live, and changes of tags that were begun."""

import pytest

from adapterd.store import Store
from adapterd.store.versions import Deployment, Intent, Version, VersionState
from tests.support.hand_clock import HandClock


def add(store: Store, version: str, model: str = "m", *, digest: str = "d") -> None:
    store.versions.add(model, version, run_id="r1", digest=digest, base_digest="b")


def get(store: Store, version: str) -> Version:
    found = store.versions.get("m", version)
    assert found is not None
    return found


def test_a_registered_version_is_a_candidate(store: Store, clock: HandClock) -> None:
    add(store, "1.0.0")
    assert get(store, "1.0.0") == Version(
        model="m", version="1.0.0", run_id="r1", digest="d", base_digest="b", state=VersionState.CANDIDATE, reason="",
        metrics={}, created_at=clock.now,
    )  # fmt: skip


def test_a_version_that_is_not_there_is_none(store: Store) -> None:
    add(store, "1.0.0", "n")
    assert store.versions.get("m", "1.0.0") is None


def test_registering_a_version_again_replaces_it(store: Store) -> None:
    add(store, "1.0.0")
    store.versions.set_state("m", "1.0.0", VersionState.HELD, "worse", {"f1": 0.5})
    add(store, "1.0.0", digest="other")
    again = get(store, "1.0.0")
    assert (again.digest, again.state, again.reason, again.metrics) == ("other", VersionState.CANDIDATE, "", {})


def test_versions_come_in_the_order_of_their_creation(store: Store, clock: HandClock) -> None:
    for version in ("1.9.0", "1.10.0", "1.0.0"):
        add(store, version)
        clock.move_on()
    add(store, "9.0.0", "n")
    assert [each.version for each in store.versions.all("m")] == ["1.9.0", "1.10.0", "1.0.0"]


def test_a_state_comes_with_its_reason_and_metrics(store: Store) -> None:
    add(store, "1.0.0")
    add(store, "1.1.0")
    store.versions.set_state("m", "1.0.0", VersionState.PROMOTED, "better", {"scores": {"f1": 0.9}})
    promoted = get(store, "1.0.0")
    assert (promoted.state, promoted.reason) == (VersionState.PROMOTED, "better")
    assert promoted.metrics == {"scores": {"f1": 0.9}}
    assert get(store, "1.1.0").state is VersionState.CANDIDATE


def test_a_state_without_metrics_leaves_those_there_are(store: Store) -> None:
    add(store, "1.0.0")
    store.versions.set_state("m", "1.0.0", VersionState.PROMOTED, "better", {"f1": 0.9})
    store.versions.set_state("m", "1.0.0", VersionState.WITHDRAWN, "taken back")
    assert get(store, "1.0.0").metrics == {"f1": 0.9}


def test_empty_metrics_replace_those_there_are(store: Store) -> None:
    add(store, "1.0.0")
    store.versions.set_state("m", "1.0.0", VersionState.HELD, "r", {"f1": 0.9})
    store.versions.set_state("m", "1.0.0", VersionState.HELD, "r", {})
    assert get(store, "1.0.0").metrics == {}


def test_a_version_is_pinned_until_it_is_not(store: Store) -> None:
    add(store, "1.0.0")
    add(store, "1.1.0")
    store.versions.add("n", "1.0.0", run_id="r1", digest="d", base_digest="b")
    assert get(store, "1.0.0").pinned is False
    store.versions.pin("m", "1.0.0", pinned=True)
    other = store.versions.get("n", "1.0.0")
    assert other is not None
    assert (get(store, "1.0.0").pinned, get(store, "1.1.0").pinned, other.pinned) == (True, False, False)
    store.versions.pin("m", "1.0.0", pinned=False)
    assert get(store, "1.0.0").pinned is False


def test_a_pin_outlives_what_becomes_of_the_version(store: Store) -> None:
    add(store, "1.0.0")
    store.versions.pin("m", "1.0.0", pinned=True)
    store.versions.set_state("m", "1.0.0", VersionState.WITHDRAWN, "taken back", {"f1": 0.9})
    assert get(store, "1.0.0").pinned
    assert [each.pinned for each in store.versions.all("m")] == [True]


def test_before_the_first_deployment_nothing_is_live(store: Store) -> None:
    store.versions.deploy("n", "init", live="base", live_digest="d")
    assert store.versions.deployment("m") is None
    assert store.versions.deployments("m") == []


def test_the_newest_deployment_is_what_is_live(store: Store, clock: HandClock) -> None:
    store.versions.deploy("m", "init", live="base", live_digest="d0")
    clock.move_on()
    store.versions.deploy("m", "promote", live="1.0.0", live_digest="d1", previous="base", previous_digest="d0")
    assert store.versions.deployment("m") == Deployment("m", "promote", "1.0.0", "d1", "base", "d0", clock.now)


def test_everything_that_was_live_is_kept_oldest_first(store: Store) -> None:
    for live in ("base", "1.0.0", "base"):
        store.versions.deploy("m", "any", live=live, live_digest="d")
    assert [each.live for each in store.versions.deployments("m")] == ["base", "1.0.0", "base"]


def test_a_change_that_was_begun_is_found_again(store: Store) -> None:
    first = store.versions.begin_intent("m", "promote", "1.0.0")
    second = store.versions.begin_intent("m", "rollback", "base", withdrawn="1.0.0")
    store.versions.begin_intent("n", "promote", "1.0.0")
    assert store.versions.begun_intents("m") == [
        Intent(first, "m", "promote", "1.0.0", ""),
        Intent(second, "m", "rollback", "base", "1.0.0"),
    ]


@pytest.mark.parametrize("state", ["done", "undone"])
def test_a_change_that_is_over_is_begun_no_more(store: Store, state: str) -> None:
    over, other = (store.versions.begin_intent("m", "promote", version) for version in ("1.0.0", "1.1.0"))
    store.versions.finish_intent(over, state)
    assert [intent.id for intent in store.versions.begun_intents("m")] == [other]


def test_a_label_is_set_replaced_and_taken_away(store: Store) -> None:
    add(store, "1.0.0")
    assert get(store, "1.0.0").label is None
    for label in ("first", "second", None):
        store.versions.set_label("m", "1.0.0", label)
        assert get(store, "1.0.0").label == label
