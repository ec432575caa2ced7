"""Loading weights strictly: an extra or missing array, or another shape or dtype, is an error that names it.

MLX itself ignores unknown names unless all parameters are given, and then does not check shapes.
"""

import re
from collections.abc import Mapping

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_unflatten

from adapterd.errors import InputError

_WITHIN_CHECKPOINTING = re.compile(r"^(model\.layers\.\d+)\.block\.")


def mismatch(given: Mapping[str, mx.array], wanted: Mapping[str, mx.array]) -> str:
    """The first name at which the given arrays differ from the wanted ones, and how; empty if they match."""
    for name in sorted(given.keys() | wanted.keys()):
        if name not in wanted:
            return f"{name} has no place in it"
        if name not in given:
            return f"{name} is missing"
        ours, theirs = wanted[name], given[name]
        if theirs.shape != ours.shape or theirs.dtype != ours.dtype:
            return f"{name} is {_kind(theirs)}, not {_kind(ours)}"
    return ""


def trained_weights(model: nn.Module) -> dict[str, mx.array]:
    """The model's trainable parameters by name."""
    return dict(tree_flatten(model.trainable_parameters()))


def put_weights(model: nn.Module, weights: Mapping[str, mx.array]) -> None:
    """Replace all trainable parameters; raises InputError, changing nothing, unless names, shapes and dtypes match."""
    if fault := mismatch(weights, trained_weights(model)):
        raise InputError(f"these weights do not belong to this model: {fault}")
    model.update(tree_unflatten(list(weights.items())))


def plain_names(weights: Mapping[str, mx.array]) -> dict[str, mx.array]:
    """An adapter's weights by the names that the model has for them; raises InputError for two of one name.

    Adapters that were trained with gradient checkpointing were once kept as `model.layers.22.block.mlp…`.
    """
    plain: dict[str, mx.array] = {}
    for stored, value in weights.items():
        name = _WITHIN_CHECKPOINTING.sub(r"\1.", stored)
        if name in plain:
            raise InputError(f"the adapter holds two tensors for {name}")
        plain[name] = value
    return plain


def _kind(array: mx.array) -> str:
    return f"{array.shape} {str(array.dtype).rpartition('.')[2]}"
