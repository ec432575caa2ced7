"""uvicorn as a part of a daemon: asleep until somebody connects. Its own main loop wakes ten times a second."""

import asyncio
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from adapterd.web.protocol import MAX_CONNECTIONS, TimeoutProtocol

KEEP_ALIVE_S = 5
GRACE_S = 10
"""How long answers that are being made are waited for at the end."""
MAX_HEAD_BYTES = 16 << 10


class Listener(uvicorn.Server):
    """Serves `app` until `stop`; `on_ready` is called with it in its thread once it does."""

    def __init__(self, app: ASGIApp, on_ready: Callable[["Listener"], object]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=TimeoutProtocol,
                loop="asyncio",
                ws="none",
                lifespan="off",
                workers=1,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                access_log=False,
                log_config=None,
                log_level="error",
                backlog=MAX_CONNECTIONS,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
                h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            )
        )
        self._on_ready = on_ready
        self._end = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def stop(self) -> None:
        """Ask it to end, from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end.set)

    async def main_loop(self) -> None:
        """Sleep until the end."""
        self._loop = asyncio.get_running_loop()
        self._on_ready(self)
        await self._end.wait()
