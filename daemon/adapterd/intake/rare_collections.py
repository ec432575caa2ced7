"""How often Python looks for objects that refer to each other in circles."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

OBJECTS = 100_000
"""So many new objects are made before a look; Python's own 700 are made by twenty records of feedback."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Have the cyclic garbage collector look less often while very many objects are made that refer to nothing back:
    they are freed by their reference counts. It applies to the whole process, and is as before afterwards."""
    before = gc.get_threshold()
    gc.set_threshold(OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
