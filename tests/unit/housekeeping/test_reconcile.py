"""After whatever happened, tags and record agree again, and a person is told what could not be put right."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import pytest

from adapterd.base.modelfile import Modelfile
from adapterd.config import ModelSettings, Settings
from adapterd.deployment.deploy import Deployer
from adapterd.errors import RuntimeRefusedError, RuntimeUnavailableError
from adapterd.formats.run_folder import PLAN
from adapterd.home import Home
from adapterd.housekeeping.reconcile import reconcile
from adapterd.serving.runtime import Runtime, ServedModel
from adapterd.serving.runtimes import file_digest
from adapterd.serving.tags import BASE, ModelTags
from adapterd.store import Store
from adapterd.store.versions import VersionState
from adapterd.system import locks
from adapterd.system.locks import tags_lock
from tests.support.fakes import Crash, FakeRuntime
from tests.support.kept_model import WeightlessRuntime, add_version

MODEL = "newsbrief"
TAGS = ModelTags(MODEL)
OWN = "qwen2.5:7b"
VERSIONS = ("1.0.0", "1.1.0", "1.2.0")


@dataclass
class Caretaker:
    """A home with one model and three versions; 1.1.0 is live, 1.0.0 was before."""

    store: Store
    home: Home
    runtime: Runtime
    base_digest: str

    @property
    def settings(self) -> Settings:
        return Settings(
            models={MODEL: ModelSettings(OWN, self.base_digest), "stranger": ModelSettings(OWN, "sha256:0")},
        )

    @property
    def deployer(self) -> Deployer:
        return Deployer(self.store, self.home, self.runtime)

    def reconcile(self) -> list[str]:
        return reconcile(self.store, self.home, self.settings, self.runtime)

    def tear(self, *tags: str, left: float = 0) -> None:
        """As a crash leaves a manifest; `left` is the share that was written."""
        for tag in tags:
            file = self.manifest(tag)
            content = file.read_bytes()
            file.write_bytes(content[: int(len(content) * left)])

    def manifest(self, tag: str) -> Path:
        name, _, label = tag.rpartition(":")
        return self.home.embedded_store / "tags" / name / f"{label}.json"

    def blob(self, tag: str) -> Path:
        found = self.runtime.show(tag).gguf
        assert found is not None
        return found

    def agree(self, live: str, previous: str | None) -> None:
        """See that the record says so, and that the tags say the same."""
        recorded, digests = self.store.versions.deployment(MODEL), self.runtime.tags()
        assert recorded is not None
        assert (recorded.live, recorded.previous) == (live, previous)
        assert digests[TAGS.live] == recorded.live_digest == digests[TAGS.version(live)]
        if previous:
            assert digests[TAGS.previous] == recorded.previous_digest == digests[TAGS.version(previous)]
        assert self.store.versions.begun_intents(MODEL) == []
        assert self.blob(TAGS.live).is_file()


@pytest.fixture
def caretaker(store: Store, home: Home, tmp_path: Path) -> Caretaker:
    made = Caretaker(store, home, WeightlessRuntime(home.embedded_store), "")
    files = {name: tmp_path / name for name in (OWN, *VERSIONS)}
    for name, file in files.items():
        file.write_text(name)
    made.base_digest = file_digest(files[OWN])
    made.runtime.create(OWN, files[OWN], made.base_digest, Modelfile(system="Be brief."))
    made.runtime.copy(OWN, TAGS.base)
    for version in VERSIONS:
        add_version(store, home, made.runtime, MODEL, version, files[version])
    made.deployer.start_with_base(MODEL)
    made.deployer.promote(MODEL, "1.0.0", "good")
    made.deployer.promote(MODEL, "1.1.0", "better")
    return made


def damage(caretaker: Caretaker, tag: str, how: str) -> None:
    if how == "gone":
        caretaker.manifest(tag).unlink()
    else:
        caretaker.tear(tag, left=0.5 if how == "half" else 0)


every_damage = pytest.mark.parametrize("how", ["gone", "half", "empty"])


# Nothing to do.


def test_where_all_is_well_nothing_is_said_and_nothing_changed(caretaker: Caretaker) -> None:
    before, events = caretaker.runtime.tags(), caretaker.store.events.latest()
    assert caretaker.reconcile() == []
    assert caretaker.runtime.tags() == before
    assert caretaker.store.events.latest() == events


def test_a_model_that_was_never_live_is_left_alone(store: Store, home: Home) -> None:
    settings = Settings(models={MODEL: ModelSettings(OWN, "sha256:0")})
    assert reconcile(store, home, settings, FakeRuntime()) == []


# One tag is gone or damaged.


@every_damage
@pytest.mark.parametrize(
    ("tag", "source"),
    [
        (TAGS.live, TAGS.version("1.1.0")),
        (TAGS.previous, TAGS.version("1.0.0")),
        (TAGS.version("1.1.0"), TAGS.live),
        (TAGS.version("1.0.0"), TAGS.previous),
        (TAGS.base, OWN),
    ],
)
def test_a_tag_is_put_back_from_one_that_is_the_same(caretaker: Caretaker, how: str, tag: str, source: str) -> None:
    before = caretaker.runtime.tags()
    damage(caretaker, tag, how)
    word = "gone" if how == "gone" else "damaged"
    assert caretaker.reconcile() == [f"{tag} was {word}, and is the same as {source} again"]
    assert caretaker.runtime.tags() == before
    caretaker.agree("1.1.0", "1.0.0")
    assert caretaker.store.events.latest(limit=1)[0].kind == "tag.repaired"
    assert caretaker.reconcile() == []


@every_damage
def test_a_version_of_which_only_the_file_is_left_is_registered_again(caretaker: Caretaker, how: str) -> None:
    before, blob = caretaker.runtime.tags(), caretaker.blob(TAGS.version("1.2.0"))
    damage(caretaker, TAGS.version("1.2.0"), how)
    word = "gone" if how == "gone" else "damaged"
    assert caretaker.reconcile() == [f"newsbrief:1.2.0 was {word}, and is the same as {blob.name} again"]
    assert caretaker.runtime.tags() == before
    assert caretaker.runtime.show(TAGS.version("1.2.0")).modelfile.system == "Be brief."


def test_everything_damaged_at_once_but_the_base_is_put_back(caretaker: Caretaker) -> None:
    before = caretaker.runtime.tags()
    caretaker.tear(TAGS.live, TAGS.previous, *map(TAGS.version, VERSIONS), left=0.5)
    assert len(caretaker.reconcile()) == 5
    assert caretaker.runtime.tags() == before
    caretaker.agree("1.1.0", "1.0.0")


@pytest.mark.parametrize("act", [lambda d: d.promote(MODEL, "1.2.0", ""), lambda d: d.rollback(MODEL)])
@pytest.mark.parametrize("tag", [TAGS.live, TAGS.previous, *map(TAGS.version, VERSIONS)])
def test_promote_and_rollback_do_not_mind_a_damaged_tag(
    caretaker: Caretaker, tag: str, act: Callable[[Deployer], object]
) -> None:
    caretaker.tear(tag)
    act(caretaker.deployer)
    recorded = caretaker.store.versions.deployment(MODEL)
    assert recorded is not None
    caretaker.agree(recorded.live, recorded.previous)
    assert (recorded.live, recorded.previous) in (("1.2.0", "1.1.0"), ("1.0.0", BASE))


# The base.


def test_the_base_is_put_back_from_its_own_tag_only_if_that_has_the_pinned_file(
    caretaker: Caretaker, tmp_path: Path
) -> None:
    newer = tmp_path / "newer.gguf"
    newer.write_text("pulled anew")
    pinned = caretaker.blob(TAGS.base)
    caretaker.runtime.create(OWN, newer, file_digest(newer), Modelfile())
    caretaker.tear(TAGS.base)
    pinned.unlink()
    lost = f"`adapterctl init {MODEL} --base {OWN}` puts it back"
    assert caretaker.reconcile() == [f"newsbrief:base is damaged, and nothing in the runtime is the same; {lost}"]
    assert TAGS.base not in caretaker.runtime.tags()


def test_a_base_whose_file_is_there_is_registered_again(caretaker: Caretaker, tmp_path: Path) -> None:
    newer = tmp_path / "newer.gguf"
    newer.write_text("pulled anew")
    caretaker.runtime.create(OWN, newer, file_digest(newer), Modelfile())
    pinned = caretaker.blob(TAGS.base)
    caretaker.tear(TAGS.base)
    assert caretaker.reconcile() == [f"newsbrief:base was damaged, and is the same as {pinned.name} again"]
    assert caretaker.blob(TAGS.base) == pinned


def test_the_base_is_put_back_from_its_own_tag_with_other_settings(caretaker: Caretaker) -> None:
    caretaker.runtime.create(OWN, caretaker.blob(OWN), caretaker.base_digest, Modelfile(system="Be long."))
    caretaker.tear(TAGS.base)
    assert caretaker.reconcile() == [f"newsbrief:base was damaged, and is the same as {OWN} again"]
    assert caretaker.blob(TAGS.base).name == caretaker.base_digest.replace(":", "-")


def test_a_base_that_is_live_is_put_back_from_latest(caretaker: Caretaker) -> None:
    caretaker.deployer.rollback(MODEL, to=BASE)
    caretaker.runtime.delete(OWN)
    caretaker.tear(TAGS.base)
    assert caretaker.reconcile() == ["newsbrief:base was damaged, and is the same as newsbrief:latest again"]
    caretaker.agree(BASE, None)


# Lost for good.


def lose(caretaker: Caretaker, version: str) -> None:
    """Tag and file of a version are gone; only its adapter is left."""
    digest, blob = caretaker.runtime.tags()[TAGS.version(version)], caretaker.blob(TAGS.version(version))
    for tag in [tag for tag, other in caretaker.runtime.tags().items() if other == digest]:
        caretaker.manifest(tag).unlink()
    blob.unlink()


def register(caretaker: Caretaker, version: str) -> str:
    return f"adapterctl register {caretaker.home.version(MODEL, version)} --model newsbrief"


def test_where_the_live_version_is_lost_the_previous_one_serves(caretaker: Caretaker) -> None:
    lose(caretaker, "1.1.0")
    said = caretaker.reconcile()
    assert said[0].startswith("newsbrief:1.1.0 is gone, and nothing in the runtime is the same; ")
    assert register(caretaker, "1.1.0") in said[0]
    assert said[1].startswith("newsbrief:latest is gone")
    assert said[2:] == ["newsbrief: 1.0.0 is live instead of 1.1.0"]
    caretaker.agree("1.0.0", BASE)
    found = caretaker.store.versions.get(MODEL, "1.1.0")
    assert found is not None
    assert found.state is VersionState.WITHDRAWN
    assert caretaker.reconcile() == []


def test_where_only_the_file_of_the_live_version_is_lost_the_previous_one_serves(caretaker: Caretaker) -> None:
    caretaker.blob(TAGS.live).unlink()
    lost, instead = caretaker.reconcile()
    assert lost.startswith("newsbrief:latest is without its file, and nothing in the runtime is the same; ")
    assert instead == "newsbrief: 1.0.0 is live instead of 1.1.0"
    caretaker.agree("1.0.0", BASE)
    assert caretaker.reconcile() == []


def test_where_the_files_of_live_and_previous_are_lost_the_base_serves(caretaker: Caretaker) -> None:
    for tag in (TAGS.live, TAGS.previous):
        caretaker.blob(tag).unlink()
    assert caretaker.reconcile()[-1] == "newsbrief: base is live instead of 1.1.0"
    caretaker.agree(BASE, None)


def test_a_damaged_tag_is_not_put_back_from_one_whose_file_is_lost(caretaker: Caretaker) -> None:
    caretaker.blob(TAGS.live).unlink()
    caretaker.tear(TAGS.version("1.1.0"))
    caretaker.runtime = Sightful(caretaker.home.embedded_store)
    assert caretaker.reconcile()[0].startswith("newsbrief:1.1.0 is damaged, and nothing in the runtime is the same")
    caretaker.agree("1.0.0", BASE)


def test_nothing_is_taken_back_because_the_runtime_cannot_show_what_is_live(
    caretaker: Caretaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be able to in a minute."""
    show = caretaker.runtime.show

    def refuse(tag: str) -> ServedModel:
        if tag == TAGS.live:
            raise RuntimeRefusedError("too many open files")
        return show(tag)

    monkeypatch.setattr(caretaker.runtime, "show", refuse)
    assert caretaker.reconcile() == [
        "newsbrief:latest cannot be used: too many open files; `adapterctl rollback newsbrief` goes back"
    ]
    monkeypatch.undo()
    caretaker.agree("1.1.0", "1.0.0")


class Sightful(WeightlessRuntime):
    """Looks at the file when it shows a tag, as Ollama does."""

    def show(self, tag: str) -> ServedModel:
        shown = super().show(tag)
        if shown.gguf is None or not shown.gguf.is_file():
            raise RuntimeRefusedError(f"{shown.gguf}: no such file")
        return shown


def test_a_version_that_went_live_meanwhile_is_not_rolled_back_for_one_that_was_lost(caretaker: Caretaker) -> None:
    before = caretaker.store.versions.deployments(MODEL)
    assert caretaker.deployer.fall_back(MODEL, lost="1.0.0") is None
    assert caretaker.store.versions.deployments(MODEL) == before


def test_where_all_versions_are_lost_the_base_serves(caretaker: Caretaker) -> None:
    lose(caretaker, "1.1.0")
    lose(caretaker, "1.0.0")
    assert "newsbrief: base is live instead of 1.1.0" in caretaker.reconcile()
    caretaker.agree(BASE, None)
    assert caretaker.reconcile() == []


def test_where_nothing_at_all_is_left_it_is_only_said(caretaker: Caretaker) -> None:
    """The runtime may have been started with another folder of models."""
    before = caretaker.store.versions.deployments(MODEL)
    caretaker.runtime = FakeRuntime()
    (said,) = caretaker.reconcile()
    assert said.startswith("newsbrief 1.1.0 is not in the store that the runtime has now: ")
    assert caretaker.store.versions.deployments(MODEL) == before
    assert caretaker.runtime.tags() == {}
    assert caretaker.reconcile() == [said]


def test_a_lost_previous_version_is_missed_every_time(caretaker: Caretaker) -> None:
    lose(caretaker, "1.0.0")
    said = caretaker.reconcile()
    assert [sentence.split(",")[0] for sentence in said] == ["newsbrief:1.0.0 is gone", "newsbrief:previous is gone"]
    assert all(register(caretaker, "1.0.0") in sentence for sentence in said)
    assert caretaker.reconcile() == said
    caretaker.deployer.promote(MODEL, "1.2.0", "")
    caretaker.agree("1.2.0", "1.1.0")


def test_a_version_that_somebody_removed_is_not_missed_if_it_is_not_needed(caretaker: Caretaker) -> None:
    lose(caretaker, "1.2.0")
    assert caretaker.reconcile() == []


def test_a_damaged_version_that_is_lost_is_said_once_and_taken_away(caretaker: Caretaker) -> None:
    caretaker.blob(TAGS.version("1.2.0")).unlink()
    caretaker.tear(TAGS.version("1.2.0"))
    (said,) = caretaker.reconcile()
    assert said.startswith("newsbrief:1.2.0 is damaged, and nothing in the runtime is the same; ")
    assert register(caretaker, "1.2.0") in said
    assert not caretaker.manifest(TAGS.version("1.2.0")).exists()
    assert caretaker.reconcile() == []
    caretaker.agree("1.1.0", "1.0.0")


def test_a_version_whose_plan_is_gone_cannot_be_registered_again(caretaker: Caretaker) -> None:
    (caretaker.home.run("run-newsbrief-1.2.0") / PLAN).unlink()
    caretaker.tear(TAGS.version("1.2.0"))
    assert "is damaged" in caretaker.reconcile()[0]


@pytest.mark.parametrize("plan", ["", "{", "[]", '{"base": 7}', '{"base": {"digest": "sha256:1"}}'])
def test_nor_can_one_whose_plan_is_damaged(caretaker: Caretaker, plan: str) -> None:
    (caretaker.home.run("run-newsbrief-1.2.0") / PLAN).write_text(plan)
    caretaker.tear(TAGS.version("1.2.0"))
    assert "is damaged" in caretaker.reconcile()[0]


# What somebody changed on purpose.


def test_a_live_tag_that_somebody_changed_is_reported_and_can_be_put_back(caretaker: Caretaker) -> None:
    caretaker.runtime.copy(OWN, TAGS.live)
    drifted = "newsbrief:latest is not 1.1.0 as recorded, somebody changed it; "
    assert caretaker.reconcile() == [drifted + "`adapterctl rollback newsbrief --to 1.1.0` puts it back"]
    assert caretaker.runtime.tags()[TAGS.live] == caretaker.runtime.tags()[OWN]
    swap = caretaker.deployer.rollback(MODEL, to="1.1.0")
    assert (swap.live, swap.replaced) == ("1.1.0", "what was there instead")
    caretaker.agree("1.1.0", "1.0.0")
    assert caretaker.reconcile() == []


def test_a_previous_tag_that_somebody_changed_is_reported(caretaker: Caretaker) -> None:
    caretaker.runtime.copy(OWN, TAGS.previous)
    assert caretaker.reconcile() == [
        "newsbrief:previous is not 1.0.0 as recorded, somebody changed it; a rollback does not mind"
    ]
    assert caretaker.deployer.rollback(MODEL).live == "1.0.0"


# Interrupted changes, leftovers.


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("torn", [False, True])
def test_a_promotion_that_died_at_any_call_is_finished_even_if_the_tag_was_torn(
    home: Home, store: Store, after: bool, torn: bool
) -> None:
    """Ollama itself may die in the middle of the copy: then the tag that was written to is damaged."""
    for number in range(1, 30):
        runtime = FakeRuntime()
        name = f"model{number}"
        tags = ModelTags(name)
        runtime.add(tags.base, *map(tags.version, VERSIONS))
        digests = runtime.tags()
        for version in VERSIONS:
            store.versions.add(name, version, run_id="r", digest=digests[tags.version(version)], base_digest="b")
        deployer = Deployer(store, home, runtime)
        deployer.start_with_base(name)
        deployer.promote(name, "1.0.0", "")
        runtime.plan_crash(number, after=after)
        try:
            deployer.promote(name, "1.1.0", "")
        except Crash as crash:
            call = crash.args[0]
        else:
            assert number > 5
            return
        runtime.plan_crash(None)
        begun = bool(store.versions.begun_intents(name))
        if torn and call[0] == "copy":
            runtime.tear(call[2])
        settings = Settings(models={name: ModelSettings(OWN, "sha256:0")})
        said = reconcile(store, home, settings, runtime)
        finished = f"{name}: the promote of 1.1.0 was interrupted, and is finished"
        assert (finished in said) is begun
        recorded = store.versions.deployment(name)
        assert recorded is not None
        assert recorded.live == ("1.1.0" if begun else "1.0.0")
        assert runtime.tags()[tags.live] == recorded.live_digest
        assert runtime.torn == set()
        assert reconcile(store, home, settings, runtime) == []


def test_a_change_whose_version_is_gone_is_given_up(caretaker: Caretaker) -> None:
    caretaker.store.versions.begin_intent(MODEL, "promote", "1.2.0")
    lose(caretaker, "1.2.0")
    assert "newsbrief: the promote of 1.2.0 was interrupted, and is given up: its tag is gone" in caretaker.reconcile()
    caretaker.agree("1.1.0", "1.0.0")


@every_damage
def test_a_candidate_that_nothing_tests_is_removed_damaged_or_not(caretaker: Caretaker, how: str) -> None:
    caretaker.runtime.copy(TAGS.version("1.2.0"), TAGS.candidate)
    if how != "gone":
        damage(caretaker, TAGS.candidate, how)
    assert caretaker.reconcile() == ["removed newsbrief:candidate: nothing is under test"]
    assert not caretaker.manifest(TAGS.candidate).exists()
    assert TAGS.version("1.2.0") in caretaker.runtime.tags()


def test_old_versions_are_not_its_business(caretaker: Caretaker) -> None:
    settings = caretaker.settings
    model = replace(settings.models[MODEL], versions=replace(settings.models[MODEL].versions, keep=0))
    settings = replace(settings, models={MODEL: model})
    assert reconcile(caretaker.store, caretaker.home, settings, caretaker.runtime) == []
    assert TAGS.version("1.2.0") in caretaker.runtime.tags()


# What stands in the way.


def test_a_runtime_that_does_not_answer_is_a_sentence(caretaker: Caretaker, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object) -> NoReturn:
        raise RuntimeUnavailableError("nobody answers")

    for name in ("tags", "show", "files", "copy"):
        monkeypatch.setattr(caretaker.runtime, name, silent)
    assert caretaker.reconcile() == ["not everything could be put right: nobody answers"]
    monkeypatch.undo()
    caretaker.agree("1.1.0", "1.0.0")


def test_while_others_change_tags_it_waits_for_the_next_time(
    caretaker: Caretaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "TAGS_TIMEOUT_S", 0.01)
    caretaker.tear(TAGS.live)
    with tags_lock(caretaker.home):
        assert caretaker.reconcile() == [
            "not everything could be put right: another process is changing tags and does not finish"
        ]
    assert len(caretaker.reconcile()) == 1


def test_a_refusal_of_the_runtime_for_one_model_does_not_stop_the_others(
    caretaker: Caretaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = caretaker.runtime.copy

    def refuse(source: str, target: str) -> None:
        if target == TAGS.live:
            raise RuntimeRefusedError("out of order")
        copy(source, target)

    monkeypatch.setattr(caretaker.runtime, "copy", refuse)
    caretaker.tear(TAGS.live)
    caretaker.runtime.copy(OWN, "stranger:candidate")
    assert caretaker.reconcile() == [
        "newsbrief: its tags could not be put right: out of order",
        "removed stranger:candidate: nothing is under test",
    ]


def test_only_the_named_model_is_looked_at(caretaker: Caretaker) -> None:
    caretaker.tear(TAGS.live)
    found = reconcile(caretaker.store, caretaker.home, caretaker.settings, caretaker.runtime, only="stranger")
    assert found == []
    assert TAGS.live not in caretaker.runtime.tags()
