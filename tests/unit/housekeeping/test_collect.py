"""Collecting gives back what nobody needs, and nothing else."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapterd.base.modelfile import Modelfile
from adapterd.config import FeedbackSettings, ModelSettings, Settings, VersionsSettings
from adapterd.deployment.deploy import Deployer
from adapterd.errors import BusyError, NotFoundError, RuntimeRefusedError, RuntimeUnavailableError
from adapterd.home import Home, make_private
from adapterd.housekeeping.collect import Collection, Item, ItemKind, in_words, plan_collection, run_collection
from adapterd.housekeeping.policy import pin
from adapterd.serving.runtime import Runtime
from adapterd.serving.tags import BASE, ModelTags
from adapterd.store import Store
from adapterd.store.runs import RunState
from adapterd.store.teaching.requests import NewRequest
from adapterd.store.versions import VersionState
from adapterd.system import locks
from adapterd.system.locks import exclusive, tags_lock
from tests.support.fakes import Crash, FakeRuntime
from tests.support.kept_model import WeightlessRuntime

MODEL = "newsbrief"
TAGS = ModelTags(MODEL)
LATER = timedelta(hours=2)


@dataclass
class Keeper:
    """A home with one model whose base is live, and a runtime that everything is done with."""

    store: Store
    home: Home
    runtime: Runtime
    keep: int = 1
    inbox: Path | None = None

    @property
    def settings(self) -> Settings:
        model = ModelSettings(
            "b:1", "sha256:base", feedback=FeedbackSettings(self.inbox), versions=VersionsSettings(keep=self.keep)
        )
        return Settings(models={MODEL: model, "another": ModelSettings("b:1", "sha256:base")})

    @property
    def deployer(self) -> Deployer:
        return Deployer(self.store, self.home, self.runtime)

    def plan(self, **options: Any) -> Collection:
        return plan_collection(self.store, self.home, self.settings, self.runtime, **options)

    def collect(self, **options: Any) -> Collection:
        return run_collection(self.store, self.home, self.settings, self.runtime, **options)

    def add(self, *versions: str, state: VersionState = VersionState.HELD) -> None:
        """Versions whose runs are over, with tag, adapter and answers."""
        for version in versions:
            self.make_tag(TAGS.version(version))
            digest = self.runtime.tags()[TAGS.version(version)]
            self.store.versions.add(MODEL, version, run_id="gone", digest=digest, base_digest="sha256:base")
            self.store.versions.set_state(MODEL, version, state, "why")
            folder = make_private(self.home.version(MODEL, version) / "answers")
            (folder / "live.jsonl").write_text("answers")
            (folder.parent / "adapters.safetensors").write_text("adapter")

    def make_tag(self, tag: str) -> None:
        file = self.home.root / "model"
        file.write_text(tag)
        self.runtime.create(tag, file, digest_of(tag), Modelfile(system=tag))

    def promote(self, *versions: str) -> None:
        for version in versions:
            self.deployer.promote(MODEL, version, "better")

    def run(self, run_id: str, state: RunState, *, version: str | None = None, merged: str | None = None) -> Path:
        """A run with a large file; `merged` names what it gave to the runtime."""
        self.store.runs.start(run_id, MODEL, reason="", fingerprint="", last_feedback_id=0)
        if version:
            self.store.runs.set_version(run_id, version)
        if merged:
            self.store.runs.start_stage(run_id, "merging", "key")
            result = {"digest": digest_of(merged), "size_bytes": 1000}
            self.store.runs.finish_stage(run_id, "merging", result=result)
        self.store.runs.set_state(run_id, state)
        folder = make_private(self.home.run(run_id))
        for name in ("plan.json", "results.json", "training.log", "records.jsonl", "candidate.gguf", "candidate.lora"):
            (folder / name).write_text(name)
        for name in ("adapter/metrics.jsonl", "adapter/adapters.safetensors", "dataset/train.jsonl"):
            make_private((folder / name).parent)
            (folder / name).write_text(name)
        return folder

    def state(self, version: str) -> tuple[VersionState, str]:
        found = self.store.versions.get(MODEL, version)
        assert found is not None
        return found.state, found.reason

    @property
    def events(self) -> list[tuple[str, str]]:
        return [(event.kind, event.text) for event in self.store.events.latest()[::-1] if "collected" in event.kind]


def digest_of(tag: str) -> str:
    return f"sha256:{tag.encode().hex():0>64}"


def blob_name(tag: str) -> str:
    return digest_of(tag).replace(":", "-")


def whats(collection: Collection) -> dict[str, str]:
    return {item.what: item.why for item in collection.items}


@pytest.fixture
def keeper(store: Store, home: Home) -> Keeper:
    made = Keeper(store, home, WeightlessRuntime(home.embedded_store))
    made.make_tag(TAGS.base)
    made.deployer.start_with_base(MODEL)
    return made


@pytest.fixture
def faked(store: Store, home: Home) -> tuple[Keeper, FakeRuntime]:
    runtime = FakeRuntime()
    made = Keeper(store, home, runtime)
    made.make_tag(TAGS.base)
    made.deployer.start_with_base(MODEL)
    return made, runtime


# Versions.


def test_with_nothing_to_collect_nothing_is_done(keeper: Keeper) -> None:
    before = keeper.runtime.tags()
    assert keeper.collect() == Collection(())
    assert keeper.runtime.tags() == before
    assert keeper.events == []


def test_old_versions_go_and_their_adapters_stay(keeper: Keeper) -> None:
    keeper.add("1.0.0", "1.1.0", "1.2.0")
    gone = keeper.collect()
    why = "held, and no longer one of the newest (versions.keep = 1)"
    assert whats(gone) == {TAGS.version("1.1.0"): why, TAGS.version("1.0.0"): why}
    assert TAGS.version("1.0.0") not in keeper.runtime.tags()
    assert TAGS.version("1.2.0") in keeper.runtime.tags()
    assert keeper.state("1.0.0") == (VersionState.COLLECTED, why)
    assert keeper.state("1.2.0")[0] is VersionState.HELD
    left = [path.name for path in keeper.home.version(MODEL, "1.0.0").iterdir()]
    assert left == ["adapters.safetensors"]
    assert (keeper.home.version(MODEL, "1.2.0") / "answers").is_dir()
    assert keeper.events[0] == (
        "version.collected", f"newsbrief 1.1.0 was collected ({why}), {in_words(gone.items[0].size_bytes)} given back"
    )  # fmt: skip


def test_the_size_is_that_of_the_files_that_only_this_version_needs(keeper: Keeper) -> None:
    keeper.keep = 0
    keeper.add("1.0.0", "1.1.0")
    keeper.runtime.copy(TAGS.version("1.1.0"), "mine:1")
    blobs, answers = len(TAGS.version("1.0.0")), len("answers")
    sizes = {item.what: item.size_bytes for item in keeper.plan().items}
    assert sizes == {TAGS.version("1.0.0"): blobs + answers, TAGS.version("1.1.0"): answers}


def test_a_file_that_two_tags_need_is_given_back_with_the_second(keeper: Keeper) -> None:
    keeper.keep = 0
    keeper.add("1.0.0")
    keeper.runtime.copy(TAGS.version("1.0.0"), TAGS.candidate)
    sizes = {item.what: item.size_bytes for item in keeper.plan().items}
    assert sizes == {TAGS.version("1.0.0"): len("answers"), TAGS.candidate: len(TAGS.version("1.0.0"))}


def test_a_collection_gives_back_as_many_bytes_as_its_plan_promises(keeper: Keeper) -> None:
    keeper.keep = 0
    keeper.add("1.0.0", "1.1.0", "1.2.0")
    keeper.promote("1.1.0")
    keeper.runtime.copy(TAGS.version("1.2.0"), TAGS.candidate)
    before, planned = large_files(keeper), keeper.plan()
    assert keeper.collect() == planned
    assert before - large_files(keeper) == planned.size_bytes > 0


def large_files(keeper: Keeper) -> int:
    folders = (keeper.home.embedded_store / "blobs", keeper.home.root / "models", keeper.home.root / "runs")
    return sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())


def test_where_the_store_cannot_be_read_the_size_is_that_of_the_merged_file(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper.keep = 0
    for version in ("1.0.0", "1.1.0"):
        keeper.add(version)
        keeper.run(f"run-{version}", RunState.HELD, version=version, merged=TAGS.version(version))
        keeper.store.execute("UPDATE versions SET run_id = ? WHERE version = ?", (f"run-{version}", version))
    keeper.runtime.copy(TAGS.version("1.1.0"), "mine:1")
    monkeypatch.setattr(keeper.runtime, "files", lambda: None)
    sizes = {item.version: item.size_bytes for item in keeper.plan().items if item.kind is ItemKind.VERSION}
    assert sizes == {"1.0.0": 1000 + len("answers"), "1.1.0": len("answers")}


def test_a_dry_run_changes_nothing(keeper: Keeper) -> None:
    keeper.keep = 0
    keeper.add("1.0.0")
    keeper.run("r1", RunState.HELD)
    before, files = keeper.runtime.tags(), large_files(keeper)
    assert len(keeper.plan().items) == 2
    assert (keeper.runtime.tags(), large_files(keeper)) == (before, files)
    assert keeper.state("1.0.0")[0] is VersionState.HELD
    assert keeper.events == []


def test_live_previous_and_pinned_versions_stay(keeper: Keeper) -> None:
    keeper.keep = 0
    keeper.add("1.0.0", "1.1.0", "1.2.0", "1.3.0")
    keeper.promote("1.2.0", "1.3.0")
    pin(keeper.store, MODEL, "1.0.0", pinned=True)
    assert list(whats(keeper.collect())) == [TAGS.version("1.1.0")]
    assert [keeper.deployer.rollback(MODEL).live for _ in range(2)] == ["1.2.0", BASE]


def test_rollbacks_pass_over_what_was_collected(keeper: Keeper) -> None:
    keeper.keep = 0
    keeper.add("1.0.0", "1.1.0", "1.2.0", "1.3.0")
    keeper.promote("1.0.0", "1.1.0", "1.2.0", "1.3.0")
    assert list(whats(keeper.collect())) == [TAGS.version("1.0.0")]
    assert [keeper.deployer.rollback(MODEL).live for _ in range(3)] == ["1.2.0", "1.1.0", BASE]


def test_the_base_stays_even_when_it_is_neither_live_nor_previous(keeper: Keeper) -> None:
    keeper.keep = 0
    keeper.add("1.0.0", "1.1.0")
    keeper.promote("1.0.0", "1.1.0")
    keeper.collect()
    assert keeper.deployer.rollback(MODEL, to=BASE).live == BASE


def test_a_second_collection_finds_nothing_more(keeper: Keeper) -> None:
    keeper.keep = 0
    keeper.add("1.0.0", "1.1.0")
    keeper.run("r1", RunState.HELD)
    assert len(keeper.collect().items) == 3
    assert keeper.collect() == Collection(())


@pytest.mark.parametrize("act", ["promote", "rollback"])
def test_a_collected_version_says_so_and_how_to_get_it_back(keeper: Keeper, act: str) -> None:
    keeper.keep = 0
    keeper.add("1.0.0", "1.1.0", "1.2.0", "1.3.0")
    keeper.promote("1.0.0", "1.1.0", "1.2.0", "1.3.0")
    keeper.collect()
    with pytest.raises(NotFoundError, match=r"newsbrief:1\.0\.0 was collected: promoted, and no longer") as caught:
        keeper.deployer.promote(MODEL, "1.0.0", "") if act == "promote" else keeper.deployer.rollback(MODEL, "1.0.0")
    folder = keeper.home.version(MODEL, "1.0.0")
    assert f"adapterctl register {folder} --model newsbrief" in caught.value.hint


def test_of_one_model_nothing_of_others_is_collected(keeper: Keeper) -> None:
    keeper.keep = 0
    keeper.add("1.0.0")
    keeper.run("r1", RunState.HELD)
    assert keeper.collect(only="another") == Collection(())
    assert len(keeper.collect(only=MODEL).items) == 2


def test_without_versions_only_leftovers_go(keeper: Keeper) -> None:
    keeper.keep = 0
    keeper.add("1.0.0")
    keeper.runtime.copy(TAGS.base, TAGS.candidate)
    assert whats(keeper.collect(versions=False)) == {TAGS.candidate: "nothing is under test"}


@pytest.mark.parametrize("lost", [TAGS.base, TAGS.live])
def test_while_the_base_or_the_live_tag_is_lost_every_version_stays(keeper: Keeper, lost: str) -> None:
    keeper.keep = 0
    keeper.add("1.0.0")
    keeper.runtime.delete(lost)
    assert keeper.collect() == Collection(())
    assert TAGS.version("1.0.0") in keeper.runtime.tags()


def test_a_version_tag_of_somebody_else_is_reported_and_stays(keeper: Keeper) -> None:
    keeper.keep = 0
    keeper.make_tag(TAGS.version("9.9.9"))
    keeper.make_tag(f"{MODEL}:mine")
    gone = keeper.collect()
    assert gone.items == ()
    assert gone.notes == (
        "newsbrief:9.9.9 is not in the database, so it stays: "
        "it may be newer than a home that was put back, or be somebody else's",
    )
    assert {TAGS.version("9.9.9"), f"{MODEL}:mine"} <= keeper.runtime.tags().keys()


def test_the_version_that_a_run_is_making_is_no_stranger(keeper: Keeper) -> None:
    keeper.run("r1", RunState.RUNNING, version="1.0.0")
    keeper.make_tag(TAGS.version("1.0.0"))
    assert keeper.plan() == Collection(())


# Interrupted, refused, not answered.


def test_whichever_call_it_dies_at_the_next_collection_finishes_it(faked: tuple[Keeper, FakeRuntime]) -> None:
    keeper, runtime = faked
    keeper.keep = 0
    keeper.add("1.0.0", "1.1.0")
    runtime.copy(TAGS.base, TAGS.candidate)
    for number in range(1, 30):
        runtime.plan_crash(number, after=number % 2 == 0)
        try:
            keeper.collect()
        except Crash:
            assert TAGS.live in runtime.made
            continue
        break
    runtime.plan_crash(None)
    keeper.collect()
    assert runtime.made.keys() == {TAGS.base, TAGS.live}
    assert keeper.state("1.0.0")[0] is keeper.state("1.1.0")[0] is VersionState.COLLECTED
    assert [text.split(" (")[0] for kind, text in keeper.events if kind == "version.collected"] == [
        "newsbrief 1.1.0 was collected", "newsbrief 1.0.0 was collected",
    ]  # fmt: skip


def test_an_item_that_cannot_be_removed_is_named_and_does_not_stop_the_rest(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper.keep = 0
    keeper.add("1.0.0", "1.1.0")
    delete = keeper.runtime.delete

    def refuse(tag: str) -> None:
        if tag == TAGS.version("1.1.0"):
            raise RuntimeRefusedError("out of order")
        delete(tag)

    monkeypatch.setattr(keeper.runtime, "delete", refuse)
    gone = keeper.collect()
    assert list(whats(gone)) == [TAGS.version("1.0.0")]
    assert gone.notes == ("newsbrief:1.1.0 could not be removed: out of order",)
    monkeypatch.undo()
    assert list(whats(keeper.collect())) == [TAGS.version("1.1.0")]


def test_a_runtime_that_does_not_answer_is_an_error_and_nothing_is_removed(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = keeper.run("r1", RunState.HELD)

    def silent() -> dict[str, str]:
        raise RuntimeUnavailableError("nobody answers")

    monkeypatch.setattr(keeper.runtime, "tags", silent)
    with pytest.raises(RuntimeUnavailableError):
        keeper.collect()
    assert (folder / "candidate.gguf").is_file()


def test_while_others_change_tags_nothing_is_collected(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "TAGS_TIMEOUT_S", 0.01)
    keeper.runtime.copy(TAGS.base, TAGS.candidate)
    with tags_lock(keeper.home), pytest.raises(BusyError):
        keeper.collect()
    assert TAGS.candidate in keeper.runtime.tags()


# Candidates.


@pytest.mark.parametrize("state", RunState)
def test_a_candidate_tag_goes_when_no_run_needs_it(keeper: Keeper, state: RunState) -> None:
    keeper.run("r1", state)
    keeper.runtime.copy(TAGS.base, TAGS.candidate)
    assert (TAGS.candidate in whats(keeper.collect())) is not state.open
    assert (TAGS.candidate in keeper.runtime.tags()) is state.open


def test_a_damaged_candidate_tag_goes_too(faked: tuple[Keeper, FakeRuntime]) -> None:
    keeper, runtime = faked
    runtime.copy(TAGS.base, TAGS.candidate)
    runtime.tear(TAGS.candidate)
    assert whats(keeper.collect()) == {TAGS.candidate: "nothing is under test"}
    assert runtime.made.keys() == {TAGS.base, TAGS.live}
    assert runtime.torn == set()


# Files.


def test_of_a_run_that_is_over_only_what_explains_it_stays(keeper: Keeper) -> None:
    folder = keeper.run("r1", RunState.HELD)
    size = large_files(keeper)
    gone = keeper.collect()
    assert whats(gone) == {"files of run r1": "it is over (held)"}
    assert gone.size_bytes == size - large_files(keeper)
    left = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    assert left == {"plan.json", "results.json", "training.log", "adapter", "adapter/metrics.jsonl"}
    assert keeper.events[0][0] == "leftover.collected"


@pytest.mark.parametrize("state", [state for state in RunState if state.open])
def test_a_run_that_can_go_on_keeps_everything(keeper: Keeper, state: RunState) -> None:
    folder = keeper.run("r1", state)
    before = sorted(folder.rglob("*"))
    assert keeper.collect() == Collection(())
    assert sorted(folder.rglob("*")) == before


def test_a_file_with_another_name_elsewhere_gives_nothing_back(keeper: Keeper, tmp_path: Path) -> None:
    folder = keeper.run("r1", RunState.HELD)
    size = keeper.plan().size_bytes
    os.link(folder / "candidate.gguf", tmp_path / "blob")
    assert keeper.plan().size_bytes == size - len("candidate.gguf")
    keeper.collect()
    assert (tmp_path / "blob").read_text() == "candidate.gguf"


def test_the_folder_of_a_run_that_never_began_goes_unless_one_begins_now(keeper: Keeper) -> None:
    folder = make_private(keeper.home.run("r0"))
    (folder / "records.jsonl").write_text("half")
    with exclusive(keeper.home.run_lock, timeout_s=1, busy=""):
        assert keeper.collect() == Collection(())
    assert whats(keeper.collect()) == {"run r0": "it never began"}
    assert not folder.exists()


@pytest.mark.parametrize("state", [state for state in RunState if state.open])
def test_unfinished_files_of_a_dead_worker_go_while_no_run_works(keeper: Keeper, state: RunState) -> None:
    folder = keeper.run("r1", state)
    half = folder / "adapter" / ".checkpoint.safetensors.x1.partial"
    half.write_text("half")
    with exclusive(keeper.home.run_lock, timeout_s=1, busy=""):
        assert keeper.collect() == Collection(())
    assert whats(keeper.collect()) == {"unfinished files of run r1": "whoever wrote it did not finish"}
    assert not half.exists()
    assert (folder / "adapter" / "adapters.safetensors").is_file()


def test_files_of_dead_processes_go_when_they_are_an_hour_old(keeper: Keeper) -> None:
    quarantined = make_private(keeper.home.quarantine / MODEL) / ".a.json.x1y2.partial"
    for file in (quarantined, keeper.home.root / ".config.toml.abc.partial"):
        file.write_text("half")
        os.utime(file, (0, 0))  # as a clone has it; what counts is when it was last touched
    assert keeper.collect() == Collection(())
    keeper.store.clock = lambda: datetime.now(UTC) + LATER
    gone = keeper.collect()
    assert set(whats(gone)) == {f"quarantine/{MODEL}/{quarantined.name}", ".config.toml.abc.partial"}
    assert gone.size_bytes == 2 * len("half")
    assert not quarantined.exists()


def test_files_in_an_inbox_are_never_touched(keeper: Keeper) -> None:
    keeper.inbox = keeper.home.root / "mine"
    for folder in (keeper.inbox, keeper.home.inbox("another")):
        (make_private(folder) / ".feedback.json.x.partial").write_text("half")
    keeper.store.clock = lambda: datetime.now(UTC) + LATER
    assert keeper.collect() == Collection(())


def test_answers_are_kept_for_a_month(keeper: Keeper) -> None:
    folder = make_private(keeper.home.root / "cache" / "answers")
    for name in ("1.json", "2.json"):
        (folder / name).write_text("{}")
    keeper.store.clock = lambda: datetime.now(UTC) + timedelta(days=29)
    assert keeper.collect() == Collection(())
    keeper.store.clock = lambda: datetime.now(UTC) + timedelta(days=31)
    assert whats(keeper.collect()) == {"2 answers of evaluations": "given more than 30 days ago"}
    assert list(folder.iterdir()) == []


def test_drafts_of_the_configuration_are_kept_for_a_week(keeper: Keeper) -> None:
    keeper.home.config_file.write_text("# mine")
    draft = keeper.home.root / "config-edit-x1.toml"
    draft.write_text("# half")
    keeper.store.clock = lambda: datetime.now(UTC) + timedelta(days=6)
    assert keeper.collect() == Collection(())
    keeper.store.clock = lambda: datetime.now(UTC) + timedelta(days=8)
    assert list(whats(keeper.collect())) == [draft.name]
    assert (draft.exists(), keeper.home.config_file.exists()) == (False, True)


def test_requests_that_no_teacher_answered_stay_for_a_month_and_answered_ones_stay(keeper: Keeper) -> None:
    requests = keeper.store.teaching.requests
    asked = ("answered", "refused", "open", "open too", "asked again")
    for model, key in [*((MODEL, key) for key in asked), ("gone-model", "open")]:
        assert requests.begin(model, NewRequest(key, "answer", "big", "big:70b", {"messages": ["Who?"]}, ("r",)))
    requests.answered(MODEL, "answered", {"text": "Ada"}, (1, 1), 0.1)
    requests.refused(MODEL, "refused", "too long")
    keeper.store.clock = lambda: datetime.now(UTC) + timedelta(days=29)
    assert keeper.plan().items == ()
    assert requests.begin(MODEL, NewRequest("asked again", "answer", "big", "big:70b", {}))
    keeper.store.clock = lambda: datetime.now(UTC) + timedelta(days=31)
    why = "asked more than 30 days ago, and never answered"
    told = {f"{number} requests of {model} to teachers": why for model, number in ((MODEL, 2), ("gone-model", 1))}
    assert whats(keeper.plan()) == told
    assert whats(keeper.plan(only="another")) == {}
    assert keeper.plan().size_bytes == 3 * len('{"messages": ["Who?"]}["r"]')
    assert len(requests.all(MODEL)) == 5
    assert whats(keeper.collect()) == told
    assert [each.key for each in requests.all(MODEL)] == ["answered", "refused", "asked again"]
    assert requests.all("gone-model") == []
    assert keeper.plan().items == ()
    assert any("2 requests of newsbrief to teachers removed" in text for _, text in keeper.events)
    assert not requests.begin(MODEL, NewRequest("answered", "answer", "big", "big:70b", {}))  # it is not asked again


def test_states_go_with_the_base_that_they_are_of(keeper: Keeper) -> None:
    states = make_private(keeper.home.root / "cache" / "states")
    in_use, gone = states / "base-22-1", states / "other-22-1"
    for folder in (in_use, gone):
        make_private(folder)
        (folder / "1.safetensors").write_bytes(b"12345")
    found = keeper.collect()
    assert whats(found) == {"states of base other": "no model is trained on that base"}
    assert found.size_bytes == 5
    assert list(states.iterdir()) == [in_use]


def test_a_file_that_we_gave_to_the_runtime_and_that_no_tag_needs_goes(keeper: Keeper) -> None:
    blobs = keeper.home.embedded_store / "blobs"
    keeper.run("r1", RunState.ABANDONED, merged="left")
    keeper.run("r2", RunState.FAILED, merged="wanted")
    for name in (blob_name("left"), blob_name("wanted"), blob_name("of-the-user"), f".{blob_name('left')}.partial"):
        (blobs / name).write_text("weights")
    gone = whats(keeper.collect())
    assert gone[blob_name("left")] == "no tag needs it"
    assert gone[f".{blob_name('left')}.partial"] == "copying it was interrupted"
    left = {path.name for path in blobs.iterdir()}
    assert left == {blob_name("wanted"), blob_name("of-the-user"), blob_name(TAGS.base)}


def test_a_file_that_a_tag_of_the_user_needs_stays(keeper: Keeper) -> None:
    keeper.make_tag("mine:1")
    keeper.run("r1", RunState.ABANDONED, merged="mine:1")
    keeper.collect()
    assert keeper.runtime.show("mine:1").gguf == keeper.home.embedded_store / "blobs" / blob_name("mine:1")
    assert (keeper.home.embedded_store / "blobs" / blob_name("mine:1")).is_file()


def test_while_any_tag_is_damaged_no_file_of_the_runtime_is_removed(keeper: Keeper) -> None:
    keeper.run("r1", RunState.ABANDONED, merged="left")
    blob = keeper.home.embedded_store / "blobs" / blob_name("left")
    blob.write_text("weights")
    keeper.make_tag("mine:1")
    (keeper.home.embedded_store / "tags" / "mine" / "1.json").write_text("")
    keeper.collect()
    assert blob.is_file()


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (12_345, "12.3 kB"), (98_000_000, "98.0 MB"), (4_700_000_000, "4.7 GB")],
)
def test_sizes_in_words(size_bytes: int, words: str) -> None:
    assert in_words(size_bytes) == words
    assert Collection((Item(ItemKind.FILE, "a", "b", size_bytes),) * 2).size_bytes == 2 * size_bytes
