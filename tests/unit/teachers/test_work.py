"""Many requests to one teacher: each once, several together, within a budget, and nothing lost by what ends them."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from bench.teachers_kills import counting_teacher, killed, planned

from adapterd.errors import (
    AdapterdError,
    ConfigError,
    NotFoundError,
    RuntimeRefusedError,
    RuntimeUnavailableError,
    StoreError,
)
from adapterd.store import Store
from adapterd.store.teaching.requests import RequestState
from adapterd.teachers import work
from adapterd.teachers.clients.openai import OpenAITeacher
from adapterd.teachers.clients.patience import AskedToWaitError
from adapterd.teachers.request import TeacherReply, TeacherRequest
from adapterd.teachers.work import Budget, Ended, Outcome, Planned, WorkProgress, ask_all, replies
from tests.support.scripted_server import scripted
from tests.support.teacher_replies import QUICK, body_of, error, http, openai_said

MODEL = "m"
Behave = Callable[[str], Awaitable[object]]


@dataclass
class FakeTeacher:
    """Answers with what it was asked, in 10 tokens, after `behave`; counts what it is asked, and how much at once."""

    behave: Behave | None = None
    name: str = "big"
    model: str = "big-1"
    asked: Counter[str] = field(default_factory=Counter)
    now: int = 0
    most: int = 0

    async def ask(self, request: TeacherRequest) -> TeacherReply:
        prompt = request.messages[-1].content
        self.asked[prompt] += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0)
            if self.behave:
                await self.behave(prompt)
        finally:
            self.now -= 1
        return TeacherReply(f"answer to {prompt}", True, 4, 6, 0.1)


def raising(error: AdapterdError, *prompts: str) -> Behave:
    """Raises for these prompts, for all if none are named."""

    async def behave(prompt: str) -> None:
        if not prompts or prompt in prompts:
            raise error

    return behave


def run(store: Store, teacher: FakeTeacher, plan: Sequence[Planned], **more: object) -> Outcome:
    return asyncio.run(ask_all(plan, teacher, store, MODEL, **more))  # type: ignore[arg-type]


def counts(outcome: Outcome) -> tuple[Ended, int, int, int, int, int, int]:
    """How it ended, and known, answered, refused, failed, gone, left."""
    now = outcome
    return now.ended, now.known, now.answered, now.refused, now.failed, now.gone, now.left


def test_each_is_asked_once_and_its_reply_is_kept(store: Store) -> None:
    teacher, plan, told = FakeTeacher(), planned(10), list[WorkProgress]()
    outcome = run(store, teacher, [*plan, *plan], parallel=3, progress=told.append)
    assert counts(outcome) == (Ended.DONE, 0, 10, 0, 0, 0, 0)
    assert (outcome.spent.calls, outcome.spent.tokens) == (10, 100)
    assert teacher.most == 3
    found = replies(store, MODEL, teacher, [each.request for each in plan])
    assert [each and each.text for each in found] == [f"answer to prompt {number}" for number in range(10)]
    assert found[0] == TeacherReply("answer to prompt 0", True, 4, 6, 0.1)
    assert (told[-1].done, told[-1].of, told[-1].left_s) == (10, 10, 0.0)
    assert [each.done for each in told] == sorted(each.done for each in told)
    assert counts(run(store, teacher, planned(12))) == (Ended.DONE, 10, 2, 0, 0, 0, 0)
    assert set(teacher.asked.values()) == {1}


def test_another_sample_another_teacher_and_another_model_are_asked(store: Store) -> None:
    (one,) = planned(1)
    other = replace(one, request=replace(one.request, sample=1))
    run(store, FakeTeacher(), [one])
    for teacher, plan in ((FakeTeacher(), other), (FakeTeacher(name="other"), one), (FakeTeacher(model="x"), one)):
        assert run(store, teacher, [plan]).answered == 1
    assert asyncio.run(ask_all([one], FakeTeacher(), store, "another model")).answered == 1


@pytest.mark.parametrize(
    ("budget", "ended", "answered"),
    [
        (Budget(calls=4), Ended.CALLS, 4),
        (Budget(tokens=35), Ended.TOKENS, 4),
        (Budget(minutes=0), Ended.MINUTES, 0),
        (Budget(calls=0), Ended.CALLS, 0),
        (Budget(calls=100, tokens=1000, minutes=60), Ended.DONE, 10),
    ],
)
def test_a_budget_ends_it_and_is_named(store: Store, budget: Budget, ended: Ended, answered: int) -> None:
    teacher = FakeTeacher()
    assert counts(run(store, teacher, planned(10), budget=budget)) == (ended, 0, answered, 0, 0, 0, 10 - answered)
    assert counts(run(store, teacher, planned(10))) == (Ended.DONE, answered, 10 - answered, 0, 0, 0, 0)
    assert set(teacher.asked.values()) == {1}


def test_calls_are_never_more_however_many_are_asked_at_once(store: Store) -> None:
    teacher = FakeTeacher()
    assert run(store, teacher, planned(10), budget=Budget(calls=5), parallel=4).answered == 5
    assert teacher.asked.total() == 5


def test_what_is_in_flight_when_the_minutes_are_over_is_still_taken(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]
    monkeypatch.setattr(work, "_now_s", lambda: seconds[0])

    async def behave(_: str) -> None:
        seconds[0] = 61.0
        await asyncio.sleep(0)

    outcome = run(store, FakeTeacher(behave), planned(10), budget=Budget(minutes=1), parallel=3)
    assert counts(outcome) == (Ended.MINUTES, 0, 3, 0, 0, 0, 7)


def test_a_wish_to_stop_ends_it_and_what_is_in_flight_is_not_waited_for(store: Store) -> None:
    async def behave(prompt: str) -> None:
        if prompt != "prompt 0":
            await asyncio.Event().wait()

    teacher = FakeTeacher(behave)
    outcome = run(store, teacher, planned(10), parallel=2, stopped=lambda: len(teacher.asked) >= 3)
    assert counts(outcome) == (Ended.STOPPED, 0, 1, 0, 0, 0, 9)
    assert store.teaching.requests.counts(MODEL)["answer", "big", RequestState.ASKED] == 2


def test_a_refused_request_is_noted_and_the_others_are_asked(store: Store) -> None:
    teacher = FakeTeacher(raising(RuntimeRefusedError("too long"), "prompt 1"))
    plan = planned(3)
    assert counts(run(store, teacher, plan)) == (Ended.DONE, 0, 2, 1, 0, 0, 0)
    assert replies(store, MODEL, teacher, [plan[1].request]) == [None]
    assert [each.reason for each in store.teaching.requests.all(MODEL)] == [None, "too long", None]
    assert counts(run(store, teacher, plan)) == (Ended.DONE, 3, 0, 0, 0, 0, 0)


def test_a_request_that_the_server_cannot_bear_does_not_hold_up_the_others(store: Store) -> None:
    crash = RuntimeUnavailableError("crashed")
    assert counts(run(store, FakeTeacher(raising(crash, "prompt 0")), planned(5))) == (Ended.DONE, 0, 4, 0, 1, 0, 1)
    teacher = FakeTeacher()
    run(store, teacher, planned(7))
    assert list(teacher.asked) == ["prompt 5", "prompt 6", "prompt 0"], "what has failed comes last"


@pytest.mark.parametrize("count", [1, 10])
def test_a_teacher_that_is_not_there_ends_it(store: Store, count: int) -> None:
    gone = RuntimeUnavailableError("nobody answers")
    outcome = run(store, FakeTeacher(raising(gone)), planned(count))
    assert counts(outcome) == (Ended.UNAVAILABLE, 0, 0, 0, min(count, 3), 0, count)
    assert outcome.error is gone


def test_a_teacher_that_asks_to_be_left_alone_ends_it_at_once(store: Store) -> None:
    outcome = run(store, FakeTeacher(raising(AskedToWaitError("tomorrow"), "prompt 2")), planned(10))
    assert counts(outcome) == (Ended.UNAVAILABLE, 0, 2, 0, 1, 0, 8)


@pytest.mark.parametrize("wrong", [ConfigError("wrong key"), NotFoundError("no such model")])
def test_what_is_wrong_with_every_request_is_raised_and_what_there_is_stays(store: Store, wrong: AdapterdError) -> None:
    with pytest.raises(type(wrong)):
        run(store, FakeTeacher(raising(wrong, "prompt 3")), planned(10))
    assert store.teaching.requests.counts(MODEL)["answer", "big", RequestState.ANSWERED] == 3


def test_a_store_that_cannot_be_written_ends_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> bool:
        raise StoreError("disk full")

    monkeypatch.setattr(store.teaching.requests, "answered", fails)
    with pytest.raises(StoreError, match="disk full"):
        run(store, FakeTeacher(), planned(10), parallel=4)


def test_what_is_taken_back_is_not_asked_and_a_reply_on_its_way_is_dropped(store: Store) -> None:
    def take_back(record: str) -> None:
        store.removals.begin(MODEL, "test", going=(), hashes=[record], versions={})
        store.teaching.forget_records([record])

    async def behave(prompt: str) -> None:
        if prompt == "prompt 0":
            take_back("r0")
            take_back("r2")

    plan = [replace(each, records=(f"r{number}",)) for number, each in enumerate(planned(3))]
    teacher = FakeTeacher(behave)
    assert counts(run(store, teacher, plan)) == (Ended.DONE, 0, 1, 0, 0, 2, 0)
    assert list(teacher.asked) == ["prompt 0", "prompt 1"]
    assert [each.records for each in store.teaching.requests.all(MODEL)] == [("r1",)]


def test_all_kinds_of_trouble_at_once_lose_nothing(store: Store) -> None:
    """Bursts of errors, cut answers and pages by chance of the order; one request is refused."""
    asked = Counter[str]()

    def reply(sent: bytes) -> Sequence[bytes | None]:
        prompt = body_of(sent)["messages"][-1]["content"]
        asked[prompt] += 1
        if prompt == "prompt 7":
            return [error(400, "flagged")]
        troubles: list[list[bytes | None]] = [
            [error(500, "oops")], [http(429, {"error": "slow"}, Retry_After="0")], [openai_said()[:-9], None],
            [http(200, b"nonsense")], [None],
        ]  # fmt: skip
        if asked[prompt] < 3:
            return troubles[(int(prompt.split()[1]) + asked[prompt]) % len(troubles)]
        return [openai_said(f"answer to {prompt}")]

    async def ask(port: int) -> Outcome:
        async with OpenAITeacher("big", "big-1", f"http://127.0.0.1:{port}/v1", patience=QUICK) as teacher:
            return await ask_all(planned(30), teacher, store, MODEL, parallel=5)

    with scripted(reply) as server:
        outcome = asyncio.run(ask(server.port))
    assert counts(outcome) == (Ended.DONE, 0, 29, 1, 0, 0, 0)
    texts = {(each.reply or {}).get("text") for each in store.teaching.requests.all(MODEL)}
    assert texts == {None, *(f"answer to prompt {number}" for number in range(30) if number != 7)}


def test_ctrl_c_keeps_what_there_is_and_says_so(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import asyncio, sys
        from pathlib import Path
        from adapterd.store import Store
        from adapterd.teachers.clients.openai import OpenAITeacher
        from adapterd.teachers.work import ask_all
        from bench.teachers_kills import MODEL, planned

        async def work():
            async with OpenAITeacher("big", "big-1", sys.argv[2]) as teacher:
                return await ask_all(planned(1000), teacher, store, MODEL, parallel=4, progress=tell)

        def tell(now):
            print(now.done, flush=True)

        with Store(Path(sys.argv[1])) as store:
            found = asyncio.run(work())
            print(found.ended, found.answered, flush=True)
    """)
    path = tmp_path / "state.db"
    with counting_teacher(0.02) as (url, _):
        command = [sys.executable, "-c", script, str(path), url]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        said = process.stdout.read().split("\n")[-2]
        assert process.wait(30) == 0
        process.stdout.close()
    with Store(path) as store:
        kept = store.teaching.requests.counts(MODEL)["answer", "big", RequestState.ANSWERED]
    assert said == f"interrupted {kept}"
    assert kept >= 3


def test_work_that_is_killed_is_done_without_asking_twice() -> None:
    found = killed(4, 80, slowest_s=0.1)
    assert (found["asked_twice"], found["lost"]) == (0, 0)
    assert found["kills"] >= 1
    assert found["in_flight"] <= found["kills"] * found["parallel"]
