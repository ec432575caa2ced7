"""Families whose files Ollama's own engine loads: it serves a merged file with the likelihoods that MLX computes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.base.modelfile import Modelfile
from adapterd.chat import ChatOptions, Message, Role
from adapterd.formats.encoded import EncodedExample
from adapterd.merging.examples import MergeExamples
from adapterd.merging.merge import merge
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtimes import file_digest
from adapterd.serving.server import PrivateOllama
from tests.support.tiny_adapter import write_adapter
from tests.support.tiny_gguf import mlx_logits, write_tiny_gguf

TEMPLATE = "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
ASKED = [
    (Message(Role.USER, f"The town of {name} paid for 2,500 new jobs, a bridge and two schools in this year."),)
    for name in ("Longmeadow", "Ashford", "Westbury", "Elmhurst", "Oakdale", "Milton")
]
ROUNDED = 0.015
"""Of the logits' standard deviation: Ollama keeps keys and values as 16-bit floats, and looks GELUs up in a table."""
FAMILIES: dict[str, dict[str, Any]] = {
    "gemma": {},
    "granite": {},
    "smollm3": {},
    "olmo2": {"metadata": {"olmo2.attention.sliding_window": 8}},
    "mistral3": {},
    "qwen35": {"ahead": 1},
    "gemma4": {},
}

pytestmark = pytest.mark.ollama


@pytest.fixture(params=sorted(FAMILIES))
def family_path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    options = FAMILIES[request.param]
    return write_tiny_gguf(tmp_path / "base.gguf", architecture=request.param, layers=4, **options)


@pytest.fixture
def tag(ollama_server: PrivateOllama, request: pytest.FixtureRequest) -> Iterator[str]:
    made = f"family-{request.node.callspec.params['family_path']}:merged"
    yield made
    OllamaRuntime(ollama_server.host).delete(made)


def likeliest(path: Path, ids: list[int]) -> float:
    """The log-likelihood of the likeliest token after these."""
    last = mlx_logits(path, ids)[-1].astype(np.float64)
    return float(-np.log(np.exp(last - last.max()).sum()))


def test_a_merged_file_is_served_as_mlx_computes_it(
    ollama_server: PrivateOllama, family_path: Path, tag: str, tmp_path: Path
) -> None:
    examples = MergeExamples([EncodedExample(tuple(range(20 + start, 60 + start)), 1, "record") for start in range(8)])
    adapter = write_adapter(tmp_path / "adapter", family_path, blocks=(2, 3))
    candidate = merge(family_path, adapter, tmp_path / "candidate.gguf", examples=examples).candidate
    runtime, tokenizer = OllamaRuntime(ollama_server.host, timeout_s=120), Tokenizer.open(candidate)
    runtime.create(tag, candidate, file_digest(candidate), Modelfile(template=TEMPLATE))
    served, computed, by_base = [], [], []
    for asked in ASKED:
        answer = runtime.chat(tag, asked, ChatOptions(num_ctx=256, num_predict=1), logprobs=True)
        ids = tokenizer.encode_prompt(runtime.render(tag, asked))
        assert (answer.prompt_tokens, answer.answer_tokens) == (len(ids), 1)
        if answer.logprob is not None:  # as it is where the token is a part of a character
            served.append(answer.logprob)
            computed.append(likeliest(candidate, ids))
            by_base.append(likeliest(family_path, ids))
    assert len(served) > 1
    tolerance = ROUNDED * float(mlx_logits(candidate, ids).std())
    assert served == pytest.approx(computed, abs=tolerance)
    assert served != pytest.approx(by_base, abs=tolerance)
