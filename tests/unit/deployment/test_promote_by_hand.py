"""Promotion by a person: what was held or taken back needs that they insist."""

import pytest

from adapterd.deployment.deploy import Deployer
from adapterd.deployment.promote_by_hand import not_proven, promote_by_hand
from adapterd.errors import InputError, NotFoundError
from adapterd.home import Home
from adapterd.serving.tags import BASE, ModelTags
from adapterd.store import Store
from adapterd.store.versions import VersionState
from tests.support.fakes import FakeRuntime

TAGS = ModelTags("m")


@pytest.fixture
def deployer(store: Store, home: Home) -> Deployer:
    """The base is live, and there is a version 1.0.0."""
    runtime = FakeRuntime()
    runtime.add(TAGS.base, TAGS.version("1.0.0"))
    digest = runtime.tags()[TAGS.version("1.0.0")]
    store.versions.add("m", "1.0.0", run_id="r", digest=digest, base_digest="d")
    made = Deployer(store, home, runtime)
    made.start_with_base("m")
    return made


def live(deployer: Deployer) -> str | None:
    deployment = deployer.store.versions.deployment("m")
    return deployment.live if deployment else None


def never(question: str) -> None:
    raise AssertionError(question)


def test_a_version_that_nothing_speaks_against_goes_live_without_a_question(deployer: Deployer) -> None:
    assert promote_by_hand(deployer, "m", "1.0.0", force=False, confirm=never).live == "1.0.0"
    assert deployer.store.versions.all("m")[0].reason == "promoted by hand"


@pytest.mark.parametrize("state", [VersionState.WAITING, VersionState.CHALLENGER])
def test_a_version_that_is_not_proven_yet_goes_live_and_the_history_says_so(
    deployer: Deployer, state: VersionState
) -> None:
    deployer.store.versions.set_state("m", "1.0.0", state, "not proven: 62% of the way")
    assert not_proven(deployer.store, "m", "1.0.0") == f"{state} (not proven: 62% of the way)"
    promote_by_hand(deployer, "m", "1.0.0", force=False, confirm=never)
    assert live(deployer) == "1.0.0"
    assert f"promoted by hand, although {state} (not proven: 62% of the way)" in deployer.store.events.latest()[0].text
    assert not_proven(deployer.store, "m", "1.0.0") is None


@pytest.mark.parametrize("state", [VersionState.HELD, VersionState.DROPPED, VersionState.WITHDRAWN])
def test_a_version_that_was_held_or_taken_back_needs_force(deployer: Deployer, state: VersionState) -> None:
    deployer.store.versions.set_state("m", "1.0.0", state, "worse")
    with pytest.raises(InputError, match=rf"1\.0\.0 was {state} \(worse\)") as caught:
        promote_by_hand(deployer, "m", "1.0.0", force=False, confirm=never)
    assert "adapterctl promote 1.0.0 --force" in caught.value.hint
    assert live(deployer) == BASE


def test_with_force_a_person_is_asked_and_the_history_says_so(deployer: Deployer) -> None:
    deployer.store.versions.set_state("m", "1.0.0", VersionState.HELD, "worse")
    questions: list[str] = []
    promote_by_hand(deployer, "m", "1.0.0", force=True, confirm=questions.append)
    assert questions == ["1.0.0 was held (worse). Make it live anyway?"]
    assert live(deployer) == "1.0.0"
    assert "with --force, although held (worse)" in deployer.store.events.latest()[0].text


def test_a_no_to_the_question_changes_nothing(deployer: Deployer) -> None:
    deployer.store.versions.set_state("m", "1.0.0", VersionState.HELD, "worse")
    with pytest.raises(AssertionError, match="anyway"):
        promote_by_hand(deployer, "m", "1.0.0", force=True, confirm=never)
    assert live(deployer) == BASE


def test_a_version_that_is_not_there_is_not_found(deployer: Deployer) -> None:
    with pytest.raises(NotFoundError, match=r"m has no version 9\.0\.0; there are: 1\.0\.0"):
        promote_by_hand(deployer, "m", "9.0.0", force=True)


def test_the_base_can_be_made_live_again(deployer: Deployer) -> None:
    promote_by_hand(deployer, "m", "1.0.0", force=False)
    assert promote_by_hand(deployer, "m", BASE, force=False, confirm=never).live == BASE
