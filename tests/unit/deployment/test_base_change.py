"""Another base for the same model: old or new state after any kill, and a rollback leads to what was served."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapterd import config
from adapterd.base.modelfile import Modelfile
from adapterd.config.toml_edit import with_value
from adapterd.deployment.base_change import NewBase
from adapterd.deployment.deploy import Deployer
from adapterd.deployment.history import newest_base, other_base
from adapterd.deployment.promote_by_hand import promote_by_hand
from adapterd.deployment.rollback_by_tags import rollback_by_tags
from adapterd.errors import ConfigError, InputError
from adapterd.home import Home
from adapterd.housekeeping.collect import ItemKind, run_collection
from adapterd.serving.runtime import ServedModel
from adapterd.serving.tags import BASE, ModelTags, is_base, older_base
from adapterd.store import Store
from adapterd.store.runs import RunState
from adapterd.store.schedule_state import DueReason
from adapterd.store.versions import REBASE, REPIN, VersionState
from adapterd.system.locks import exclusive
from tests.support.fakes import Crash, FakeRuntime

MODEL = "news"
TAGS = ModelTags(MODEL)
A, B = (f"sha256:{letter * 64}" for letter in "ab")
CONFIG = f'[models.{MODEL}]\nbase = "a:1"   # the small one\nbase_digest = "{A}"\n'


@pytest.fixture
def fake_runtime() -> FakeRuntime:
    """Base A with its version 1.0.0, and what base B and its version 2.0.0 will be."""
    made = FakeRuntime()
    made.made = {"a:1": (A, Modelfile()), "b:1": (B, Modelfile()), TAGS.base: (A, Modelfile())}
    made.add(TAGS.version("1.0.0"), TAGS.version("2.0.0"))
    return made


@pytest.fixture
def deployer(tmp_path: Path, fake_runtime: FakeRuntime) -> Iterator[Deployer]:
    home = Home(tmp_path)
    home.create()
    home.config_file.write_text(CONFIG)
    with Store(home.database) as store:
        made, digests = Deployer(store, home, fake_runtime), fake_runtime.tags()
        for version, base in (("1.0.0", A), ("2.0.0", B)):
            digest = digests[TAGS.version(version)]
            store.versions.add(MODEL, version, run_id="run", digest=digest, base_digest=base)
        made.start_with_base(MODEL)
        yield made


def to(base: str, digest: str, action: str = REBASE) -> NewBase:
    def edit(text: str) -> str:
        return with_value(
            with_value(text, ("models", MODEL, "base"), base), ("models", MODEL, "base_digest"), digest
        )  # fmt: skip

    return NewBase(action, digest, edit)


def change(deployer: Deployer, base: str = "b:1", digest: str = B, action: str = REBASE) -> None:
    deployer.runtime.copy(base, TAGS.next_base)
    deployer.change_base(MODEL, to(base, digest, action))


def pinned(deployer: Deployer) -> str:
    return config.load(deployer.home).models[MODEL].base_digest


def live(deployer: Deployer) -> tuple[str, str | None]:
    """What is live and previous by the record, after seeing that the tags say the same."""
    recorded, present = deployer.store.versions.deployment(MODEL), deployer.runtime.tags()
    assert recorded is not None
    assert present[TAGS.live] == recorded.live_digest == present[TAGS.version(recorded.live)]
    if recorded.previous:
        assert present[TAGS.previous] == present[TAGS.version(recorded.previous)]
    return recorded.live, recorded.previous


def older(fake_runtime: FakeRuntime) -> str:
    """The name of base A once it is no longer in use."""
    return older_base(fake_runtime.tags()["a:1"])


def tell_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the runtime tell which files its tags have, as Ollama does."""
    show = FakeRuntime.show

    def show_with_place(self: FakeRuntime, tag: str) -> ServedModel:
        served, digest = show(self, tag), self.made[tag][0]
        return replace(
            served, place=f"/blobs/{digest.replace(':', '-')}" if digest.startswith("sha256:") else served.place
        )

    monkeypatch.setattr(FakeRuntime, "show", show_with_place)


def test_a_version_stays_live_and_the_old_base_keeps_a_tag(deployer: Deployer, fake_runtime: FakeRuntime) -> None:
    deployer.promote(MODEL, "1.0.0", "better")
    change(deployer)
    assert live(deployer) == ("1.0.0", older(fake_runtime))
    assert fake_runtime.made[TAGS.base][0] == B
    assert fake_runtime.made[TAGS.version(older(fake_runtime))][0] == A
    assert TAGS.next_base not in fake_runtime.made
    assert deployer.home.config_file.read_text() == CONFIG.replace("a:1", "b:1").replace(A, B)
    assert "# the small one" in deployer.home.config_file.read_text()


def test_the_way_back_leads_over_the_change(deployer: Deployer, fake_runtime: FakeRuntime) -> None:
    deployer.promote(MODEL, "1.0.0", "better")
    change(deployer)
    deployer.promote(MODEL, "2.0.0", "better")
    event = deployer.store.events.latest(model=MODEL)[0].text
    assert "2.0.0 is live, 1.0.0 was before (better); it is made of another base, sha256:bbbbbbbbbbbb" in event
    assert live(deployer) == ("2.0.0", "1.0.0")
    assert deployer.rollback(MODEL).live == "1.0.0"
    assert deployer.rollback(MODEL).live == older(fake_runtime)
    assert fake_runtime.made[TAGS.live][0] == A, "the base that was served, and not the new one"
    with pytest.raises(InputError, match="nothing to go back to"):
        deployer.rollback(MODEL)
    promote_by_hand(deployer, MODEL, "2.0.0", force=True)
    assert live(deployer) == ("2.0.0", older(fake_runtime))


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_back_to_the_base_means_the_one_that_was_live(
    deployer: Deployer, fake_runtime: FakeRuntime, version: str
) -> None:
    deployer.promote(MODEL, "1.0.0", "better")
    change(deployer)
    if version == "2.0.0":
        deployer.promote(MODEL, "2.0.0", "better")
    assert deployer.rollback(MODEL, to=BASE).live == older(fake_runtime)
    assert fake_runtime.made[TAGS.live][0] == A


def test_a_base_that_is_live_gives_way_to_the_new_one(deployer: Deployer, fake_runtime: FakeRuntime) -> None:
    change(deployer)
    assert live(deployer) == (BASE, older(fake_runtime))
    assert fake_runtime.made[TAGS.live][0] == B
    assert deployer.rollback(MODEL).live == older(fake_runtime)
    assert fake_runtime.made[TAGS.live][0] == A


def test_a_base_that_was_pulled_anew_leaves_what_is_live(deployer: Deployer, fake_runtime: FakeRuntime) -> None:
    change(deployer, action=REPIN)
    assert live(deployer) == (older(fake_runtime), None)
    assert fake_runtime.made[TAGS.live][0] == A
    assert fake_runtime.made[TAGS.base][0] == B


def test_back_to_the_first_base_it_has_its_name_again(deployer: Deployer, fake_runtime: FakeRuntime) -> None:
    deployer.promote(MODEL, "1.0.0", "better")
    change(deployer)
    change(deployer, "a:1", A)
    assert live(deployer) == ("1.0.0", BASE)
    assert deployer.rollback(MODEL, to=BASE).live == BASE
    assert fake_runtime.made[TAGS.live][0] == A


def test_by_the_tags_alone_the_old_base_has_a_name(deployer: Deployer, fake_runtime: FakeRuntime) -> None:
    change(deployer)
    assert rollback_by_tags(deployer.home, fake_runtime, MODEL).live == older(fake_runtime)
    assert fake_runtime.made[TAGS.live][0] == A


def test_a_configuration_that_cannot_be_written_changes_nothing(deployer: Deployer, fake_runtime: FakeRuntime) -> None:
    def refuse(text: str) -> str:
        raise ConfigError("written by somebody else")

    deployer.promote(MODEL, "1.0.0", "better")
    fake_runtime.copy("b:1", TAGS.next_base)
    with pytest.raises(ConfigError):
        deployer.change_base(MODEL, NewBase(REBASE, B, refuse))
    assert live(deployer) == ("1.0.0", BASE)
    assert fake_runtime.made[TAGS.base][0] == A
    assert deployer.store.versions.begun_base_changes(MODEL) == []


@pytest.mark.parametrize("first", [None, "1.0.0"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 25))
def test_killed_anywhere_it_is_the_old_state_or_the_new_one(
    deployer: Deployer, fake_runtime: FakeRuntime, at: int, after: bool, first: str | None
) -> None:
    if first:
        deployer.promote(MODEL, first, "better")
    fake_runtime.copy("b:1", TAGS.next_base)
    fake_runtime.plan_crash(at, after=after)
    try:
        deployer.change_base(MODEL, to("b:1", B))
    except Crash:
        fake_runtime.plan_crash(None)
        deployer.reconcile(MODEL)
    fake_runtime.plan_crash(None)
    is_new = pinned(deployer) == B
    assert fake_runtime.made[TAGS.base][0] == (B if is_new else A)
    assert live(deployer) == ((first or BASE), older(fake_runtime) if is_new else BASE if first else None)
    assert deployer.store.versions.begun_base_changes(MODEL) == deployer.store.versions.begun_intents(MODEL) == []
    if is_new:
        assert deployer.rollback(MODEL).live == older(fake_runtime)
        assert fake_runtime.made[TAGS.live][0] == A


@pytest.mark.parametrize(("action", "why"), [(REBASE, "rebased on b:1"), (REPIN, "b:1 changed")])
def test_killed_before_it_was_finished_a_run_is_due_all_the_same(
    deployer: Deployer, fake_runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, action: str, why: str
) -> None:
    monkeypatch.setattr(type(deployer.store.feedback), "count", lambda *_, **__: 3)
    fake_runtime.copy("b:1", TAGS.next_base)
    fake_runtime.plan_crash(("copy", TAGS.next_base, TAGS.base), after=True)
    with pytest.raises(Crash):
        deployer.change_base(MODEL, to("b:1", B, action))
    fake_runtime.plan_crash(None)
    assert deployer.store.schedule_state.get(MODEL).due_reason is None
    deployer.reconcile(MODEL)
    state = deployer.store.schedule_state.get(MODEL)
    assert (state.due_reason, state.due_text, state.base_drift) == (DueReason.BASE_CHANGED, why, None)


@pytest.mark.parametrize("written", [False, True])
def test_killed_beside_the_configuration_it_decides(
    deployer: Deployer, fake_runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    def die(home: Home, edit: object) -> None:
        if written:
            home.config_file.write_text(to("b:1", B).edit(CONFIG))
        raise Crash

    monkeypatch.setattr("adapterd.deployment.base_change.change_config", die)
    fake_runtime.copy("b:1", TAGS.next_base)
    with pytest.raises(Crash):
        deployer.change_base(MODEL, to("b:1", B))
    assert deployer.reconcile(MODEL)[0] == (
        f"{MODEL}: the change of its base was interrupted, and is {'finished' if written else 'given up'}"
    )
    assert fake_runtime.made[TAGS.base][0] == (B if written else A)
    assert live(deployer) == (BASE, older(fake_runtime) if written else None)


def test_where_the_new_base_is_not_there_the_change_waits(
    deployer: Deployer, fake_runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_runtime.copy("b:1", TAGS.next_base)
    fake_runtime.plan_crash(("copy", TAGS.next_base, TAGS.base))
    with pytest.raises(Crash):
        deployer.change_base(MODEL, to("b:1", B))
    fake_runtime.plan_crash(None)
    elsewhere = fake_runtime.made.pop(TAGS.next_base)
    assert deployer.reconcile(MODEL) == []
    fake_runtime.made[TAGS.next_base] = elsewhere
    deployer.reconcile(MODEL)
    assert live(deployer) == (BASE, older(fake_runtime))


def test_given_again_a_change_that_waited_for_its_tag_is_finished(
    deployer: Deployer, fake_runtime: FakeRuntime
) -> None:
    fake_runtime.copy("b:1", TAGS.next_base)
    fake_runtime.plan_crash(("copy", TAGS.next_base, TAGS.base))
    with pytest.raises(Crash):
        deployer.change_base(MODEL, to("b:1", B))
    fake_runtime.plan_crash(None)
    fake_runtime.delete(TAGS.next_base)
    change(deployer)
    assert live(deployer) == (BASE, older(fake_runtime))
    assert fake_runtime.made[TAGS.base][0] == B


def test_another_base_under_the_tag_of_a_change_that_waits_does_not_take_its_place(
    deployer: Deployer, fake_runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_files(monkeypatch)
    third = f"sha256:{'c' * 64}"
    fake_runtime.made["c:1"] = (third, Modelfile())
    fake_runtime.copy("b:1", TAGS.next_base)
    fake_runtime.plan_crash(("copy", TAGS.next_base, TAGS.base))
    with pytest.raises(Crash):
        deployer.change_base(MODEL, to("b:1", B))
    fake_runtime.plan_crash(None)
    change(deployer, "c:1", third)
    assert pinned(deployer) == fake_runtime.made[TAGS.base][0] == third
    assert live(deployer) == (BASE, older(fake_runtime))
    assert deployer.store.versions.begun_base_changes(MODEL) == []


def test_settings_given_with_a_change_that_waited_are_written(deployer: Deployer, fake_runtime: FakeRuntime) -> None:
    fake_runtime.copy("b:1", TAGS.next_base)
    fake_runtime.plan_crash(("copy", TAGS.next_base, TAGS.base))
    with pytest.raises(Crash):
        deployer.change_base(MODEL, to("b:1", B))
    fake_runtime.plan_crash(None)
    with_rank = NewBase(REBASE, B, lambda text: with_value(text, ("models", MODEL, "training", "rank"), 4))
    deployer.change_base(MODEL, with_rank)
    assert config.load(deployer.home).models[MODEL].training.rank == 4
    assert live(deployer) == (BASE, older(fake_runtime))


def test_in_a_home_that_was_put_back_the_record_is_of_the_base_that_was_live(
    deployer: Deployer, fake_runtime: FakeRuntime
) -> None:
    """As after `restore` of a backup from before a change: NAME:base is what the record knows nothing of."""
    deployer.promote(MODEL, "1.0.0", "better")
    fake_runtime.copy("b:1", TAGS.base)
    third = f"sha256:{'c' * 64}"
    fake_runtime.made["c:1"] = (third, Modelfile())
    change(deployer, "c:1", third)
    assert live(deployer) == ("1.0.0", older(fake_runtime))
    assert fake_runtime.made[TAGS.version(older_base(fake_runtime.tags()["b:1"]))][0] == B
    assert deployer.rollback(MODEL).live == older(fake_runtime)
    assert fake_runtime.made[TAGS.live][0] == A, "what was live, and not what was under the tag"


def test_in_a_home_that_was_put_back_its_base_can_be_put_back(deployer: Deployer, fake_runtime: FakeRuntime) -> None:
    deployer.promote(MODEL, "1.0.0", "better")
    fake_runtime.copy("b:1", TAGS.base)
    change(deployer, "a:1", A)
    assert live(deployer) == ("1.0.0", BASE)
    assert fake_runtime.made[TAGS.base][0] == A


def test_the_base_of_a_version_is_named_where_it_is_another_one(deployer: Deployer) -> None:
    store, home = deployer.store, deployer.home
    assert other_base(store, home, MODEL, "1.0.0", A) is None
    assert other_base(store, home, MODEL, "1.0.0", B) == f"{A[:19]}…"
    assert other_base(store, home, MODEL, BASE, B) is None
    assert newest_base(store.versions.deployments(MODEL)) == BASE


def collected(deployer: Deployer) -> set[str]:
    """The tags that `gc` takes away."""
    settings = config.load(deployer.home)
    found = run_collection(deployer.store, deployer.home, settings, deployer.runtime)
    return {item.what for item in found.items if item.kind is ItemKind.BASE}


def test_an_older_base_stays_while_it_is_needed_and_goes_then(
    deployer: Deployer, fake_runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_files(monkeypatch)
    deployer.store.runs.start("run", MODEL, reason="", fingerprint="", last_feedback_id=0)
    deployer.store.runs.set_state("run", RunState.PROMOTED)
    deployer.promote(MODEL, "1.0.0", "better")
    change(deployer)
    old = TAGS.version(older(fake_runtime))
    deployer.promote(MODEL, "2.0.0", "better")
    assert collected(deployer) == set()
    assert old in fake_runtime.made, "a second rollback leads to it"

    digests = fake_runtime.tags()
    for version in ("2.1.0", "2.2.0", "2.3.0"):
        fake_runtime.add(TAGS.version(version))
        digest = fake_runtime.tags()[TAGS.version(version)]
        deployer.store.versions.add(MODEL, version, run_id="run", digest=digest, base_digest=B)
        deployer.promote(MODEL, version, "better")
    assert TAGS.version("1.0.0") in digests
    assert collected(deployer) == set(), "1.0.0 is still there"
    deployer.store.versions.set_state(MODEL, "1.0.0", VersionState.COLLECTED, "too old")
    with exclusive(deployer.home.run_lock, timeout_s=1, busy=""):
        assert collected(deployer) == set(), "it may be proven now"
    assert collected(deployer) == {old}
    assert old not in fake_runtime.made
    assert TAGS.base in fake_runtime.made


def test_what_a_killed_rebase_left_is_collected(deployer: Deployer, fake_runtime: FakeRuntime) -> None:
    fake_runtime.copy("b:1", TAGS.next_base)
    assert collected(deployer) == {TAGS.next_base}


@pytest.mark.parametrize(
    ("name", "it_is"),
    [(BASE, True), ("base-0123456789ab", True), ("base-0123", False), ("1.0.0", False), ("next-base", False)],
)
def test_names_of_bases(name: str, it_is: bool) -> None:
    assert is_base(name) is it_is
