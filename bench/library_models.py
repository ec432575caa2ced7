"""The twenty most pulled models of Ollama's library, and what the files of their default tags are made of.

Pulls are those of 2026-07-15 in D3rhami/ollama_gallery on GitHub, in millions; the order of 2026-08-22 in
yuma-shintani/ollama-model-library is nearly the same. Architectures, keys and tensors are those that llama.cpp's and
Ollama's converters write (gguf-py and llama/compat in their sources), for each family as its default tag has it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

HIDDEN, EXPERTS, INNER, BLOCKS = 64, 4, 32, 2
Tensors = Mapping[str, "np.ndarray[Any, Any] | None"]


@dataclass(frozen=True)
class LibraryModel:
    """One row: `metadata` and `tensors` are those that a plain file of the architecture has not, or has otherwise
    (None: not at all), `more_tokens` those without an embedding. `beside` are lines of the Modelfile that Ollama shows
    for files beside the model. Those that do not answer give embeddings; `experts`: it is a mixture of experts."""

    name: str
    pulls: int
    architecture: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tensors: Tensors = field(default_factory=dict)
    more_tokens: int = 0
    beside: tuple[str, ...] = ()
    answers: bool = True
    experts: bool = False


def _values(*shape: int) -> "np.ndarray[Any, Any]":
    return np.linspace(-1, 1, int(np.prod(shape))).reshape(shape)


def _with_experts() -> Tensors:
    """Several feed-forward layers in one tensor each, and what chooses among them."""
    tensors: dict[str, np.ndarray[Any, Any] | None] = {}
    for index in range(BLOCKS):
        block = f"blk.{index}"
        tensors |= {f"{block}.ffn_{stem}.weight": None for stem in ("gate", "up", "down")}
        tensors |= {f"{block}.ffn_{stem}_exps.weight": _values(EXPERTS, INNER, HIDDEN) for stem in ("gate", "up")}
        tensors[f"{block}.ffn_down_exps.weight"] = _values(EXPERTS, HIDDEN, INNER)
        tensors[f"{block}.ffn_gate_inp.weight"] = _values(EXPERTS, HIDDEN)
    return tensors


def _expert_counts(architecture: str) -> dict[str, int]:
    counts = {"expert_count": EXPERTS, "expert_used_count": 2, "expert_feed_forward_length": INNER}
    return {f"{architecture}.{key}": value for key, value in counts.items()}


ROPE_FACTORS: Tensors = {"rope_freqs.weight": np.ones(HIDDEN // 4 // 2)}
IMAGES: Tensors = {
    "v.patch_embd.weight": _values(8, 3, 2, 2),
    "v.blk.0.attn_q.weight": _values(8, 8),
    "mm.mm_input_projection.weight": _values(8, HIDDEN),
}
QWEN35_BESIDE: Tensors = {
    "v.patch_embed.weight": _values(8, 3, 2, 2),
    "v.merger.linear_fc1.weight": _values(HIDDEN, 8),
    "mtp.fc.weight": _values(HIDDEN, 2 * HIDDEN),
    "mtp.norm.weight": _values(HIDDEN),
}
SOUND: Tensors = {"a.blk.0.attn_q.weight": _values(8, 8), "mm.a.fc.weight": _values(HIDDEN, 8)}
SINKS: Tensors = {f"blk.{index}.attn_sinks.weight": _values(4) for index in range(BLOCKS)}
GEMMA3 = {
    "gemma3.attention.layer_norm_rms_epsilon": None,
    "gemma3.rope.freq_base": None,
    "gemma3.context_length": 131_072,
    "gemma3.mm.tokens_per_image": 256,
    "gemma3.vision.block_count": 1,
}
YARN = {"qwen3.rope.scaling.type": "yarn", "qwen3.rope.scaling.factor": 4.0}

MODELS = (
    LibraryModel("llama3.1", 117, "llama", tensors=ROPE_FACTORS),
    LibraryModel("deepseek-r1", 90, "qwen3", YARN),
    LibraryModel("nomic-embed-text", 78, "nomic-bert", answers=False),
    LibraryModel("llama3.2", 77, "llama", tensors=ROPE_FACTORS),
    LibraryModel("gemma3", 39, "gemma3", GEMMA3, IMAGES, more_tokens=1),
    LibraryModel("qwen2.5", 35, "qwen2"),
    LibraryModel("qwen3", 32, "qwen3"),
    LibraryModel("mistral", 31, "llama"),
    LibraryModel("gemma2", 28, "gemma2"),
    LibraryModel("llama3", 25, "llama"),
    LibraryModel("qwen2.5-coder", 19, "qwen2"),
    LibraryModel("gemma4", 18, "gemma4", {"gemma4.vision.block_count": 1, "gemma4.audio.block_count": 1},
                 {**IMAGES, **SOUND}),
    LibraryModel("phi3", 18, "phi3"),
    LibraryModel("qwen3.5", 16, "qwen35", {"qwen35.attention.head_count_kv": [0, 2], "qwen35.vision.block_count": 1},
                 QWEN35_BESIDE),
    LibraryModel("llava", 14, "llama", beside=(f"FROM /models/blobs/sha256-{'0' * 64}",)),
    LibraryModel("mxbai-embed-large", 13, "bert", answers=False),
    LibraryModel("gpt-oss", 11, "gptoss", _expert_counts("gptoss"), {**_with_experts(), **SINKS}, experts=True),
    LibraryModel("phi4", 8, "phi3"),
    LibraryModel("qwen3-coder", 7, "qwen3moe", _expert_counts("qwen3moe"), _with_experts(), experts=True),
    LibraryModel("qwen", 7, "qwen2"),
)  # fmt: skip
