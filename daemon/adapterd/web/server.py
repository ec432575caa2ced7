"""The server as the daemon starts and stops it; uvicorn and Starlette are loaded when somebody connects first."""

import logging
import selectors
import socket
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from adapterd.config import HttpSettings
from adapterd.errors import AdapterdError
from adapterd.feedback.formats import ReadingOptions
from adapterd.home import Home
from adapterd.intake.http_intake import DEFAULT_OPTIONS
from adapterd.store import Store
from adapterd.web.applications import take_up_file
from adapterd.web.listening.places import Places
from adapterd.web.token import TOKEN_FILE

__all__ = ["TOKEN_FILE", "FeedbackServer", "socket_path"]

STOP_TIMEOUT_S = 20.0
TRY_AGAIN_S = 30.0
"""How often a place that could not be had is tried again; nothing wakes up where all are had, and that is noted."""
BUSY_TIMEOUT_MS = 1000
"""How long a look at the tokens waits for others who use the store; every connection waits with it."""

log = logging.getLogger("adapterd")


def socket_path(home: Home, settings: HttpSettings) -> Path | None:
    """Where the Unix socket is, None if there is to be none."""
    return (settings.socket_path or home.socket) if settings.unix_socket else None


class FeedbackServer:
    """Takes feedback over HTTP for the models that `models` names at the time, in threads of its own: over a Unix
    socket, from the user's own programs, and with `tcp` on loopback, from who has a token.

    `models` is called in one of the threads, and so is `options`, which gives a model's settings for reading feedback.
    Nothing of it wakes up while nobody connects.
    """

    def __init__(
        self,
        home: Home,
        settings: HttpSettings,
        models: Callable[[], Collection[str]],
        options: Callable[[str], ReadingOptions] = lambda _: DEFAULT_OPTIONS,
        *,
        tcp: bool = True,
    ) -> None:
        self._home = home
        self._options = options
        self._settings = settings
        self._models = models
        self._places = Places(socket_path(home, settings), settings.port if tcp else None)
        self._is_noted = True
        self._said: str | None = None
        self._thread: threading.Thread | None = None
        self._end: socket.socket | None = None

    @property
    def port(self) -> int:
        """Where it listens, once it is started; before that, what is configured (0: any that is free)."""
        return self._places.port or 0

    def start(self) -> None:
        """Listen from now on. What cannot be had (a port that is taken, TCP without a token file that can be used) is
        told the log and the store, and tried again. Raises StoreError.
        """
        self._end, end = socket.socketpair()
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._serve, args=(end, ready), name="http", daemon=True)
        self._thread.start()
        try:
            ready.result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Reply to what has arrived, and end; without effect if it does not run."""
        if self._end is not None and self._thread is not None:
            self._end.close()
            self._thread.join(STOP_TIMEOUT_S)
        self._end = self._thread = None

    def _serve(self, end: socket.socket, ready: "Future[None]") -> None:
        try:
            with end, Store(self._home.database) as store:
                try:
                    self._open(store)
                    ready.set_result(None)
                    if self._somebody_connects(store, end):
                        self._run(store, end)
                finally:
                    self._places.close()
        except BaseException as exc:
            if ready.done():
                log.exception("feedback over HTTP has stopped")
                self._tell_that_it_stopped()
            else:
                ready.set_exception(exc)

    def _tell_that_it_stopped(self) -> None:
        """Say so in the store, if it can still be written."""
        hint = "`adapterctl logs` says why; `adapterctl service restart`, or start adapterd anew"
        with suppress(AdapterdError), Store(self._home.database) as store:
            told = [replace(each, fault="it has stopped", hint=hint) for each in self._places.told()]
            store.http_places.replace(told)

    def _open(self, store: Store) -> None:
        self._open_missing(store)
        self._note_places(store)
        store.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")

    def _open_missing(self, store: Store) -> list[socket.socket]:
        """Listen where it does not yet; over TCP only with a token to ask for, which the Unix socket does not need."""
        return self._places.open_missing(lambda: self._take_up_file(store))

    def _take_up_file(self, store: Store) -> None:
        """Have the token in the home's file count; what is to be said of it is said once, not at every try."""
        said = take_up_file(store, self._home)
        if said and said != self._said:
            log.warning("%s", said)
        self._said = said

    def _note_places(self, store: Store) -> None:
        """Note where it listens; in a store that is locked or full, later: no post is kept out for that."""
        try:
            store.http_places.replace(self._places.told())
        except AdapterdError as exc:
            if self._is_noted:
                log.warning("where feedback over HTTP is taken cannot be noted now: %s", exc)
            self._is_noted = False
        else:
            self._is_noted = True

    @property
    def _wait_s(self) -> float | None:
        """How soon to try again; None: never."""
        return TRY_AGAIN_S if self._places.incomplete or not self._is_noted else None

    def _try_again(self, store: Store) -> tuple[Sequence[socket.socket], float | None]:
        """What can be had now and could not be before, and how soon to ask again; None: never."""
        found = self._open_missing(store) if self._places.incomplete else []
        if found or not self._is_noted:
            self._note_places(store)
        return found, self._wait_s

    def _somebody_connects(self, store: Store, end: socket.socket) -> bool:
        """Sleep until somebody does, or until the end: then it is false."""
        with selectors.DefaultSelector() as selector:
            for each in (end, *self._places.sockets):
                selector.register(each, selectors.EVENT_READ)
            wait_s = self._wait_s
            while not (ready := selector.select(wait_s)):
                found, wait_s = self._try_again(store)
                for each in found:
                    selector.register(each, selectors.EVENT_READ)
        return all(key.fileobj is not end for key, _ in ready)

    def _run(self, store: Store, end: socket.socket) -> None:
        from adapterd.insight.metrics import exposition
        from adapterd.web.app import Api
        from adapterd.web.listener import Listener
        from adapterd.web.listening.connections import Peer
        from adapterd.web.listening.refusals import Refusals
        from adapterd.web.writer import Writer

        peers: dict[Peer, None] = {}
        with Writer(self._home.database, self._models, self._options) as writer:
            refusals = Refusals(writer.count_refusals)
            api = Api(
                writer, store.http_tokens.owner, peers, self._settings.requests_per_minute,
                int(self._settings.max_body_mb * 1e6), self.port, partial(exposition, self._home),
            )  # fmt: skip
            listener = Listener(api.app(), peers, refusals, end, lambda: self._try_again(store))
            listener.run(sockets=self._places.sockets)
