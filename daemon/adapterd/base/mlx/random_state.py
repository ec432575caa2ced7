"""Saving and restoring the state of MLX's random generator, so that random choices can be repeated."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mlx.core as mx
import numpy as np


def random_key() -> mx.array:
    """The key that the next random numbers follow from, two uint32."""
    state: Any = mx.random.state
    key: mx.array = state[0]
    return key


def set_random_key(key: mx.array) -> None:
    """Draw from this key on."""
    # It is the two halves of a seed; there is no other way to set it.
    high, low = map(int, np.array(key))
    mx.random.seed(high << 32 | low)


@contextmanager
def drawn_from(key: mx.array) -> Iterator[None]:
    """Within, random numbers follow from this key; afterwards from where they were."""
    before = random_key()
    set_random_key(key)
    try:
        yield
    finally:
        set_random_key(before)
