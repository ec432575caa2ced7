"""Everything of a training that is arrays: the adapter's weights, the optimiser's state, the random generator's key."""

from collections.abc import Mapping
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten

_MODEL, _OPTIMIZER, _RANDOM = "model/", "optimizer/", "random"


def gather(model: nn.Module, optimizer: optim.Optimizer) -> dict[str, mx.array]:
    """All of them by name; of the model, what is trained."""
    generator: Any = mx.random.state
    weights = _named(_MODEL, model.trainable_parameters())
    return weights | _named(_OPTIMIZER, optimizer.state) | {_RANDOM: generator[0]}


def put_back(arrays: Mapping[str, mx.array], model: nn.Module, optimizer: optim.Optimizer) -> None:
    """Be where the training was that they were gathered from."""
    model.load_weights(_under(_MODEL, arrays), strict=False)
    optimizer.state = tree_unflatten(_under(_OPTIMIZER, arrays))
    # The key is the two halves of a seed; there is no other way to set it.
    high, low = map(int, np.array(arrays[_RANDOM]))
    mx.random.seed(high << 32 | low)


def _named(prefix: str, tree: Any) -> dict[str, mx.array]:
    return {prefix + name: array for name, array in tree_flatten(tree)}


def _under(prefix: str, arrays: Mapping[str, mx.array]) -> list[tuple[str, mx.array]]:
    return [(name.removeprefix(prefix), array) for name, array in arrays.items() if name.startswith(prefix)]
