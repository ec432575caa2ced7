"""The pass-through as a program: listens on loopback, relays, and ends on SIGTERM or SIGINT."""

import asyncio
import json
import signal
import socket
from collections.abc import Callable
from dataclasses import asdict

from adapterd.capture.passthrough.outbox import Outbox
from adapterd.capture.passthrough.relay import ClientSide, Relaying

END_S = 10.0
"""How long answers that flow, and exchanges to be stored, are waited for at the end."""
_END_STEP_S = 0.05


async def serve(listening: socket.socket, shared: Relaying, outbox: Outbox, ready: Callable[[], None]) -> None:
    """Relay until a signal, then no more connections are taken and answers that flow are finished."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    recording = asyncio.ensure_future(outbox.run())
    server = await loop.create_server(lambda: ClientSide(shared), sock=listening)
    ready()
    await stop.wait()
    server.close()
    left = END_S
    while shared.counts.answering and left > 0:
        await asyncio.sleep(_END_STEP_S)
        left -= _END_STEP_S
    outbox.close()
    await asyncio.wait([recording], timeout=END_S)
    recording.cancel()


def told(shared: Relaying, outbox: Outbox) -> bytes:
    """The counts as JSON."""
    return json.dumps({**asdict(shared.counts), **asdict(outbox.counts), "waiting": outbox.waiting}).encode()
