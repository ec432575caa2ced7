"""How long a request is tried again: exponential back-off with jitter, or what the server says in Retry-After."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import TypeVar

from adapterd.errors import AdapterdError, RuntimeUnavailableError

Answer = TypeVar("Answer")


class AskedToWaitError(RuntimeUnavailableError):
    """The server asks to be left alone for longer than anybody waits here."""


class TryAgainError(Exception):
    """A try came to nothing, and another may not: `error` is what is said if none is made any more. `wait_s` is what
    the server asks for, None where it asks for nothing, `for_all` whether that holds for other requests, too, and
    `unreached` whether nobody took the connection."""

    def __init__(
        self, error: AdapterdError, *, wait_s: float | None = None, for_all: bool = False, unreached: bool = False
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait_s = wait_s
        self.for_all = for_all
        self.unreached = unreached


@dataclass(frozen=True)
class Patience:
    """A request is tried `tries` times at most, and no try begins later than `longest_s` after the first. The n-th wait
    is `first_s` · 2ⁿ seconds, `most_s` at most, of which chance takes up to a half away, so that requests which failed
    together do not come again together. Until a server has answered once, one that nobody reaches is tried
    `tries_to_reach` times: its address may be wrong."""

    first_s: float = 0.5
    most_s: float = 30.0
    longest_s: float = 180.0
    tries: int = 8
    tries_to_reach: int = 4
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    chance: Callable[[], float] = random.random

    def wait_s(self, tried: int, asked_s: float | None) -> float:
        """Seconds until the next try after so many; at least what the server asks for."""
        usual = min(self.most_s, self.first_s * 2.0 ** min(tried - 1, 32)) * (1 - self.chance() / 2)
        return usual if asked_s is None else max(usual, asked_s + self.chance() * self.first_s)


class Persistence:
    """Tries of all requests to one server: what it asks of one, the others heed, too."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._not_before = 0.0
        self.has_answered = False

    async def tried(self, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
        """What the attempt gives, made again where it raises TryAgainError; raises that one's error in the end."""
        clock = asyncio.get_running_loop().time
        began, tried = clock(), 0
        while True:
            if (wait := self._not_before - clock()) > 0:
                await self._patience.sleep(wait)
            try:
                answer = await attempt()
            except TryAgainError as exc:
                tried += 1
                wait = self._patience.wait_s(tried, exc.wait_s)
                if exc.for_all:
                    self._not_before = max(self._not_before, clock() + min(wait, self._patience.longest_s))
                self._give_up(exc, tried, clock() + wait - began, wait)
                await self._patience.sleep(wait)
            else:
                self.has_answered = True
                return answer

    def _give_up(self, exc: TryAgainError, tried: int, elapsed_s: float, wait_s: float) -> None:
        """Raise the error unless there is another try, which would begin so many seconds after the first."""
        patience = self._patience
        if exc.wait_s is not None and wait_s > patience.longest_s:
            raise AskedToWaitError(
                f"{exc.error}; it asks to wait for {wait_s / 60:.6g} minutes",
                hint="give the command again then: what was answered is kept",
            ) from exc
        tries = patience.tries_to_reach if exc.unreached and not self.has_answered else patience.tries
        if tried >= tries or elapsed_s > patience.longest_s:
            raise exc.error from exc


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that a response asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date, which is
    compared with the server's own clock where it tells it. None where it says nothing that can be read."""
    for name, unit_s in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * unit_s
        except (KeyError, ValueError):
            continue
        if isfinite(seconds):
            return max(0.0, seconds)
    moment = _moment(headers.get("retry-after"))
    server = _moment(headers.get("date")) or now or datetime.now(UTC)
    return max(0.0, (moment - server).total_seconds()) if moment else None


def _moment(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text or "")
    except (ValueError, IndexError, OverflowError, TypeError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
