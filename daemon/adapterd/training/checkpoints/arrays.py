"""The arrays of a checkpoint: the adapter's weights, the optimiser's state, the random generator's key."""

from collections.abc import Mapping
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten, tree_unflatten

from adapterd.base.mlx.random_state import random_key, set_random_key
from adapterd.base.mlx.weights import mismatch, put_weights
from adapterd.errors import InputError

_MODEL, _OPTIMIZER, _RANDOM = "model/", "optimizer/", "random"


def collect_arrays(model: nn.Module, optimizer: optim.Optimizer) -> dict[str, mx.array]:
    """All of them by name; of the model, the trainable parameters."""
    weights = _named(_MODEL, model.trainable_parameters())
    return weights | _named(_OPTIMIZER, optimizer.state) | {_RANDOM: random_key()}


def restore_arrays(arrays: Mapping[str, mx.array], model: nn.Module, optimizer: optim.Optimizer) -> None:
    """Restore model, optimiser and random generator; raises InputError, changing nothing, unless these are exactly the
    arrays of this model and its initialised optimiser."""
    if fault := mismatch(arrays, collect_arrays(model, optimizer)):
        raise InputError(f"the checkpoint is not of this training: {fault}")
    put_weights(model, dict(_under(_MODEL, arrays)))
    optimizer.state = tree_unflatten(_under(_OPTIMIZER, arrays))
    set_random_key(arrays[_RANDOM])


def _named(prefix: str, tree: Any) -> dict[str, mx.array]:
    return {prefix + name: array for name, array in tree_flatten(tree)}


def _under(prefix: str, arrays: Mapping[str, mx.array]) -> list[tuple[str, mx.array]]:
    return [(name.removeprefix(prefix), array) for name, array in arrays.items() if name.startswith(prefix)]
