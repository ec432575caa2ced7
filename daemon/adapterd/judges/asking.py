"""A judge is asked: at its address, within its bounds, under a name in the journal that tells its weights."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from adapterd.config import Settings
from adapterd.errors import AdapterdError, RuntimeUnavailableError
from adapterd.home import Home
from adapterd.judges.configured import ConfiguredJudge, digest_of, require_consent
from adapterd.store import Store
from adapterd.store.judging.verdicts import KeptJudge
from adapterd.system.locks import LOCK_TIMEOUT_S, exclusive
from adapterd.teachers.clients.endpoint import JUDGE
from adapterd.teachers.configured import open_teacher
from adapterd.teachers.request import Teacher, TeacherReply, TeacherRequest
from adapterd.teachers.work import Budget, Outcome, Planned, WorkProgress, ask_all

Progress = Callable[[WorkProgress], object]


class _Named:
    """A client under the name by which the journal knows it."""

    def __init__(self, client: Teacher, name: str, model: str) -> None:
        self.name, self.model = name, model
        self._client = client

    async def ask(self, request: TeacherRequest) -> TeacherReply:
        return await self._client.ask(request)


def key_of(request: TeacherRequest, judge: KeptJudge) -> str:
    """The key of a request in the journal: to other weights it is another request."""
    return request.key(*_named(judge))


@contextmanager
def alone(store: Store) -> Iterator[None]:
    """Be the only process of the home that asks a judge, so that nothing is paid for twice: what is open is found
    inside. Raises BusyError where another one does."""
    lock = Home.of_database(store.path).judge_lock
    with exclusive(lock, timeout_s=LOCK_TIMEOUT_S, busy="another process asks a judge at this moment"):
        yield


def ask_judge(
    store: Store,
    settings: Settings,
    model: str,
    configured: ConfiguredJudge,
    judge: KeptJudge,
    planned: Sequence[Planned],
    progress: Progress,
    *,
    within: Budget | None = None,
) -> Outcome:
    """Ask what has no answer in the journal yet. Ctrl-C and a bound end it, with what there is. Asked `within` the
    budget of other work, it is not noted as the judge that was asked last, for it says nothing of two versions.

    Raises ConfigError where a judge elsewhere may not be sent prompts, ConfigError and NotFoundError for a wrong key,
    address or model, and StoreError.
    """
    require_consent(configured, settings)
    bounds, client = configured.settings, open_teacher(judge.name, configured.settings, settings, role=JUDGE)
    budget = Budget(bounds.max_calls, bounds.max_tokens, bounds.max_minutes)
    if within is None:
        store.judging.use(model, judge)

    async def work() -> Outcome:
        async with client:
            named = _Named(client, *_named(judge))
            return await ask_all(
                planned,
                named,
                store,
                model,
                budget=budget.within(within or Budget()),
                parallel=bounds.parallel,
                progress=progress,
            )

    return asyncio.run(work())


def is_same_judge(configured: ConfiguredJudge, settings: Settings, judge: KeptJudge) -> bool:
    """Whether the same weights answer by the judge's name as when it began. Where nobody answers any more, what was
    said is kept: the next time begins with who it is."""
    try:
        return digest_of(configured, settings) == judge.digest
    except RuntimeUnavailableError:
        return True
    except AdapterdError:
        return False


def _named(judge: KeptJudge) -> tuple[str, str]:
    return judge.name, f"{judge.judge_model} {judge.id}"
