"""Which architectures can be trained and merged, and what their tensors are called here and in mlx-lm."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from adapterd.base.gguf.gguf_file import SUPPORTED_TYPES, GgufFile
from adapterd.base.hyperparameters import (
    LONG_FACTORS,
    ROPE_FACTORS,
    SHORT_FACTORS,
    Heads,
    gemma2_arguments,
    gemma3_arguments,
    is_long,
    llama_arguments,
    number,
    phi3_arguments,
    qwen2_arguments,
    qwen3_arguments,
)
from adapterd.errors import InputError, UnsupportedModelError

_WHOLE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_HEAD_NORMS = {"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}
_GEMMA_NORMS = {
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_PHI3_BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_qkv": "self_attn.qkv_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_up": "mlp.gate_up_proj",
    "ffn_down": "mlp.down_proj",
}
_QKV = frozenset(("attn_q", "attn_k", "attn_v"))
_PROJECTIONS = frozenset(stem for stem in _BLOCK if not stem.endswith("_norm"))
_IMAGE_TENSORS = ("v.", "mm.")
_IN_BLOCK = re.compile(r"blk\.(\d+)\.(\w+)")
_IN_LAYER = re.compile(r"model\.layers\.(\d+)\.(.+)")


@dataclass(frozen=True)
class Architecture:
    """One architecture: mlx-lm's module for it and its arguments, the tensors of a block, and where the two differ.

    Weights go over unpermuted. `rope_traditional` tells MLX that queries and keys are in interleaved order, as
    llama.cpp's converter leaves them for llama; other architectures keep their halves apart.

    `rope_factors` is the tensor of divisors for rotary frequencies that a file may have, `long_rope_factors` the one
    that takes its place in a context that is longer than the original one. `has_head`: a file may have an
    `output.weight`. `norm_shift`: a norm's gain in the GGUF is mlx-lm's plus this. `leaves_out_windows`,
    `rounds_embedding_scale`: faults of mlx-lm's class, which `load_mlx_model` makes good.
    """

    name: str
    mlx_module: str
    sizes: Callable[[GgufFile], dict[str, Any]]
    block: Mapping[str, str]
    rope_traditional: bool = False
    rope_factors: str | None = None
    long_rope_factors: str | None = None
    biases: frozenset[str] = frozenset()
    optional_biases: frozenset[str] = frozenset()
    norm_shift: float = 0.0
    has_head: bool = True
    leaves_out_windows: bool = False
    rounds_embedding_scale: bool = False

    def arguments(self, gguf: GgufFile) -> dict[str, Any]:
        """The arguments of mlx-lm's model, and what it lacks; raises InputError or UnsupportedModelError by the
        metadata's fault."""
        return {"model_type": self.mlx_module, "rope_traditional": self.rope_traditional, **self.sizes(gguf)}

    def mlx_name(self, tensor: str) -> str | None:
        """The mlx-lm parameter that a tensor fills, None for a tensor that the architecture does not have.

        `blk.3.attn_q.weight` → `model.layers.3.self_attn.q_proj.weight`
        """
        stem, _, kind = tensor.rpartition(".")
        if stem in _WHOLE and kind == "weight" and (self.has_head or stem != "output"):
            return f"{_WHOLE[stem]}.weight"
        match = _IN_BLOCK.fullmatch(stem)
        if match is None or match[2] not in self.block:
            return None
        if kind == "weight" or (kind == "bias" and match[2] in self.biases | self.optional_biases):
            return f"model.layers.{match[1]}.{self.block[match[2]]}.{kind}"
        return None

    def module(self, tensor: str) -> str:
        """The mlx-lm module whose weight a tensor is; raises KeyError for a tensor that the architecture has not.

        `blk.22.attn_q.weight` → `model.layers.22.self_attn.q_proj`
        """
        parameter = self.mlx_name(tensor)
        if parameter is None:
            raise KeyError(tensor)
        return parameter.rpartition(".")[0]

    def gguf_name(self, module: str) -> str:
        """The tensor behind an mlx-lm module; raises KeyError for a module that has none.

        `model.layers.22.self_attn.q_proj` → `blk.22.attn_q.weight`
        """
        match = _IN_LAYER.fullmatch(module)
        if match is None:
            return f"{_reverse(_WHOLE)[module]}.weight"
        return f"blk.{match[1]}.{_reverse(self.block)[match[2]]}.weight"

    def required_tensors(self, blocks: int) -> Iterator[str]:
        """The tensors without which there is no model. A head may be missing: the embedding stands in for it."""
        yield from ("token_embd.weight", "output_norm.weight")
        for index in range(blocks):
            yield from (f"blk.{index}.{stem}.weight" for stem in self.block)
            yield from (f"blk.{index}.{stem}.bias" for stem in self.biases)

    def has(self, tensor: str) -> bool:
        """Whether a tensor of this name belongs to the architecture."""
        return self.mlx_name(tensor) is not None or tensor in (self.rope_factors, self.long_rope_factors)

    def rotary_factors(self, gguf: GgufFile) -> str | None:
        """The tensor of divisors that the file is served with, None where it has none."""
        name = self.long_rope_factors if self.long_rope_factors and is_long(gguf) else self.rope_factors
        return name if name in gguf.tensors else None

    def norms(self, block: int) -> Iterator[tuple[str, str]]:
        """(tensor, mlx-lm module) of each norm in a block."""
        for stem, module in self.block.items():
            if stem.endswith("_norm"):
                yield f"blk.{block}.{stem}.weight", f"model.layers.{block}.{module}"

    def shift(self, tensor: str) -> float:
        """What the GGUF has added to mlx-lm's values in this tensor: `norm_shift` for a norm's gain, else nothing."""
        return self.norm_shift if tensor.endswith("_norm.weight") else 0.0


_LLAMA = Architecture(
    "llama",
    mlx_module="llama",
    sizes=llama_arguments,
    block=_BLOCK,
    rope_traditional=True,
    rope_factors=ROPE_FACTORS,
    optional_biases=_PROJECTIONS,
)
_QWEN2 = Architecture("qwen2", mlx_module="qwen2", sizes=qwen2_arguments, block=_BLOCK, biases=_QKV)
_QWEN3 = Architecture("qwen3", mlx_module="qwen3", sizes=qwen3_arguments, block=_BLOCK | _HEAD_NORMS)
_GEMMA2 = Architecture(
    "gemma2",
    mlx_module="gemma2",
    sizes=gemma2_arguments,
    block=_BLOCK | _GEMMA_NORMS,
    norm_shift=1.0,
    has_head=False,
    leaves_out_windows=True,
)
_GEMMA3 = Architecture(
    "gemma3",
    mlx_module="gemma3_text",
    sizes=gemma3_arguments,
    block=_BLOCK | _GEMMA_NORMS | _HEAD_NORMS,
    norm_shift=1.0,
    rounds_embedding_scale=True,
)
_PHI3 = Architecture(
    "phi3",
    mlx_module="phi3",
    sizes=phi3_arguments,
    block=_PHI3_BLOCK,
    rope_factors=SHORT_FACTORS,
    long_rope_factors=LONG_FACTORS,
)
ARCHITECTURES = {entry.name: entry for entry in (_LLAMA, _QWEN2, _QWEN3, _GEMMA2, _GEMMA3, _PHI3)}
"""Mistral and SmolLM files are `llama` too, Phi-4's are `phi3`. A sliding window in the metadata changes nothing but in
Gemma, as llama.cpp does not apply it to the others either.

Which of Phi's two sets of rotary factors llama.cpp takes depends on the context that is served, not on how long a text
is: `GgufFile.context_tokens` has to be that context."""


def architecture_of(gguf: GgufFile) -> Architecture:
    """The file's architecture; raises UnsupportedModelError naming those that are supported."""
    found = ARCHITECTURES.get(gguf.architecture)
    if found is None:
        raise UnsupportedModelError(
            f"{gguf.path} has the architecture {gguf.architecture!r}; supported are: {', '.join(ARCHITECTURES)}"
        )
    return found


def computed_as(gguf: GgufFile) -> str:
    """What beside its bytes decides what the file computes: nothing for most, the long factors where they are taken."""
    return "-long" if is_long(gguf) else ""


def check_supported(gguf: GgufFile) -> None:
    """Raise UnsupportedModelError, or InputError for a file with parts missing, unless it can be trained and merged."""
    architecture = architecture_of(gguf)
    if number(gguf, "expert_count", 0, least=0):
        raise UnsupportedModelError(f"{gguf.path} is a mixture of experts, which cannot be trained here")
    for name, tensor in gguf.tensors.items():
        if name.startswith(_IMAGE_TENSORS):
            raise UnsupportedModelError(f"{gguf.path} reads images (it has {name}), which cannot be trained here")
        if not architecture.has(name):
            raise UnsupportedModelError(f"{gguf.path} has a tensor {name}, which {architecture.name} models have not")
        if not tensor.has_known_type:
            raise UnsupportedModelError(
                f"{name} in {gguf.path} is stored as the tensor type {tensor.type_name}, which is not known here",
                hint=f"supported are: {', '.join(sorted(SUPPORTED_TYPES))}",
            )
        if tensor.type_name not in SUPPORTED_TYPES:
            raise UnsupportedModelError(
                f"{name} in {gguf.path} is stored as {tensor.type_name}, which cannot be trained or merged",
                hint=f"supported are: {', '.join(sorted(SUPPORTED_TYPES))}",
            )
    blocks = number(gguf, "block_count")
    if blocks > len(gguf.tensors):
        raise InputError(f"{gguf.path} claims to have {blocks} blocks ({architecture.name}.block_count) and has not")
    for name in architecture.required_tensors(blocks):
        if name not in gguf.tensors:
            raise InputError(f"{gguf.path} lacks the tensor {name}")
    architecture.arguments(gguf)
    _check_shapes(architecture, gguf)


def _check_shapes(architecture: Architecture, gguf: GgufFile) -> None:
    """Raise InputError for a tensor that is not as large as the metadata say, before room is made for any."""
    shapes, width = _matrices(architecture, gguf), number(gguf, "embedding_length")
    head = (Heads.of(gguf, partly_rotated=True).size,)
    for name, tensor in gguf.tensors.items():
        stem, kind = name.split(".")[-2:] if "." in name else (name, "")
        expected = (head if stem in _HEAD_NORMS else (width,)) if stem.endswith("_norm") else shapes.get(stem)
        if expected and tensor.shape != (expected[:1] if kind == "bias" else expected):
            raise InputError(
                f"{gguf.path} has a tensor whose shape contradicts the metadata: {name} is {tensor.shape}, "
                f"not {expected}"
            )


def _matrices(architecture: Architecture, gguf: GgufFile) -> dict[str, tuple[int, ...]]:
    """The (rows, columns) of each matrix, by its stem; a bias has the rows."""
    heads, width = Heads.of(gguf, partly_rotated=True), number(gguf, "embedding_length")
    inner, vocabulary = number(gguf, "feed_forward_length"), gguf.tensors["token_embd.weight"].shape[0]
    queries, keys = heads.query * heads.size, heads.key_value * heads.size
    return {
        "token_embd": (vocabulary, width), "output": (vocabulary, width),
        "attn_q": (queries, width), "attn_k": (keys, width), "attn_v": (keys, width),
        "attn_qkv": (queries + 2 * keys, width), "attn_output": (width, queries),
        "ffn_gate": (inner, width), "ffn_down": (width, inner),
        "ffn_up": (2 * inner if "attn_qkv" in architecture.block else inner, width),
    }  # fmt: skip


def block_of_module(module: str) -> int:
    """The block's number in the name of an mlx-lm module: 22 for `model.layers.22.self_attn.q_proj`."""
    return int(module.split(".")[2])


def block_of_tensor(tensor: str) -> int | None:
    """The block's number in the name of a tensor: 22 for `blk.22.attn_q.weight`, None for `output.weight`."""
    prefix, _, rest = tensor.partition(".")
    return int(rest.partition(".")[0]) if prefix == "blk" else None


def _reverse(names: Mapping[str, str]) -> dict[str, str]:
    return {mlx: gguf for gguf, mlx in names.items()}
