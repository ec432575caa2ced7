"""uvicorn as a part of a daemon: asleep until somebody connects. Its own main loop wakes ten times a second."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from adapterd.web.listening.connections import MAX_CONNECTIONS, Peer
from adapterd.web.listening.refusals import Refusals
from adapterd.web.protocol import TimeoutProtocol

KEEP_ALIVE_S = 5
GRACE_S = 10
"""How long answers that are being made are waited for at the end."""
MAX_HEAD_BYTES = 16 << 10


class Listener(uvicorn.Server):
    """Serves `app` until a byte can be read from `end`. `again` is asked after so many seconds for sockets that could
    not be had before, and for the time until it wants to be asked again; None: never.
    """

    def __init__(
        self,
        app: ASGIApp,
        peers: dict[Peer, None],
        refusals: Refusals,
        end: socket.socket,
        again: Callable[[], tuple[Sequence[socket.socket], float | None]],
    ) -> None:
        protocol: Any = partial(TimeoutProtocol, count=refusals.count, peers=peers)
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol,
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
                backlog=2 * MAX_CONNECTIONS,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
                h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            )
        )
        self._refusals = refusals
        self._end = end
        self._again = again

    async def main_loop(self) -> None:
        """Sleep until the end, or until something that could not be had is tried again."""
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._end, ended.set)
        while not ended.is_set():
            sockets, wait_s = self._again()
            if sockets:
                await self.startup(sockets=list(sockets))
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), wait_s)
        loop.remove_reader(self._end)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen to these, too."""
        others = getattr(self, "servers", [])
        await super().startup(sockets=sockets)
        self.servers += others

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Reply to what has arrived, and end."""
        await super().shutdown(sockets=sockets)
        await self._refusals.end()
