"""Bases as people have them in a real Ollama: each can be made again and is served as it was, or is refused at `init`
with what would be lost, and leaves nothing behind."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import httpx
import pytest

from adapterd import config
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.base.modelfile import Modelfile
from adapterd.base_proof.proof import proven_base
from adapterd.chat import ChatOptions, Message, Role
from adapterd.config import OllamaSettings, Settings
from adapterd.deployment.base_drift import drifted_to
from adapterd.deployment.create_model import NewModel, create_model
from adapterd.errors import AdapterdError, InputError, NotFoundError, UnsupportedModelError
from adapterd.home import Home
from adapterd.insight.bases import look_at_bases
from adapterd.serving.runtimes import file_digest, pinned_base, runtime_for
from tests.support.chat_templates import DATED, FAMILIES, GO, TOOLS
from tests.support.ollama_store import OllamaStore
from tests.support.split_gguf import copy_metadata, copy_tensors, in_parts
from tests.support.tiny_projector import write_tiny_projector

pytestmark = pytest.mark.ollama
ASKED = (Message(Role.USER, "Which city?"),)
SMALL = ChatOptions(num_ctx=512, num_predict=4)


@pytest.fixture
def general(ollama_store: OllamaStore) -> Settings:
    return Settings(ollama=OllamaSettings(host=ollama_store.server.host))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def init(home: Home, general: Settings, base: str | Path, **more: Any) -> list[str]:
    """The model `news` on this base; what a person is told besides."""
    notes: list[str] = []
    create_model(home, general, NewModel("news", str(base), **more), notify=notes.append)
    return notes


def inherited(home: Home, store: OllamaStore) -> Modelfile:
    """What the versions of the model will have."""
    settings = config.load(home)
    base = pinned_base(store.runtime, "news", settings.models["news"])
    return proven_base(home, settings, store.runtime, "news", base).modelfile


def refused(home: Home, general: Settings, store: OllamaStore, base: str | Path, sentence: str) -> AdapterdError:
    before = store.runtime.tags()
    with pytest.raises(AdapterdError, match=sentence) as caught:
        init(home, general, base)
    assert store.runtime.tags() == before
    assert not home.config_file.exists()
    assert "sha256-" not in str(caught.value)
    return caught.value


def served_as_trained(store: OllamaStore, tag: str, file: Path) -> None:
    """Our ids of a prompt are as many as the server makes of it."""
    ids = Tokenizer.open(file).encode_prompt(store.runtime.render(tag, ASKED))
    assert store.runtime.chat(tag, ASKED, SMALL).prompt_tokens == len(ids)


# Templates.


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("given", ["a file", "a tag"])
def test_a_base_with_a_template_inside_the_file_keeps_it(
    home: Home, general: Settings, ollama_store: OllamaStore, family: str, given: str
) -> None:
    file = ollama_store.file(FAMILIES[family])
    init(home, general, file if given == "a file" else ollama_store.tag("plain:1", file))
    assert ollama_store.shown("news:base")["template"] == FAMILIES[family]
    assert inherited(home, ollama_store).template is None
    served_as_trained(ollama_store, "news:base", file)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_template_of_the_tag_that_ollama_does_not_prefer_is_handed_on(
    home: Home, general: Settings, ollama_store: OllamaStore, family: str
) -> None:
    init(home, general, ollama_store.tag("old:1", ollama_store.file(FAMILIES[family]), Modelfile(template=GO)))
    assert ollama_store.shown("news:base")["template"] == FAMILIES[family]
    assert inherited(home, ollama_store).template == GO


def test_no_template_by_choice_is_handed_on(home: Home, general: Settings, ollama_store: OllamaStore) -> None:
    plain = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant] "
    init(home, general, ollama_store.tag("bare:1", ollama_store.file(plain), Modelfile(template="{{ .Prompt }}")))
    assert inherited(home, ollama_store).template == "{{ .Prompt }}"
    assert ollama_store.runtime.render("news", ASKED) == ASKED[0].content


def test_a_renderer_and_a_parser_are_handed_on(home: Home, general: Settings, ollama_store: OllamaStore) -> None:
    whole = Modelfile(renderer="qwen3-coder", parser="qwen3-coder", system="Be brief.", requires="0.20.0")
    init(home, general, ollama_store.tag("coder:1", ollama_store.file(TOOLS, "qwen3"), whole))
    assert inherited(home, ollama_store) == whole


def test_a_base_that_ollama_does_not_let_think_is_not_asked_to(
    home: Home, general: Settings, ollama_store: OllamaStore
) -> None:
    tag = ollama_store.tag("plain:2", ollama_store.file(GO), Modelfile(template=GO))
    before = ollama_store.runtime.tags()
    with pytest.raises(InputError, match=r"^plain:2 cannot be asked to think"):
        init(home, general, tag, changes=("think=on",))
    assert ollama_store.runtime.tags() == before
    assert init(home, general, tag, changes=("think=off",)) == []


@pytest.mark.parametrize("adds", [True, False])
def test_a_start_token_in_the_template_is_counted_as_it_is_served(
    home: Home, general: Settings, ollama_store: OllamaStore, adds: bool
) -> None:
    file = with_gemmas_tokens(ollama_store.file(None, "gemma2", tokenizer="llama", hidden=96), adds=adds)
    template = "<bos><start_of_turn>user\n{{ .Prompt }}<end_of_turn>\n<start_of_turn>model\n{{ .Response }}"
    init(home, general, ollama_store.tag("gemma:1", file, Modelfile(template=template)))
    served_as_trained(ollama_store, "news:base", file)
    assert Tokenizer.open(file).encode_prompt(ollama_store.runtime.render("news:base", ASKED)).count(1) == 1


def test_a_start_token_that_ollama_leaves_there_is_there_twice(
    home: Home, general: Settings, ollama_store: OllamaStore
) -> None:
    file = ollama_store.file(None, tokenizer="llama", hidden=96, metadata={"tokenizer.ggml.add_bos_token": True})
    init(home, general, ollama_store.tag("mistral:1", file, Modelfile(template="<s>[INST] {{ .Prompt }} [/INST]")))
    served_as_trained(ollama_store, "news:base", file)
    assert Tokenizer.open(file).encode_prompt(ollama_store.runtime.render("news:base", ASKED)).count(1) == 2


def with_gemmas_tokens(path: Path, *, adds: bool) -> Path:
    """The same file with Gemma's names for the tokens that begin a text and a turn."""
    reader = gguf.GGUFReader(path)
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    types = reader.fields["tokenizer.ggml.token_type"].contents()
    tokens[1:3] = ["<bos>", "<eos>"]
    unused = (place for place, text in enumerate(tokens) if text.startswith("<unused"))
    for place, text in zip(unused, ("<start_of_turn>", "<end_of_turn>"), strict=False):
        tokens[place], types[place] = text, int(gguf.TokenType.CONTROL)
    changed = {"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types}
    out = path.with_name(f"gemma-{path.name}")
    writer = gguf.GGUFWriter(out, "gemma2")
    copy_metadata(reader, writer, changed)
    writer.add_add_bos_token(adds)
    copy_tensors(reader.tensors, writer)
    return out


# What stands beside a model.


def test_a_retired_parameter_is_left_out_and_told(home: Home, general: Settings, ollama_store: OllamaStore) -> None:
    tag = ollama_store.tag("old:1", ollama_store.file(GO), Modelfile(template=GO, parameters={"top_k": 3}))
    ollama_store.add_layer(tag, "params", json.dumps({"top_k": 3, "typical_p": 0.7, "tfs_z": 1}).encode())
    [note] = init(home, general, tag)
    assert "typical_p = 0.7" in note
    assert inherited(home, ollama_store).parameters == {"top_k": 3, "tfs_z": 1}


@pytest.mark.parametrize(
    ("kind", "file", "sentence"),
    [
        (
            "projector",
            "another model",
            "llava:1 cannot be a base, for a version of it with its projector cannot be read",
        ),
        ("projector", "an unknown projector", "a version made of llava:1 would .* its projector is lost"),
        ("adapter", "another model", "llava:1 has an ADAPTER beside the model"),
    ],
)
def test_a_base_whose_version_would_lose_something_is_refused(
    home: Home, general: Settings, ollama_store: OllamaStore, kind: str, file: str, sentence: str
) -> None:
    """Ollama takes a file for a projector by what is said in it, whatever an older release took it for."""
    tag = ollama_store.tag("llava:1", ollama_store.file(GO), Modelfile(template=GO))
    unknown = write_tiny_projector(ollama_store.folder / "unknown.gguf", architecture="llama")
    ollama_store.add_layer(tag, kind, (ollama_store.file(GO) if file == "another model" else unknown).read_bytes())
    refused(home, general, ollama_store, tag, sentence)


@pytest.mark.parametrize("given", ["tag", "file"])
def test_a_model_in_parts_is_joined(home: Home, general: Settings, ollama_store: OllamaStore, given: str) -> None:
    whole = ollama_store.file(GO)
    parts = in_parts(whole)
    make(ollama_store, "big:1", parts)
    said: list[str] = []
    base = "big:1" if given == "tag" else str(parts[0])
    new = NewModel("news", base, template=None if given == "tag" else GO)
    made = create_model(home, general, new, notify=said.append)
    assert f"{base} is stored in 2 parts; its versions are one file each" in said
    assert made.base == base
    runtime = runtime_for(config.load(home), home)
    pinned = pinned_base(runtime, "news", made, home)
    assert pinned.modelfile.template == GO
    ours, theirs = GgufFile.open(pinned.gguf), GgufFile.open(whole)
    assert {name: ours.raw(name).tobytes() for name in ours.tensors} == {
        name: theirs.raw(name).tobytes() for name in theirs.tensors
    }
    assert not list(home.root.glob(".joined-*"))
    assert create_model(home, config.load(home), new) == made
    assert drifted_to(runtime, "news", made) is None
    assert [row.trainable for row in look_at_bases(home, general, runtime, ["big:1"]).rows] == [True]


def make(store: OllamaStore, tag: str, parts: list[Path]) -> None:
    """A tag of a model in parts."""
    request = {"model": tag, "files": {part.name: upload(store, part) for part in parts}, "template": GO}
    create = f"{store.server.host}/api/create"
    httpx.post(create, json=request | {"stream": False}, timeout=60).raise_for_status()


def test_a_model_in_parts_loses_nothing_silently(home: Home, general: Settings, ollama_store: OllamaStore) -> None:
    parts = in_parts(ollama_store.file(GO))
    make(ollama_store, "big:2", parts)
    ollama_store.add_layer("big:2", "adapter", ollama_store.file(GO).read_bytes())
    refused(home, general, ollama_store, "big:2", "big:2 has an ADAPTER beside the model")
    (row,) = look_at_bases(home, general, ollama_store.runtime, ["big:2"]).rows
    assert (row.trainable, "has an ADAPTER beside the model" in row.why_not) == (False, True)


def test_a_damaged_part_is_told(home: Home, general: Settings, ollama_store: OllamaStore) -> None:
    parts = in_parts(ollama_store.file(GO))
    make(ollama_store, "big:3", parts)
    blob = ollama_store.server.folder / "models/blobs" / upload(ollama_store, parts[1]).replace(":", "-")
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.write_bytes(data)
    with pytest.raises(AdapterdError, match=r"a file of big:3, is damaged") as caught:
        init(home, general, "big:3")
    assert "ollama pull big:3" in caught.value.hint


def upload(store: OllamaStore, file: Path) -> str:
    digest = file_digest(file)
    httpx.post(f"{store.server.host}/api/blobs/{digest}", content=file.read_bytes(), timeout=60).raise_for_status()
    return digest


def test_ollamas_own_format_is_named(home: Home, general: Settings, ollama_store: OllamaStore) -> None:
    settings = {"model_format": "safetensors", "model_family": "qwen3", "capabilities": ["completion"]}
    layer = ollama_store.blob("application/vnd.ollama.image.tensor", b"x" * 100) | {"name": "model.embed_tokens.weight"}
    about = ollama_store.blob("application/vnd.ollama.image.json", b'{"architectures": ["Qwen3ForCausalLM"]}')
    ollama_store.write_manifest("qwen:mlx", settings, [layer, about | {"name": "config.json"}])
    refused(home, general, ollama_store, "qwen:mlx", "qwen:mlx is stored as safetensors .*MLX.*GGUF")


def test_an_embedding_model_is_no_base(home: Home, general: Settings, ollama_store: OllamaStore) -> None:
    file = ollama_store.file(GO, "qwen3", metadata={"qwen3.pooling_type": 3})
    refused(home, general, ollama_store, ollama_store.tag("embed:1", file), "embed:1 gives embeddings, not answers")


def test_a_message_of_a_tool_in_somebody_elses_tag_does_not_matter(
    home: Home, general: Settings, ollama_store: OllamaStore
) -> None:
    theirs = ollama_store.tag("aa-theirs:1", ollama_store.file(GO), Modelfile(template=GO))
    ollama_store.add_layer(theirs, "messages", json.dumps([{"role": "tool", "content": "22 degrees"}]).encode())
    init(home, general, ollama_store.file(TOOLS))
    home.config_file.unlink()
    with pytest.raises(UnsupportedModelError, match=r"aa-theirs:1 cannot be a base: .*'tool'"):
        create_model(home, general, NewModel("others", theirs))


@pytest.mark.parametrize("typed", ["Mine:7B", "library/mine:7b", "https://ollama.com/library/mine:7b"])
def test_a_base_is_found_as_people_type_it(
    home: Home, general: Settings, ollama_store: OllamaStore, typed: str
) -> None:
    ollama_store.tag("mine:7b", ollama_store.file(TOOLS))
    init(home, general, typed)
    assert config.load(home).models["news"].base == "mine:7b"


def test_a_base_that_is_not_there_is_pulled_by_its_short_name(
    home: Home, general: Settings, ollama_store: OllamaStore
) -> None:
    fault = refused(home, general, ollama_store, "https://ollama.com/library/nobody:7b", "has no https://ollama.com")
    assert isinstance(fault, NotFoundError)
    assert fault.hint == "ollama pull nobody:7b"


# Proven again.


def test_a_base_is_proven_again_after_an_update_of_the_runtime(
    home: Home, general: Settings, ollama_store: OllamaStore
) -> None:
    init(home, general, ollama_store.file(DATED))
    settings = config.load(home)
    base = pinned_base(ollama_store.runtime, "news", settings.models["news"])
    proven = home.base_proof("news").read_text()
    older = json.loads(proven) | {"runtime": "ollama 0.24.0", "prompting": "another"}
    home.base_proof("news").write_text(json.dumps(older))
    again = proven_base(home, settings, ollama_store.runtime, "news", base)
    assert home.base_proof("news").read_text() == proven
    assert again == replace(base, prompting=json.loads(proven)["prompting"])
    assert "news:candidate" not in ollama_store.runtime.tags()
