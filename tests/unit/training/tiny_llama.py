"""A random llama of two blocks that trains in milliseconds, and examples for it."""

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx_lm.models import llama

from adapterd.config import TrainingSettings
from adapterd.formats.encoded import EncodedExample
from adapterd.training.adapter_layers import attach_adapter
from tests.support.tolerances import through_blocks

VOCABULARY = 64
LONGEST = 16
"""Ids of an example."""
TERMS = through_blocks(2, width=32, ffn=48, positions=LONGEST) + 32 + VOCABULARY
"""That are added up on the way to a loss."""


def tiny_llama(seed: int = 0) -> nn.Module:
    """Frozen, as `load_mlx_model` gives a model."""
    mx.random.seed(seed)
    arguments = llama.ModelArgs(
        model_type="llama",
        hidden_size=32,
        num_hidden_layers=2,
        intermediate_size=48,
        num_attention_heads=4,
        num_key_value_heads=2,
        rms_norm_eps=1e-5,
        vocab_size=VOCABULARY,
        rope_traditional=True,
    )
    model = llama.Model(arguments)
    mx.eval(model.parameters())
    model.freeze()
    return model


def adapted(settings: TrainingSettings) -> nn.Module:
    """A tiny llama with an adapter attached."""
    model = tiny_llama()
    attach_adapter(model, settings)
    return model


def random_examples(count: int, seed: int, *, low: int = 0, high: int = VOCABULARY) -> tuple[EncodedExample, ...]:
    """Random prompts of differing lengths; completions take their ids from `low` to `high`."""
    random = np.random.default_rng(seed)

    def example(index: int) -> EncodedExample:
        prompt = random.integers(VOCABULARY, size=random.integers(1, 12))
        completion = random.integers(low, high, size=random.integers(1, 6))
        return EncodedExample((*prompt.tolist(), *completion.tolist()), len(prompt), f"record-{seed}-{index}")

    return tuple(example(index) for index in range(count))
