"""A llama of any shape in Q4_K_M with random weights, written block by block as bytes: nothing is quantised.

Its types are those that llama-quantize chooses for Q4_K_M, its tokenizer and template those of SmolLM2. Scales are such
that a weight is about 0.02 times a normal one, so that no activation grows without bound.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from adapterd.demo.environment import small_model
from adapterd.system.files import atomic_path

VOCABULARY = 49_152
SUPER_BLOCK = 256
Q4_K, Q6_K = gguf.GGMLQuantizationType.Q4_K, gguf.GGMLQuantizationType.Q6_K
_Q4_SCALE, _Q6_SCALE = 1.2e-4, 1.1e-4
"""Of a super-block, so that weights are about 0.02: a 6-bit or 8-bit scale and a quant are factors, too."""
_Q4_MEAN = 7.5
_ROWS_AT_A_TIME = 4096
_PADDING = 1 << 20
"""More than all tensors are padded with."""
_NOT_COPIED = frozenset(("general.architecture", "general.file_type", "general.quantization_version"))
Rows = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class Shape:
    """Blocks, values of a token between them and within the feed-forward layer, heads of queries and of keys; `tied`:
    the embedding is the head, too. With another vocabulary than SmolLM2's, only the header makes sense."""

    layers: int
    width: int
    ffn: int
    heads: int
    kv_heads: int
    tied: bool = False
    vocabulary: int = VOCABULARY

    @property
    def keys(self) -> int:
        """How many values the keys of a token have in a block."""
        return self.width * self.kv_heads // self.heads

    @property
    def parameters(self) -> int:
        """How many weights there are in the matrices."""
        block = 2 * self.width * (self.width + self.keys) + 3 * self.width * self.ffn
        return self.layers * block + (1 if self.tied else 2) * self.vocabulary * self.width

    def matrices(self) -> Iterator[tuple[str, int, int, gguf.GGMLQuantizationType]]:
        """Name, rows, columns and type of each matrix."""
        yield "token_embd", self.vocabulary, self.width, Q6_K if self.tied else Q4_K
        if not self.tied:
            yield "output", self.vocabulary, self.width, Q6_K
        for layer in range(self.layers):
            finer = Q6_K if self._has_more_bits(layer) else Q4_K
            for stem, rows, columns, kind in (
                ("attn_q", self.width, self.width, Q4_K),
                ("attn_k", self.keys, self.width, Q4_K),
                ("attn_v", self.keys, self.width, finer),
                ("attn_output", self.width, self.width, Q4_K),
                ("ffn_gate", self.ffn, self.width, Q4_K),
                ("ffn_up", self.ffn, self.width, Q4_K),
                ("ffn_down", self.width, self.ffn, finer),
            ):
                yield f"blk.{layer}.{stem}", rows, columns, kind

    def norms(self) -> Iterator[str]:
        """Their names."""
        yield "output_norm"
        for layer in range(self.layers):
            yield f"blk.{layer}.attn_norm"
            yield f"blk.{layer}.ffn_norm"

    def _has_more_bits(self, layer: int) -> bool:
        """As llama.cpp's `use_more_bits` has it: the lowest and the topmost eighth, and each third of the others."""
        eighth = self.layers // 8
        return layer < eighth or layer >= 7 * self.layers // 8 or (layer - eighth) % 3 == 2


def write_q4_k_m(path: Path, shape: Shape, seed: int = 0) -> None:
    """Write the model; width and feed-forward width have to be multiples of 256."""
    random = np.random.default_rng(seed)
    with atomic_path(path) as partial:
        writer = _begun(partial, shape, tokenizer=True)
        for _, rows, columns, kind in shape.matrices():
            writer.write_tensor_data(_blocks(random, rows, columns // SUPER_BLOCK, kind))
        for _ in shape.norms():
            writer.write_tensor_data(np.ones(shape.width, np.float32))
        writer.close()


def write_header(path: Path, shape: Shape) -> None:
    """The same with zeros for all weights, which take no room on the disk: for what is computed from the header."""
    with atomic_path(path) as partial:
        _begun(partial, shape, tokenizer=False).close()
        weights = sum(rows * _row_bytes(columns, kind) for _, rows, columns, kind in shape.matrices())
        norms = 4 * shape.width * sum(1 for _ in shape.norms())
        os.truncate(partial, partial.stat().st_size + weights + norms + _PADDING)


def _begun(path: Path, shape: Shape, *, tokenizer: bool) -> gguf.GGUFWriter:
    """With its header written."""
    writer = gguf.GGUFWriter(path, "llama")
    _add_metadata(writer, shape, tokenizer=tokenizer)
    for name, rows, columns, kind in shape.matrices():
        size = (rows, _row_bytes(columns, kind))
        writer.add_tensor_info(f"{name}.weight", size, np.dtype(np.uint8), size[0] * size[1], kind)
    for name in shape.norms():
        writer.add_tensor_info(f"{name}.weight", (shape.width,), np.dtype(np.float32), 4 * shape.width)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    return writer


@cache
def _small_model() -> gguf.GGUFReader:
    return gguf.GGUFReader(small_model())


def _row_bytes(columns: int, kind: gguf.GGMLQuantizationType) -> int:
    return columns // SUPER_BLOCK * int(gguf.GGML_QUANT_SIZES[kind][1])


def _add_metadata(writer: gguf.GGUFWriter, shape: Shape, *, tokenizer: bool) -> None:
    own = {
        "general.name": "Random",
        "llama.block_count": shape.layers,
        "llama.embedding_length": shape.width,
        "llama.feed_forward_length": shape.ffn,
        "llama.attention.head_count": shape.heads,
        "llama.attention.head_count_kv": shape.kv_heads,
        "llama.rope.dimension_count": shape.width // shape.heads,
    }
    for field in _small_model().fields.values():
        copied = not field.name.startswith("GGUF.") and field.name not in _NOT_COPIED
        if copied and (tokenizer or not field.name.startswith("tokenizer.")):
            value = own.get(field.name, field.contents())
            writer.add_key_value(field.name, value, field.types[0], field.types[-1] if len(field.types) > 1 else None)
    writer.add_file_type(int(gguf.LlamaFileType.MOSTLY_Q4_K_M))
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _blocks(random: np.random.Generator, rows: int, blocks: int, kind: gguf.GGMLQuantizationType) -> Rows:
    """(rows, bytes) of so many super-blocks a row."""
    fill: Callable[[np.random.Generator, Rows], None] = {Q4_K: _fill_q4_k, Q6_K: _fill_q6_k}[kind]
    data = np.empty((rows * blocks, gguf.GGML_QUANT_SIZES[kind][1]), np.uint8)
    for start in range(0, len(data), _ROWS_AT_A_TIME):
        fill(random, data[start : start + _ROWS_AT_A_TIME])
    return data.reshape(rows, -1)


def _fill_q4_k(random: np.random.Generator, data: Rows) -> None:
    """Two float16, eight 6-bit pairs of scale and minimum, 256 quants. Each minimum equals its scale, so that the
    weights are as often above zero as below."""
    data[:, :4] = np.array([_Q4_SCALE, _Q4_MEAN * _Q4_SCALE], np.float16).view(np.uint8)
    data[:, 4:8] = data[:, 8:12] = _bytes(random, len(data), 4)
    data[:, 12:16] = _bytes(random, len(data), 4) % 16 * 17
    data[:, 16:] = _bytes(random, len(data), 128)


def _fill_q6_k(random: np.random.Generator, data: Rows) -> None:
    """256 quants of 6 bits, 16 scales of 8, one float16."""
    data[:, :192] = _bytes(random, len(data), 192)
    data[:, 192:208] = 4 + _bytes(random, len(data), 16) % 13
    data[:, 208:] = np.array([_Q6_SCALE], np.float16).view(np.uint8)


def _bytes(random: np.random.Generator, rows: int, columns: int) -> Rows:
    return np.frombuffer(random.bytes(rows * columns), np.uint8).reshape(rows, columns)
