"""Which versions stay: what is needed to go back always does, of the others the newest."""

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.deployment.history import needed, promotion_stack
from adapterd.errors import InputError, NotFoundError
from adapterd.housekeeping.policy import collectable, pin
from adapterd.serving.tags import BASE
from adapterd.store import Store
from adapterd.store.runs import RunState
from adapterd.store.versions import Deployment, Version, VersionState

MODEL = "newsbrief"
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def add(store: Store, *versions: str, state: VersionState = VersionState.HELD) -> None:
    """Versions of runs that are over."""
    for version in versions:
        store.versions.add(MODEL, version, run_id="over", digest=f"d{version}", base_digest="b")
        store.versions.set_state(MODEL, version, state, "why")


def deploy(store: Store, *steps: tuple[str, str]) -> None:
    """(action, what is live then), one after the other, beginning with the base."""
    history = [("init", BASE), *steps]
    for number, (action, live) in enumerate(history):
        way = promotion_stack([a_deployment(*step) for step in history[: number + 1]])
        previous = way[-2] if len(way) > 1 else None
        store.versions.deploy(MODEL, action, live=live, live_digest="d", previous=previous)


def a_deployment(action: str, live: str) -> Deployment:
    return Deployment(MODEL, action, live, "d", None, None, NOW)


def a_version(name: str, state: VersionState = VersionState.HELD, reason: str = "") -> Version:
    return Version(MODEL, name, "run", "d", "b", state, reason, {}, NOW)


def test_live_and_previous_and_one_more_way_back_are_needed(store: Store) -> None:
    add(store, "1.0.0", "1.1.0", "1.2.0", "1.3.0", state=VersionState.PROMOTED)
    deploy(store, *[("promote", f"1.{n}.0") for n in range(4)])
    assert needed(store, MODEL) == {BASE, "1.3.0", "1.2.0", "1.1.0"}


def test_a_version_that_was_rolled_back_is_no_way_back(store: Store) -> None:
    add(store, "1.0.0", "1.1.0", "1.2.0", state=VersionState.PROMOTED)
    deploy(store, ("promote", "1.0.0"), ("promote", "1.1.0"), ("promote", "1.2.0"), ("rollback", "1.0.0"))
    assert needed(store, MODEL) == {BASE, "1.0.0"}


def test_a_way_back_that_was_collected_gives_its_place_to_the_next(store: Store) -> None:
    add(store, "1.0.0", "1.1.0", "1.2.0", "1.3.0", state=VersionState.PROMOTED)
    deploy(store, *[("promote", f"1.{n}.0") for n in range(4)])
    store.versions.set_state(MODEL, "1.1.0", VersionState.COLLECTED, "")
    assert needed(store, MODEL) == {BASE, "1.3.0", "1.2.0", "1.0.0"}


def test_a_pinned_version_is_needed_until_it_is_unpinned(store: Store) -> None:
    add(store, "1.0.0")
    assert needed(store, MODEL) == {BASE}
    assert pin(store, MODEL, "1.0.0", pinned=True).pinned
    assert needed(store, MODEL) == {BASE, "1.0.0"}
    assert not pin(store, MODEL, "1.0.0", pinned=False).pinned
    assert needed(store, MODEL) == {BASE}
    assert [event.kind for event in store.events.latest()] == ["version.unpinned", "version.pinned"]


def test_pinning_twice_is_one_event(store: Store) -> None:
    add(store, "1.0.0")
    pin(store, MODEL, "1.0.0", pinned=True)
    pin(store, MODEL, "1.0.0", pinned=True)
    assert len(store.events.latest()) == 1


def test_a_version_that_cannot_be_pinned_is_refused_with_the_reason(store: Store) -> None:
    add(store, "1.0.0")
    add(store, "1.1.0", state=VersionState.COLLECTED)
    with pytest.raises(NotFoundError, match=r"no version 2\.0\.0; there are: 1\.0\.0, 1\.1\.0"):
        pin(store, MODEL, "2.0.0", pinned=True)
    with pytest.raises(InputError, match=r"1\.1\.0 was collected already: why"):
        pin(store, MODEL, "1.1.0", pinned=True)
    with pytest.raises(InputError, match="the base is always kept"):
        pin(store, MODEL, BASE, pinned=True)
    assert store.events.latest() == []


@pytest.mark.parametrize("state", RunState)
def test_the_version_of_a_run_is_needed_while_the_run_can_go_on(store: Store, state: RunState) -> None:
    store.runs.start("r1", MODEL, reason="", fingerprint="", last_feedback_id=0)
    store.versions.add(MODEL, "1.0.0", run_id="r1", digest="d", base_digest="b")
    store.runs.set_state("r1", state)
    assert ("1.0.0" in needed(store, MODEL)) is state.open


def test_the_versions_of_a_begun_change_are_needed(store: Store) -> None:
    add(store, "1.0.0", "1.1.0")
    intent = store.versions.begin_intent(MODEL, "rollback", "1.0.0", "1.1.0")
    assert needed(store, MODEL) == {BASE, "1.0.0", "1.1.0"}
    store.versions.finish_intent(intent)
    assert needed(store, MODEL) == {BASE}


def test_of_the_versions_that_are_not_needed_the_newest_stay() -> None:
    versions = [a_version(name) for name in ("1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0")]
    assert collectable(versions, {"1.0.0", "1.3.0"}, keep=3) == {}
    why = "held, and no longer one of the newest (versions.keep = 1)"
    assert collectable(versions, {"1.3.0"}, keep=1) == dict.fromkeys(["1.2.0", "1.1.0", "1.0.0"], why)
    assert len(collectable(versions, set(), keep=0)) == 5


def test_a_version_that_was_never_judged_goes_at_once_and_takes_no_place() -> None:
    versions = [a_version("1.0.0"), a_version("1.1.0", VersionState.CANDIDATE)]
    assert collectable(versions, set(), keep=1) == {"1.1.0": "its run was given up before it was judged"}


def test_a_collection_that_was_interrupted_is_finished_with_the_same_reason() -> None:
    versions = [a_version("1.0.0", VersionState.COLLECTED, "too old"), a_version("1.1.0")]
    assert collectable(versions, set(), keep=1) == {"1.0.0": "too old"}


names = st.sampled_from(["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0"])
actions = st.lists(st.tuples(st.sampled_from(["promote", "rollback"]), names), max_size=12)


@settings(max_examples=40, deadline=None)
@given(steps=actions, keep=st.integers(0, 3))
def test_whatever_happened_two_rollbacks_lead_to_what_is_kept_and_the_last_one_to_the_base(
    steps: list[tuple[str, str]], keep: int
) -> None:
    with TemporaryDirectory() as folder, Store(Path(folder) / "state.db") as store:
        add(store, "1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0", state=VersionState.PROMOTED)
        deploy(store, *possible(steps))
        gone = collectable(store.versions.all(MODEL), needed(store, MODEL), keep)
        way = promotion_stack(store.versions.deployments(MODEL))
        assert way[0] == BASE
        assert BASE not in gone
        assert not set(way[-3:]) & set(gone)
        assert len(gone) <= max(0, 5 - keep)


def possible(steps: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Only what a Deployer would do: no promotion of what is live, no rollback to what was never live."""
    done = [("init", BASE)]
    for action, name in steps:
        was_live = any(name == live for _, live in done)
        if name != done[-1][1] and (action == "promote" or was_live):
            done.append((action, name))
    return done[1:]
