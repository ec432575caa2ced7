"""What `rebase` refuses, and that nothing is changed then; what it plans."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from adapterd import config
from adapterd.base.modelfile import Modelfile
from adapterd.base_proof.proof import Proof
from adapterd.config import ModelSettings, Settings, Start
from adapterd.deployment.base_change import NewBase
from adapterd.deployment.checked_base import GivenBase
from adapterd.deployment.deploy import Deployer
from adapterd.errors import (
    AdapterdError,
    BusyError,
    ConfigError,
    InputError,
    NotFoundError,
    RuntimeRefusedError,
    RuntimeUnavailableError,
    UnsupportedModelError,
)
from adapterd.home import Home
from adapterd.runs.by_hand import rebase as module
from adapterd.runs.by_hand.rebase import Rebase, rebase
from adapterd.runs.plan import RunPlan
from adapterd.runs.reuse import plan_training, starts_at_another_base
from adapterd.serving.runtime import ServedModel
from adapterd.serving.runtimes import file_digest, served_base
from adapterd.serving.tags import BASE, ModelTags, older_base
from adapterd.store import Store
from adapterd.store.runs import RunState
from adapterd.store.schedule_state import DueReason
from adapterd.system.locks import exclusive
from tests.support.fakes import FakeRuntime
from tests.support.tiny_gguf import write_tiny_gguf

MODEL = "news"
TAGS = ModelTags(MODEL)
TEMPLATE = "{{ messages[0].content }}"


class Runtime(FakeRuntime):
    """The fake one, which renders a prompt as its text; `odd` are tags that show something else than a GGUF."""

    def __init__(self) -> None:
        super().__init__()
        self.odd: dict[str, dict[str, Any]] = {}
        self.thinks = True
        self.away = False

    def tags(self) -> dict[str, str]:
        if self.away:
            raise RuntimeUnavailableError("the fake does not answer")
        return super().tags()

    def show(self, tag: str) -> ServedModel:
        served = super().show(tag)
        return replace(served, **self.odd.get(tag, {}))

    def render(self, tag: str, messages: Any, *, think: bool | None = None, num_ctx: int | None = None) -> str:
        if think and not self.thinks:
            raise RuntimeRefusedError(f"{tag} does not support thinking")
        return str(messages[0].content)


@dataclass
class Owner:
    """A model with its base, whose file is real, and another one to take its place."""

    home: Home
    store: Store
    runtime: Runtime
    digests: dict[str, str]

    def rebase(self, base: str, *changes: str, only_look: bool = False) -> Rebase:
        return rebase(self.store, self.home, self.settings, GivenBase(MODEL, base), changes, only_look=only_look)

    @property
    def settings(self) -> Settings:
        return config.load(self.home)

    def state(self) -> tuple[object, ...]:
        return self.home.config_file.read_text(), self.runtime.tags(), self.store.versions.deployments(MODEL)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    metadata = {"tokenizer.chat_template": TEMPLATE}
    return {
        "a:1": write_tiny_gguf(folder / "a.gguf", metadata=metadata),
        "b:1": write_tiny_gguf(folder / "b.gguf", seed=7, type_name="Q8_0", metadata=metadata),
    }


@pytest.fixture
def model_owner(tmp_path: Path, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Owner]:
    runtime, digests = Runtime(), {tag: file_digest(path) for tag, path in files.items()}
    for tag, path in files.items():
        runtime.made[tag] = (str(path), Modelfile(template=TEMPLATE))
    runtime.copy("a:1", TAGS.base)
    proof = Proof("fake 1.0", "", "", (), "as it is")
    monkeypatch.setattr(module, "runtime_for", lambda *_: runtime)
    monkeypatch.setattr(module, "prove_base", lambda *_: proof)
    home = Home(tmp_path)
    home.create()
    home.config_file.write_text(
        f'# of a person\n[models.{MODEL}]\nbase = "a:1"  # the small one\nbase_digest = "{digests["a:1"]}"\n'
    )
    with Store(home.database) as store:
        Deployer(store, home, runtime).start_with_base(MODEL)
        yield Owner(home, store, runtime, digests)


def with_version(model_owner: Owner) -> None:
    model_owner.runtime.add(TAGS.version("1.0.0"))
    digest = model_owner.runtime.tags()[TAGS.version("1.0.0")]
    model_owner.store.runs.start("run", MODEL, reason="", fingerprint="", last_feedback_id=0)
    model_owner.store.runs.set_state("run", RunState.PROMOTED)
    base_digest = model_owner.digests["a:1"]
    model_owner.store.versions.add(MODEL, "1.0.0", run_id="run", digest=digest, base_digest=base_digest)
    Deployer(model_owner.store, model_owner.home, model_owner.runtime).promote(MODEL, "1.0.0", "better")


def test_looking_tells_everything_and_changes_nothing(model_owner: Owner) -> None:
    with_version(model_owner)
    before = model_owner.state()
    found = model_owner.rebase("b:1", only_look=True)
    assert (found.old_base, found.base, found.live, found.live_follows) == ("a:1", "b:1", "1.0.0", False)
    assert (found.old_digest, found.base_digest) == (model_owner.digests["a:1"], model_owner.digests["b:1"])
    assert found.next_version == "2.0.0"
    assert [each.what for each in found.differences] == ["weights"]
    assert model_owner.state() == before


def test_it_is_changed_in_the_configuration_the_tags_and_the_record(model_owner: Owner) -> None:
    with_version(model_owner)
    model_owner.rebase("b:1", "training.rank=8")
    model = model_owner.settings.models[MODEL]
    assert (model.base, model.base_digest, model.training.rank) == ("b:1", model_owner.digests["b:1"], 8)
    assert model_owner.home.config_file.read_text().startswith("# of a person\n")
    assert "# the small one" in model_owner.home.config_file.read_text()
    assert model_owner.runtime.made[TAGS.base] == model_owner.runtime.made["b:1"]
    assert model_owner.runtime.made[TAGS.live] == model_owner.runtime.made[TAGS.version("1.0.0")]
    assert TAGS.version(older_base(model_owner.runtime.tags()["a:1"])) in model_owner.runtime.made
    assert TAGS.next_base not in model_owner.runtime.made
    assert model_owner.home.base_proof(MODEL).is_file()


def test_without_feedback_no_run_is_due(model_owner: Owner) -> None:
    model_owner.rebase("b:1")
    assert model_owner.store.schedule_state.get(MODEL).due_reason is None


def test_with_feedback_a_run_is_due(model_owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(model_owner.store.feedback), "count", lambda *_, **__: 3)
    assert model_owner.rebase("b:1").records == 3
    assert model_owner.store.schedule_state.get(MODEL).due_reason is DueReason.BASE_CHANGED


def test_a_run_that_stopped_is_given_up_with_a_sentence(model_owner: Owner) -> None:
    model_owner.store.runs.start("stopped", MODEL, reason="", fingerprint="", last_feedback_id=0)
    model_owner.store.runs.set_state("stopped", RunState.FAILED, error="no memory")
    assert model_owner.rebase("b:1").gives_up == "stopped"
    run = model_owner.store.runs.get("stopped")
    assert (run.state, run.error) == (RunState.ABANDONED, f"{MODEL} is made of b:1 from now on")


def test_while_a_run_goes_on_it_is_refused(model_owner: Owner) -> None:
    model_owner.store.runs.start("busy", MODEL, reason="", fingerprint="", last_feedback_id=0)
    before = model_owner.state()
    with (
        exclusive(model_owner.home.run_lock, timeout_s=1, busy=""),
        pytest.raises(BusyError, match="a run goes on, and the base of news cannot be changed meanwhile"),
    ):
        model_owner.rebase("b:1")
    assert model_owner.state() == before


def test_a_model_cannot_be_made_of_itself(model_owner: Owner) -> None:
    with_version(model_owner)
    model_owner.runtime.made[TAGS.version("1.0.0")] = model_owner.runtime.made["b:1"]
    with pytest.raises(InputError, match="cannot be the base of a model of the same name"):
        model_owner.rebase(TAGS.version("1.0.0"))


REMOTE = {"remote": "b of ollama.com"}
MLX = {"stored_as": "safetensors"}


@pytest.mark.parametrize(
    ("base", "odd", "error", "said"),
    [
        ("a:1", {}, InputError, "a:1 is the base of news already"),
        ("nothing:1", {}, NotFoundError, "the fake has no|fake has no nothing:1"),
        ("b:1", REMOTE, UnsupportedModelError, "b:1 is answered by b of ollama.com"),
        ("b:1", MLX, UnsupportedModelError, "b:1 is stored as safetensors"),
        ("/nowhere/x.gguf", {}, NotFoundError, "/nowhere/x.gguf does not exist"),
    ],
)
def test_a_base_that_cannot_be_is_refused_before_anything_changes(
    model_owner: Owner, base: str, odd: dict[str, Any], error: type[AdapterdError], said: str
) -> None:
    model_owner.runtime.odd["b:1"] = odd
    before = model_owner.state()
    with pytest.raises(error, match=said):
        model_owner.rebase(base)
    assert model_owner.state() == before


def test_a_base_that_cannot_be_trained_is_refused(model_owner: Owner, tmp_path: Path) -> None:
    odd = write_tiny_gguf(tmp_path / "odd.gguf", architecture="bert", metadata={"tokenizer.chat_template": TEMPLATE})
    before = model_owner.state()
    with pytest.raises(AdapterdError):
        model_owner.rebase(str(odd))
    assert model_owner.state() == before


def test_a_base_that_is_not_served_as_it_is_is_refused(model_owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Proof:
        raise UnsupportedModelError("a version made of b:1 would not be served as b:1 is")

    monkeypatch.setattr(module, "prove_base", refuse)
    before = model_owner.state()
    with pytest.raises(UnsupportedModelError):
        model_owner.rebase("b:1")
    assert model_owner.state() == before


def test_a_thinking_mode_that_it_does_not_take_is_refused(model_owner: Owner) -> None:
    model_owner.runtime.thinks = False
    before = model_owner.state()
    with pytest.raises(UnsupportedModelError, match="b:1 cannot be asked with think = on"):
        model_owner.rebase("b:1", "think=on")
    assert model_owner.state() == before


@pytest.mark.parametrize("change", ["training.rank=0", "training.nothing=1", "training.rank"])
def test_settings_that_cannot_be_are_refused(model_owner: Owner, change: str) -> None:
    before = model_owner.state()
    with pytest.raises(ConfigError):
        model_owner.rebase("b:1", change)
    assert model_owner.state() == before


def test_without_the_runtime_nothing_changes(model_owner: Owner) -> None:
    text, model_owner.runtime.away = model_owner.home.config_file.read_text(), True
    with pytest.raises(RuntimeUnavailableError):
        model_owner.rebase("b:1")
    assert model_owner.home.config_file.read_text() == text


def test_a_configuration_that_was_changed_meanwhile_stays(model_owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    change_base = Deployer.change_base

    def meanwhile(self: Deployer, model: str, new: NewBase) -> object:
        text = model_owner.home.config_file.read_text()
        model_owner.home.config_file.write_text(text.replace(model_owner.digests["a:1"], f"sha256:{'c' * 64}"))
        return change_base(self, model, new)

    monkeypatch.setattr(Deployer, "change_base", meanwhile)
    with pytest.raises(ConfigError, match="the base of news was changed meanwhile"):
        model_owner.rebase("b:1")
    assert model_owner.settings.models[MODEL].base_digest == f"sha256:{'c' * 64}"
    assert model_owner.runtime.made[TAGS.base] == model_owner.runtime.made["a:1"]
    assert TAGS.next_base not in model_owner.runtime.made


def test_what_was_live_of_another_base_is_not_continued_and_that_is_said(model_owner: Owner) -> None:
    with_version(model_owner)
    settings = ModelSettings(base="b:1", base_digest=model_owner.digests["b:1"])
    settings = replace(settings, training=replace(settings.training, start=Start.LIVE))
    base = served_base(model_owner.runtime, "b:1", "b:1")
    plan = RunPlan("next", MODEL, "", base, settings, Settings(), live="1.0.0")
    planned = plan_training(model_owner.store, plan, ())
    assert (planned.version, planned.start) == ("2.0.0", None)
    assert "1.0.0 is of another base, so the training begins at the base" in starts_at_another_base(
        model_owner.store, planned
    )
    assert starts_at_another_base(model_owner.store, replace(plan, live=BASE)) == ""
