"""Runs that register an adapter, and those that train one: what goes on, and what is given up."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from adapterd.base.model import BaseModel
from adapterd.base.modelfile import Modelfile
from adapterd.config import DatasetSettings, ModelSettings, Settings, Start, TrainingSettings
from adapterd.errors import BusyError, InputError, NotEnoughDataError, NotFoundError, StageError
from adapterd.formats.adapter_files import AdapterFiles
from adapterd.formats.run_folder import GIVEN
from adapterd.home import Home
from adapterd.runs import pipeline as pipeline_module
from adapterd.runs.by_hand.register import register
from adapterd.runs.pipeline import Pipeline, RunOutcome
from adapterd.runs.plan import GivenAdapter, open_plan
from adapterd.runs.version_numbers import Increment
from adapterd.store import Store
from adapterd.store.feedback import NewFeedback
from adapterd.store.runs import RunState
from adapterd.system.locks import exclusive
from tests.support.fakes import FakeRuntime
from tests.support.tiny_gguf import write_tiny_gguf
from tests.unit.runs.scripted_workers import Workers

MODEL = "news"
TRAINING = ["dataset", "training", "merging", "serving", "evaluation"]
REGISTERING = ["importing", "dataset", "merging", "serving", "evaluation"]


@dataclass
class Person:
    """Gives commands, and hears what is told."""

    store: Store
    home: Home
    workers: Workers
    settings: Settings
    told: list[str] = field(default_factory=list)

    @property
    def pipeline(self) -> Pipeline:
        return Pipeline(self.store, self.home, self.settings, notify=self.told.append)

    def register(self, source: Path, increment: Increment = Increment.PATCH) -> RunOutcome:
        return register(self.pipeline, MODEL, source, increment)

    def retrain(self) -> RunOutcome:
        return self.pipeline.run(MODEL, "asked for by hand")

    def fails(self, source: Path, stage: str, exc: Exception | None = None) -> str:
        """A registration that stops at this stage; the run's id."""
        self.workers.fault = (stage, exc or StageError("out of luck", hint="`adapterctl retrain` goes on"))
        with pytest.raises(type(self.workers.fault[1])):
            self.register(source)
        self.workers.fault = None
        self.workers.did()
        run_id: str = self.last.id
        return run_id

    @property
    def last(self) -> Any:
        return self.store.runs.latest(MODEL)


@pytest.fixture
def registrar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    runtime, workers = FakeRuntime(), Workers()
    base = BaseModel(f"{MODEL}:base", tmp_path / "base.gguf", "sha256:base", Modelfile())
    monkeypatch.setattr(pipeline_module, "runtime_for", lambda *_: runtime)
    monkeypatch.setattr(
        pipeline_module,
        "pinned_base",
        lambda _runtime, _model, settings, *_: replace(base, digest=settings.base_digest),
    )
    monkeypatch.setattr(pipeline_module, "proven_base", lambda *values: values[4])
    monkeypatch.setattr(pipeline_module, "run_stage", workers)
    home = Home(tmp_path / "home")
    home.create()
    settings = Settings(models={MODEL: ModelSettings(base="b.gguf", base_digest="sha256:base")})
    with Store(home.database) as store:
        yield Person(store, home, workers, settings)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return write(tmp_path / "adapter")


def stored(what: str) -> bytes:
    """A file of weights that holds none, but says something."""
    header = json.dumps({"__metadata__": {"what": what}}).encode()
    return len(header).to_bytes(8, "little") + header


def write(folder: Path, weights: str = "weights") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
    (folder / "adapter_model.safetensors").write_bytes(stored(weights))
    (folder / "README.md").write_text("about")
    return folder


def with_settings(person: Person, **changes: Any) -> None:
    person.settings = Settings(models={MODEL: replace(person.settings.models[MODEL], **changes)})


def feedback(person: Person, content: str) -> None:
    person.store.feedback.add(MODEL, NewFeedback(content, content, "{}", person.store.clock(), "f.jsonl", 1))


def test_an_adapter_that_is_given_is_imported_instead_of_training_one(registrar: Person, adapter: Path) -> None:
    assert registrar.register(adapter).version == "1.0.0"
    assert registrar.workers.did() == REGISTERING
    assert registrar.workers.given == ["adapter_config.json", "adapter_model.safetensors"]
    assert registrar.last.adapter_source == str(adapter)
    assert not (registrar.home.run(registrar.last.id) / GIVEN).exists()
    registrar.retrain()
    assert registrar.workers.did() == TRAINING
    assert registrar.last.adapter_source is None


def test_a_registered_adapter_counts_as_a_patch_unless_told_otherwise(registrar: Person, adapter: Path) -> None:
    versions = [registrar.register(adapter).version, registrar.register(adapter).version, registrar.retrain().version]
    versions += [registrar.register(adapter).version, registrar.register(adapter, Increment.MINOR).version]
    with_settings(registrar, base_digest="sha256:other")
    versions += [registrar.register(adapter).version]
    assert versions == ["1.0.0", "1.0.1", "1.1.0", "1.1.1", "1.2.0", "2.0.0"]


def test_records_are_not_counted_as_learned_by_a_registered_adapter(registrar: Person, adapter: Path) -> None:
    feedback(registrar, "a")
    registrar.register(adapter)
    assert registrar.store.runs.last_learned_id(MODEL) == 0
    registrar.retrain()
    assert registrar.store.runs.last_learned_id(MODEL) == 1


def test_the_same_command_goes_on(registrar: Person, adapter: Path) -> None:
    run = registrar.fails(adapter, "merging")
    outcome = registrar.register(adapter)
    assert (outcome.run_id, outcome.continued) == (run, True)
    assert registrar.workers.did() == ["merging", "serving", "evaluation"]


def test_a_registration_goes_on_though_its_source_is_gone(registrar: Person, adapter: Path, tmp_path: Path) -> None:
    run = registrar.fails(adapter, "dataset")
    shutil.rmtree(adapter)
    assert registrar.register(adapter).run_id == run
    with pytest.raises(NotFoundError, match="is not there"):
        registrar.register(adapter)
    with pytest.raises(NotFoundError, match="is not there"):
        registrar.register(tmp_path / "another")


def test_a_later_change_of_the_source_is_another_run(registrar: Person, adapter: Path) -> None:
    run = registrar.fails(adapter, "merging")
    copied = (registrar.home.run(run) / GIVEN / "adapter_model.safetensors").read_bytes()
    write(adapter, "others")
    assert copied == stored("weights")
    assert registrar.register(adapter).run_id != run
    assert registrar.told == [f"run {run} is given up: the adapter, the settings or the base changed since"]
    assert not (registrar.home.run(run) / GIVEN).exists()


@pytest.mark.parametrize("changed", ["increment", "settings", "base"])
def test_so_is_anything_else_that_is_different(registrar: Person, adapter: Path, changed: str) -> None:
    run = registrar.fails(adapter, "merging")
    if changed == "settings":
        with_settings(registrar, training=TrainingSettings(rank=3))
    if changed == "base":
        with_settings(registrar, base_digest="sha256:other")
    increment = Increment.MINOR if changed == "increment" else Increment.PATCH
    assert registrar.register(adapter, increment).run_id != run
    assert len(registrar.told) == 1


def test_training_gives_up_an_unfinished_registration_and_says_so(registrar: Person, adapter: Path) -> None:
    run = registrar.fails(adapter, "serving")
    assert registrar.retrain().run_id != run
    sentence = f"run {run} is given up: a training was asked for, and not that {adapter} be registered"
    assert registrar.told == [sentence]
    assert registrar.store.runs.get(run).state is RunState.ABANDONED
    assert sentence in [event.text for event in registrar.store.events.latest(model=MODEL, limit=20)]


def test_registering_gives_up_an_unfinished_training_and_says_so(registrar: Person, adapter: Path) -> None:
    registrar.workers.fault = ("training", StageError("out of luck"))
    with pytest.raises(StageError):
        registrar.retrain()
    run, registrar.workers.fault = registrar.last.id, None
    assert registrar.register(adapter).run_id != run
    assert registrar.told == [f"run {run} is given up: {adapter} is registered instead"]


def test_more_feedback_lets_a_run_begin_anew_that_had_too_little(registrar: Person, adapter: Path) -> None:
    feedback(registrar, "a")
    run = registrar.fails(adapter, "dataset", NotEnoughDataError("too little"))
    assert registrar.fails(adapter, "dataset", NotEnoughDataError("too little")) == run
    feedback(registrar, "b")
    assert registrar.register(adapter).run_id != run
    assert registrar.workers.did() == REGISTERING


def test_another_evaluation_set_lets_a_run_begin_anew_that_could_not_be_divided(
    registrar: Person, adapter: Path
) -> None:
    run = registrar.fails(adapter, "dataset", StageError("too much is nearly the same as one of the set"))
    registrar.store.evaluation_sets.freeze(MODEL, "h1", [{"id": "a", "messages": []}])
    assert registrar.register(adapter).run_id != run
    assert registrar.told == [f"run {run} is given up: another evaluation set was frozen since"]


def test_no_run_begins_while_the_first_evaluation_set_waits(registrar: Person) -> None:
    with_settings(registrar, dataset=DatasetSettings(freeze_after_days=7))
    feedback(registrar, "a")
    with pytest.raises(NotEnoughDataError, match=r"the first evaluation set is frozen from .* \(dataset\.freeze_after"):
        registrar.retrain()
    assert registrar.last is None
    registrar.store.evaluation_sets.freeze(MODEL, "h1", [{"id": "a", "messages": []}])
    assert registrar.retrain().version == "1.0.0"


def test_a_run_that_knows_prompts_as_an_earlier_release_did_is_given_up(registrar: Person, adapter: Path) -> None:
    registrar.store.evaluation_sets.freeze(MODEL, "h1", [{"id": "a", "messages": []}])
    run = registrar.fails(adapter, "dataset", StageError("no"))
    plan = registrar.home.run(run) / "plan.json"
    values = json.loads(plan.read_text(encoding="utf-8"))
    plan.write_text(json.dumps({**values, "judged": ["a"]}), encoding="utf-8")
    registrar.register(adapter)
    assert registrar.told == [f"run {run} is given up: it knows prompts as an earlier release did"]


def test_a_run_that_knows_its_records_goes_on_whatever_comes(registrar: Person, adapter: Path) -> None:
    run = registrar.fails(adapter, "merging")
    feedback(registrar, "b")
    assert registrar.register(adapter).run_id == run


def test_hints_name_the_command_that_goes_on(registrar: Person, tmp_path: Path) -> None:
    adapter = write(tmp_path / "my adapter")
    registrar.fails(adapter, "merging")
    assert registrar.last.hint == f"`adapterctl register '{adapter}' --model news` goes on"
    registrar.workers.fault = ("serving", StageError("no", hint="then `adapterctl retrain` goes on"))
    with pytest.raises(StageError) as caught:
        registrar.register(adapter, Increment.MINOR)
    assert caught.value.hint == f"then `adapterctl register '{adapter}' --model news --as minor` goes on"


def test_a_folder_without_an_adapter_starts_no_run(registrar: Person, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"has no file adapter_config\.json"):
        registrar.register(tmp_path / "empty")
    assert registrar.last is None


def test_a_run_that_goes_on_is_not_disturbed(registrar: Person, adapter: Path) -> None:
    with (
        exclusive(registrar.home.run_lock, timeout_s=0, busy=""),
        pytest.raises(BusyError, match="another run is going on"),
    ):
        registrar.register(adapter)
    assert registrar.last is None


def test_a_source_that_changes_while_it_is_read_is_refused(registrar: Person, adapter: Path) -> None:
    given = GivenAdapter(adapter, "sha256:of what it was", Increment.PATCH)
    with pytest.raises(InputError, match="changed while it was read"):
        registrar.pipeline.run(MODEL, "by hand", given)
    assert registrar.last is None
    assert list(registrar.home.root.rglob("adapter_model.safetensors")) == []


def test_the_plan_keeps_what_was_given(registrar: Person, adapter: Path) -> None:
    registrar.fails(adapter, "merging")
    given = open_plan(registrar.home, registrar.last).given
    assert given is not None
    assert (given.source, given.increment) == (adapter, Increment.PATCH)
    assert given.digest.startswith("sha256:")


def test_a_training_knows_what_is_new_and_where_to_begin(registrar: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    for check in ("reconcile", "require_our_store"):  # the scripted workers make no files
        monkeypatch.setattr(pipeline_module, check, lambda *_, **__: [])

    def planned() -> tuple[int, str | None]:
        registrar.retrain()
        plan = open_plan(registrar.home, registrar.last)
        return plan.old_records, plan.start

    for content in ("a", "b"):
        feedback(registrar, content)
    assert planned() == (0, None), "before the first version"
    registrar.store.versions.deploy(MODEL, "promote", live="1.0.0", live_digest="sha256:1")
    feedback(registrar, "c")
    assert planned() == (2, None)
    with_settings(registrar, training=TrainingSettings(start=Start.LIVE))
    assert planned() == (2, "1.0.0")
    with_settings(registrar, training=TrainingSettings(start=Start.LIVE), base_digest="sha256:other")
    assert planned() == (2, None), "what is live was trained on another base"


def test_a_whole_model_is_told_by_its_header_and_neither_read_nor_copied(
    registrar: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AdapterFiles, "digest", pytest.fail)
    with pytest.raises(InputError, match="is a GGUF of a whole 'model'"):
        registrar.register(write_tiny_gguf(tmp_path / "model.gguf", layers=1))
    assert registrar.last is None
    assert not list(registrar.home.root.glob("runs/*"))
