"""The context that Ollama really serves, and `init` of a base for which it makes a difference."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from adapterd.base.modelfile import Modelfile
from adapterd.chat import ChatOptions, Message, Role
from adapterd.config import OllamaSettings, Settings
from adapterd.deployment.create_model import NewModel, create_model
from adapterd.errors import InputError
from adapterd.home import Home
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtimes import file_digest
from tests.support.tiny_gguf import write_tiny_gguf

if TYPE_CHECKING:
    from adapterd.serving.server import PrivateOllama

pytestmark = pytest.mark.ollama
GO = "{{ range .Messages }}<{{ .Role }}>{{ .Content }}</{{ .Role }}>{{ end }}<assistant>"
ASKED = (Message(Role.USER, "hello"),)
DEFAULT = 4096
"""Ollama's own, where there is no GPU."""


@pytest.fixture
def ollama(ollama_server: "PrivateOllama") -> OllamaRuntime:
    return OllamaRuntime(ollama_server.host, timeout_s=120)


@pytest.fixture
def phi(tmp_path: Path) -> Path:
    metadata = {
        "general.name": tmp_path.name, "phi3.context_length": 131_072,
        "phi3.rope.scaling.original_context_length": 4096,
    }  # fmt: skip
    factors = {"rope_factors_short.weight": np.ones(8), "rope_factors_long.weight": np.linspace(1, 40, 8)}
    return write_tiny_gguf(tmp_path / "phi.gguf", architecture="phi3", layers=1, metadata=metadata, tensors=factors)


def serve(runtime: OllamaRuntime, tag: str, file: Path, **parameters: int) -> str:
    runtime.create(tag, file, file_digest(file), Modelfile(template=GO, parameters=parameters))
    return tag


def test_the_context_is_the_tags_own_or_the_servers_default(ollama: OllamaRuntime, phi: Path) -> None:
    plain, own = serve(ollama, "context-plain:1", phi), serve(ollama, "context-own:1", phi, num_ctx=9000)
    assert ollama.context_tokens(plain) == DEFAULT
    assert ollama.context_tokens(own) == 9000
    ollama.chat(plain, ASKED, ChatOptions(num_ctx=6000, num_predict=1))
    assert ollama.context_tokens(plain) == DEFAULT, "what one application asked for is not what others get"


def created(runtime: OllamaRuntime, home: Home, base: str, *changes: str) -> tuple[int, list[str]]:
    notes: list[str] = []
    settings = replace(Settings(), ollama=OllamaSettings(host=runtime.host))
    made = create_model(home, settings, NewModel("phi-news", base, changes=changes), notify=notes.append)
    return made.evaluation.num_ctx, [note for note in notes if "context" in note]


@pytest.mark.parametrize(
    ("parameters", "num_ctx"), [({}, 4096), ({"num_ctx": 32_768}, 8192), ({"num_ctx": 2048}, 4096)]
)
def test_init_goes_by_the_context_that_applications_get(
    ollama: OllamaRuntime, home: Home, phi: Path, parameters: dict[str, int], num_ctx: int
) -> None:
    base = serve(ollama, "context-phi:1", phi, **parameters)
    try:
        found, [note] = created(ollama, home, base)
    finally:
        for tag in ("phi-news:base", "phi-news:latest"):
            ollama.delete(tag)
    assert found == num_ctx
    assert f"It is served with {parameters.get('num_ctx', DEFAULT)}," in note


def test_init_refuses_to_judge_what_nobody_is_served(ollama: OllamaRuntime, home: Home, phi: Path) -> None:
    base = serve(ollama, "context-phi:1", phi, num_ctx=32_768)
    with pytest.raises(InputError, match="applications get one of 32768"):
        created(ollama, home, base, "evaluation.num_ctx=2048")
    assert "phi-news:base" not in ollama.tags()
    assert not home.config_file.exists()
