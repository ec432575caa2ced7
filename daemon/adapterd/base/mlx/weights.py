"""Arrays go into a model or an optimiser only as a whole: one too many, one too few or another shape is named.

MLX itself leaves out what it does not know unless all parameters are given, and never looks at shapes then.
"""

import re
from collections.abc import Mapping

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_unflatten

from adapterd.errors import InputError

_WITHIN_CHECKPOINTING = re.compile(r"^(model\.layers\.\d+)\.block\.")


def mismatch(given: Mapping[str, mx.array], wanted: Mapping[str, mx.array]) -> str:
    """What keeps the given arrays from standing in for the wanted ones, by the name of the first; empty if nothing."""
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
    """What of the model is trained, by name."""
    return dict(tree_flatten(model.trainable_parameters()))


def put_weights(model: nn.Module, weights: Mapping[str, mx.array]) -> None:
    """Replace all that is trained; raises InputError, and changes nothing, unless these are the very same arrays by
    name, shape and type."""
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
