"""The adapter: LoRA weights on the topmost blocks, and their files, which are mlx-lm's own."""

import json
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten
from mlx_lm.tuner.utils import linear_to_lora_layers

from adapterd.config import TrainingSettings
from adapterd.system.files import atomic_path, write_atomic

WEIGHTS, CONFIG = "adapters.safetensors", "adapter_config.json"


def attach_adapter(model: nn.Module, settings: TrainingSettings) -> None:
    """Put LoRA on every linear projection of the top `layers` blocks, of all where there are fewer.

    The model, which is to be frozen, then computes what it did before, as the second factor starts at zero.
    """
    mx.random.seed(settings.seed)
    linear_to_lora_layers(model, settings.layers, _lora_parameters(settings))
    mx.eval(model.trainable_parameters())


def save_adapter(model: nn.Module, settings: TrainingSettings, folder: Path) -> None:
    """Write weights and configuration so that `mlx_lm.tuner.utils.load_adapters` reads them, each in one step."""
    weights = dict(tree_flatten(model.trainable_parameters()))
    with atomic_path(folder / WEIGHTS) as partial, partial.open("wb") as file:
        mx.save_safetensors(file, weights)
    config = {
        "fine_tune_type": "lora",
        "num_layers": min(settings.layers, len(model.layers)),
        "lora_parameters": _lora_parameters(settings),
        "row_order": "gguf",  # for `register`: trained on the GGUF's own rows, not on Hugging Face's
    }
    write_atomic(folder / CONFIG, json.dumps(config, indent=2) + "\n")


def _lora_parameters(settings: TrainingSettings) -> dict[str, float]:
    return {
        "rank": settings.rank,
        "alpha": settings.alpha,
        "scale": settings.alpha / settings.rank,
        "dropout": settings.dropout,
    }
