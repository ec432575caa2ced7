"""What cannot be a base is refused before anything is made of it, in words about what a person gave."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapterd.base.modelfile import Modelfile
from adapterd.errors import UnsupportedModelError
from adapterd.serving.runtime import ServedModel
from adapterd.serving.usable_base import require_one_gguf, require_usable
from tests.support.tiny_gguf import write_tiny_gguf

JINJA = "{% for m in messages %}{{ m.content }}{% endfor %}"
BLOB = "sha256-" + "a" * 64


def served(**told: Any) -> ServedModel:
    return ServedModel("llava:7b", "digest", Path("/blobs", BLOB), Modelfile(), **told)


@pytest.mark.parametrize(
    ("told", "sentence", "hint"),
    [
        ({"files": ("model", "projector")}, "has a projector .*does not name by its digest", "--base FILE.gguf"),
        ({"files": ("model", "adapter")}, "has an ADAPTER beside the model", "merge the adapter"),
        ({"files": ("model", "draft")}, "has a DRAFT beside the model", "without the DRAFT line"),
        ({"files": ("model", "projector", "adapter")}, "has a projector", "--base FILE.gguf"),
        ({"files": ("model", "adapter", "adapter")}, "has an ADAPTER", "merge the adapter"),
        ({"files": ("model", "model")}, "is stored in 2 parts", "llama-gguf-split --merge"),
        ({"stored_as": "safetensors"}, "is stored as safetensors .*MLX", "GGUF tag"),
        ({"remote": "https://ollama.com:443"}, "is answered by https://ollama.com", "ollama pull"),
        ({"capabilities": frozenset(("embedding",))}, "gives embeddings, not answers", "chat model"),
    ],
)
def test_a_tag_that_is_more_or_other_than_one_model_is_refused(told: dict[str, Any], sentence: str, hint: str) -> None:
    with pytest.raises(UnsupportedModelError, match=f"^LLaVA {sentence}") as caught:
        require_one_gguf(served(**told), "LLaVA")
    assert hint in caught.value.hint


@pytest.mark.parametrize("told", [{}, {"capabilities": frozenset(("completion", "tools"))}])
def test_a_tag_of_one_model_that_answers_is_taken(told: dict[str, Any]) -> None:
    require_one_gguf(served(**told), "LLaVA")


def test_a_tag_with_a_projector_is_taken_if_the_runtime_can_be_told_which() -> None:
    known = Modelfile(projectors=("sha256:bb",))
    require_one_gguf(replace(served(files=("model", "projector")), modelfile=known), "LLaVA")
    with pytest.raises(UnsupportedModelError, match="has a projector"):
        require_one_gguf(replace(served(files=("model", "projector", "projector")), modelfile=known), "LLaVA")


@pytest.fixture
def new_file(tmp_path: Path) -> Callable[..., Path]:
    """Makes files under a name that only Ollama's store has."""

    def make(architecture: str = "llama", **metadata: Any) -> Path:
        metadata = {"tokenizer.chat_template": JINJA} | {key.replace("__", "."): v for key, v in metadata.items()}
        return write_tiny_gguf(tmp_path / BLOB, architecture=architecture, layers=1, metadata=metadata)

    return make


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ({"split__count": 2}, "is stored in 2 parts"),
        ({"general__type": "adapter"}, "is a LoRA adapter, not a model"),
        ({"llama__pooling_type": 1}, "gives embeddings, not answers"),
        ({"tokenizer__chat_template": None}, "has no chat template"),
        ({"architecture": "gptneox"}, "has the architecture 'gptneox'"),
    ],
)
def test_a_file_is_refused_by_the_name_that_a_person_gave(
    new_file: Callable[..., Path], metadata: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=f"^mine:1 {sentence}") as caught:
        require_usable(new_file(**metadata), Modelfile(), "mine:1")
    assert BLOB not in str(caught.value)
    assert str(caught.value).count("mine:1") == 1


def test_a_whole_file_is_taken(new_file: Callable[..., Path]) -> None:
    require_usable(new_file(split__count=1, general__type="model"), Modelfile(), "mine:1")


@pytest.mark.parametrize("modelfile", [Modelfile(template="{{ .Prompt }}"), Modelfile(renderer="qwen3-coder")])
def test_a_template_or_a_renderer_of_the_tag_stands_in_for_the_files(
    new_file: Callable[..., Path], modelfile: Modelfile
) -> None:
    require_usable(new_file(tokenizer__chat_template=None), modelfile, "mine:1")
