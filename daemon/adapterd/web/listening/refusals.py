"""Refused requests, counted by status: a line of the log for the first of a kind, then one in ten minutes with a sum.

Nothing wakes up for it unless something was refused.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from adapterd.errors import AdapterdError
from adapterd.store.http_access.traffic import named

SAVE_AFTER_S = 5.0
"""Refusals of so many seconds are written to the database together."""
LOG_AGAIN_AFTER_S = 600.0

log = logging.getLogger("adapterd")


class Refusals:
    """Counts; `save` adds counts by status to the database. For one event loop."""

    def __init__(self, save: Callable[[Mapping[int, int]], Awaitable[None]]) -> None:
        self._save = save
        self._unsaved = Counter[int]()
        self._unsaid = Counter[int]()
        self._quiet = set[int]()
        self._saving: asyncio.Task[None] | None = None

    def count(self, status: int, from_where: str) -> None:
        """A request from there got this status for a reply."""
        if status not in self._quiet:
            self._quiet.add(status)
            log.warning("refused a request over HTTP: %s (%s)", named(status), from_where)
            asyncio.get_running_loop().call_later(LOG_AGAIN_AFTER_S, self._say_rest, status)
        else:
            self._unsaid[status] += 1
        self._unsaved[status] += 1
        if self._saving is None:
            self._saving = asyncio.get_running_loop().create_task(self._save_later())

    async def end(self) -> None:
        """Say and write what is left."""
        for status in list(self._quiet):
            self._say_rest(status)
        if self._saving is not None:
            self._saving.cancel()
        await self._save_now()

    def _say_rest(self, status: int) -> None:
        self._quiet.discard(status)
        if count := self._unsaid.pop(status, 0):
            log.warning("refused %d more requests over HTTP: %s", count, named(status))

    async def _save_later(self) -> None:
        await asyncio.sleep(SAVE_AFTER_S)
        self._saving = None
        await self._save_now()

    async def _save_now(self) -> None:
        """What cannot be written now is written with the next ones."""
        counts, self._unsaved = self._unsaved, Counter()
        if not counts:
            return
        try:
            await self._save(counts)
        except AdapterdError as exc:
            self._unsaved.update(counts)
            log.warning("refused requests could not be counted: %s", exc)
