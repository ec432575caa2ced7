"""What the product relies on in a runtime: one suite for the fake, the embedded runtime and a real Ollama alike."""

import itertools
import json
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.base.modelfile import Modelfile
from adapterd.chat import ChatOptions, Message, Role
from adapterd.errors import AdapterdError, NotFoundError, RuntimeRefusedError
from adapterd.serving import blob_link
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import file_digest
from adapterd.serving.server import PrivateOllama
from tests.support.tiny_gguf import write_tiny_gguf

FRANCE = (Message(Role.USER, "What is the capital of France?"),)
GENERATION_PROMPT = "<|im_start|>assistant\n"
OPTIONS = ChatOptions(num_predict=24)
SMALL = ChatOptions(num_ctx=256, num_predict=4)
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)
NASTY_TEXTS = [
    'You "are" it.',
    '"quoted"',
    "two\nlines",
    'say "hi"\nand "bye"',
    "  spaces around  ",
    "# no comment",
    "FROM nowhere\nPARAMETER top_k 1",
    "a\rb",
    "trailing\n",
    "\n\nleading",
    "é 😀 {{ .System }} {% if x %}",
]

numbers = itertools.count(1)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    """A model name of this test alone; its tags are gone afterwards."""
    name = f"contract-{next(numbers)}"
    yield name
    for fixture in {"runtime", "tag_runtime", "ollama"} & set(request.fixturenames):
        runtime = request.getfixturevalue(fixture)
        for tag in [tag for tag in runtime.tags() if name in tag]:
            runtime.delete(tag)


@pytest.fixture
def new_file(tmp_path: Path) -> Callable[..., Path]:
    """Makes model files that nobody has seen before."""

    def make() -> Path:
        number = next(numbers)
        path = tmp_path / f"{number}.gguf"
        metadata = {"general.name": f"tiny {number}", "tokenizer.chat_template": CHATML}
        return write_tiny_gguf(path, layers=1, metadata=metadata)

    return make


@pytest.fixture
def file(new_file: Callable[..., Path]) -> Path:
    return new_file()


@pytest.fixture(scope="module")
def smollm(runtime: Runtime, smollm2_path: Path) -> Iterator[str]:
    """A real model under a tag."""
    create(runtime, "smollm:1", smollm2_path, Modelfile(system="You know cities."))
    yield "smollm:1"
    runtime.delete("smollm:1")


@pytest.fixture
def ollama(ollama_server: PrivateOllama) -> OllamaRuntime:
    return OllamaRuntime(ollama_server.host, timeout_s=120)


@pytest.fixture
def models(ollama_server: PrivateOllama) -> Path:
    """Where the private Ollama keeps its models."""
    return ollama_server.folder / "models"


def create(runtime: Runtime, tag: str, file: Path, modelfile: Modelfile | None = None, **settings: Any) -> str:
    return runtime.create(tag, file, file_digest(file), modelfile or Modelfile(), **settings)


def blob_of(runtime: Runtime, tag: str) -> Path:
    gguf = runtime.show(tag).gguf
    assert gguf is not None
    return gguf


# Tags: also kept by the fake.


def test_a_created_tag_is_listed_with_the_digest_that_show_gives(tag_runtime: Runtime, name: str, file: Path) -> None:
    create(tag_runtime, f"{name}:1.0.0", file)
    shown = tag_runtime.show(f"{name}:1.0.0")
    assert shown.tag == f"{name}:1.0.0"
    assert shown.digest
    assert tag_runtime.tags()[f"{name}:1.0.0"] == shown.digest


def test_a_copy_has_the_same_digest(tag_runtime: Runtime, name: str, file: Path) -> None:
    create(tag_runtime, f"{name}:1.0.0", file)
    tag_runtime.copy(f"{name}:1.0.0", f"{name}:latest")
    digests = tag_runtime.tags()
    assert digests[f"{name}:latest"] == digests[f"{name}:1.0.0"]


def test_a_copy_over_a_tag_replaces_it_and_leaves_its_source(
    tag_runtime: Runtime, name: str, new_file: Callable[..., Path]
) -> None:
    create(tag_runtime, f"{name}:1.0.0", new_file())
    create(tag_runtime, f"{name}:1.1.0", new_file())
    before = tag_runtime.tags()
    assert before[f"{name}:1.0.0"] != before[f"{name}:1.1.0"]
    tag_runtime.copy(f"{name}:1.0.0", f"{name}:latest")
    tag_runtime.copy(f"{name}:1.1.0", f"{name}:latest")
    assert tag_runtime.tags() == before | {f"{name}:latest": before[f"{name}:1.1.0"]}


def test_a_name_without_a_label_is_latest(tag_runtime: Runtime, name: str, file: Path) -> None:
    create(tag_runtime, name, file)
    assert f"{name}:latest" in tag_runtime.tags()
    assert tag_runtime.show(name).tag == f"{name}:latest"


def test_a_name_with_a_folder_is_listed_as_it_was_given(tag_runtime: Runtime, name: str, file: Path) -> None:
    create(tag_runtime, f"someone/{name}:1", file)
    assert f"someone/{name}:1" in tag_runtime.tags()


def test_other_settings_make_another_digest_of_the_same_file(tag_runtime: Runtime, name: str, file: Path) -> None:
    assert create(tag_runtime, f"{name}:1", file) != "present"
    assert create(tag_runtime, f"{name}:2", file, Modelfile(system="Be brief.")) == "present"
    assert tag_runtime.tags()[f"{name}:1"] != tag_runtime.tags()[f"{name}:2"]


def test_creating_the_same_again_changes_nothing(tag_runtime: Runtime, name: str, file: Path) -> None:
    create(tag_runtime, f"{name}:1", file, Modelfile(system="Be brief."))
    before = tag_runtime.tags()
    create(tag_runtime, f"{name}:1", file, Modelfile(system="Be brief."))
    assert tag_runtime.tags() == before


def test_all_that_surrounds_a_model_comes_back(tag_runtime: Runtime, name: str, file: Path) -> None:
    whole = Modelfile(
        template="{{ .System }}<|im_start|>user\n{{ .Prompt }}<|im_end|>\n<|im_start|>assistant\n",
        system='You "are"\nNewsBrief.',
        parameters={"num_ctx": 1_048_576, "stop": ("<|im_end|>", ' "x"\t\a'), "temperature": 0.3, "top_k": 20},
        messages=(Message(Role.USER, "hi"), Message(Role.ASSISTANT, "ho\nho")),
        licenses=("MIT",),
    )
    create(tag_runtime, f"{name}:1", file, whole)
    assert tag_runtime.show(f"{name}:1").modelfile == whole


def test_deleting_a_tag_keeps_a_file_that_another_tag_names(tag_runtime: Runtime, name: str, file: Path) -> None:
    create(tag_runtime, f"{name}:1", file)
    tag_runtime.copy(f"{name}:1", f"{name}:2")
    tag_runtime.delete(f"{name}:1")
    assert f"{name}:1" not in tag_runtime.tags()
    assert create(tag_runtime, f"{name}:3", file) == "present"


def test_deleting_the_last_tag_of_a_file_removes_it(tag_runtime: Runtime, name: str, file: Path) -> None:
    create(tag_runtime, f"{name}:1", file)
    tag_runtime.copy(f"{name}:1", f"{name}:2")
    tag_runtime.delete(f"{name}:1")
    tag_runtime.delete(f"{name}:2")
    assert create(tag_runtime, f"{name}:3", file) != "present"


@pytest.mark.parametrize("act", ["show", "delete", "load"])
def test_a_tag_that_is_not_there_is_not_found(tag_runtime: Runtime, act: str) -> None:
    with pytest.raises(NotFoundError, match="nobody:1"):
        getattr(tag_runtime, act)("nobody:1")


def test_a_tag_that_is_not_there_cannot_be_copied(tag_runtime: Runtime) -> None:
    before = tag_runtime.tags()
    with pytest.raises(NotFoundError, match="nobody:1"):
        tag_runtime.copy("nobody:1", "nobody:2")
    assert tag_runtime.tags() == before


# Files: how they get into a store on this machine.


def test_a_file_of_the_users_is_not_touched(runtime: Runtime, smollm: str, name: str, file: Path) -> None:
    before, content = file.stat(), file.read_bytes()
    shares: list[float] = []
    assert create(runtime, f"{name}:1", file, progress=shares.append) in ("clone", "copy")
    after = file.stat()
    assert (after.st_mode, after.st_ino, after.st_nlink) == (before.st_mode, before.st_ino, 1)
    assert blob_of(runtime, f"{name}:1").stat().st_ino != before.st_ino
    file.write_bytes(b"changed")
    assert blob_of(runtime, f"{name}:1").read_bytes() == content
    assert shares[-1] == 1.0


def test_a_file_of_ours_is_linked_and_made_read_only(runtime: Runtime, smollm: str, name: str, file: Path) -> None:
    assert create(runtime, f"{name}:1", file, may_link=True) == "link"
    assert blob_of(runtime, f"{name}:1").stat().st_ino == file.stat().st_ino
    assert file.stat().st_mode & 0o222 == 0


def test_the_stored_file_has_the_digest_that_was_given(runtime: Runtime, smollm: str, name: str, file: Path) -> None:
    digest = file_digest(file)
    create(runtime, f"{name}:1", file)
    assert blob_of(runtime, f"{name}:1").name == digest.replace(":", "-")
    assert blob_of(runtime, f"{name}:1").read_bytes() == file.read_bytes()


def test_a_linked_file_survives_the_deletion_of_its_tag(runtime: Runtime, smollm: str, name: str, file: Path) -> None:
    content = file.read_bytes()
    create(runtime, f"{name}:1", file, may_link=True)
    runtime.delete(f"{name}:1")
    assert file.read_bytes() == content


# Prompts and answers, by a real model.


def test_a_prompt_ends_where_the_model_begins_to_speak(runtime: Runtime, smollm: str) -> None:
    prompt = runtime.render(smollm, FRANCE)
    assert prompt.endswith(f"{FRANCE[0].content}<|im_end|>\n{GENERATION_PROMPT}")


def test_system_prompt_and_opening_messages_of_the_tag_come_first(
    runtime: Runtime, smollm: str, name: str, smollm2_path: Path
) -> None:
    opening = (Message(Role.USER, "hi"), Message(Role.ASSISTANT, "ho"))
    create(runtime, f"{name}:1", smollm2_path, Modelfile(system="You know cities.", messages=opening))
    prompt = runtime.render(f"{name}:1", FRANCE)
    turns = [("system", "You know cities."), ("user", "hi"), ("assistant", "ho"), ("user", FRANCE[0].content)]
    assert prompt == "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns) + GENERATION_PROMPT


def test_a_system_message_takes_the_place_of_the_tags(
    runtime: Runtime, smollm: str, name: str, smollm2_path: Path
) -> None:
    create(runtime, f"{name}:1", smollm2_path, Modelfile(system="You know cities."))
    prompt = runtime.render(f"{name}:1", (Message(Role.SYSTEM, "You know rivers."), *FRANCE))
    assert "You know rivers." in prompt
    assert "cities" not in prompt


THINKING = {
    "ollama": "{{ range .Messages }}<{{ .Role }}>"
    "{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ .Content }}{{ end }}<assistant>"
    "{{ if $.IsThinkSet }}{{ if $.Think }}<think>{{ else }}<think></think>{{ end }}{{ end }}",
    "embedded": "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>{% if enable_thinking is "
    "defined %}{% if enable_thinking %}<think>{% else %}<think></think>{% endif %}{% endif %}",
}


@pytest.mark.parametrize(("think", "end"), [(True, "<think>"), (False, "<think></think>")])
def test_a_thinking_model_is_asked_to_think_or_not_to(
    runtime: Runtime, smollm: str, name: str, smollm2_path: Path, think: bool, end: str
) -> None:
    create(runtime, f"{name}:1", smollm2_path, Modelfile(template=THINKING[runtime.name]))
    prompt = runtime.render(f"{name}:1", FRANCE, think=think)
    assert prompt == f"<user>{FRANCE[0].content}<assistant>{end}"
    answer = runtime.chat(f"{name}:1", FRANCE, replace(OPTIONS, num_predict=2, think=think))
    assert answer.prompt_tokens == len(Tokenizer.open(smollm2_path).encode_prompt(prompt))


def test_a_model_that_does_not_think_may_be_asked_not_to(runtime: Runtime, smollm: str) -> None:
    assert runtime.render(smollm, FRANCE, think=False) == runtime.render(smollm, FRANCE)


def test_a_long_conversation_is_rendered_whole(runtime: Runtime, smollm: str) -> None:
    long = (Message(Role.USER, "FIRST " + "word " * 5000), Message(Role.ASSISTANT, "yes"), *FRANCE)
    assert "FIRST" in runtime.render(smollm, long)


def test_the_model_answers(runtime: Runtime, smollm: str) -> None:
    runtime.load(smollm)
    answer = runtime.chat(smollm, FRANCE, OPTIONS)
    assert "Paris" in answer.text
    assert answer.done_reason == "stop"
    assert not answer.truncated
    assert answer.first_token_s > 0
    assert answer.total_s > 0
    assert 0 < answer.answer_tokens < OPTIONS.num_predict


def test_an_answer_has_its_probability_if_that_is_asked_for_and_the_runtime_can_tell(
    runtime: Runtime, smollm: str
) -> None:
    asked = (Message(Role.USER, "Say hello."),)
    plain, sure = (runtime.chat(smollm, asked, OPTIONS, logprobs=wanted) for wanted in (False, True))
    assert plain.logprob is None
    assert sure.text == plain.text
    if runtime.name == "ollama":
        assert sure.logprob is not None
        assert -20 * sure.answer_tokens < sure.logprob < 0


def test_a_model_that_is_none_for_embeddings_gives_none(runtime: Runtime, smollm: str) -> None:
    with pytest.raises(RuntimeRefusedError, match="embeddings"):
        runtime.embed(smollm, "hello")


def test_an_answer_that_repeats_one_token_is_cut_and_no_failure(runtime: Runtime, smollm: str) -> None:
    """Ollama ends it with an error after 100 (issue 21: a base that did so ended the whole run)."""
    zeros = json.dumps({"type": "string", "pattern": "^0{400}$"})
    answer = runtime.chat(smollm, FRANCE, ChatOptions(num_predict=200, schema=zeros))
    assert answer.text.startswith('"00000')
    assert answer.truncated
    assert answer.done_reason == {"ollama": "repeat"}.get(runtime.name, "length")
    assert 90 < answer.answer_tokens <= 201
    assert answer.total_s > 0


@pytest.mark.parametrize("parser", ["qwen3", "qwen3-coder", "qwen3-vl-instruct"])
def test_an_answer_whose_call_of_a_tool_ollama_cannot_read_is_cut_and_no_failure(
    ollama: OllamaRuntime, name: str, smollm2_path: Path, parser: str
) -> None:
    create(ollama, f"{name}:1", smollm2_path, Modelfile(template="{{ .Prompt }}", parser=parser))
    call = json.dumps({"enum": ["I call <tool_call>{name</tool_call> now"]})
    answer = ollama.chat(f"{name}:1", FRANCE, ChatOptions(num_predict=64, schema=call))
    assert answer.text.strip() == '"I call'
    assert (answer.done_reason, answer.truncated) == ("unparsed", True)


def test_an_embedding_model_gives_embeddings(ollama: OllamaRuntime, name: str, tmp_path: Path) -> None:
    file = write_tiny_gguf(tmp_path / "embedding.gguf", metadata={"llama.pooling_type": 1})
    create(ollama, f"{name}:1", file)
    one, same, other = (ollama.embed(f"{name}:1", text) for text in ("a cat sat", "a cat sat", "stock prices fell"))
    assert len(one) == len(other) > 16
    assert one == same != other


def test_the_same_question_has_the_same_answer(runtime: Runtime, smollm: str) -> None:
    first, second = (runtime.chat(smollm, FRANCE, OPTIONS) for _ in range(2))
    first, second = (replace(answer, total_s=0.0, first_token_s=0.0) for answer in (first, second))
    assert first == second


def test_the_prompt_that_was_read_is_the_prompt_that_is_rendered(
    runtime: Runtime, smollm: str, smollm2_path: Path
) -> None:
    ids = Tokenizer.open(smollm2_path).encode_prompt(runtime.render(smollm, FRANCE))
    assert runtime.chat(smollm, FRANCE, OPTIONS).prompt_tokens == len(ids)


def test_an_answer_is_held_to_a_schema(runtime: Runtime, smollm: str) -> None:
    schema = {
        "type": "object",
        "properties": {"capital": {"type": "string", "maxLength": 12}, "millions": {"type": "integer"}},
        "required": ["capital", "millions"],
        "additionalProperties": False,
    }
    held = replace(OPTIONS, num_predict=64, schema=json.dumps(schema))
    said = json.loads(runtime.chat(smollm, FRANCE, held).text)
    assert set(said) == {"capital", "millions"}
    assert isinstance(said["capital"], str)
    assert isinstance(said["millions"], int)
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(runtime.chat(smollm, FRANCE, OPTIONS).text)


def test_a_schema_that_no_answer_can_be_held_to_is_an_error(runtime: Runtime, smollm: str) -> None:
    with pytest.raises(AdapterdError, match=r"schema|format|grammar"):
        runtime.chat(smollm, FRANCE, replace(OPTIONS, schema='{"$ref": "#/$defs/nowhere"}'))


def test_an_answer_that_is_cut_says_so(runtime: Runtime, smollm: str) -> None:
    answer = runtime.chat(smollm, FRANCE, replace(OPTIONS, num_predict=2))
    assert (answer.done_reason, answer.truncated, answer.answer_tokens) == ("length", True, 2)


def test_an_answer_ends_before_a_stop_of_the_tag(runtime: Runtime, smollm: str, name: str, smollm2_path: Path) -> None:
    create(
        runtime,
        f"{name}:1",
        smollm2_path,
        Modelfile(system="You know cities.", parameters={"stop": ("France", "<|im_end|>")}),
    )
    answer = runtime.chat(f"{name}:1", FRANCE, OPTIONS)
    assert answer.text.rstrip() == "The capital of"
    assert answer.done_reason == "stop"


@pytest.mark.parametrize("turns", [1, 3])
def test_a_prompt_that_does_not_fit_is_refused_rather_than_cut(
    runtime: Runtime, name: str, file: Path, turns: int
) -> None:
    create(runtime, f"{name}:1", file)
    roles = itertools.cycle((Role.USER, Role.ASSISTANT))
    long = tuple(Message(next(roles), "word " * (600 // turns)) for _ in range(turns))
    with pytest.raises(RuntimeRefusedError, match=r"tokens|context length"):
        runtime.chat(f"{name}:1", long, SMALL)


def test_an_answer_that_fills_the_context_is_cut_and_the_prompt_is_kept(runtime: Runtime, smollm: str) -> None:
    counting = (Message(Role.SYSTEM, "You know numbers. " * 45), Message(Role.USER, "Count from 1 to 1000."))
    answer = runtime.chat(smollm, counting, replace(SMALL, num_predict=400))
    assert answer.done_reason == "length"
    last = 1  # which Ollama 0.24 says although it is not kept
    assert answer.prompt_tokens + answer.answer_tokens in (SMALL.num_ctx, SMALL.num_ctx + last)


def test_a_tag_that_is_not_there_cannot_be_asked(runtime: Runtime) -> None:
    with pytest.raises(NotFoundError, match="nobody:1"):
        runtime.chat("nobody:1", FRANCE, OPTIONS)
    with pytest.raises(NotFoundError, match="nobody:1"):
        runtime.render("nobody:1", FRANCE)


# Ollama alone: uploads, torn manifests, Modelfiles.


@pytest.mark.ollama
def test_a_server_elsewhere_gets_the_same_file_by_upload(ollama: OllamaRuntime, name: str, file: Path) -> None:
    remote = OllamaRuntime(ollama.host)
    vars(remote)["_is_local"] = False
    shares: list[float] = []
    assert create(remote, f"{name}:1", file, progress=shares.append) == "upload"
    assert remote.show(f"{name}:1").gguf is None
    assert shares[-1] == 1.0
    assert blob_of(ollama, f"{name}:1").read_bytes() == file.read_bytes()


@pytest.mark.ollama
def test_a_store_of_another_user_gets_the_file_by_upload(
    ollama: OllamaRuntime, name: str, new_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    create(ollama, f"{name}:1", new_file())
    monkeypatch.setattr(blob_link, "is_own_folder", lambda _: False)
    file = new_file()
    assert create(ollama, f"{name}:2", file, may_link=True) == "upload"
    assert blob_of(ollama, f"{name}:2").read_bytes() == file.read_bytes()


@pytest.mark.ollama
def test_a_file_that_the_server_does_not_see_is_uploaded(
    ollama: OllamaRuntime, name: str, new_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "blobs"
    elsewhere.mkdir()
    monkeypatch.setattr(OllamaRuntime, "_blob_folder", lambda _: elsewhere)
    assert create(ollama, f"{name}:1", new_file()) == "upload"
    assert list(elsewhere.iterdir()) == []


@pytest.mark.ollama
def test_a_damaged_tag_of_somebody_else_is_no_obstacle(
    ollama: OllamaRuntime, models: Path, name: str, new_file: Callable[..., Path]
) -> None:
    damaged = new_file()
    create(ollama, f"{name}:1", damaged)
    (models / "blobs" / file_digest(damaged).replace(":", "-")).unlink()
    with pytest.raises((RuntimeRefusedError, NotFoundError), match=r"no such file|not found"):
        ollama.show(f"{name}:1")
    create(ollama, f"{name}:2", new_file())
    assert f"{name}:2" in ollama.tags()


@pytest.mark.ollama
def test_a_file_that_is_no_gguf_is_refused(ollama: OllamaRuntime, name: str, tmp_path: Path) -> None:
    file = tmp_path / "letter.gguf"
    file.write_text("Dear Sir, " * 100)
    with pytest.raises(RuntimeRefusedError, match=r"unsupported file type|not in GGUF format"):
        create(ollama, f"{name}:1", file)
    assert f"{name}:1" not in ollama.tags()


@pytest.mark.ollama
def test_a_model_stays_loaded_when_its_prompts_are_rendered_between_its_answers(
    ollama: OllamaRuntime, ollama_server: PrivateOllama, name: str, smollm2_path: Path
) -> None:
    create(ollama, f"{name}:1", smollm2_path)
    options = ChatOptions(num_ctx=768, num_predict=2)
    contexts = []
    for _ in range(2):
        ollama.chat(f"{name}:1", FRANCE, options)
        ollama.render(f"{name}:1", FRANCE, num_ctx=options.num_ctx)
        contexts += [model["context_length"] for model in loaded_models(ollama_server) if model["name"] == f"{name}:1"]
    assert contexts == [768, 768]


def loaded_models(server: PrivateOllama) -> list[dict[str, Any]]:
    """What `ollama ps` shows."""
    with urllib.request.urlopen(f"{server.host}/api/ps") as response:
        return list(json.load(response)["models"])


@pytest.mark.ollama
def test_a_context_that_a_prompt_does_not_fit_into_cuts_nothing_when_it_is_rendered(
    ollama: OllamaRuntime, name: str, smollm2_path: Path
) -> None:
    create(ollama, f"{name}:1", smollm2_path)
    long = (Message(Role.USER, "FIRST " + "word " * 5000), Message(Role.ASSISTANT, "yes"), *FRANCE)
    assert ollama.render(f"{name}:1", long, num_ctx=256) == ollama.render(f"{name}:1", long)


@pytest.mark.ollama
@pytest.mark.parametrize("left", [0, 40])
def test_a_torn_manifest_is_a_sentence_and_a_copy_over_it_repairs_it(
    ollama: OllamaRuntime, models: Path, name: str, file: Path, left: int
) -> None:
    create(ollama, f"{name}:1", file)
    ollama.copy(f"{name}:1", f"{name}:latest")
    manifest = next(models.glob(f"manifests/*/*/{name}/latest"))
    manifest.write_bytes(manifest.read_bytes()[:left])
    for act in (ollama.show, ollama.load, lambda tag: ollama.render(tag, FRANCE)):
        with pytest.raises(AdapterdError, match="EOF"):
            act(f"{name}:latest")
    assert f"{name}:latest" not in ollama.tags()
    ollama.copy(f"{name}:1", f"{name}:latest")
    assert ollama.tags()[f"{name}:latest"] == ollama.tags()[f"{name}:1"]


@pytest.mark.ollama
def test_a_modelfile_made_by_hand_makes_the_same_model(
    ollama: OllamaRuntime, ollama_server: PrivateOllama, name: str, file: Path, tmp_path: Path
) -> None:
    whole = Modelfile(
        template="{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}"
        '{{ range .Messages }}<|im_start|>{{ .Role }} "x"\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n',
        system="You know cities.",
        parameters={"num_ctx": 1_048_576, "stop": ("<|im_end|>", '"q"'), "temperature": 0.3, "top_p": 1e-05},
        messages=(Message(Role.USER, 'say "ho"'), Message(Role.ASSISTANT, " ho ")),
    )
    create(ollama, f"{name}:1", file, whole)
    by_hand(ollama_server, f"{name}:2", whole.text(source=f"{name}:1", title="by hand"), tmp_path)
    by_hand(ollama_server, f"{name}:3", whole.text(source=str(file), title="by hand"), tmp_path)
    for tag in (f"{name}:2", f"{name}:3"):
        assert ollama.show(tag).modelfile == whole
        assert ollama.render(tag, FRANCE) == ollama.render(f"{name}:1", FRANCE)


@pytest.mark.ollama
def test_any_text_gets_through_a_modelfile(
    ollama: OllamaRuntime, ollama_server: PrivateOllama, name: str, file: Path, tmp_path: Path
) -> None:
    create(ollama, f"{name}:base", file)
    for number, text in enumerate(NASTY_TEXTS):
        modelfile = Modelfile(system=text, parameters={"stop": (text, "x")})
        by_hand(ollama_server, f"{name}:{number}", modelfile.text(source=f"{name}:base", title="t"), tmp_path)
        made = ollama.show(f"{name}:{number}").modelfile
        assert (made.system, made.parameters["stop"]) == (text, (text, "x"))


def by_hand(server: PrivateOllama, tag: str, modelfile: str, folder: Path) -> None:
    """`ollama create` as a person would give it."""
    (folder / "Modelfile").write_text(modelfile, newline="")
    command: list[str | Path] = [server.binary, "create", tag, "-f", folder / "Modelfile"]
    done = subprocess.run(command, env=server.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
