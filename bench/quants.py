"""Whether scales and quants are read and written to the bit: `python -m bench.quants` prints the counts by type.

Tried on every tensor of the real models in that type, and on random bytes, which hold scales that no quantiser would
choose.
"""

import json
from collections.abc import Iterator

import gguf
import numpy as np

from adapterd.base.gguf.ggml import ByteArray, TensorType
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.quants import QUANT_TYPES, pack, unpack
from bench.models import Kind, quantised

KINDS: tuple[Kind, ...] = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K_M", "Q5_K_M", "Q6_K", "IQ4_NL", "IQ4_XS")
HALVES = {"Q4_1": (0, 2), "Q5_1": (0, 2), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)}
"""Where a type's blocks have float16 numbers, if not only at their start."""
RANDOM_SHAPES = ((1, 256), (3, 512), (64, 768), (257, 1536))
_BELOW_INFINITY = 0xBF


def quants() -> dict[str, dict[str, int]]:
    """By type: tensors tried, those that come back byte for byte, and those whose values are gguf's to the bit."""
    counts = {name: {"tensors": 0, "byte_identical": 0, "values_identical": 0} for name in sorted(QUANT_TYPES)}
    for type_name, raw in _all_tensors():
        count = counts[type_name]
        count["tensors"] += 1
        count["byte_identical"] += _comes_back(raw, type_name)
        count["values_identical"] += _has_the_values(raw, type_name)
    return counts


def _all_tensors() -> Iterator[tuple[str, ByteArray]]:
    """(type, bytes by row): those of the real models, wide and narrow, then random ones."""
    for path in [quantised(kind, wide=wide) for kind in KINDS for wide in (True, False)]:
        file = GgufFile.open(path)
        for tensor in file.tensors.values():
            if tensor.type_name in QUANT_TYPES:
                yield tensor.type_name, file.raw(tensor.name).reshape(tensor.shape[0], -1)
    for type_name in sorted(QUANT_TYPES):
        yield from ((type_name, _random(type_name, *shape)) for shape in RANDOM_SHAPES)


def _comes_back(raw: ByteArray, type_name: str) -> bool:
    """Whether the quants, taken out and put into the tensor with all quants wiped, give the same bytes again."""
    scales, quants = unpack(raw, type_name)
    wiped = pack(raw, np.full_like(quants, scales.low), type_name)
    return pack(wiped, quants, type_name).tobytes() == raw.tobytes()


def _has_the_values(raw: ByteArray, type_name: str) -> bool:
    scales, quants = unpack(raw, type_name)
    expected = gguf.dequantize(raw, gguf.GGMLQuantizationType[type_name])
    return bool(scales.dequantize(quants).tobytes() == expected.astype(np.float32, copy=False).tobytes())


def _random(type_name: str, rows: int, columns: int) -> ByteArray:
    """Random bytes, except that every float16 in them is finite."""
    block = TensorType.named(type_name)
    raw: ByteArray = np.random.default_rng(0).integers(0, 256, (rows, block.row_bytes(columns)), np.uint8)
    blocks = raw.reshape(-1, block.block_bytes)
    for start in HALVES.get(type_name, (0,)):
        blocks[:, start + 1] &= _BELOW_INFINITY
    return raw


if __name__ == "__main__":
    print(json.dumps(quants(), indent=2))
