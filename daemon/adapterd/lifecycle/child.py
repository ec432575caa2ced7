"""A function in a process of its own: what needs numpy or llama.cpp, where the daemon does without (law 8)."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from adapterd.errors import WorkerLostError

T = TypeVar("T")


def call(function: Callable[..., T], *values: Any) -> T:
    """What the function gives or raises; WorkerLostError if its process dies without a word.

    Interpreters that this process starts from then on take nothing from the current folder (`-P`).
    """
    os.environ["PYTHONSAFEPATH"] = "1"
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as child:
        try:
            return child.submit(function, *values).result()
        except BrokenProcessPool as exc:
            raise WorkerLostError(f"a process ended without a word while it did {function.__name__}") from exc
