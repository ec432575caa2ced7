"""A function in a process of its own: what needs numpy or llama.cpp, where the daemon does without (law 8)."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from adapterd.errors import WorkerLostError
from adapterd.system.python import isolate_children

T = TypeVar("T")


def call(function: Callable[..., T], *values: Any) -> T:
    """What the function gives or raises; WorkerLostError if its process dies without a word."""
    isolate_children()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as child:
        try:
            return child.submit(function, *values).result()
        except BrokenProcessPool as exc:
            raise WorkerLostError(f"a process ended without a word while it did {function.__name__}") from exc
