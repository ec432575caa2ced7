"""Posts are stored by one thread with a database connection of its own: the event loop never waits for the disk."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

from adapterd.capture.in_feedback import recorded
from adapterd.feedback.formats import ReadingOptions
from adapterd.home import Home
from adapterd.intake.http_intake import DEFAULT_OPTIONS, Posted, RevokedError, take_posted
from adapterd.store import Store
from adapterd.web.auth import refusal_of
from adapterd.web.post import MAX_RECORDS, chosen_model, read_post
from adapterd.web.replies import Refusal, error_reply

BUSY_TIMEOUT_MS = 5000
"""How long a post waits for others who write to the store; its sender waits as well."""
BRIEF_TIMEOUT_MS = 200
"""How long the count of refused requests does."""


class Writer:
    """Reads and stores posts, one after the other. Raises StoreError if the store cannot be opened.

    `options` gives a model's settings for reading feedback.
    """

    def __init__(
        self,
        database: Path,
        models: Callable[[], Collection[str]],
        options: Callable[[str], ReadingOptions] = lambda _: DEFAULT_OPTIONS,
    ) -> None:
        self._models = models
        self._options = options
        self._captures = Home(database.parent).captures
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="http-store")
        self._store = self._thread.submit(_opened, database).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.submit(self._store.close)
        self._thread.shutdown()

    async def take(self, body: bytes, named: str | None, application: str | None) -> Posted:
        """Store what the body holds; `named` is the model that the query names, `application` who posts. Raises
        AdapterdError and Refusal."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._take, body, named, application)

    async def count_refusals(self, counts: Mapping[int, int]) -> None:
        """Count refused requests, by status. Raises StoreError, soon where others write: no post waits for it long."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._count_refusals, counts)

    def _count_refusals(self, counts: Mapping[int, int]) -> None:
        self._store.execute(f"PRAGMA busy_timeout = {BRIEF_TIMEOUT_MS}")
        try:
            self._store.http_traffic.add_refusals(counts)
        finally:
            self._store.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")

    def _take(self, body: bytes, named: str | None, application: str | None) -> Posted:
        post = read_post(body)
        model = chosen_model([named, post.model], self._models())
        if len(post.records) > MAX_RECORDS:
            raise Refusal(
                error_reply(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"a post may have {MAX_RECORDS} records, this one has {len(post.records)}",
                    "send several posts, or put a file into the inbox",
                )
            )
        try:
            find = recorded(self._captures)
            return take_posted(self._store, model, post.records, self._options(model), application, find)
        except RevokedError as exc:
            raise Refusal(refusal_of(str(exc))) from exc


def _opened(database: Path) -> Store:
    store = Store(database)
    store.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    return store
