"""Qwen 3.5 and 3.6, dense: three of four blocks have a gated delta layer instead of attention.

llama.cpp's converter deals the value heads out to the key heads in turn, stores A_log as −exp(A_log), and adds 1 to all
norms but the one within a gated delta layer; mlx-lm's own loading undoes none of it. `GatedDelta` stands in for
mlx-lm's layer and takes the file's order and values as they are.
"""

from collections.abc import Mapping
from typing import Any

from adapterd.base.families.architecture import HEAD_NORMS, LLAMA_BLOCK, Architecture, usual_shapes
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.hyperparameters import Heads, common_arguments, number, require_unscaled_rope
from adapterd.errors import InputError, UnsupportedModelError

_ATTENTION = frozenset(("attn_q", "attn_k", "attn_v", "attn_output", *HEAD_NORMS))
_GATED_DELTA = {
    "attn_qkv": "linear_attn.in_proj_qkv",
    "attn_gate": "linear_attn.in_proj_z",
    "ssm_alpha": "linear_attn.in_proj_a",
    "ssm_beta": "linear_attn.in_proj_b",
    "ssm_conv1d": "linear_attn.conv1d",
    "ssm_norm": "linear_attn.norm",
    "ssm_out": "linear_attn.out_proj",
}
_GATES = {
    "ssm_a": "linear_attn.decay",
    "ssm_dt.bias": "linear_attn.dt_bias",
    "ssm_dt": "linear_attn.dt_bias",  # as Ollama's own converter once called it
}


def _heads(gguf: GgufFile) -> Heads:
    """Files of Ollama's converter count key/value heads by block, with none where there is no attention."""
    counts = gguf.value("qwen35.attention.head_count_kv")
    if not isinstance(counts, list):
        return Heads.of(gguf, partly_rotated=True)
    some = {count for count in counts if count != 0}
    if len(some) != 1 or not isinstance(count := some.pop(), int) or count < 0:
        raise UnsupportedModelError(f"{gguf.path} has layers that differ in qwen35.attention.head_count_kv")
    return Heads.of(gguf, partly_rotated=True, key_value=count)


def _interval(gguf: GgufFile) -> int:
    """Every how many blocks there is one with attention; raises UnsupportedModelError for blocks in another order."""
    interval = number(gguf, "full_attention_interval", 4)
    marked = gguf.value("qwen35.attention.recurrent_layers")
    if isinstance(marked, list):
        blocks = range(min(len(marked), QWEN35.blocks(gguf)))
        if any(bool(marked[index]) != bool((index + 1) % interval) for index in blocks):
            raise UnsupportedModelError(f"{gguf.path} has gated delta layers in no regular order")
    if interval > QWEN35.blocks(gguf):
        raise UnsupportedModelError(f"{gguf.path} has no block with attention, which mlx-lm cannot compute")
    return interval


def _lacks(gguf: GgufFile, block: int) -> frozenset[str]:
    return _ATTENTION if (block + 1) % _interval(gguf) else frozenset((*_GATED_DELTA, *_GATES))


def _gated_delta_sizes(gguf: GgufFile) -> dict[str, int]:
    """Heads have keys and values of one size, as in llama.cpp."""
    values, inner = number(gguf, "ssm.time_step_rank"), number(gguf, "ssm.inner_size")
    keys, size = number(gguf, "ssm.group_count"), number(gguf, "ssm.state_size")
    if values % keys or inner != values * size:
        raise InputError(
            f"{gguf.path} has {values} value heads, {keys} key heads and {inner} values in gated delta layers"
        )
    return {
        "linear_num_value_heads": values,
        "linear_num_key_heads": keys,
        "linear_key_head_dim": size,
        "linear_value_head_dim": size,
        "linear_conv_kernel_dim": number(gguf, "ssm.conv_kernel", least=2),
    }


def _arguments(gguf: GgufFile) -> dict[str, Any]:
    """For `mlx_lm.models.qwen3_5`. For text, the three positions of its rotary angles are one and the same.

    The half in the share of rotated values is against rounding: mlx-lm cuts size · share down to a whole number.
    """
    require_unscaled_rope(gguf)
    heads = _heads(gguf)
    common = common_arguments(gguf, heads)
    share = (heads.rotated + 0.5) / heads.size
    return common | _gated_delta_sizes(gguf) | {
        "num_hidden_layers": QWEN35.blocks(gguf),
        "head_dim": heads.size,
        "full_attention_interval": _interval(gguf),
        "rope_parameters": {"type": "default", "rope_theta": common["rope_theta"], "partial_rotary_factor": share},
    }  # fmt: skip


def _shapes(architecture: Architecture, gguf: GgufFile) -> dict[str, tuple[int, ...]]:
    heads, sizes, width = _heads(gguf), _gated_delta_sizes(gguf), number(gguf, "embedding_length")
    count, size = sizes["linear_num_value_heads"], sizes["linear_value_head_dim"]
    mixed = (2 * sizes["linear_num_key_heads"] + count) * size
    return usual_shapes(architecture, gguf) | {
        "attn_q": (2 * heads.query * heads.size, width),
        "ffn_up": (number(gguf, "feed_forward_length"), width),
        "attn_qkv": (mixed, width), "attn_gate": (count * size, width), "ssm_out": (width, count * size),
        "ssm_alpha": (count, width), "ssm_beta": (count, width), "ssm_dt": (count,), "ssm_norm": (size,),
        "ssm_conv1d": (mixed, sizes["linear_conv_kernel_dim"]), "eh_proj": (width, 2 * width),
    }  # fmt: skip


def _correct(model: Any, _arguments: Mapping[str, Any]) -> None:
    """mlx-lm has the value heads in another order, and a graph of a step for each position in training."""
    from adapterd.base.families.layers.gated_delta import GatedDelta

    for layer in model.layers:
        if layer.is_linear:
            layer.linear_attn = GatedDelta(model.args)


QWEN35 = Architecture(
    "qwen35",
    mlx_module="qwen3_5",
    mlx_class="TextModel",
    mlx_arguments="TextModelArgs",
    sizes=_arguments,
    block={stem: module for stem, module in LLAMA_BLOCK.items() if stem != "ffn_norm"}
    | HEAD_NORMS
    | {"post_attention_norm": "post_attention_layernorm"}
    | _GATED_DELTA,
    parameters=_GATES,
    exact=frozenset(("decay", "dt_bias")),
    heads=_heads,
    lacks=_lacks,
    shapes=_shapes,
    predicting="nextn_predict_layers",
    frozen=frozenset(stem for stem in _GATED_DELTA if stem not in ("ssm_conv1d", "ssm_norm")),
    frozen_in="gated delta layers",
    correct=_correct,
)
