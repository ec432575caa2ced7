"""Parallel streams: on a CPU, MLX does most operations on one core, so several graphs are evaluated at a time.

Measured on two cores: a training step of two examples takes two thirds of the time (SmolLM2, 8 of 30 blocks).
"""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import islice
from typing import TypeVar

import mlx.core as mx

from adapterd.base.mlx.model import on_gpu
from adapterd.system.processors import processors

WIDTH = ("MLX_BFS_MAX_WIDTH", "100000")
"""Lets MLX schedule all operations that are ready, breadth first. By default it works through one graph after the other
with few operations in flight, so that the second graph waits for the first. Gradient checkpointing (`mx.checkpoint`)
saves little memory then."""

Given = TypeVar("Given")
Made = TypeVar("Made")


class ParallelStreams:
    """`count` MLX streams, each with its own thread; with a count of 1, the default stream is used."""

    def __init__(self, count: int) -> None:
        self.count = count

    @classmethod
    def available(cls, wanted: int) -> "ParallelStreams":
        """Up to `wanted` streams, no more than there are processors; one on a GPU, which one stream keeps busy.

        Call it before anything is evaluated: that is when MLX reads its settings.
        """
        count = 1 if on_gpu() else max(1, min(wanted, processors()))
        if count > 1:
            os.environ.setdefault(*WIDTH)
        return cls(count)

    def map(self, build: Callable[[Given], Made], items: Iterable[Given]) -> Iterator[Made]:
        """`build(item)` for each item, evaluated, `count` at a time, in order; it may return any tree of arrays."""
        waiting = iter(items)
        while group := list(islice(waiting, self.count)):
            made = [self._built(build, item, stream) for stream, item in enumerate(group)]
            mx.eval(made)
            yield from made

    def _built(self, build: Callable[[Given], Made], item: Given, stream: int) -> Made:
        if self.count == 1:
            return build(item)
        with mx.stream(_stream(stream)):
            return build(item)


@cache
def _stream(_index: int) -> mx.Stream:
    """One per index for the whole process: MLX has no way to close a stream."""
    return mx.new_thread_unsafe_stream(mx.cpu)


SINGLE_STREAM = ParallelStreams(1)
