"""A base is proven with a version made of its own file: what the runtime would lose, change or refuse shows, and the
trial leaves nothing behind."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.base.model import BaseModel
from adapterd.base.modelfile import Modelfile
from adapterd.base_proof.proof import Proof, prove, prove_registered, proven_base, save_proof
from adapterd.chat import Answer, ChatOptions, Message, Role
from adapterd.config import ModelSettings, Settings, Think
from adapterd.errors import (
    AdapterdError,
    InputError,
    RuntimeFailedError,
    RuntimeRefusedError,
    UnsupportedModelError,
    WorkerLostError,
)
from adapterd.home import Home
from adapterd.serving.runtime import Progress, ServedModel
from tests.support.fakes import FakeRuntime
from tests.support.tiny_gemma4 import gemma4_without_embeddings_by_block
from tests.support.tiny_gguf import write_tiny_gguf

MODEL, TAG, CANDIDATE = "m", "m:base", "m:candidate"
WHOLE = Modelfile(template="{{ .Prompt }}", parameters={"top_k": 3, "typical_p": 0.7, "stop": ("x",)})


@dataclass
class Habits:
    """What this runtime does to what it is given."""

    release: str = "1.0"
    retired: tuple[str, ...] = ()
    refuses: str = ""
    changes: Modelfile | None = None
    refuses_system: bool = False
    tokens_more: int = 0
    answers: dict[str, list[str]] = field(default_factory=dict)
    loads: bool = True
    contexts: set[int] = field(default_factory=set)
    thinks: bool = True
    has_switch: bool = True


class ServingRuntime(FakeRuntime):
    """The fake's tags, and prompts and answers that depend on the tag's Modelfile alone."""

    def __init__(self, gguf: Path) -> None:
        super().__init__()
        self.habits, self._gguf, self._tokenizer = Habits(), gguf, Tokenizer.open(gguf)

    def version(self) -> str:
        return self.habits.release

    def show(self, tag: str) -> ServedModel:
        known = frozenset(("completion", "thinking") if self.habits.thinks else ("completion",))
        return replace(super().show(tag), gguf=self._gguf, capabilities=known)

    def create(
        self, tag: str, gguf: Path, digest: str, modelfile: Modelfile, *, may_link: bool = False,
        progress: Progress = lambda _: None,
    ) -> str:  # fmt: skip
        if self.habits.refuses:
            raise RuntimeRefusedError(f"the fake refused {tag}: {self.habits.refuses}")
        for name in self.habits.retired:
            if name in modelfile.parameters:
                raise RuntimeRefusedError(f"the fake refused {tag}: {name} is no longer supported")
        return super().create(tag, gguf, digest, self.habits.changes or modelfile, progress=progress)

    def load(self, tag: str) -> None:
        if not self.habits.loads:
            raise RuntimeFailedError(f"the fake failed at {tag}: llama-server process has terminated")

    def render(
        self, tag: str, messages: Sequence[Message], *, think: bool | None = None, num_ctx: int | None = None
    ) -> str:
        if self.habits.refuses_system and messages[0].role is Role.SYSTEM:
            raise RuntimeRefusedError(f"the fake failed at {tag}: System role not supported")
        if think and not self.habits.thinks:
            raise RuntimeRefusedError(f'the fake refused {tag}: "{tag}" does not support thinking')
        asked = think if self.habits.has_switch else None
        return f"{self.made[tag][1].template}{asked}" + "".join(f"<{m.role}>{m.content}" for m in messages)

    def chat(self, tag: str, messages: Sequence[Message], options: ChatOptions, *, logprobs: bool = False) -> Answer:
        self.habits.contexts.add(options.num_ctx)
        ids = self._tokenizer.encode_prompt(self.render(tag, messages))
        said = self.habits.answers.get(tag, ["yes"])
        text = said.pop(0) if len(said) > 1 else said[0]
        return Answer(text, "stop", len(ids) + self.habits.tokens_more, 1, 0.1, 0.1)


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("tiny") / "tiny.gguf", layers=1)


@pytest.fixture
def serving_runtime(gguf: Path) -> ServingRuntime:
    """With a base that the user pulled, kept by our tag."""
    made = ServingRuntime(gguf)
    made.create(TAG, gguf, "sha256:aa", WHOLE)
    return made


@pytest.fixture
def base_model(gguf: Path) -> BaseModel:
    return BaseModel(TAG, gguf, "sha256:aa", WHOLE)


def refused(home: Home, runtime: ServingRuntime, base: BaseModel, sentence: str) -> AdapterdError:
    """The proof fails by this sentence; the base's tag alone is there afterwards."""
    with pytest.raises(AdapterdError, match=sentence) as caught:
        prove(home, runtime, MODEL, base, "qwen:7b")
    assert runtime.tags().keys() == {TAG}
    return caught.value


def test_base_that_can_be_made_again_is_proven_and_the_no_op_version_deleted(
    home: Home, serving_runtime: ServingRuntime, base_model: BaseModel
) -> None:
    proof = prove(home, serving_runtime, MODEL, base_model)
    assert (proof.runtime, proof.digest, proof.left_out) == ("fake 1.0", serving_runtime.tags()[TAG], ())
    assert serving_runtime.tags().keys() == {TAG}
    assert proof.completed(base_model) == replace(base_model, prompting=proof.prompting)


def test_a_retired_parameter_is_left_out_and_told(
    home: Home, serving_runtime: ServingRuntime, base_model: BaseModel
) -> None:
    serving_runtime.habits.retired = ("typical_p",)
    proof = prove(home, serving_runtime, MODEL, base_model)
    assert proof.left_out == ("typical_p",)
    assert proof.completed(base_model).modelfile == WHOLE.without_parameter("typical_p")
    [note] = proof.notes(base_model)
    assert "typical_p = 0.7" in note


def test_projections_that_get_no_adapter_are_named(home: Home, tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", architecture="qwen35")
    runtime, base = ServingRuntime(path), BaseModel(TAG, path, "sha256:aa", WHOLE)
    runtime.create(TAG, path, "sha256:aa", WHOLE)
    [note] = prove(home, runtime, MODEL, base).notes(base)
    frozen = "attn_gate, attn_qkv, ssm_alpha, ssm_beta, ssm_out"
    assert note == f"of the base's projections, {frozen} get no adapter and stay as they are"


def test_projections_that_the_base_does_not_have_are_not_spoken_of(home: Home, tmp_path: Path) -> None:
    for path, notes in (
        (gemma4_without_embeddings_by_block(tmp_path / "large.gguf"), []),
        (write_tiny_gguf(tmp_path / "small.gguf", architecture="gemma4"), ["inp_gate, proj"]),
    ):
        runtime, base = ServingRuntime(path), BaseModel(TAG, path, "sha256:aa", WHOLE)
        runtime.create(TAG, path, "sha256:aa", WHOLE)
        sentences = [f"of the base's projections, {each} get no adapter and stay as they are" for each in notes]
        assert list(prove(home, runtime, MODEL, base).notes(base)) == sentences


def test_stops_are_never_left_out(home: Home, serving_runtime: ServingRuntime, base_model: BaseModel) -> None:
    serving_runtime.habits.retired = ("stop",)
    refused(home, serving_runtime, base_model, "qwen:7b cannot be a base, for no version .*stop is no longer supported")


def test_base_whose_version_the_runtime_refuses_is_refused(
    home: Home, serving_runtime: ServingRuntime, base_model: BaseModel
) -> None:
    serving_runtime.habits.refuses = 'template error: function "bos_token" not defined'
    fault = refused(home, serving_runtime, base_model, "qwen:7b cannot be a base, for no version .*bos_token")
    assert isinstance(fault, RuntimeRefusedError)
    assert CANDIDATE not in str(fault)


def test_base_whose_version_the_runtime_changes_is_refused(
    home: Home, serving_runtime: ServingRuntime, base_model: BaseModel
) -> None:
    serving_runtime.habits.changes = replace(WHOLE, template="another")
    fault = refused(
        home, serving_runtime, base_model, "a version made of qwen:7b would not be served as qwen:7b is: its TEMPLATE"
    )
    assert isinstance(fault, UnsupportedModelError)
    assert "the prompt of a plain question is another one" in str(fault)


def test_a_conversation_that_the_template_refuses_from_both_is_no_difference(
    home: Home, serving_runtime: ServingRuntime, base_model: BaseModel
) -> None:
    serving_runtime.habits.refuses_system = True
    prove(home, serving_runtime, MODEL, base_model)


def test_a_base_that_cannot_be_loaded_is_told_so(
    home: Home, serving_runtime: ServingRuntime, base_model: BaseModel
) -> None:
    serving_runtime.habits.loads = False
    refused(
        home,
        serving_runtime,
        base_model,
        "qwen:7b cannot be a base, for it cannot be loaded: the fake failed at qwen:7b",
    )


def test_a_long_system_prompt_gets_the_context_that_it_needs(
    home: Home, serving_runtime: ServingRuntime, gguf: Path
) -> None:
    long = replace(WHOLE, template="word " * 1500)
    serving_runtime.made[TAG] = ("sha256:aa", long)
    prove(home, serving_runtime, MODEL, BaseModel(TAG, gguf, "sha256:aa", long))
    assert min(serving_runtime.habits.contexts) > 2 * 1500


def test_other_tokens_than_training_would_make_are_refused(
    home: Home, serving_runtime: ServingRuntime, base_model: BaseModel
) -> None:
    serving_runtime.habits.tokens_more = 1
    refused(
        home,
        serving_runtime,
        base_model,
        r"qwen:7b is served with (\d+) tokens for a plain question, of which training .*\d+",
    )


def test_another_answer_is_refused(home: Home, serving_runtime: ServingRuntime, base_model: BaseModel) -> None:
    serving_runtime.habits.answers = {CANDIDATE: ["no"]}
    refused(home, serving_runtime, base_model, "it answers 'no', where the base answers 'yes'")


def test_a_base_that_does_not_say_the_same_twice_may_differ(
    home: Home, serving_runtime: ServingRuntime, base_model: BaseModel
) -> None:
    serving_runtime.habits.answers = {TAG: ["yes", "no"], CANDIDATE: ["no"]}
    prove(home, serving_runtime, MODEL, base_model)


def test_the_identity_of_prompting_does_not_depend_on_the_day(
    home: Home, serving_runtime: ServingRuntime, base_model: BaseModel
) -> None:
    def prompting(template: str) -> str:
        modelfile = replace(WHOLE, template=template)
        serving_runtime.made[TAG] = ("sha256:aa", modelfile)
        return prove(home, serving_runtime, MODEL, replace(base_model, modelfile=modelfile)).prompting

    assert prompting("Today is 29 Nov 2026.") == prompting("Today is 1 December 2027.")
    assert prompting("Today is 29 Nov 2026.") != prompting("Be brief. Today is 29 Nov 2026.")


@dataclass
class Asked:
    """Stands in for the child process, and counts how often the base is proven in it."""

    runtime: ServingRuntime
    base: BaseModel
    times: int = 0

    def __call__(self, _function: object, home: Home, _settings: Settings, model: str) -> Proof:
        self.times += 1
        return prove(home, self.runtime, model, self.base)


@pytest.fixture
def asked(serving_runtime: ServingRuntime, base_model: BaseModel, monkeypatch: pytest.MonkeyPatch) -> Asked:
    made = Asked(serving_runtime, base_model)
    monkeypatch.setattr("adapterd.base_proof.proof.child.call", made)
    return made


def proven(home: Home, asked: Asked, think: Think = Think.DEFAULT, notes: list[str] | None = None) -> BaseModel:
    settings = Settings(models={MODEL: ModelSettings(base="qwen:7b", base_digest="sha256:aa", think=think)})
    told = list[str]() if notes is None else notes
    return proven_base(home, settings, asked.runtime, MODEL, asked.base, told.append)


def test_a_base_is_proven_once(home: Home, asked: Asked) -> None:
    asked.runtime.habits.retired = ("typical_p",)
    assert proven(home, asked) == proven(home, asked)
    assert "typical_p" not in proven(home, asked).modelfile.parameters
    assert asked.times == 1


def test_proof_of_init_is_used_by_the_first_run(home: Home, asked: Asked) -> None:
    save_proof(home, MODEL, prove(home, asked.runtime, MODEL, asked.base))
    proven(home, asked)
    assert asked.times == 0


def test_another_release_of_the_runtime_is_reason_to_prove_it_again(home: Home, asked: Asked) -> None:
    proven(home, asked)
    asked.runtime.habits.release = "1.1"
    asked.runtime.habits.refuses = "typical_p"
    with pytest.raises(RuntimeRefusedError, match="no version of it could be registered"):
        proven(home, asked)
    asked.runtime.habits.refuses = ""
    proven(home, asked)
    assert asked.times == 3


def test_another_base_is_reason_to_prove_it_again(home: Home, asked: Asked) -> None:
    proven(home, asked)
    other = replace(WHOLE, system="Be brief.")
    asked.runtime.made[TAG] = ("sha256:aa", other)
    asked.base = replace(asked.base, modelfile=other)
    proven(home, asked)
    assert asked.times == 2


def test_a_base_that_does_not_think_is_not_asked_to(home: Home, asked: Asked) -> None:
    asked.runtime.habits.thinks = False
    for think in (Think.DEFAULT, Think.OFF):
        proven(home, asked, think)
    with pytest.raises(InputError, match=r'^m:base cannot be asked to think, as think = "on" would') as caught:
        proven(home, asked, Think.ON)
    assert "default" in caught.value.hint
    assert asked.times == 1


@pytest.mark.parametrize("think", Think)
@pytest.mark.parametrize("has_switch", [True, False])
def test_a_switch_without_effect_is_told(home: Home, asked: Asked, think: Think, has_switch: bool) -> None:
    asked.runtime.habits.has_switch, notes = has_switch, list[str]()
    proven(home, asked, think, notes)
    told = f'think = "{think}" changes no prompt: the base\'s template is the same with and without thinking'
    assert notes == ([] if has_switch or think is Think.DEFAULT else [told])


def test_what_an_earlier_release_proved_is_no_reason_to_refuse(home: Home, asked: Asked) -> None:
    asked.runtime.habits.thinks = False
    save_proof(home, MODEL, replace(prove(home, asked.runtime, MODEL, asked.base), may_think=None, think_switch=None))
    assert proven(home, asked, Think.ON) == proven(home, asked)
    assert asked.times == 0


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"runtime": 1}'])
def test_a_damaged_record_is_made_anew(home: Home, asked: Asked, damage: str) -> None:
    proven(home, asked)
    home.base_proof(MODEL).write_text(damage)
    proven(home, asked)
    assert asked.times == 2


def test_a_base_that_ends_the_process_of_llama_cpp_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(*_: object) -> None:
        raise WorkerLostError("a process ended")

    monkeypatch.setattr("adapterd.base_proof.proof.child.call", ended)
    with pytest.raises(UnsupportedModelError, match=r"^odd\.gguf cannot be loaded: the process"):
        prove_registered(home, Settings(), "m", "m:base", Path("odd.gguf"), "odd.gguf")
