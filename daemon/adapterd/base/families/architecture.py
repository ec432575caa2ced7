"""What describes a base family: the class of its description, and the names that most families share."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.served_metadata import served_metadata
from adapterd.base.hyperparameters import Heads, is_long, number
from adapterd.errors import InputError

_WHOLE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
LLAMA_BLOCK = {
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
HEAD_NORMS = {"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}
QKV = frozenset(("attn_q", "attn_k", "attn_v"))
_IN_BLOCK = re.compile(r"blk\.(\d+)\.(\w+)")
_OF_BLOCK = re.compile(r"blk\.(\d+)\.(.+)")
_IN_LAYER = re.compile(r"model\.layers\.(\d+)\.(.+)")


def as_it_is(model: Any, arguments: Mapping[str, Any]) -> None:
    """Nothing to correct: mlx-lm's class computes what llama.cpp computes."""


def lacks_nothing(_gguf: GgufFile, _block: int) -> frozenset[str]:
    """All blocks have the same tensors."""
    return frozenset()


def partly_rotated_heads(gguf: GgufFile) -> Heads:
    """Heads of one size in all blocks, of which a part may turn."""
    return Heads.of(gguf, partly_rotated=True)


def usual_shapes(architecture: "Architecture", gguf: GgufFile) -> dict[str, tuple[int, ...]]:
    """The (rows, columns) of each matrix and the length of heads' norms, by stem; a bias has the rows."""
    heads, width = architecture.heads(gguf), number(gguf, "embedding_length")
    inner, vocabulary = number(gguf, "feed_forward_length"), gguf.tensors["token_embd.weight"].shape[0]
    queries, keys = heads.query * heads.size, heads.key_value * heads.size
    over_heads = architecture.norms_over_heads
    return {
        "attn_q_norm": (queries if over_heads else heads.size,),
        "attn_k_norm": (keys if over_heads else heads.size,),
        "token_embd": (vocabulary, width), "output": (vocabulary, width),
        "attn_q": (queries, width), "attn_k": (keys, width), "attn_v": (keys, width),
        "attn_qkv": (queries + 2 * keys, width), "attn_output": (width, queries),
        "ffn_gate": (inner, width), "ffn_down": (width, inner),
        "ffn_up": (2 * inner if "attn_qkv" in architecture.block else inner, width),
    }  # fmt: skip


@dataclass(frozen=True)
class Architecture:
    """One architecture: mlx-lm's module for it and its arguments, the tensors of a block, and where the two differ.

    Weights go over unpermuted. `rope_traditional` tells MLX that queries and keys are in interleaved order, as
    llama.cpp's converter leaves them for llama; other architectures keep their halves apart.

    `rope_factors` is the tensor of divisors for rotary frequencies that a file may have, `long_rope_factors` the one
    that takes its place in a context that is longer than the original one. `has_head`: a file may have an
    `output.weight`; `needs_head`: llama.cpp does not load a file without. `norm_shift`: a norm's gain in the GGUF is
    mlx-lm's plus this. `norms_over_heads`: queries and keys are normed over all heads at once. `correct` changes an
    mlx-lm model of these arguments, before it has weights, into one that computes what llama.cpp computes.

    `parameters` are tensors of a block that are no module's weight or bias, by their whole name in the block. `lacks`
    are the stems that a block does not have, where blocks differ, with those of `whole` that the file does not have.
    `ones` are the parameters that are 1 where the file has none, `exact` those that are loaded in fp32, in which
    their layers compute, whatever the others are loaded in. `shapes` are those of tensors by stem, or by name
    without its end. `whole` are tensors outside the blocks beside the usual ones, `described` those that are only read
    for the arguments, `read_by_row` embeddings of which only the rows that a text needs are read. `predicting` is the
    key that counts the blocks at the end that only guess tokens ahead: they are neither loaded nor trained, and stay in
    the file as they are. `frozen` are stems of projections that get no adapter, `frozen_in` what they are part of.
    `unused` are those that a block may have, but reads from another block instead.
    `fused` are modules of other libraries' classes by their name in a block, and which modules here their rows become.
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
    needs_head: bool = False
    norms_over_heads: bool = False
    correct: Callable[[Any, Mapping[str, Any]], None] = as_it_is
    mlx_class: str = "Model"
    mlx_arguments: str = "ModelArgs"
    whole: Mapping[str, str] = field(default_factory=dict)
    described: frozenset[str] = frozenset()
    read_by_row: frozenset[str] = frozenset()
    parameters: Mapping[str, str] = field(default_factory=dict)
    ones: frozenset[str] = frozenset()
    exact: frozenset[str] = frozenset()
    heads: Callable[[GgufFile], Heads] = partly_rotated_heads
    lacks: Callable[[GgufFile, int], frozenset[str]] = lacks_nothing
    shapes: Callable[["Architecture", GgufFile], dict[str, tuple[int, ...]]] = usual_shapes
    predicting: str | None = None
    frozen: frozenset[str] = frozenset()
    frozen_in: str = ""
    unused: Callable[[GgufFile, int], frozenset[str]] = lacks_nothing
    fused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def arguments(self, gguf: GgufFile) -> dict[str, Any]:
        """The arguments of mlx-lm's model, and what it lacks; raises InputError or UnsupportedModelError by the
        metadata's fault."""
        served = replace(gguf, served=served_metadata(gguf))
        return {"model_type": self.mlx_module, "rope_traditional": self.rope_traditional, **self.sizes(served)}

    def mlx_name(self, tensor: str) -> str | None:
        """The mlx-lm parameter that a tensor fills, None for a tensor that the architecture does not have.

        `blk.3.attn_q.weight` → `model.layers.3.self_attn.q_proj.weight`
        """
        stem, _, kind = tensor.rpartition(".")
        whole = _WHOLE | dict(self.whole)
        if stem in whole and kind == "weight" and (self.has_head or stem != "output"):
            return f"{whole[stem]}.weight"
        if (own := _OF_BLOCK.fullmatch(tensor)) and own[2] in self.parameters:
            return f"model.layers.{own[1]}.{self.parameters[own[2]]}"
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
            return f"{_reverse(_WHOLE | dict(self.whole))[module]}.weight"
        return f"blk.{match[1]}.{_reverse(self.block)[match[2]]}.weight"

    def parts(self, module: str) -> list[str]:
        """The modules here whose rows, one after the other, another library's module has; mostly the module itself."""
        match = _IN_LAYER.fullmatch(module)
        names = self.fused.get(match[2]) if match else None
        return [f"model.layers.{match[1]}.{name}" for name in names] if match and names else [module]

    def blocks(self, gguf: GgufFile) -> int:
        """How many blocks compute the next token: all but those that guess further ones."""
        blocks = number(gguf, "block_count")
        ahead = number(gguf, self.predicting, 0, least=0) if self.predicting else 0
        if ahead >= blocks:
            raise InputError(f"{gguf.path} has {blocks} blocks, of which {ahead} only guess tokens ahead")
        return blocks - ahead

    def only_carries(self, gguf: GgufFile, tensor: str) -> bool:
        """Whether a tensor is neither loaded nor trained, but kept in the file as it is."""
        match = _OF_BLOCK.fullmatch(tensor) if self.predicting else None
        return match is not None and int(match[1]) >= self.blocks(gguf)

    def has_no_use_for(self, gguf: GgufFile, module: str) -> bool:
        """Whether an mlx-lm module, if the file has it, takes no part in what the file computes."""
        match = _IN_LAYER.fullmatch(module)
        stem = _reverse(self.block).get(match[2]) if match else None
        return match is not None and stem in self.unused(gguf, int(match[1]))

    def required_tensors(self, gguf: GgufFile) -> Iterator[str]:
        """The tensors without which there is no model. Most may lack a head: the embedding stands in for it."""
        yield from ("token_embd.weight", "output_norm.weight", *(("output.weight",) if self.needs_head else ()))
        yield from (f"{stem}.weight" for stem in self.whole if stem not in self.lacks(gguf, 0))
        for index in range(self.blocks(gguf)):
            lacking = self.lacks(gguf, index)
            yield from (f"blk.{index}.{stem}.weight" for stem in self.block if stem not in lacking)
            yield from (f"blk.{index}.{stem}.bias" for stem in self.biases)
            yield from self._required_parameters(gguf, index, lacking)

    def _required_parameters(self, gguf: GgufFile, index: int, lacking: frozenset[str]) -> Iterator[str]:
        """Of a parameter with several names, the one that the file has."""
        names: dict[str, list[str]] = {}
        for name, parameter in self.parameters.items():
            if name not in lacking and parameter not in self.ones:
                names.setdefault(parameter, []).append(f"blk.{index}.{name}")
        yield from (next((name for name in each if name in gguf.tensors), each[0]) for each in names.values())

    def is_misplaced(self, gguf: GgufFile, tensor: str) -> bool:
        """Whether the metadata leave no place for a tensor: its block is not there, or is of a kind that lacks it."""
        if match := _OF_BLOCK.fullmatch(tensor):
            index, name = int(match[1]), match[2]
            if index >= self.blocks(gguf):
                return index >= number(gguf, "block_count")
            stem = name.partition(".")[0]
            return bool({name, stem} & (self.lacks(gguf, index) - self.unused(gguf, index)))
        return tensor.removesuffix(".weight") in self.lacks(gguf, 0)

    def has(self, tensor: str) -> bool:
        """Whether a tensor of this name belongs to the architecture."""
        return self.mlx_name(tensor) is not None or tensor in (
            self.rope_factors, self.long_rope_factors, *self.described,
        )  # fmt: skip

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


def _reverse(names: Mapping[str, str]) -> dict[str, str]:
    return {mlx: gguf for gguf, mlx in names.items()}
