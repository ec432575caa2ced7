"""The server as the daemon starts and stops it; uvicorn and Starlette are loaded only when it is started."""

import errno
import logging
import socket
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import TYPE_CHECKING

from adapterd.config import HttpSettings
from adapterd.errors import AdapterdError, BusyError, ConfigError
from adapterd.home import Home
from adapterd.web.token import load_token

if TYPE_CHECKING:
    from adapterd.web.listener import Listener

ADDRESS = "127.0.0.1"
TOKEN_FILE = "http-token"  # noqa: S105
STOP_TIMEOUT_S = 20.0

log = logging.getLogger("adapterd")


class FeedbackServer:
    """Takes feedback on 127.0.0.1 for the models that `models` names at the time, in threads of its own.

    `models` is called in one of them. Nothing of it wakes up while nobody connects.
    """

    def __init__(self, home: Home, settings: HttpSettings, models: Callable[[], Collection[str]]) -> None:
        self._home = home
        self._settings = settings
        self._models = models
        self._thread: threading.Thread | None = None
        self._listener: Listener | None = None
        self._port = settings.port

    @property
    def port(self) -> int:
        """Where it listens, once it is started; before that, what is configured (0: any that is free)."""
        return self._port

    def start(self) -> None:
        """Listen from now on.

        Raises BusyError if the port is taken, ConfigError if it may not be used or the token cannot, and StoreError.
        """
        token = load_token(self._home.root / TOKEN_FILE)
        listening = _bound(self._settings.port)
        self._port = listening.getsockname()[1]
        ready: Future[Listener] = Future()
        self._thread = threading.Thread(target=self._serve, args=(listening, token, ready), name="http", daemon=True)
        self._thread.start()
        self._listener = ready.result()

    def stop(self) -> None:
        """Reply to what has arrived, and end; without effect if it does not run."""
        if self._listener is not None and self._thread is not None:
            self._listener.stop()
            self._thread.join(STOP_TIMEOUT_S)
        self._listener = self._thread = None

    def _serve(self, listening: socket.socket, token: str, ready: "Future[Listener]") -> None:
        try:
            with listening:
                self._run(listening, token, ready.set_result)
        except BaseException as exc:
            if ready.done():
                log.exception("feedback over HTTP has stopped")
            else:
                ready.set_exception(exc)

    def _run(self, listening: socket.socket, token: str, on_ready: "Callable[[Listener], object]") -> None:
        from adapterd.web.app import Api
        from adapterd.web.listener import Listener
        from adapterd.web.rate_limit import TokenBucket
        from adapterd.web.writer import Writer

        with Writer(self._home.database, self._models) as writer:
            rate_limit = TokenBucket(self._settings.requests_per_minute)
            api = Api(writer, token, rate_limit, int(self._settings.max_body_mb * 1e6), self._port)
            Listener(api.app(), on_ready).run(sockets=[listening])


def _bound(port: int) -> socket.socket:
    """A socket that listens on the port of the loopback address."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((ADDRESS, port))
        listening.listen()
    except OSError as exc:
        listening.close()
        raise _bind_error(port, exc) from exc
    return listening


def _bind_error(port: int, exc: OSError) -> AdapterdError:
    hint = "set http.port in the configuration to another one"
    if exc.errno == errno.EADDRINUSE:
        return BusyError(f"port {port} of {ADDRESS} is taken by another program", hint=hint)
    return ConfigError(f"port {port} of {ADDRESS} cannot be used: {exc.strerror}", hint=hint)
