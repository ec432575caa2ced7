"""Random adapters for tiny models, and the examples to merge them with."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path

import mlx.core as mx
import numpy as np

from adapterd.base.architectures import architecture_of
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.formats.encoded import EncodedExample
from adapterd.merging.examples import MergeExamples


def write_adapter(
    folder: Path, base: Path, *, blocks: Collection[int] = (1,), only: Collection[str] = (), size: float = 0.06
) -> Path:
    """An adapter on the projections of these blocks, or `only` on those of these stems, as `attn_q`."""
    tensors, architecture = GgufFile.open(base).tensors, architecture_of(GgufFile.open(base))
    touched = touched_tensors(base, blocks, only)
    return save_factors(folder, {architecture.module(name): tensors[name].shape for name in touched}, size=size)


def touched_tensors(base: Path, blocks: Collection[int], only: Collection[str] = ()) -> list[str]:
    """The projections that such an adapter touches: those of attention and of feed-forward layers."""
    file = GgufFile.open(base)
    matrices = [name for name, tensor in file.tensors.items() if name.startswith("blk.") and len(tensor.shape) == 2]
    modules = {name: str(architecture_of(file).mlx_name(name)).split(".") for name in matrices}
    projections = (name.split(".") for name, module in modules.items() if {"self_attn", "mlp"} & set(module))
    return [
        ".".join(parts)
        for parts in projections
        if parts[0] == "blk" and int(parts[1]) in blocks and (not only or parts[2] in only)
    ]


def save_factors(
    folder: Path, shapes: Mapping[str, tuple[int, ...]], *, size: float = 0.06, rank: int = 4, scale: float = 2.0
) -> Path:
    """Random factors for modules whose weights have these shapes (out, in), in mlx-lm's files."""
    random = np.random.default_rng(3)
    weights = {}
    for module, (outputs, inputs) in shapes.items():
        weights[f"{module}.lora_a"] = size * random.standard_normal((inputs, rank))
        weights[f"{module}.lora_b"] = size * random.standard_normal((rank, outputs))
    folder.mkdir(exist_ok=True)
    arrays = {name: mx.array(value.astype(np.float32)) for name, value in weights.items()}
    mx.save_safetensors(str(folder / "adapters.safetensors"), arrays)
    parameters = {"rank": rank, "scale": scale, "dropout": 0.0}
    config = {"fine_tune_type": "lora", "num_layers": -1, "lora_parameters": parameters}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def few_words(count: int, *, length: int = 16, prompt_tokens: int = 6, seed: int = 5) -> list[EncodedExample]:
    """Of few words, so that what the layers meet has few directions, as it has in a real model."""
    rows = np.random.default_rng(seed).integers(30, 38, (count, length)).tolist()
    return [EncodedExample(tuple(ids), prompt_tokens, str(number)) for number, ids in enumerate(rows)]


SAMPLES = MergeExamples(few_words(9), few_words(4, seed=6))
"""Some milliseconds' worth."""
