"""Values of which a test knows more than their declared type says."""

import operator
from collections.abc import Iterable
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import mlx.core as mx
import numpy as np

T = TypeVar("T")


def known(value: T | None) -> T:
    """A value that is there."""
    assert value is not None
    return value


def scalar(array: mx.array) -> float:
    """The real number in an array of one."""
    found = array.item()
    assert not isinstance(found, complex | list)
    return float(found)


def load_weights(path: Path) -> dict[str, mx.array]:
    """The tensors of a safetensors file by their names."""
    found = mx.load(str(path))
    assert isinstance(found, dict)
    return found


def total(arrays: Iterable[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """The sum of arrays of one shape, of which there is at least one."""
    return reduce(operator.add, arrays)
