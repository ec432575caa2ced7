"""Learning rate and epochs where the configuration leaves them open: by the base and the amount of data.

Measured on SmolLM2-135M (`python -m bench.recipe`, decision 34); to wider models by what Thinking Machines Lab fitted
over LoRA trainings of 14 models of the Llama and Qwen families (Schulman 2025, "LoRA Without Regret").
"""

import math
from dataclasses import dataclass
from typing import Annotated

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.config import Preferences, Range, TrainingSettings

RATE, WIDTH = 2.5e-4, 2000
"""A learning rate for LoRA in small batches, half of what was fitted for large ones, and the width of the model that it
suits in every family."""
EXPONENTS = {"llama": 0.781, "qwen2": 0.0775, "qwen3": 0.0775}
"""How the rate falls with a model's width, by family."""
PREFERENCES_RATE_FACTOR = 0.5
"""With preferences the rate is multiplied by this, as each pair has gradients from every token of two answers."""
STEPS, FEWEST, MOST = 200, 3, 8
"""About how many steps a training should have, and the bounds of its epochs."""
ENOUGH = 0.01
"""A validation loss, in nats per token, below which nothing is left to learn: more steps only forget (decision 35)."""


@dataclass(frozen=True)
class Recipe(TrainingSettings):
    """Training settings in which nothing is left open; made by `of`. A training ends at a validation loss below
    `enough`."""

    epochs: Annotated[int, Range(1, 1000)] = 3
    learning_rate: Annotated[float, Range(1e-8, 1.0)] = 1e-4
    enough: float = ENOUGH

    @classmethod
    def of(cls, settings: TrainingSettings, base: GgufFile, examples: int) -> "Recipe":
        """The settings, with what they leave open chosen for this base and number of training examples, each pair
        counted as one."""
        chosen = {
            "epochs": settings.epochs or epochs_for(examples, settings.batch_size),
            "learning_rate": settings.learning_rate or suitable_rate(base, settings.preferences),
        }
        return cls(**{**vars(settings), **chosen})


def epochs_for(examples: int, batch_size: int) -> int:
    """How often so many examples are gone through."""
    steps_per_epoch = math.ceil(max(1, examples) / batch_size)
    return min(MOST, max(FEWEST, round(STEPS / steps_per_epoch)))


def suitable_rate(base: GgufFile, preferences: Preferences = Preferences.OFF) -> float:
    """The peak learning rate, to two digits; for a family without measurements, the lowest of the known ones."""
    width = base.required(f"{base.architecture}.embedding_length")
    exponents = [EXPONENTS[base.architecture]] if base.architecture in EXPONENTS else EXPONENTS.values()
    rate = RATE * min((WIDTH / width) ** exponent for exponent in exponents)
    return float(f"{rate if preferences is Preferences.OFF else rate * PREFERENCES_RATE_FACTOR:.2g}")
