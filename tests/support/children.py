"""Child processes that begin quickly, for tests that kill them."""

import multiprocessing
import sys
from multiprocessing.context import ForkServerContext, SpawnContext

Processes = SpawnContext | ForkServerContext


def quick_children(*imports: str) -> Processes:
    """Children of a process that has done these imports, and nothing else: so far, forking is safe on Linux."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*imports])
    return context
