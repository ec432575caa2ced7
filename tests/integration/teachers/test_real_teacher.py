"""SmolLM2 as a teacher in a real Ollama, by Ollama's own API and by its OpenAI-compatible one."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapterd.base.modelfile import Modelfile
from adapterd.chat import ChatOptions, Message, Role
from adapterd.errors import AdapterdError, ConfigError, NotFoundError, RuntimeRefusedError
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtimes import file_digest
from adapterd.store import Store
from adapterd.teachers.clients.ollama import OllamaTeacher
from adapterd.teachers.clients.openai import OpenAITeacher
from adapterd.teachers.request import Kind, TeacherReply, TeacherRequest
from adapterd.teachers.work import Ended, Outcome, Planned, ask_all, replies

if TYPE_CHECKING:
    from adapterd.serving.server import PrivateOllama

pytestmark = pytest.mark.ollama
TAG = "a-teacher:1"
APIS = ("native", "openai")
CONTEXT = 4096
"""Ollama's own, which its OpenAI-compatible API serves; another one would have it load the file anew."""
SCHEMA = json.dumps({
    "type": "object", "properties": {"colour": {"enum": ["red", "green"]}}, "required": ["colour"],
})  # fmt: skip


@pytest.fixture(scope="module")
def teaching_host(ollama_server: "PrivateOllama", smollm2_path: Path) -> Iterator[str]:
    """The address of an Ollama that has the teacher."""
    runtime = OllamaRuntime(ollama_server.host, timeout_s=120)
    runtime.create(TAG, smollm2_path, file_digest(smollm2_path), Modelfile())
    yield ollama_server.host
    runtime.delete(TAG)


def teacher_at(host: str, api: str, model: str = TAG) -> OllamaTeacher | OpenAITeacher:
    return OllamaTeacher("big", model, host) if api == "native" else OpenAITeacher("big", model, f"{host}/v1")


def options(num_predict: int = 8, schema: str | None = None, think: bool | None = None) -> ChatOptions:
    return ChatOptions(num_ctx=CONTEXT, num_predict=num_predict, schema=schema, think=think)


def ask(host: str, api: str, given: ChatOptions, text: str = "Say hello.", model: str = TAG) -> TeacherReply:
    async def asked() -> TeacherReply:
        async with teacher_at(host, api, model) as teacher:
            return await teacher.ask(TeacherRequest(Kind.ANSWER, (Message(Role.USER, text),), given))

    return asyncio.run(asked())


@pytest.mark.parametrize("api", APIS)
def test_an_answer_that_was_cut_off_is_not_complete(teaching_host: str, api: str) -> None:
    reply = ask(teaching_host, api, options(num_predict=3), "Tell a long story.")
    assert (reply.complete, reply.answer_tokens) == (False, 3)


@pytest.mark.parametrize("api", APIS)
def test_it_is_held_to_a_schema_and_tells_what_the_answer_took(teaching_host: str, api: str) -> None:
    reply = ask(teaching_host, api, options(num_predict=100, schema=SCHEMA), "What colour is grass?")
    assert json.loads(reply.text)["colour"] in ("red", "green")
    assert reply.complete
    assert reply.prompt_tokens > 0
    assert 0 < reply.answer_tokens <= 100
    assert reply.seconds > 0


@pytest.mark.parametrize("api", APIS)
def test_a_model_that_is_not_there_is_said(teaching_host: str, api: str) -> None:
    with pytest.raises(NotFoundError, match="nobody:1"):
        ask(teaching_host, api, options(), model="nobody:1")


def test_a_prompt_beyond_the_context_is_refused_by_ollamas_own_api(teaching_host: str) -> None:
    with pytest.raises(RuntimeRefusedError, match="refused"):
        ask(teaching_host, "native", options(), "word " * 2 * CONTEXT)


@pytest.mark.parametrize(("api", "kind"), [("native", ConfigError), ("openai", AdapterdError)])
def test_a_model_that_does_not_think_says_so(teaching_host: str, api: str, kind: type[AdapterdError]) -> None:
    if api == "native":
        with pytest.raises(kind, match="does not support thinking"):
            ask(teaching_host, api, options(think=True))
    else:
        assert ask(teaching_host, api, options(think=False, num_predict=4)).text


@pytest.mark.parametrize("api", APIS)
def test_work_is_done_once(teaching_host: str, api: str, store: Store) -> None:
    plan = [
        Planned(TeacherRequest(Kind.ANSWER, (Message(Role.USER, f"{number} + 1 = "),), options(num_predict=3)))
        for number in range(4)
    ]
    for known in (0, 4):
        teacher = teacher_at(teaching_host, api)
        outcome = asyncio.run(_work(teacher, plan, store))
        assert (outcome.ended, outcome.known, outcome.answered) == (Ended.DONE, known, 4 - known)
    assert all(replies(store, "m", teacher, [each.request for each in plan]))


async def _work(teacher: OllamaTeacher | OpenAITeacher, plan: Sequence[Planned], store: Store) -> Outcome:
    async with teacher:
        return await ask_all(plan, teacher, store, "m", parallel=3)


def test_it_is_looked_at_before_it_gets_a_prompt(teaching_host: str) -> None:
    async def asked() -> TeacherReply:
        async with OllamaTeacher("big", TAG, teaching_host, may_be_remote=False) as teacher:
            return await teacher.ask(TeacherRequest(Kind.ANSWER, (Message(Role.USER, "Say hello."),), options()))

    assert asyncio.run(asked()).text
