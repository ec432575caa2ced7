"""Promote and rollback: the tags and the record agree, whatever is interrupted, removed or done at the same time."""

import multiprocessing
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.base.modelfile import Modelfile
from adapterd.deployment.deploy import Deployer
from adapterd.errors import AdapterdError, BusyError, InputError, NotFoundError, RuntimeRefusedError
from adapterd.home import Home
from adapterd.serving.embedded import EmbeddedRuntime
from adapterd.serving.runtime import Runtime
from adapterd.serving.tags import BASE, ModelTags
from adapterd.store import Store
from adapterd.store.versions import VersionState
from adapterd.system import locks
from adapterd.system.locks import tags_lock
from tests.support.fakes import Crash, FakeRuntime

MODEL = "newsbrief"
TAGS = ModelTags(MODEL)
VERSIONS = ("1.0.0", "1.1.0", "1.2.0")
MANY = 100


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose base is live and which knows three versions; tests get copies."""
    home = tmp_path_factory.mktemp("prepared")
    with Store(home / "state.db") as store:
        set_up(Deployer(store, Home(home), a_runtime()))
    return home


@pytest.fixture
def home(prepared: Path, tmp_path: Path) -> Home:
    return Home(Path(shutil.copytree(prepared, tmp_path / "home")))


@pytest.fixture
def fake_runtime() -> FakeRuntime:
    return with_live(a_runtime())


@pytest.fixture
def deployer(home: Home, fake_runtime: FakeRuntime) -> Iterator[Deployer]:
    with Store(home.database) as store:
        yield Deployer(store, home, fake_runtime)


def a_runtime() -> FakeRuntime:
    runtime = FakeRuntime()
    runtime.add(TAGS.base, *map(TAGS.version, VERSIONS))
    return runtime


def with_live(runtime: FakeRuntime) -> FakeRuntime:
    runtime.copy(TAGS.base, TAGS.live)
    return runtime


def set_up(deployer: Deployer) -> None:
    digests = deployer.runtime.tags()
    for version in VERSIONS:
        digest = digests[TAGS.version(version)]
        deployer.store.versions.add(MODEL, version, run_id="run", digest=digest, base_digest="sha256:00")
    deployer.start_with_base(MODEL)


def live(deployer: Deployer) -> tuple[str, str | None]:
    """What is recorded as live and previous, after seeing that the tags say the same."""
    recorded, digests = deployer.store.versions.deployment(MODEL), deployer.runtime.tags()
    assert recorded is not None
    assert digests[TAGS.live] == recorded.live_digest == digests[TAGS.version(recorded.live)]
    if recorded.previous:
        assert digests[TAGS.previous] == recorded.previous_digest == digests[TAGS.version(recorded.previous)]
    assert deployer.store.versions.begun_intents(MODEL) == []
    return recorded.live, recorded.previous


def state(deployer: Deployer, version: str) -> tuple[VersionState, str]:
    found = deployer.store.versions.get(MODEL, version)
    assert found is not None
    return found.state, found.reason


# What a person does.


def test_the_base_is_live_from_the_first_day(deployer: Deployer) -> None:
    assert live(deployer) == (BASE, None)
    assert deployer.store.events.latest(model=MODEL)[0].kind == "model.created"


def test_a_promoted_version_is_live_and_the_base_is_previous(deployer: Deployer) -> None:
    swap = deployer.promote(MODEL, "1.0.0", "better by 12 points")
    assert (swap.live, swap.replaced) == ("1.0.0", BASE)
    assert live(deployer) == ("1.0.0", BASE)
    assert state(deployer, "1.0.0") == (VersionState.PROMOTED, "better by 12 points")
    event = deployer.store.events.latest(model=MODEL)[0]
    assert event.kind == "version.promote"
    assert "1.0.0 is live" in event.text


def test_previous_is_what_was_live_last(deployer: Deployer) -> None:
    deployer.promote(MODEL, "1.0.0", "")
    deployer.promote(MODEL, "1.1.0", "")
    assert live(deployer) == ("1.1.0", "1.0.0")


def test_a_version_is_loaded_before_it_is_live(deployer: Deployer, fake_runtime: FakeRuntime) -> None:
    fake_runtime.calls.clear()
    deployer.promote(MODEL, "1.0.0", "")
    loaded = fake_runtime.calls.index(("load", TAGS.version("1.0.0")))
    assert loaded < fake_runtime.calls.index(("copy", TAGS.version("1.0.0"), TAGS.live))


def test_a_rollback_serves_first_and_loads_nothing_itself(deployer: Deployer, fake_runtime: FakeRuntime) -> None:
    deployer.promote(MODEL, "1.0.0", "")
    fake_runtime.calls.clear()
    deployer.rollback(MODEL)
    assert [call[0] for call in fake_runtime.calls].count("load") == 0


def test_a_rollback_brings_the_previous_back_and_marks_what_it_took_away(deployer: Deployer) -> None:
    deployer.promote(MODEL, "1.0.0", "good")
    deployer.promote(MODEL, "1.1.0", "better")
    swap = deployer.rollback(MODEL)
    assert (swap.live, swap.replaced) == ("1.0.0", "1.1.0")
    assert swap.swap_ms >= 0
    assert live(deployer) == ("1.0.0", BASE)
    assert state(deployer, "1.1.0")[0] is VersionState.WITHDRAWN
    assert state(deployer, "1.0.0") == (VersionState.PROMOTED, "good")
    assert deployer.store.events.latest(model=MODEL)[0].kind == "version.rollback"


def test_every_further_rollback_goes_further_back_and_the_base_is_the_end(deployer: Deployer) -> None:
    deployer.promote(MODEL, "1.0.0", "")
    deployer.promote(MODEL, "1.1.0", "")
    assert [deployer.rollback(MODEL).live for _ in range(2)] == ["1.0.0", BASE]
    assert live(deployer) == (BASE, None)
    with pytest.raises(InputError, match="nothing to go back to: base is live"):
        deployer.rollback(MODEL)
    assert live(deployer) == (BASE, None)


def test_rollbacks_end_at_the_base_even_where_a_version_was_live_twice(deployer: Deployer) -> None:
    for version in ("1.0.0", "1.1.0", "1.0.0"):
        deployer.promote(MODEL, version, "")
    assert [deployer.rollback(MODEL).live for _ in range(3)] == ["1.1.0", "1.0.0", BASE]
    assert live(deployer) == (BASE, None)


def test_a_new_promotion_after_a_rollback_goes_back_to_where_it_started(deployer: Deployer) -> None:
    deployer.promote(MODEL, "1.0.0", "")
    deployer.promote(MODEL, "1.1.0", "")
    deployer.rollback(MODEL)
    deployer.promote(MODEL, "1.2.0", "")
    assert live(deployer) == ("1.2.0", "1.0.0")
    assert deployer.rollback(MODEL).live == "1.0.0"


def test_a_rollback_can_name_its_version(deployer: Deployer) -> None:
    for version in VERSIONS:
        deployer.promote(MODEL, version, "")
    deployer.rollback(MODEL, to="1.0.0")
    assert live(deployer) == ("1.0.0", BASE)
    deployer.rollback(MODEL, to=BASE)
    assert live(deployer) == (BASE, None)


def test_a_withdrawn_version_that_is_live_again_counts_as_promoted(deployer: Deployer) -> None:
    deployer.promote(MODEL, "1.0.0", "good")
    deployer.rollback(MODEL)
    deployer.rollback(MODEL, to="1.0.0")
    assert live(deployer) == ("1.0.0", BASE)
    assert state(deployer, "1.0.0")[0] is VersionState.PROMOTED


def test_the_base_can_be_promoted_too(deployer: Deployer) -> None:
    deployer.promote(MODEL, "1.0.0", "")
    deployer.promote(MODEL, BASE, "")
    assert live(deployer) == (BASE, "1.0.0")
    assert deployer.rollback(MODEL).live == "1.0.0"


# What is refused, and leaves everything as it was.


@pytest.mark.parametrize(
    ("act", "error", "sentence"),
    [
        (lambda d: d.promote(MODEL, "1.0.0", ""), InputError, "1.0.0 is live already"),
        (lambda d: d.promote(MODEL, "9.9.9", ""), NotFoundError, "no version 9.9.9; there are: 1.0.0, 1.1.0, 1.2.0"),
        (lambda d: d.promote(MODEL, "latest", ""), NotFoundError, "no version latest"),
        (lambda d: d.rollback(MODEL, to="1.0.0"), InputError, "1.0.0 is live already"),
        (lambda d: d.rollback(MODEL, to="1.1.0"), InputError, "1.1.0 was never live"),
        (lambda d: d.rollback(MODEL, to="9.9.9"), InputError, "9.9.9 was never live"),
        (lambda d: d.rollback("stranger"), NotFoundError, "nothing of stranger was ever live"),
        (lambda d: d.promote("stranger", BASE, ""), NotFoundError, "nothing of stranger was ever live"),
    ],
)
def test_a_senseless_promotion_or_rollback_is_refused_and_changes_nothing(
    deployer: Deployer, act: Callable[[Deployer], object], error: type[AdapterdError], sentence: str
) -> None:
    deployer.promote(MODEL, "1.0.0", "")
    before = deployer.runtime.tags()
    with pytest.raises(error, match=sentence):
        act(deployer)
    assert live(deployer) == ("1.0.0", BASE)
    assert deployer.runtime.tags() == before


def test_a_runtime_that_copies_wrongly_is_noticed_and_nothing_is_recorded(
    deployer: Deployer, fake_runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake_runtime, "copy", lambda *_: None)
    with pytest.raises(RuntimeRefusedError, match="not the same"):
        deployer.promote(MODEL, "1.0.0", "")
    recorded = deployer.store.versions.deployment(MODEL)
    assert recorded is not None
    assert recorded.live == BASE
    monkeypatch.undo()
    deployer.reconcile(MODEL)
    assert live(deployer) == ("1.0.0", BASE)


def test_tags_that_somebody_else_is_changing_are_left_alone(
    deployer: Deployer, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "TAGS_TIMEOUT_S", 0.01)
    before = deployer.runtime.tags()
    with tags_lock(home):
        for act in (deployer.reconcile, deployer.rollback, deployer.start_with_base):
            with pytest.raises(BusyError, match="another process is changing tags"):
                act(MODEL)
        with pytest.raises(BusyError):
            deployer.promote(MODEL, "1.0.0", "")
    assert deployer.runtime.tags() == before
    deployer.promote(MODEL, "1.0.0", "")


# What somebody removed from the runtime by hand.


def test_a_version_whose_tag_is_gone_is_not_promoted(deployer: Deployer, fake_runtime: FakeRuntime) -> None:
    fake_runtime.delete(TAGS.version("1.0.0"))
    with pytest.raises(NotFoundError, match=r"newsbrief:1\.0\.0 is gone"):
        deployer.promote(MODEL, "1.0.0", "")
    assert live(deployer) == (BASE, None)


def test_a_rollback_restores_the_tag_of_the_previous_version(deployer: Deployer, fake_runtime: FakeRuntime) -> None:
    deployer.promote(MODEL, "1.0.0", "")
    deployer.promote(MODEL, "1.1.0", "")
    fake_runtime.delete(TAGS.version("1.0.0"))
    deployer.rollback(MODEL)
    assert live(deployer) == ("1.0.0", BASE)


def test_a_promotion_restores_the_tag_of_the_live_version(deployer: Deployer, fake_runtime: FakeRuntime) -> None:
    deployer.promote(MODEL, "1.0.0", "")
    fake_runtime.delete(TAGS.version("1.0.0"))
    deployer.promote(MODEL, "1.1.0", "")
    assert live(deployer) == ("1.1.0", "1.0.0")


def test_a_live_version_that_is_gone_altogether_does_not_stand_in_the_way(
    deployer: Deployer, fake_runtime: FakeRuntime
) -> None:
    deployer.promote(MODEL, "1.0.0", "")
    fake_runtime.delete(TAGS.version("1.0.0"))
    fake_runtime.delete(TAGS.live)
    deployer.promote(MODEL, "1.1.0", "")
    assert live(deployer) == ("1.1.0", BASE)
    assert deployer.rollback(MODEL).live == BASE


def test_a_way_back_that_is_gone_gives_its_place_to_the_next(deployer: Deployer, fake_runtime: FakeRuntime) -> None:
    for version in VERSIONS:
        deployer.promote(MODEL, version, "")
    fake_runtime.delete(TAGS.version("1.0.0"))
    assert deployer.rollback(MODEL).live == "1.1.0"
    assert live(deployer) == ("1.1.0", BASE)


def test_a_version_is_never_its_own_way_back(deployer: Deployer, fake_runtime: FakeRuntime) -> None:
    deployer.promote(MODEL, "1.0.0", "")
    deployer.promote(MODEL, "1.1.0", "")
    fake_runtime.delete(TAGS.version("1.1.0"))
    fake_runtime.delete(TAGS.live)
    deployer.promote(MODEL, "1.0.0", "")
    assert live(deployer) == ("1.0.0", BASE)


def test_a_rollback_to_what_is_gone_is_refused_before_anything_is_changed(
    deployer: Deployer, fake_runtime: FakeRuntime
) -> None:
    deployer.promote(MODEL, "1.0.0", "")
    deployer.promote(MODEL, "1.1.0", "")
    fake_runtime.delete(TAGS.version("1.0.0"))
    fake_runtime.delete(TAGS.previous)
    with pytest.raises(NotFoundError, match=r"newsbrief:1\.0\.0 is gone"):
        deployer.rollback(MODEL)
    assert deployer.store.versions.begun_intents(MODEL) == []
    deployer.rollback(MODEL, to=BASE)
    assert live(deployer) == (BASE, None)


@pytest.mark.parametrize("after", [False, True])
def test_a_begun_promotion_whose_version_is_gone_is_given_up(
    deployer: Deployer, fake_runtime: FakeRuntime, after: bool
) -> None:
    deployer.promote(MODEL, "1.0.0", "")
    fake_runtime.plan_crash(("copy", TAGS.version("1.0.0"), TAGS.previous), after=after)
    with pytest.raises(Crash):
        deployer.promote(MODEL, "1.1.0", "")
    fake_runtime.plan_crash(None)
    fake_runtime.delete(TAGS.version("1.1.0"))
    deployer.reconcile(MODEL)
    assert live(deployer) == ("1.0.0", BASE)
    assert "given up" in deployer.store.events.latest(model=MODEL)[0].text
    assert deployer.rollback(MODEL).live == BASE


@pytest.mark.parametrize("act", ["changed", "removed", "torn"])
def test_going_back_to_the_live_version_puts_a_changed_live_tag_back(
    deployer: Deployer, fake_runtime: FakeRuntime, act: str
) -> None:
    deployer.promote(MODEL, "1.0.0", "")
    if act == "changed":
        fake_runtime.copy(TAGS.version("1.2.0"), TAGS.live)
    (fake_runtime.delete if act == "removed" else fake_runtime.tear if act == "torn" else lambda _: None)(TAGS.live)
    swap = deployer.rollback(MODEL, to="1.0.0")
    assert (swap.live, swap.replaced) == ("1.0.0", "what was there instead")
    assert live(deployer) == ("1.0.0", BASE)
    assert state(deployer, "1.0.0")[0] is VersionState.PROMOTED
    assert deployer.store.events.latest(model=MODEL)[0].kind == "version.restored"


def test_a_damaged_tag_is_never_copied(deployer: Deployer, fake_runtime: FakeRuntime) -> None:
    """A copy of it would be just as damaged."""
    deployer.promote(MODEL, "1.0.0", "")
    deployer.promote(MODEL, "1.1.0", "")
    fake_runtime.tear(TAGS.version("1.0.0"), TAGS.version("1.1.0"))
    deployer.rollback(MODEL)
    assert live(deployer) == ("1.0.0", BASE)
    fake_runtime.tear(TAGS.version("1.2.0"))
    with pytest.raises(NotFoundError, match=r"newsbrief:1\.2\.0 is gone"):
        deployer.promote(MODEL, "1.2.0", "")
    assert live(deployer) == ("1.0.0", BASE)


# Crashes.


@dataclass(frozen=True)
class Scenario:
    """`act` is interrupted after `before` was done; when it is finished, `then` are live and previous."""

    before: tuple[str, ...]
    act: Callable[[Deployer], object]
    then: tuple[str, str | None]
    removed: tuple[str, ...] = ()


SCENARIOS = {
    "first promotion": Scenario((), lambda d: d.promote(MODEL, "1.0.0", ""), ("1.0.0", BASE)),
    "second promotion": Scenario(("1.0.0",), lambda d: d.promote(MODEL, "1.1.0", ""), ("1.1.0", "1.0.0")),
    "promotion, tag of the live one removed": Scenario(
        ("1.0.0",), lambda d: d.promote(MODEL, "1.1.0", ""), ("1.1.0", "1.0.0"), (TAGS.version("1.0.0"),)
    ),
    "rollback": Scenario(("1.0.0", "1.1.0"), lambda d: d.rollback(MODEL), ("1.0.0", BASE)),
    "rollback to the base": Scenario(("1.0.0",), lambda d: d.rollback(MODEL), (BASE, None)),
    "rollback by name": Scenario(VERSIONS, lambda d: d.rollback(MODEL, to="1.0.0"), ("1.0.0", BASE)),
    "rollback, tag of the previous one removed": Scenario(
        ("1.0.0", "1.1.0"), lambda d: d.rollback(MODEL), ("1.0.0", BASE), (TAGS.version("1.0.0"),)
    ),
}


every_scenario = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=list(SCENARIOS))
before_and_after = pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])


def interruptions(home: Home, scenario: Scenario, after: bool) -> Iterator[tuple[Deployer, FakeRuntime]]:
    """The scenario from its outset, dead at its first call, at its second, and so on to the last."""
    with Store(home.database) as store:
        outset = with_live(a_runtime())
        for version in scenario.before:
            Deployer(store, home, outset).promote(MODEL, version, "")
        for tag in scenario.removed:
            outset.delete(tag)
    for number in range(1, MANY):
        copy = Home(Path(shutil.copytree(home.root, home.root.parent / f"dead at {number}")))
        runtime = FakeRuntime()
        runtime.made, runtime.blobs = dict(outset.made), dict(outset.blobs)
        runtime.plan_crash(number, after=after)
        with Store(copy.database) as store:
            deployer = Deployer(store, copy, runtime)
            died = False
            try:
                scenario.act(deployer)
            except Crash:
                died = True
            runtime.plan_crash(None)
            if not died:
                assert number > 3
                assert live(deployer) == scenario.then
                return
            yield deployer, runtime


@before_and_after
@every_scenario
def test_whichever_call_it_dies_at_reconcile_finishes_what_was_begun(
    home: Home, scenario: Scenario, after: bool
) -> None:
    outcomes = set()
    for deployer, runtime in interruptions(home, scenario, after):
        outset, begun = deployer.store.versions.deployment(MODEL), deployer.store.versions.begun_intents(MODEL)
        assert outset is not None
        deployer.reconcile(MODEL)
        if begun:
            assert live(deployer) == scenario.then
        elif not scenario.removed:
            assert live(deployer) == (outset.live, outset.previous)
        assert all(TAGS.live in seen for seen in runtime.seen)
        outcomes.add(bool(begun))
    assert outcomes == {True, False}


@before_and_after
@every_scenario
def test_whichever_call_it_dies_at_the_same_command_finishes_it_once(
    home: Home, scenario: Scenario, after: bool
) -> None:
    for deployer, runtime in interruptions(home, scenario, after):
        scenario.act(deployer)
        assert live(deployer) == scenario.then
        assert all(TAGS.live in seen for seen in runtime.seen)


versions = st.sampled_from([BASE, *VERSIONS])
acts = st.one_of(
    st.builds(lambda version: lambda d: d.promote(MODEL, version, ""), versions),
    st.builds(lambda version: lambda d: d.rollback(MODEL, to=version), st.none() | versions),
    st.just(lambda d: d.reconcile(MODEL)),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(acts, st.none() | st.integers(1, 10), st.booleans()), max_size=8))
def test_after_anything_in_any_order_tags_and_record_agree_and_the_way_back_ends_at_the_base(
    prepared: Path, steps: list[tuple[Callable[[Deployer], object], int | None, bool]]
) -> None:
    with TemporaryDirectory() as folder:
        home, runtime = Home(Path(shutil.copytree(prepared, Path(folder) / "home"))), with_live(a_runtime())
        with Store(home.database) as store:
            deployer = Deployer(store, home, runtime)
            for act, crash_at, after in steps:
                runtime.plan_crash(crash_at, after=after)
                with suppress(Crash, InputError):
                    act(deployer)
            runtime.plan_crash(None)
            deployer.reconcile(MODEL)
            live(deployer)
            for _ in range(len(steps) + 1):
                with suppress(InputError):
                    deployer.rollback(MODEL)
            assert live(deployer) == (BASE, None)
        assert all(TAGS.live in seen for seen in runtime.seen)


# Two at a time.


class WeightlessRuntime(EmbeddedRuntime):
    """The embedded runtime's tags on disk, with nothing to load."""

    def load(self, tag: str) -> None:
        self.show(tag)


def change_back_and_forth(home: Home, runtime: Runtime, versions: tuple[str, ...]) -> None:
    """Promote and roll back; the only thing that may be in the way is that another one was quicker."""
    with Store(home.database) as store:
        deployer = Deployer(store, home, runtime)
        for version in versions:
            with suppress(InputError):
                deployer.promote(MODEL, version, "")
            with suppress(InputError):
                deployer.rollback(MODEL)


def change_in_a_process(root: Path, versions: tuple[str, ...]) -> None:
    change_back_and_forth(Home(root), WeightlessRuntime(root / "embedded"), versions)


def test_threads_never_change_tags_at_the_same_time(home: Home, fake_runtime: FakeRuntime) -> None:
    orders = (VERSIONS, VERSIONS[::-1], VERSIONS[1:])
    with ThreadPoolExecutor(len(orders)) as pool:
        for done in [pool.submit(change_back_and_forth, home, fake_runtime, order) for order in orders]:
            done.result()
    assert fake_runtime.overlaps == 0
    with Store(home.database) as store:
        live(Deployer(store, home, fake_runtime))
        assert len(store.versions.deployments(MODEL)) > len(VERSIONS)


def test_processes_leave_tags_and_record_in_agreement(tmp_path: Path) -> None:
    home, runtime = Home(tmp_path), WeightlessRuntime(tmp_path / "embedded")
    for number, tag in enumerate([TAGS.base, *map(TAGS.version, VERSIONS)]):
        file = tmp_path / f"{number}.gguf"
        file.write_bytes(tag.encode())
        runtime.create(tag, file, f"sha256:{number:064}", Modelfile())
    with Store(home.database) as store:
        set_up(Deployer(store, home, runtime))
    spawn = multiprocessing.get_context("spawn")
    orders = (VERSIONS * 3, VERSIONS[::-1] * 3)
    processes = [spawn.Process(target=change_in_a_process, args=(tmp_path, order)) for order in orders]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    with Store(home.database) as store:
        live(Deployer(store, home, runtime))
        assert len(store.versions.deployments(MODEL)) > 10
