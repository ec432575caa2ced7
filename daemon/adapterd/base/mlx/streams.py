"""Computing several things side by side: on a CPU, MLX does most operations on one core, whatever the BLAS does.

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
"""So that MLX begins with all that can begin. Otherwise it goes through one graph after the other, and has only a few
operations under way at a time, so that the second graph waits for the first. What is computed twice to save memory
(`mx.checkpoint`) saves little then."""

Given = TypeVar("Given")
Made = TypeVar("Made")


class Lanes:
    """So many streams, each of which has a thread of MLX's; with one, everything stays as it is."""

    def __init__(self, count: int) -> None:
        self.count = count

    @classmethod
    def here(cls, wanted: int) -> "Lanes":
        """As many as there are processors for, up to `wanted`; one on a GPU, which is never idle for long.

        Has to be called before anything is evaluated, when MLX reads its settings.
        """
        count = 1 if on_gpu() else max(1, min(wanted, processors()))
        if count > 1:
            os.environ.setdefault(*WIDTH)
        return cls(count)

    def map(self, build: Callable[[Given], Made], items: Iterable[Given]) -> Iterator[Made]:
        """What is built of each item, arrays in any tree, evaluated; in order, `count` at a time."""
        waiting = iter(items)
        while group := list(islice(waiting, self.count)):
            made = [self._built(build, item, lane) for lane, item in enumerate(group)]
            mx.eval(made)
            yield from made

    def _built(self, build: Callable[[Given], Made], item: Given, lane: int) -> Made:
        if self.count == 1:
            return build(item)
        with mx.stream(_stream(lane)):
            return build(item)


@cache
def _stream(_lane: int) -> mx.Stream:
    """One for each lane of this process, as there is no way to end one."""
    return mx.new_thread_unsafe_stream(mx.cpu)


ONE_LANE = Lanes(1)
