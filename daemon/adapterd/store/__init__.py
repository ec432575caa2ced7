"""The meeting point of CLI, daemon and workers: one SQLite file that all of them read and write (law 9).

    with Store(home.database) as store:
        with store.transaction():
            store.feedback.add(...)
            store.events.add(...)

The rows are plain values; what they mean is decided by the rooms above.
"""

from adapterd.store.store import Store

__all__ = ["Store"]
