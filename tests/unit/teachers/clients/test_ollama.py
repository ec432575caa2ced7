"""A teacher in Ollama: what it is sent, what is read, and what each failure says."""

import asyncio
import json
from dataclasses import replace

import pytest

from adapterd.chat import ChatOptions
from adapterd.errors import AdapterdError, ConfigError, NotFoundError, RuntimeRefusedError, RuntimeUnavailableError
from adapterd.teachers.clients.ollama import OllamaTeacher
from adapterd.teachers.request import TeacherReply, TeacherRequest
from tests.support.scripted_server import Reply, ScriptedServer, scripted
from tests.support.teacher_replies import QUICK, body_of, error, http, ollama_said, one_by_one, request

SCHEMA = '{"type": "object"}'


def asked_of(reply: Reply, asked: TeacherRequest | None = None) -> tuple[TeacherReply, ScriptedServer]:
    async def ask() -> TeacherReply:
        host = f"http://me:pass-word@127.0.0.1:{server.port}"
        async with OllamaTeacher("big", "big:70b", host, patience=QUICK) as teacher:
            return await teacher.ask(asked or request())

    with scripted(reply) as server:
        return asyncio.run(ask()), server


def test_it_is_sent_the_request_and_may_cut_nothing() -> None:
    options = ChatOptions(num_ctx=4096, num_predict=7, schema=SCHEMA, think=True)
    reply, server = asked_of(one_by_one(ollama_said()), request("Who?", options))
    assert body_of(bytes(server.received[0])) == {
        "model": "big:70b", "messages": [{"role": "user", "content": "Who?"}], "options": options.sampling(),
        "stream": False, "truncate": False, "shift": False, "think": True, "format": json.loads(SCHEMA),
    }  # fmt: skip
    assert replace(reply, seconds=0) == TeacherReply("Ada", True, 3, 5, 0)


def test_of_thinking_nothing_is_said_where_nothing_is_configured() -> None:
    _, server = asked_of(one_by_one(ollama_said()))
    assert not {"think", "format"} & body_of(bytes(server.received[0])).keys()


@pytest.mark.parametrize(
    ("said", "text", "complete", "thoughts"),
    [
        (ollama_said("Ada", thinking="hm"), "Ada", True, "hm"),
        (ollama_said("", "length", thinking="hm"), "", False, "hm"),
        (ollama_said("Ada", "length"), "Ada", False, ""),
        (http(200, {"message": {"content": "Ada 000"}, "done": False}), "Ada 000", False, ""),
        (ollama_said("Let me see.", tool_calls=[{"function": {"name": "look"}}]), "Let me see.", False, ""),
        (ollama_said("<think>hm</think>Ada"), "Ada", True, "hm"),
        (ollama_said("hm\n</think>\n\nAda"), "Ada", True, "hm"),
        (ollama_said("<think>hm", "length"), "", False, "hm"),
    ],
)
def test_thoughts_are_kept_apart(said: bytes, text: str, complete: bool, thoughts: str) -> None:
    reply, _ = asked_of(one_by_one(said))
    assert (reply.text, reply.complete, reply.thoughts) == (text, complete, thoughts)


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (http(404, {"error": "model 'big:70b' not found"}), NotFoundError, "has no big:70b"),
        (http(400, {"error": '"big:70b" does not support thinking'}), ConfigError, "does not support thinking"),
        (http(400, {"error": "the input length exceeds the context length"}), RuntimeRefusedError, "refused big:70b"),
        (http(401, b"<html>who are you?"), ConfigError, r"me:\*\*\*@127.* asks for a key"),
        (http(200, {"hello": "world"}), RuntimeUnavailableError, "is not Ollama"),
        (error(500, "runner has terminated"), RuntimeUnavailableError, "runner has terminated"),
        (error(500, "prediction aborted, token repeat limit reached"), RuntimeRefusedError, "stopped an answer of big"),
        (error(500, "failed to parse JSON: invalid character '<'"), RuntimeRefusedError, "stopped an answer of big"),
    ],
)
def test_failures_are_sentences(said: bytes, kind: type[AdapterdError], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        asked_of(one_by_one(said))
    assert "pass-word" not in f"{caught.value} {caught.value.hint}"


def test_a_crashed_runner_is_asked_again() -> None:
    reply, _ = asked_of(one_by_one(http(500, {"error": "EOF"}), [http(200, b"{}" * 9)[:-5], None], ollama_said()))
    assert reply.text == "Ada"


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("remote", ["https://ollama.com:443", ""])
def test_tag_that_is_answered_elsewhere_under_another_name_gets_no_prompt_before_its_terms_were_read(
    allowed: bool, remote: str
) -> None:
    paths = list[bytes]()

    def reply(sent: bytes) -> list[bytes]:
        paths.append(sent.split(b" ")[1])
        return [http(200, {"remote_host": remote}) if paths[-1] == b"/api/show" else ollama_said()]

    async def ask() -> list[TeacherReply | BaseException]:
        host = f"http://127.0.0.1:{server.port}"
        async with OllamaTeacher("big", "mine", host, patience=QUICK, may_be_remote=allowed) as teacher:
            return await asyncio.gather(*(teacher.ask(request(str(each))) for each in range(3)), return_exceptions=True)

    with scripted(reply) as server:
        found = asyncio.run(ask())
    if remote and not allowed:
        assert all(
            isinstance(each, ConfigError) and f"{remote}, which gets your prompts" in str(each) for each in found
        )
        assert set(paths) == {b"/api/show"}
    else:
        assert all(isinstance(each, TeacherReply) for each in found)
        assert paths.count(b"/api/show") == (0 if allowed else 1)
