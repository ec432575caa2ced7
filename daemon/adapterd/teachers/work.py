"""Many requests to one teacher: several at once, each reply kept as it comes, within a budget, resumed after a kill.

The store is the journal. A request is noted before it is sent, and its reply is committed before anything else is done
with it. So whatever ends the process: a reply that was committed is never asked for again, and a request without one is
asked by the next work that has it. What was in flight when the process was killed, `parallel` requests at most, may
have been answered without anybody receiving it; those are asked a second time.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

from adapterd.chat import as_dicts
from adapterd.errors import AdapterdError, ConfigError, NotFoundError, RuntimeRefusedError, StoreError
from adapterd.store import Store
from adapterd.store.teaching.requests import NewRequest, RequestState, Spent
from adapterd.teachers.clients.patience import AskedToWaitError
from adapterd.teachers.request import Teacher, TeacherReply, TeacherRequest

Number = TypeVar("Number", int, float)
LOOK_S = 0.2
"""How often it is looked whether to stop."""
GRACE_S = 60.0
"""How long what is in flight may take to end when the minutes are used up."""
FAILED_IN_A_ROW = 3
"""So many requests that all tries failed of, with no answer between them, are a teacher that is not there; fewer may be
requests that its server cannot bear."""
REFUSED_AT_FIRST = 10
"""So many requests that are refused before any is answered are a server that takes none as they are asked; they are
asked again when that is mended."""


@dataclass(frozen=True)
class Planned:
    """A request, and the content hashes of the feedback and ids of the captures that it was made from."""

    request: TeacherRequest
    records: tuple[str, ...] = ()


@dataclass(frozen=True)
class Budget:
    """What the work may take: requests, tokens of prompts and answers together, minutes. None is no bound. What is in
    flight when the tokens are used up is still taken, so they may be more by `parallel` requests."""

    calls: int | None = None
    tokens: int | None = None
    minutes: float | None = None

    def within(self, other: "Budget") -> "Budget":
        """What both allow."""
        return Budget(
            _least(self.calls, other.calls), _least(self.tokens, other.tokens), _least(self.minutes, other.minutes)
        )

    def left(self, *outcomes: "Outcome", minutes: float = 0.0) -> "Budget":
        """What is left of it after these, which took so many minutes in all."""
        calls = sum(each.answered + each.refused + each.failed for each in outcomes)
        tokens = sum(each.spent.tokens for each in outcomes)
        return Budget(
            None if self.calls is None else max(0, self.calls - calls),
            None if self.tokens is None else max(0, self.tokens - tokens),
            None if self.minutes is None else max(0.0, self.minutes - minutes),
        )


def _least(one: Number | None, other: Number | None) -> Number | None:
    return min((each for each in (one, other) if each is not None), default=None)


class Ended(StrEnum):
    """What ended the work: all is done, a bound of the budget, somebody's wish, Ctrl-C, or a teacher that is not
    there."""

    DONE = "done"
    CALLS = "calls"
    TOKENS = "tokens"
    MINUTES = "minutes"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class WorkProgress:
    """How far the work is: requests that have ended, of all; how many end in a minute, and the seconds that are left at
    that rate, None before the first has ended."""

    done: int
    of: int
    per_minute: float
    left_s: float | None


@dataclass(frozen=True)
class Outcome:
    """What came of the work. `known` had ended before; `answered`, `refused` and `failed` were asked now, and what
    failed can be asked again; `gone` were made from what was taken back. `left` were not ended. `error` is what was
    said of the last that was not answered."""

    ended: Ended
    known: int = 0
    answered: int = 0
    refused: int = 0
    failed: int = 0
    gone: int = 0
    left: int = 0
    spent: Spent = field(default_factory=Spent)
    error: AdapterdError | None = None


async def ask_all(
    planned: Iterable[Planned],
    teacher: Teacher,
    store: Store,
    model: str,
    *,
    budget: Budget | None = None,
    parallel: int = 1,
    progress: Callable[[WorkProgress], object] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Ask what has no answer yet, `parallel` at once; the replies are in the store (`replies`).

    It is made to be the whole of an `asyncio.run`: Ctrl-C, which cancels it, ends it like a bound of the budget, with
    its outcome. Raises ConfigError and NotFoundError for what is wrong with every request, and StoreError.
    """
    return await _Work(teacher, store, model, budget or Budget(), max(1, parallel), progress).run(planned, stopped)


@dataclass
class _Work:
    teacher: Teacher
    store: Store
    model: str
    budget: Budget
    parallel: int
    progress: Callable[[WorkProgress], object]
    outcome: Outcome = field(default_factory=lambda: Outcome(Ended.DONE))
    of: int = 0
    began: float = field(default_factory=lambda: _now_s())
    in_a_row: int = 0
    error: AdapterdError | None = None
    refusals: dict[str, str] = field(default_factory=dict)
    running: "set[asyncio.Task[None]]" = field(default_factory=set)

    async def run(self, planned: Iterable[Planned], stopped: Callable[[], bool]) -> Outcome:
        waiting = self._open(planned)
        ended: Ended | None = None
        try:
            while waiting or self.running:
                ended = ended or self._bound(stopped)
                while waiting and len(self.running) < self.parallel and not (ended := ended or self._bound(stopped)):
                    self._begin(*waiting.popleft())
                if not self.running or self._is_over(ended):
                    break
                await self._some()
        except asyncio.CancelledError:
            ended = Ended.INTERRUPTED
        finally:
            await self._cancel()
        ended = ended or self._bound(stopped, only_faults=True) or Ended.DONE
        self._note_refusals(for_good=ended is not Ended.UNAVAILABLE)
        return self._outcome(ended)

    def _open(self, planned: Iterable[Planned]) -> deque[tuple[str, Planned]]:
        """What has to be asked, each once; what has failed before comes last."""
        wanted = {each.request.key(self.teacher.name, self.teacher.model): each for each in planned}
        states = self.store.teaching.requests.states(self.model, list(wanted))
        open_ = [key for key in wanted if states.get(key, (RequestState.ASKED, False))[0] is RequestState.ASKED]
        self.of = len(wanted)
        self._count(known=len(wanted) - len(open_))
        open_.sort(key=lambda key: states.get(key, (RequestState.ASKED, False))[1])
        return deque((key, wanted[key]) for key in open_)

    def _begin(self, key: str, planned: Planned) -> None:
        request = planned.request
        new = NewRequest(key, request.kind, self.teacher.name, self.teacher.model, _plain(request), planned.records)
        if not self.store.teaching.requests.begin(self.model, new):
            self._count(gone=1)
            return
        self.running.add(asyncio.create_task(self._ask(key, request)))

    async def _ask(self, key: str, request: TeacherRequest) -> None:
        requests = self.store.teaching.requests
        try:
            reply = await self.teacher.ask(request)
        except (ConfigError, NotFoundError, StoreError):
            raise
        except AdapterdError as exc:
            self.error = exc
            if isinstance(exc, RuntimeRefusedError) and not exc.transient:
                self.in_a_row = 0
                self.refusals[key] = str(exc)
                self._count(refused=1)
                if self.outcome.answered:
                    self._note_refusals(for_good=True)
                return
            requests.failed(self.model, key, str(exc))
            self.in_a_row = FAILED_IN_A_ROW if isinstance(exc, AskedToWaitError) else self.in_a_row + 1
            self._count(failed=1)
        else:
            self._keep(key, reply)
            self._note_refusals(for_good=True)

    def _note_refusals(self, *, for_good: bool) -> None:
        """Note what was refused; not for good, it counts as failed, and is asked again."""
        requests = self.store.teaching.requests
        for key, reason in self.refusals.items():
            if not for_good:
                requests.failed(self.model, key, reason)
                self._count(refused=-1, failed=1)
            elif not requests.refused(self.model, key, reason):
                self._count(refused=-1, gone=1)
        self.refusals.clear()

    def _keep(self, key: str, reply: TeacherReply) -> None:
        tokens = reply.prompt_tokens, reply.answer_tokens
        values = {"text": reply.text, "complete": reply.complete, "thoughts": reply.thoughts}
        is_there = self.store.teaching.requests.answered(self.model, key, values, tokens, reply.seconds)
        self.in_a_row, before = 0, self.outcome.spent
        spent = Spent(before.calls + 1, before.tokens + sum(tokens), before.seconds + reply.seconds)
        self.outcome = replace(self.outcome, spent=spent)
        self._count(**{"answered" if is_there else "gone": 1})

    async def _some(self) -> None:
        """Wait until some have ended, for LOOK_S at most; raises what ends all of the work."""
        done, self.running = await asyncio.wait(self.running, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
        faults = [fault for each in done if (fault := each.exception())]
        if faults:
            raise faults[0]
        if done:
            self.progress(self._progress())

    async def _cancel(self) -> None:
        for each in self.running:
            each.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*self.running, return_exceptions=True)

    def _bound(self, stopped: Callable[[], bool], *, only_faults: bool = False) -> Ended | None:
        """What allows no further request."""
        now = self.outcome
        if self.in_a_row >= FAILED_IN_A_ROW or (only_faults and now.failed and not now.answered + now.refused):
            return Ended.UNAVAILABLE
        if len(self.refusals) >= REFUSED_AT_FIRST:
            return Ended.UNAVAILABLE
        if only_faults:
            return None
        if stopped():
            return Ended.STOPPED
        budget = self.budget
        if budget.calls is not None and self._asked >= budget.calls:
            return Ended.CALLS
        if budget.tokens is not None and self.outcome.spent.tokens >= budget.tokens:
            return Ended.TOKENS
        if budget.minutes is not None and self._seconds >= budget.minutes * 60:
            return Ended.MINUTES
        return None

    def _is_over(self, ended: Ended | None) -> bool:
        """Whether what is in flight is not waited for any more."""
        if ended is Ended.MINUTES and self.budget.minutes is not None:
            return self._seconds >= self.budget.minutes * 60 + GRACE_S
        return ended in (Ended.STOPPED, Ended.UNAVAILABLE)

    @property
    def _asked(self) -> int:
        now = self.outcome
        return len(self.running) + now.answered + now.refused + now.failed

    @property
    def _seconds(self) -> float:
        return _now_s() - self.began

    def _count(self, **more: int) -> None:
        counted = {name: getattr(self.outcome, name) + count for name, count in more.items()}
        self.outcome = replace(self.outcome, **counted)

    def _progress(self) -> WorkProgress:
        now = self.outcome
        ended_now = now.answered + now.refused
        done = now.known + now.gone + ended_now
        per_s = ended_now / self._seconds if ended_now else 0.0
        return WorkProgress(done, self.of, per_s * 60, (self.of - done) / per_s if per_s else None)

    def _outcome(self, ended: Ended) -> Outcome:
        now = self.outcome
        left = self.of - now.known - now.answered - now.refused - now.gone
        return replace(now, ended=ended, left=left, error=self.error)


def replies(
    store: Store, model: str, teacher: Teacher, requests: Sequence[TeacherRequest]
) -> list[TeacherReply | None]:
    """The reply to each request that the store has, None where there is none."""
    keys = [each.key(teacher.name, teacher.model) for each in requests]
    kept = store.teaching.requests.of(model, keys)
    found: list[TeacherReply | None] = []
    for key in keys:
        row = kept.get(key)
        if row is None or row.reply is None:
            found.append(None)
            continue
        found.append(TeacherReply(
            text=str(row.reply["text"]), complete=bool(row.reply["complete"]), prompt_tokens=row.tokens[0],
            answer_tokens=row.tokens[1], seconds=row.seconds, thoughts=str(row.reply["thoughts"]),
        ))  # fmt: skip
    return found


class Stopwatch:
    """Tells how many minutes went by since it was made."""

    def __init__(self) -> None:
        self._began = _now_s()

    @property
    def minutes(self) -> float:
        return (_now_s() - self._began) / 60


def _now_s() -> float:
    return time.monotonic()


def _plain(request: TeacherRequest) -> dict[str, object]:
    return {"messages": as_dicts(request.messages), "options": asdict(request.options), "sample": request.sample}
