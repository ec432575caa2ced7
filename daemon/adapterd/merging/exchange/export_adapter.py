"""An adapter in the formats of other programs: mlx-lm, PEFT and llama.cpp. `import_adapter` reads them again.

mlx-lm and PEFT apply an adapter to Hugging Face's weights of the base, whose rows may be in another order than the
GGUF's (see `base.row_order`).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from adapterd.base.architectures import architecture_of, block_of_module
from adapterd.base.gguf.ggml import FloatArray
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.lora_gguf import write_lora
from adapterd.base.row_order import reordered_heads, to_hugging_face
from adapterd.formats.adapter_files import CONFIG, GGUF_WEIGHTS, PEFT_WEIGHTS, WEIGHTS
from adapterd.merging.exchange.module_names import in_mlx_lm, in_transformers
from adapterd.merging.updates import Update
from adapterd.system.files import atomic_path, write_atomic


def write_mlx_lm(updates: Sequence[Update], base: GgufFile, folder: Path) -> list[Path]:
    """Write what mlx-lm's `--adapter-path` takes beside Hugging Face's weights of the base; returns the files."""
    factors = _in_hugging_face_order(updates, base)
    weights = {f"{in_mlx_lm(module, base)}.lora_a": a for module, (a, _) in factors.items()}
    weights |= {f"{in_mlx_lm(module, base)}.lora_b": b for module, (_, b) in factors.items()}
    config = {
        "fine_tune_type": "lora",
        "num_layers": architecture_of(base).blocks(base) - min(map(block_of_module, factors)),
        "lora_parameters": {
            "rank": updates[0].a.shape[1],
            "scale": updates[0].scale,
            "dropout": 0.0,
            "keys": sorted({module.split(".", 3)[3] for module in factors}),
        },
    }
    return _write(folder, WEIGHTS, weights, config)


def write_peft(updates: Sequence[Update], base: GgufFile, folder: Path) -> list[Path]:
    """Write what `PeftModel.from_pretrained` takes on Hugging Face's model of the base; returns the files.

    The modules have the names of the class that AutoModelForCausalLM gives, in transformers from 4.52 on; see
    `Architecture.fused` for those that are one there.
    """
    ordered, rank = _in_hugging_face_order(updates, base), updates[0].a.shape[1]
    factors = {in_transformers(module, base): pair for module, pair in ordered.items()}
    weights = {}
    for module, (a, b) in factors.items():
        weights[f"base_model.model.{module}.lora_A.weight"] = np.ascontiguousarray(a.T)
        weights[f"base_model.model.{module}.lora_B.weight"] = np.ascontiguousarray(b.T)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": None,
        "r": rank,
        "lora_alpha": updates[0].scale * rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "use_rslora": False,
        "use_dora": False,
        "fan_in_fan_out": False,
        "inference_mode": True,
        "modules_to_save": None,
        "target_modules": sorted(factors),
    }
    return _write(folder, PEFT_WEIGHTS, weights, config)


def write_gguf_lora(updates: Sequence[Update], base: GgufFile, folder: Path) -> list[Path]:
    """Write what llama.cpp's `--lora` and Ollama's ADAPTER take beside the base's GGUF; returns the file."""
    with atomic_path(folder / GGUF_WEIGHTS) as partial:
        write_lora(partial, base.architecture, (update.in_llama_cpp() for update in updates))
    return [folder / GGUF_WEIGHTS]


def _in_hugging_face_order(updates: Sequence[Update], base: GgufFile) -> dict[str, tuple[FloatArray, FloatArray]]:
    """a (in, rank) and b (rank, out) by the name of the module."""
    architecture = architecture_of(base)
    heads = reordered_heads(architecture, base)
    factors = {}
    for update in updates:
        module = architecture.module(update.tensor)
        count = heads.get(module.split(".", 3)[3])
        factors[module] = update.a, update.b if count is None else to_hugging_face(update.b, count)
    return factors


def _write(folder: Path, name: str, weights: Mapping[str, FloatArray], config: Mapping[str, Any]) -> list[Path]:
    with atomic_path(folder / name) as partial, partial.open("wb") as file:
        mx.save_safetensors(file, {key: mx.array(value) for key, value in weights.items()}, {"format": "pt"})
    write_atomic(folder / CONFIG, json.dumps(config, indent=2) + "\n")
    return [folder / name, folder / CONFIG]
