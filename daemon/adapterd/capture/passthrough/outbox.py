"""What was said, on its way to the recorder: a process of its own, there while there is something to record.

The queue is bounded: what does not fit is dropped and counted, and nobody waits. An exchange stays in it until the
recorder has stored it, so that none is lost with a recorder that is killed.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from adapterd.capture.messages import packed
from adapterd.capture.wire.exchange import Exchange
from adapterd.system.host.freed_memory import give_freed_memory_back

MOST_WAITING = 32 << 20
"""Bytes of bodies."""
IDLE_S = 20.0
"""After so long with nothing to record the recorder ends."""
AGAIN_S, LONGEST_S = 0.5, 60.0
"""How long to wait before a recorder that ended is started again, and how that doubles."""
TRIES = 3
"""An exchange with which so many recorders ended is dropped."""


@dataclass
class OutboxCounts:
    """What became of what was said."""

    stored: int = 0
    dropped: int = 0
    restarts: int = 0


@dataclass
class _Waiting:
    id: str
    data: bytes
    tries: int = 0


@dataclass
class Outbox:
    """`command` starts the recorder, which reads exchanges from its standard input and writes the id of each that it
    has stored, a line each, to its standard output."""

    command: Sequence[str]
    counts: OutboxCounts = field(default_factory=OutboxCounts)
    idle_s: float = IDLE_S
    most: int = MOST_WAITING

    def __post_init__(self) -> None:
        self._queue: deque[_Waiting] = deque()
        self._size = 0
        self._changed = asyncio.Event()
        self._is_closing = False

    def put(self, exchange: Exchange) -> None:
        """Have an exchange recorded; it is dropped if too much waits."""
        data = packed(exchange)
        if self._is_closing or self._size + len(data) > self.most:
            self.counts.dropped += 1
            return
        self._queue.append(_Waiting(exchange.id, data))
        self._size += len(data)
        self._changed.set()

    @property
    def waiting(self) -> int:
        """How many are not stored yet."""
        return len(self._queue)

    def close(self) -> None:
        """Take no more; `run` ends when all is stored, or the recorder cannot be had."""
        self._is_closing = True
        self._changed.set()

    async def run(self) -> None:
        """Hand on what comes, until `close`."""
        pause = AGAIN_S
        while True:
            while not self._queue:
                if self._is_closing:
                    return
                self._changed.clear()
                await self._changed.wait()
            before = self.counts.stored
            if await self._record():
                give_freed_memory_back()
                continue
            self.counts.restarts += 1
            self._give_up_on_first()
            pause = AGAIN_S if self.counts.stored > before else min(LONGEST_S, pause * 2)
            await asyncio.sleep(pause)

    def _give_up_on_first(self) -> None:
        """Recorders end with this one; the others are not to wait for it for ever."""
        if not self._queue:
            return
        first = self._queue[0]
        first.tries += 1
        if first.tries >= TRIES:
            self._take_out()
            self.counts.dropped += 1

    def _take_out(self) -> _Waiting:
        done = self._queue.popleft()
        self._size -= len(done.data)
        return done

    async def _record(self) -> bool:
        """One recorder: until there was nothing to record for a while; False where it ended before."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
        except OSError:
            return False
        assert process.stdin is not None
        assert process.stdout is not None
        writing = asyncio.ensure_future(self._write(process.stdin))
        try:
            while line := await process.stdout.readline():
                if self._queue and line.strip().decode("ascii", "replace") == self._queue[0].id:
                    self._take_out()
                    self.counts.stored += 1
                    self._changed.set()
            return await process.wait() == 0
        finally:
            writing.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await writing
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _write(self, pipe: asyncio.StreamWriter) -> None:
        """Write what is in the queue, in its order; close the pipe after a while in which there was none."""
        given, stored_before = 0, self.counts.stored
        while True:
            sent = given - (self.counts.stored - stored_before)
            if sent < len(self._queue):
                pipe.write(self._queue[sent].data)
                given += 1
                await pipe.drain()
                continue
            self._changed.clear()
            try:
                if self._queue or not self._is_closing:
                    await asyncio.wait_for(self._changed.wait(), None if self._queue else self.idle_s)
            except TimeoutError:
                pass
            if not self._queue:
                pipe.close()
                return
