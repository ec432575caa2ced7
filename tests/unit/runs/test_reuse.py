"""Settings changed between two runs: the stages that read them work again, the others give what they gave before."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from adapterd.base.model import BaseModel
from adapterd.base.modelfile import Modelfile
from adapterd.chat import Message, Role
from adapterd.config import GateRule, ModelSettings, Settings, Start, Task, Think
from adapterd.errors import NotEnoughDataError, StageError
from adapterd.formats.lineage import LINEAGE
from adapterd.formats.run_folder import CANDIDATE, PLAN, RECORDS
from adapterd.home import Home
from adapterd.intake.screening import HeldRecord, held_hashes, held_records, release
from adapterd.record import FeedbackRecord
from adapterd.runs import pipeline as pipeline_module
from adapterd.runs.by_hand.requests import require_something_new
from adapterd.runs.pipeline import Pipeline, RunOutcome
from adapterd.runs.plan import RunPlan, open_plan
from adapterd.runs.reuse import released_records
from adapterd.runs.stages import STAGES
from adapterd.scheduling.demand import NewRecords
from adapterd.serialization import dumps
from adapterd.serving.runtimes import fingerprint
from adapterd.store import Store
from adapterd.store.feedback import NewFeedback
from adapterd.store.runs import Run, RunState
from adapterd.store.taken_back.removals import VersionMark
from tests.support.fakes import FakeRuntime
from tests.support.hand_clock import HandClock
from tests.unit.runs.scripted_workers import Workers
from tests.unit.runs.test_plan import CHANGED

MODEL = "news"
EVERYTHING = ["dataset", "training", "merging", "serving", "evaluation"]
MERGE_AGAIN = ["dataset", "merging", "serving", "evaluation"]
EVALUATE_AGAIN = ["dataset", "serving", "evaluation"]
READ_BY_NO_STAGE = ("base", "base_digest", "feedback", "schedule.", "teaching.", "judging.", "versions.", "watch.")


@dataclass
class Person:
    """Changes settings and asks for runs; the runtime keeps the files of versions as long as nobody removes them."""

    store: Store
    home: Home
    workers: Workers
    runtime: FakeRuntime
    clock: HandClock
    settings: ModelSettings
    blobs: Path

    def change(self, **changes: Any) -> None:
        """Change settings: whole values, or fields of sections given as dicts."""
        for name, value in changes.items():
            section = getattr(self.settings, name)
            new = replace(section, **value) if isinstance(value, dict) and name != "gates" else value
            self.settings = replace(self.settings, **{name: new})

    def retrain(self) -> RunOutcome:
        self.clock.move_on(1)
        self.workers.did()
        return Pipeline(self.store, self.home, Settings(models={MODEL: self.settings})).run(MODEL, "by hand")

    def fails_at(self, stage: str) -> Run:
        self.workers.fault = (stage, StageError("out of luck"))
        with pytest.raises(StageError):
            self.retrain()
        self.workers.fault = None
        run = self.store.runs.latest(MODEL)
        assert run is not None
        return run

    def archive(self, version: str, *, run: str) -> None:
        """What the real serving stage keeps of the run's adapter."""
        folder = self.home.version(MODEL, version)
        shutil.copytree(self.home.run(run) / "adapter", folder, dirs_exist_ok=True)
        LINEAGE.write(folder, dict.fromkeys(LINEAGE.required) | {"run": run})

    def work(self, stage: str, folder: Path, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """As the scripted workers; what is merged is kept by the runtime under a tag of its own."""
        result = self.workers(stage, folder, *args, **kwargs)
        run = self.store.runs.latest(MODEL)
        assert run is not None
        blob = self.blobs / f"sha256-{run.id.encode().hex().ljust(64, '0')}"
        if stage == "merging":
            result["digest"] = blob.name.replace("-", ":")
            (folder / CANDIDATE).write_text(run.id)
        if stage == "serving":
            merged = next(row.result for row in self.store.runs.stages(run.id) if row.name == "merging")
            assert merged is not None
            blob = self.blobs / merged["digest"].replace(":", "-")
            if not blob.exists():
                shutil.copyfile(folder / CANDIDATE, blob)
            self.runtime.made[f"{MODEL}:{run.version}"] = (str(blob), Modelfile())
            self.archive(str(run.version), run=run.id)
        return result


@pytest.fixture
def reuser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    runtime, workers, clock = FakeRuntime(), Workers(), HandClock()
    base = BaseModel(f"{MODEL}:base", tmp_path / "base.gguf", "sha256:base", Modelfile())
    monkeypatch.setattr(pipeline_module, "runtime_for", lambda *_: runtime)
    monkeypatch.setattr(
        pipeline_module,
        "pinned_base",
        lambda _runtime, _model, settings, *_: replace(base, digest=settings.base_digest),
    )
    monkeypatch.setattr(pipeline_module, "proven_base", lambda *values: values[4])
    monkeypatch.setattr(pipeline_module, "require_our_store", lambda *_: None)  # what is live has no tag here
    home = Home(tmp_path / "home")
    home.create()
    (tmp_path / "blobs").mkdir()
    settings = ModelSettings(base="b.gguf", base_digest=base.digest)
    with Store(home.database, clock=clock) as store:
        found = Person(store, home, workers, runtime, clock, settings, tmp_path / "blobs")
        monkeypatch.setattr(pipeline_module, "run_stage", found.work)
        yield found


@pytest.fixture
def reuser_with_a_version(reuser: Person) -> Person:
    """The first version is held."""
    outcome = reuser.retrain()
    assert (outcome.version, reuser.workers.did()) == ("1.0.0", EVERYTHING)
    return reuser


@pytest.mark.parametrize(
    "changes",
    [
        {"evaluation": {"num_ctx": 8192}},
        {"evaluation": {"num_predict": 64}},
        {"evaluation": {"guard": False}},
        {"gates": {"exact": GateRule(min=0.5)}},
        {"task": Task.JSON},
        {"schema": Path("/schema.json")},
    ],
    ids=str,
)
def test_changed_settings_of_the_evaluation_leave_adapter_and_merged_file(
    reuser_with_a_version: Person, changes: dict[str, Any]
) -> None:
    reuser_with_a_version.change(**changes)
    outcome = reuser_with_a_version.retrain()
    assert (outcome.version, reuser_with_a_version.workers.did()) == ("1.0.1", EVALUATE_AGAIN)


@pytest.mark.parametrize(
    "changes",
    [{"training": {"rank": 8}}, {"dataset": {"max_tokens": 99}}, {"think": Think.OFF}, {"base_digest": "sha256:other"}],
    ids=str,
)
def test_changed_settings_of_the_training_train_again(reuser_with_a_version: Person, changes: dict[str, Any]) -> None:
    reuser_with_a_version.change(**changes)
    reuser_with_a_version.retrain()
    assert reuser_with_a_version.workers.did() == EVERYTHING


def test_changed_settings_of_the_merge_merge_the_same_adapter(reuser_with_a_version: Person) -> None:
    reuser_with_a_version.change(merging={"steps": 7})
    outcome = reuser_with_a_version.retrain()
    assert (outcome.version, reuser_with_a_version.workers.did()) == ("1.0.1", MERGE_AGAIN)


def test_a_run_asked_for_with_nothing_changed_trains_again(reuser_with_a_version: Person) -> None:
    outcome = reuser_with_a_version.retrain()
    assert (outcome.version, reuser_with_a_version.workers.did()) == ("1.1.0", EVERYTHING)


def test_a_journal_of_an_earlier_release_with_nothing_changed_trains_again(reuser_with_a_version: Person) -> None:
    """An upgrade changes fingerprints and keys, not what a person has set."""
    run = reuser_with_a_version.store.runs.latest(MODEL)
    assert run is not None
    reuser_with_a_version.store.execute("UPDATE runs SET fingerprint = 'of then' WHERE id = ?", (run.id,))
    reuser_with_a_version.store.execute("UPDATE stages SET key = 'of then' WHERE run_id = ?", (run.id,))
    outcome = reuser_with_a_version.retrain()
    assert (outcome.version, reuser_with_a_version.workers.did()) == ("1.1.0", EVERYTHING)


def test_a_result_without_the_digest_of_its_adapter_is_not_taken_over(reuser_with_a_version: Person) -> None:
    reuser_with_a_version.store.execute(
        "UPDATE stages SET result = json_remove(result, '$.adapter_digest') WHERE name = 'training'"
    )
    reuser_with_a_version.change(evaluation={"guard": False})
    outcome = reuser_with_a_version.retrain()
    assert (outcome.version, reuser_with_a_version.workers.did()) == ("1.1.0", EVERYTHING)


@pytest.mark.parametrize(
    ("guard", "version", "stages"), [(False, "1.1.0", EVERYTHING), (True, "1.0.1", EVALUATE_AGAIN)]
)
def test_a_change_made_while_a_run_was_unfinished_counts_as_its_own(
    reuser: Person, guard: bool, version: str, stages: list[str]
) -> None:
    reuser.fails_at("evaluation")
    reuser.change(evaluation={"guard": False})
    assert reuser.retrain().version == "1.0.0"
    reuser.change(evaluation={"guard": guard})
    assert (reuser.retrain().version, reuser.workers.did()) == (version, stages)


def test_an_evaluation_that_was_cancelled_is_begun_again_with_the_same_adapter(reuser_with_a_version: Person) -> None:
    reuser_with_a_version.change(evaluation={"guard": False})
    cancelled = reuser_with_a_version.fails_at("dataset")
    reuser_with_a_version.store.runs.request_cancel(cancelled.id, "not now")
    outcome = reuser_with_a_version.retrain()
    assert (outcome.version, reuser_with_a_version.workers.did()) == ("1.0.1", EVALUATE_AGAIN)


def test_an_older_run_gives_its_adapter_once_the_training_is_set_as_it_was(reuser_with_a_version: Person) -> None:
    reuser_with_a_version.change(training={"rank": 8})
    assert reuser_with_a_version.retrain().version == "1.1.0"
    reuser_with_a_version.change(training={"rank": 16})
    outcome = reuser_with_a_version.retrain()
    assert (outcome.version, reuser_with_a_version.workers.did()) == ("1.1.1", EVALUATE_AGAIN)


def test_a_training_from_the_live_adapter_is_not_repeated_for_its_evaluation(
    reuser: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is live by then, and how many records it knows, would else be other inputs."""
    monkeypatch.setattr(pipeline_module, "reconcile", lambda *_, **__: [])
    reuser.store.feedback.add(MODEL, NewFeedback("c", "p", "{}", reuser.clock.now, "file", 1))
    reuser.change(training={"start": Start.LIVE}, dataset={"new_weight": 2.0})
    first = reuser.retrain()
    reuser.store.versions.deploy(MODEL, "promote", live=first.version, live_digest="d")
    reuser.change(evaluation={"num_ctx": 8192})
    outcome = reuser.retrain()
    assert (outcome.version, reuser.workers.did()) == ("1.0.1", EVALUATE_AGAIN)

    reuser.change(evaluation={"num_ctx": 4096}, training={"rank": 8})
    plan = open_plan(reuser.home, reuser.store.runs.get(reuser.retrain().run_id))
    assert (plan.version, plan.start, plan.old_records, plan.reuses) == ("1.1.0", "1.0.0", 1, None)


def test_a_training_that_could_not_be_taken_over_starts_at_what_is_live(
    reuser_with_a_version: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = reuser_with_a_version
    monkeypatch.setattr(pipeline_module, "reconcile", lambda *_, **__: [])
    person.change(training={"start": Start.LIVE})
    second = person.retrain()
    person.store.versions.deploy(MODEL, "promote", live=second.version, live_digest="d")
    shutil.rmtree(person.home.version(MODEL, second.version))
    shutil.rmtree(person.home.run(second.run_id) / "adapter", ignore_errors=True)
    person.change(evaluation={"guard": False})
    plan = open_plan(person.home, person.store.runs.get(person.retrain().run_id))
    assert (plan.version, plan.start, plan.reuses) == ("1.2.0", second.version, None)
    assert person.workers.did() == EVERYTHING


def test_a_training_does_not_start_at_an_adapter_that_learned_what_was_removed(
    reuser_with_a_version: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = reuser_with_a_version
    monkeypatch.setattr(pipeline_module, "reconcile", lambda *_, **__: [])
    person.change(training={"start": Start.LIVE})
    second = person.retrain()
    person.store.versions.deploy(MODEL, "promote", live=second.version, live_digest="d")
    marks = {second.version: VersionMark(learned=1, judged=0)}
    person.store.removals.begin(MODEL, "test", going=[], hashes=[], versions=marks)
    plan = open_plan(person.home, person.store.runs.get(person.retrain().run_id))
    assert (plan.version, plan.start) == ("1.2.0", None)


def test_feedback_that_came_meanwhile_is_trained_on(reuser_with_a_version: Person) -> None:
    reuser_with_a_version.change(evaluation={"num_ctx": 8192})
    reuser_with_a_version.store.feedback.add(
        MODEL, NewFeedback("c", "p", "{}", reuser_with_a_version.clock.now, "file", 1)
    )
    reuser_with_a_version.retrain()
    assert reuser_with_a_version.workers.did() == EVERYTHING


def test_another_encoding_of_the_same_records_is_trained_on(
    reuser_with_a_version: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the context is on the other side of a base's long rotary factors."""

    def work(stage: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return reuser_with_a_version.work(stage, *args, **kwargs) | (
            {"long_context": True} if stage == "dataset" else {}
        )

    monkeypatch.setattr(pipeline_module, "run_stage", work)
    reuser_with_a_version.change(evaluation={"num_ctx": 8192})
    reuser_with_a_version.retrain()
    assert reuser_with_a_version.workers.did() == EVERYTHING


def test_one_change_after_the_other_leaves_the_same_adapter(reuser_with_a_version: Person) -> None:
    for number, guard in enumerate((False, True, False), start=1):
        reuser_with_a_version.change(evaluation={"guard": guard})
        outcome = reuser_with_a_version.retrain()
        assert (outcome.version, reuser_with_a_version.workers.did()) == (f"1.0.{number}", EVALUATE_AGAIN)


@pytest.mark.parametrize("written_by", [None, "another run"])
def test_an_adapter_that_is_nowhere_is_trained_again(reuser_with_a_version: Person, written_by: str | None) -> None:
    folder = reuser_with_a_version.home.version(MODEL, "1.0.0")
    if written_by is None:
        shutil.rmtree(folder)
    else:
        LINEAGE.write(folder, dict.fromkeys(LINEAGE.required) | {"run": written_by})
    reuser_with_a_version.change(evaluation={"guard": False})
    outcome = reuser_with_a_version.retrain()
    assert (outcome.version, reuser_with_a_version.workers.did()) == ("1.1.0", EVERYTHING)
    run = reuser_with_a_version.store.runs.get(outcome.run_id)
    assert (run.version, open_plan(reuser_with_a_version.home, run).version) == ("1.1.0", "1.1.0")


@pytest.mark.parametrize("name", ["adapters.safetensors", "adapter_config.json"])
def test_an_adapter_that_is_not_what_was_trained_is_trained_again(reuser_with_a_version: Person, name: str) -> None:
    (reuser_with_a_version.home.version(MODEL, "1.0.0") / name).write_text("damaged or swapped")
    reuser_with_a_version.change(evaluation={"guard": False})
    outcome = reuser_with_a_version.retrain()
    assert (outcome.version, reuser_with_a_version.workers.did()) == ("1.1.0", EVERYTHING)
    told = [event.text for event in reuser_with_a_version.store.events.latest() if event.kind == "stage.repeated"]
    assert len(told) == 1
    assert "training is done again, for what run" in told[0]


def test_the_merged_file_of_another_adapter_is_not_taken_over(reuser_with_a_version: Person) -> None:
    """The same training may give other bytes, and all else that it says may be the same."""
    folder = reuser_with_a_version.home.version(MODEL, "1.0.0")
    shutil.rmtree(folder)
    reuser_with_a_version.change(evaluation={"guard": False})
    outcome = reuser_with_a_version.retrain()
    digests = {
        row.result["adapter_digest"]
        for run in reuser_with_a_version.store.runs.newest(MODEL, 9)
        for row in reuser_with_a_version.store.runs.stages(run.id)
        if row.name == "training" and row.result
    }
    assert len(digests) == 2
    merged = reuser_with_a_version.runtime.made[f"{MODEL}:{outcome.version}"][0]
    assert Path(merged).read_text() == outcome.run_id


def test_a_merged_file_left_in_the_folder_of_a_run_is_not_taken_over(reuser_with_a_version: Person) -> None:
    """Only the runtime's store is believed: it has checked what it keeps."""
    run = reuser_with_a_version.store.runs.latest(MODEL)
    assert run is not None
    (reuser_with_a_version.home.run(run.id) / CANDIDATE).write_text("rotten")
    reuser_with_a_version.runtime.delete(f"{MODEL}:1.0.0")
    reuser_with_a_version.change(evaluation={"guard": False})
    reuser_with_a_version.retrain()
    assert reuser_with_a_version.workers.did() == MERGE_AGAIN


def test_changed_settings_are_something_new_to_ask_for(reuser_with_a_version: Person) -> None:
    person = reuser_with_a_version

    def ask() -> None:
        require_something_new(person.store, person.home, MODEL, person.settings)

    with pytest.raises(NotEnoughDataError):
        ask()
    person.change(schedule={"min_new_records": 7})
    with pytest.raises(NotEnoughDataError):
        ask()
    person.change(evaluation={"guard": False})
    ask()


def test_a_merged_file_that_is_gone_is_merged_again(reuser_with_a_version: Person) -> None:
    reuser_with_a_version.runtime.delete(f"{MODEL}:1.0.0")
    reuser_with_a_version.change(evaluation={"guard": False})
    reuser_with_a_version.retrain()
    assert reuser_with_a_version.workers.did() == MERGE_AGAIN


def test_an_unfinished_run_goes_on_with_changed_settings_of_the_evaluation(reuser: Person) -> None:
    failed = reuser.fails_at("evaluation")
    reuser.change(evaluation={"num_ctx": 8192}, gates={"exact": GateRule(min=0.5)})
    outcome = reuser.retrain()
    assert (outcome.run_id, outcome.version, outcome.continued) == (failed.id, "1.0.0", True)
    assert reuser.workers.did() == EVALUATE_AGAIN


def test_an_unfinished_run_whose_gates_changed_divides_nothing_again(reuser: Person) -> None:
    reuser.fails_at("merging")
    reuser.change(gates={"exact": GateRule(min=0.5)})
    reuser.retrain()
    assert reuser.workers.did() == ["merging", "serving", "evaluation"]


def test_an_unfinished_run_is_given_up_for_changed_settings_of_the_merge_but_not_its_adapter(reuser: Person) -> None:
    failed = reuser.fails_at("merging")
    reuser.change(merging={"steps": 7})
    outcome = reuser.retrain()
    assert outcome.run_id != failed.id
    assert (outcome.version, reuser.workers.did()) == ("1.0.0", MERGE_AGAIN)
    assert reuser.store.runs.get(failed.id).state is RunState.ABANDONED


def begun_by_an_earlier_release(person: Person) -> Run:
    """A run that failed at serving, with the keys and the plan that earlier releases gave it."""
    person.store.feedback.add(MODEL, NewFeedback("c", "p", "{}", person.clock.now, "file", 1))
    run = person.fails_at("serving")
    plan = person.home.run(run.id) / PLAN
    plan.write_text(dumps(replace(open_plan(person.home, run), last_feedback_id=0)))
    results: dict[str, Any] = {}
    for row in person.store.runs.stages(run.id):
        key = fingerprint(dumps([run.fingerprint, row.name, results, "base" if row.name == "evaluation" else ""]))
        person.store.execute("UPDATE stages SET key = ? WHERE run_id = ? AND name = ?", (key, run.id, row.name))
        results[row.name] = row.result
    return run


def test_a_run_that_an_earlier_release_began_goes_on_without_training_again(reuser: Person) -> None:
    failed = begun_by_an_earlier_release(reuser)
    outcome = reuser.retrain()
    assert (outcome.run_id, reuser.workers.did()) == (failed.id, ["serving", "evaluation"])


def test_stages_of_an_earlier_release_are_done_again_once_a_setting_has_changed(reuser: Person) -> None:
    failed = begun_by_an_earlier_release(reuser)
    reuser.change(evaluation={"num_ctx": 8192})
    outcome = reuser.retrain()
    assert (outcome.run_id, reuser.workers.did()) == (failed.id, EVERYTHING)


@pytest.mark.parametrize("text", ["{half a plan", "{}", '{"run_id": []}'])
def test_a_plan_that_cannot_be_read_gives_the_run_up_with_a_sentence(reuser: Person, text: str) -> None:
    failed = reuser.fails_at("merging")
    (reuser.home.run(failed.id) / PLAN).write_text(text)
    outcome = reuser.retrain()
    assert outcome.run_id != failed.id
    assert reuser.store.runs.get(failed.id).error == "its plan is gone, or this release cannot read it"


def test_a_plan_of_a_finished_run_that_cannot_be_read_is_no_obstacle(reuser_with_a_version: Person) -> None:
    run = reuser_with_a_version.store.runs.latest(MODEL)
    assert run is not None
    (reuser_with_a_version.home.run(run.id) / PLAN).write_text("{half a plan")
    reuser_with_a_version.change(evaluation={"guard": False})
    reuser_with_a_version.retrain()
    assert reuser_with_a_version.workers.did() == EVERYTHING


@pytest.mark.parametrize("path", CHANGED)
def test_every_setting_is_read_by_a_stage_or_named_here(path: str) -> None:
    reads = {name for stage in STAGES for name in stage.reads}
    is_read = any(path == name or path.startswith(f"{name}.") for name in reads)
    assert is_read is not path.startswith(READ_BY_NO_STAGE)


def give(person: Person, prompt: str) -> FeedbackRecord:
    record = FeedbackRecord((Message(Role.USER, prompt),), correction="An answer.", created_at=person.store.clock())
    person.store.feedback.add(MODEL, NewFeedback.of(record, "f.jsonl", 1))
    return record


def planned(person: Person) -> RunPlan:
    """The plan of the newest run."""
    run = person.store.runs.latest(MODEL)
    assert run is not None
    return open_plan(person.home, run)


def test_run_plans_which_records_are_held(reuser: Person) -> None:
    give(reuser, "Who met?")
    held = give(reuser, "Ask jane@example.org")
    reuser.retrain()
    assert planned(reuser).held == [held.content_hash]
    assert planned(reuser).origins == {"file": 2}


def test_record_that_comes_while_others_are_scanned_waits_for_the_next_run(
    reuser: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scanned_and_then_given(*args: Any) -> list[str]:
        found = held_hashes(*args)
        give(reuser, "Ask jane@example.org")
        return found

    give(reuser, "Who met?")
    monkeypatch.setattr(pipeline_module, "held_hashes", scanned_and_then_given)
    reuser.retrain()
    plan = planned(reuser)
    assert (plan.last_feedback_id, plan.held) == (1, [])
    assert "jane" not in (reuser.home.run(plan.run_id) / RECORDS).read_text()


def test_released_record_is_worth_a_run_of_its_own(reuser: Person) -> None:
    give(reuser, "Ask jane@example.org")
    reuser.retrain()
    with pytest.raises(NotEnoughDataError):
        require_something_new(reuser.store, reuser.home, MODEL, reuser.settings)
    release(reuser.store, MODEL, reuser.settings.feedback, [1])
    require_something_new(reuser.store, reuser.home, MODEL, reuser.settings)
    reuser.change(evaluation={"guard": False})
    reuser.retrain()
    assert reuser.workers.did() == EVERYTHING
    assert planned(reuser).held == []


def held_now(person: Person) -> list[HeldRecord]:
    return held_records(person.store, MODEL, person.settings.feedback)


def test_released_records_are_those_that_are_there_and_were_left_out(reuser: Person) -> None:
    for name in ("jane", "john", "jean"):
        give(reuser, f"Ask {name}@example.org")
    came = [row.received_at for row in reuser.store.feedback.all(MODEL)]
    assert released_records(reuser.store, reuser.home, MODEL, held_now(reuser)) == []
    reuser.retrain()
    assert released_records(reuser.store, reuser.home, MODEL, held_now(reuser)) == []
    release(reuser.store, MODEL, reuser.settings.feedback, [1, 2])
    released = released_records(reuser.store, reuser.home, MODEL, held_now(reuser))
    assert released == came[:2]
    assert NewRecords.of(reuser.store, MODEL, [3], released) == NewRecords(2, came[0])
    reuser.store.feedback.forget([1, 3])
    assert released_records(reuser.store, reuser.home, MODEL, held_now(reuser)) == came[1:2]
    reuser.retrain()
    assert released_records(reuser.store, reuser.home, MODEL, held_now(reuser)) == []


def test_a_released_record_that_came_after_those_that_a_run_learned_is_new_once(
    reuser: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def given_and_then_scanned(*args: Any) -> list[str]:
        give(reuser, "Ask jane@example.org")
        return held_hashes(*args)

    give(reuser, "Ask john@example.org")
    monkeypatch.setattr(pipeline_module, "held_hashes", given_and_then_scanned)
    reuser.retrain()
    assert (planned(reuser).last_feedback_id, len(planned(reuser).held)) == (1, 2)
    release(reuser.store, MODEL, reuser.settings.feedback, [1, 2])
    released = released_records(reuser.store, reuser.home, MODEL, held_now(reuser))
    assert len(released) == 1
    assert NewRecords.of(reuser.store, MODEL, released=released).new == 2


def test_a_held_record_that_was_removed_is_nothing_new(reuser: Person) -> None:
    give(reuser, "Ask jane@example.org")
    reuser.retrain()
    reuser.store.feedback.forget([1])
    with pytest.raises(NotEnoughDataError):
        require_something_new(reuser.store, reuser.home, MODEL, reuser.settings)


def test_unfinished_run_that_divides_held_records_is_given_up(reuser: Person) -> None:
    give(reuser, "Ask jane@example.org")
    run = reuser.fails_at("dataset")
    release(reuser.store, MODEL, reuser.settings.feedback, [1])
    assert reuser.retrain().run_id != run.id
    assert reuser.store.runs.get(run.id).error == "other records are held for secrets or personal data"


def test_run_that_has_divided_goes_on_whatever_is_released(reuser: Person) -> None:
    give(reuser, "Ask jane@example.org")
    run = reuser.fails_at("training")
    release(reuser.store, MODEL, reuser.settings.feedback, [1])
    assert reuser.retrain().run_id == run.id
