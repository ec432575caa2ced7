"""The adapter: LoRA weights on the topmost blocks, and their files, which are mlx-lm's own."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_unflatten
from mlx_lm.tuner.lora import LoRALinear
from mlx_lm.tuner.utils import linear_to_lora_layers

from adapterd.base.adaptable import ATTENTION, MLP, OTHER_QUANTISATION
from adapterd.base.mlx.weights import mismatch, plain_names, put_weights, trained_weights
from adapterd.config import Modules, TrainingSettings
from adapterd.errors import InputError
from adapterd.formats.adapter_files import CONFIG, GGUF_ORDER, ROW_ORDER, WEIGHTS
from adapterd.system.files import atomic_path, write_atomic

PLACES = {Modules.ATTENTION: (ATTENTION,), Modules.MLP: (MLP,), Modules.ALL: (ATTENTION, MLP)}
"""Where in a block adapters go. Other projections, such as those of gated delta layers, stay as they are."""


def attach_adapter(model: nn.Module, settings: TrainingSettings, frozen: Collection[str] = ()) -> None:
    """Put LoRA on the chosen linear projections of the top `layers` blocks, of all where there are fewer.

    The `frozen` modules, by their names in the model, get none. The model, which is to be frozen, then computes what it
    did before, as the second factor starts at zero. Raises InputError where no module is left.
    """
    mx.random.seed(settings.seed)
    chosen = [name for name in _projections(model, settings.layers) if name.startswith(PLACES[settings.modules])]
    linear_to_lora_layers(model, settings.layers, _lora_parameters(settings) | {"keys": chosen})
    adapted = {name: module for name, module in model.named_modules() if isinstance(module, LoRALinear)}
    plain = {name: module.linear for name, module in adapted.items() if name in frozen}
    if len(plain) == len(adapted):
        reason = ": the types that they are stored in cannot be quantised again" if plain else ""
        raise InputError(
            f"no projection of the top {settings.layers} blocks (training.modules = {settings.modules.value}) can take "
            f"an adapter{reason}",
            hint=f'raise training.layers, set training.modules = "all", or {OTHER_QUANTISATION}',
        )
    model.update_modules(tree_unflatten(list(plain.items())))
    mx.eval(model.trainable_parameters())


def save_adapter(model: nn.Module, settings: TrainingSettings, folder: Path) -> None:
    """Write weights and configuration so that `mlx_lm.tuner.utils.load_adapters` reads them, each in one step."""
    with atomic_path(folder / WEIGHTS) as partial, partial.open("wb") as file:
        mx.save_safetensors(file, trained_weights(model))
    config = {
        "fine_tune_type": "lora",
        "num_layers": min(settings.layers, len(model.layers)),
        "lora_parameters": _lora_parameters(settings) | _keys(model, settings.layers),
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


def _lora_parameters(settings: TrainingSettings) -> dict[str, Any]:
    return {
        "rank": settings.rank,
        "alpha": settings.alpha,
        "scale": settings.alpha / settings.rank,
        "dropout": settings.dropout,
    }


def _keys(model: nn.Module, layers: int) -> dict[str, list[str]]:
    """The names within a block of what has an adapter in some of the top blocks; mlx-lm needs none if all do."""
    adapted = {
        name
        for block in model.layers[-layers:]
        for name, module in block.named_modules()
        if isinstance(module, LoRALinear)
    }
    return {} if adapted == set(_projections(model, layers)) else {"keys": sorted(adapted)}


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
