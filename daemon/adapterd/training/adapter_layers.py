"""The adapter: LoRA weights on the topmost blocks, and their files, which are mlx-lm's own."""

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.tuner.utils import linear_to_lora_layers

from adapterd.base.mlx.weights import mismatch, plain_names, put_weights, trained_weights
from adapterd.config import Modules, TrainingSettings
from adapterd.errors import InputError
from adapterd.formats.adapter_files import CONFIG, GGUF_ORDER, ROW_ORDER, WEIGHTS
from adapterd.system.files import atomic_path, write_atomic

PLACES = {Modules.ATTENTION: ("self_attn.",), Modules.MLP: ("mlp.",), Modules.ALL: ("self_attn.", "mlp.")}
"""Where in a block adapters go. Other projections, such as those of gated delta layers, stay as they are."""


def attach_adapter(model: nn.Module, settings: TrainingSettings) -> None:
    """Put LoRA on the chosen linear projections of the top `layers` blocks, of all where there are fewer.

    The model, which is to be frozen, then computes what it did before, as the second factor starts at zero.
    """
    mx.random.seed(settings.seed)
    linear_to_lora_layers(model, settings.layers, _lora_parameters(model, settings))
    mx.eval(model.trainable_parameters())


def save_adapter(model: nn.Module, settings: TrainingSettings, folder: Path) -> None:
    """Write weights and configuration so that `mlx_lm.tuner.utils.load_adapters` reads them, each in one step."""
    with atomic_path(folder / WEIGHTS) as partial, partial.open("wb") as file:
        mx.save_safetensors(file, trained_weights(model))
    config = {
        "fine_tune_type": "lora",
        "num_layers": min(settings.layers, len(model.layers)),
        "lora_parameters": _lora_parameters(model, settings),
        ROW_ORDER: GGUF_ORDER,  # for `register`: trained on the GGUF's own rows, not on Hugging Face's
    }
    write_atomic(folder / CONFIG, json.dumps(config, indent=2) + "\n")


def load_adapter_weights(model: nn.Module, settings: TrainingSettings, folder: Path) -> None:
    """Give the attached adapter the weights of another one; raises InputError where that is damaged or of another
    kind."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        loaded: Any = mx.load(str(folder / WEIGHTS))
        scale = config["lora_parameters"]["scale"]
    except (OSError, ValueError, KeyError, RuntimeError) as exc:
        raise InputError(f"{folder} does not hold a readable adapter: {exc}") from exc
    weights, wanted = plain_names(loaded), settings.alpha / settings.rank
    fault = mismatch(weights, trained_weights(model))
    if not fault and scale != wanted:
        fault = f"its scale is {scale}, not {wanted}"
    if fault:
        raise InputError(
            f"the adapter in {folder} is not of the kind that is to be trained: made for another base, or with another "
            f"rank, alpha, number of layers or choice of modules ({fault})",
            hint='set training.start = "base"',
        )
    put_weights(model, weights)


def _lora_parameters(model: nn.Module, settings: TrainingSettings) -> dict[str, Any]:
    every = _projections(model, settings.layers)
    chosen = [name for name in every if name.startswith(PLACES[settings.modules])]
    return {
        "rank": settings.rank,
        "alpha": settings.alpha,
        "scale": settings.alpha / settings.rank,
        "dropout": settings.dropout,
        **({} if chosen == every else {"keys": chosen}),
    }


def _projections(model: nn.Module, layers: int) -> list[str]:
    """The names within a block of the projections in the top blocks, also where they have an adapter."""
    kinds = (nn.Linear, nn.QuantizedLinear)
    return sorted(
        {
            name.removesuffix(".linear")
            for block in model.layers[-layers:]
            for name, module in block.named_modules()
            if isinstance(module, kinds)
        }
    )
