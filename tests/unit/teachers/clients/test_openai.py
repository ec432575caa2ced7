"""A teacher that speaks OpenAI's API: what it is sent, what is read, and what each failure says."""

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest

from adapterd.chat import ChatOptions
from adapterd.errors import (
    AdapterdError,
    ConfigError,
    NotFoundError,
    RuntimeRefusedError,
    RuntimeUnavailableError,
)
from adapterd.teachers.clients import endpoint
from adapterd.teachers.clients.openai import OpenAITeacher
from adapterd.teachers.clients.patience import AskedToWaitError, Patience
from adapterd.teachers.request import TeacherReply, TeacherRequest
from tests.support.scripted_server import Reply, ScriptedServer, scripted
from tests.support.teacher_replies import QUICK, body_of, error, http, one_by_one, openai_said, request

KEY, VARIABLE = "sk-secret-0123456789", "A_TEACHERS_KEY"
SCHEMA = json.dumps({"type": "object", "properties": {"name": {"type": "string"}}})


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)


def asked_of(
    reply: Reply,
    *requests: TeacherRequest,
    patience: Patience = QUICK,
    timeout_s: float = 20.0,
    variable: str = VARIABLE,
) -> tuple[list[TeacherReply], ScriptedServer]:
    """What a scripted teacher says to each in turn."""

    async def ask() -> list[TeacherReply]:
        teacher = OpenAITeacher(
            "big", "big-1", f"http://127.0.0.1:{server.port}/v1", key_variable=variable, patience=patience,
            timeout_s=timeout_s,
        )  # fmt: skip
        async with teacher:
            return [await teacher.ask(each) for each in requests or (request(),)]

    with scripted(reply) as server:
        return asyncio.run(ask()), server


def sent_to(server: ScriptedServer) -> list[bytes]:
    """The requests of its one connection after another."""
    whole = b"".join(map(bytes, server.received))
    return [b"POST " + each for each in whole.split(b"POST ")[1:]]


def failure(
    reply: Reply, *, patience: Patience = QUICK, timeout_s: float = 20.0, variable: str = VARIABLE
) -> AdapterdError:
    with pytest.raises(AdapterdError) as caught:
        asked_of(reply, patience=patience, timeout_s=timeout_s, variable=variable)
    return caught.value


def test_it_is_sent_the_request_with_its_key() -> None:
    options = ChatOptions(num_predict=7, temperature=0.5, seed=3, schema=SCHEMA, think=False)
    (reply,), server = asked_of(one_by_one(openai_said()), request("Who?", options))
    (sent,) = sent_to(server)
    assert sent.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert f"Authorization: Bearer {KEY}\r\n".encode() in sent
    assert body_of(sent) == {
        "model": "big-1", "messages": [{"role": "user", "content": "Who?"}], "stream": False, "temperature": 0.5,
        "seed": 3, "max_tokens": 7, "reasoning_effort": "none",
        "response_format": {
            "type": "json_schema", "json_schema": {"name": "answer", "schema": json.loads(SCHEMA), "strict": True},
        },
    }  # fmt: skip
    assert replace(reply, seconds=0) == TeacherReply("Ada", True, 3, 5, 0)


@pytest.mark.parametrize(
    ("said", "text", "complete", "thoughts"),
    [
        (openai_said("Ada", "length"), "Ada", False, ""),
        (openai_said("", "stop"), "", False, ""),
        (openai_said(None, "length", reasoning_content="hm"), "", False, "hm"),
        (openai_said("Ada", reasoning="hm"), "Ada", True, "hm"),
        (openai_said("<think>hm</think>\n\nAda"), "Ada", True, "hm"),
        (openai_said("<think>hm, perhaps Ada", "length"), "", False, "hm, perhaps Ada"),
        (openai_said("[THINK]hm, perhaps Ada"), "", False, "hm, perhaps Ada"),
        (openai_said("Ada \ud83d"), "Ada \ufffd", True, ""),
        (openai_said("Let me see.", tool_calls=[{"id": "1"}]), "Let me see.", False, ""),
        (
            http(200, {"choices": [{"finish_reason": "stop", "message": {"content": [
                {"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Ada"}, {"type": "image"}, 3,
            ]}}]}),
            "Ada", True, "hm",
        ),
    ],
)  # fmt: skip
def test_thoughts_are_kept_apart_and_what_was_cut_off_is_not_complete(
    said: bytes, text: str, complete: bool, thoughts: str
) -> None:
    (reply,), _ = asked_of(one_by_one(said))
    assert (reply.text, reply.complete, reply.thoughts) == (text, complete, thoughts)


def test_where_no_tokens_are_told_characters_are_counted() -> None:
    said = http(200, {"choices": [{"finish_reason": "stop", "message": {"content": "a" * 40}}]})
    (reply,), _ = asked_of(one_by_one(said), request("b" * 80))
    assert (reply.prompt_tokens, reply.answer_tokens) == (20, 10)


@pytest.mark.parametrize("reason", [["stop"], {"a": 1}, 3, None])
def test_reason_that_is_none_is_no_end(reason: object) -> None:
    said = {"choices": [{"message": {"content": "Ada"}, "finish_reason": reason}]}
    (reply,), _ = asked_of(one_by_one(http(200, said)))
    assert (reply.text, reply.complete) == ("Ada", False)


def test_more_tokens_than_anything_has_are_no_count() -> None:
    said = {"choices": [{"message": {"content": "Ada"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 10**30}}
    (reply,), _ = asked_of(one_by_one(http(200, said)), request("x" * 40))
    assert (reply.text, reply.prompt_tokens) == ("Ada", 10)


def test_what_a_server_does_not_take_is_said_otherwise_and_remembered() -> None:
    def reply(sent: bytes) -> Sequence[bytes]:
        body = body_of(sent)
        if "max_tokens" in body:
            return [error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")]
        if "temperature" in body:
            return [error(400, "Unsupported value: 'temperature' does not support 0.5 with this model.")]
        if body.get("response_format", {}).get("json_schema", {}).get("strict"):
            return [error(400, "Invalid schema for response_format 'answer': 'required' is required")]
        return [error(422, "unknown field")] if "response_format" in body else [openai_said('{"name": "Ada"}')]

    asked = request("Who?", ChatOptions(schema=SCHEMA, temperature=0.5))
    _, server = asked_of(reply, asked, asked)
    sent = sent_to(server)
    assert len(sent) == 5 + 1, "the second time it is known"
    assert body_of(sent[-1]).keys() == {"model", "messages", "stream", "seed", "max_completion_tokens"}
    assert SCHEMA in body_of(sent[-1])["messages"][-1]["content"]


@pytest.mark.parametrize(
    "said",
    [
        error(400, "This model's maximum context length is 4096 tokens", code="context_length_exceeded"),
        error(413, "too large"),
        error(400, "the prompt was flagged"),
        http(400, b"nonsense"),
        openai_said(None, refusal="I cannot"),
        openai_said("", "content_filter"),
        error(500, "prediction aborted, token repeat limit reached"),
    ],
)
def test_what_cannot_be_helped_is_refused_once(said: bytes) -> None:
    found = failure(one_by_one(said, openai_said()))
    assert isinstance(found, RuntimeRefusedError)
    assert not found.transient


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (error(401, f"Incorrect API key provided: {KEY}"), ConfigError, "refuses the key of the environment variable"),
        (error(403, "not for you"), ConfigError, VARIABLE),
        (error(404, "The model `big-1` does not exist"), NotFoundError, "has no big-1"),
        (http(404, b"<html>not found"), ConfigError, "is no API of a model"),
        (http(404, b"404 page not found"), ConfigError, "is no API of a model"),
        (http(200, b"<!doctype html><h1>Welcome</h1>"), ConfigError, "is no API of a model"),
        (error(402, "Insufficient Balance"), ConfigError, "asks for payment"),
        (error(429, "You exceeded your quota", code="insufficient_quota"), ConfigError, "asks for payment"),
        (http(301, b"", Location="https://me:pw@elsewhere/v1"), ConfigError, r"points to https://\*\*\*@elsewhere/v1"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_every_request_is_said_at_once(said: bytes, kind: type[AdapterdError], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        asked_of(one_by_one(said, openai_said()))
    assert KEY not in f"{caught.value} {caught.value.hint}"


def test_a_key_that_is_asked_for_and_not_configured_is_named() -> None:
    assert "asks for a key" in str(failure(one_by_one(error(401, "no key")), variable=""))


@pytest.mark.parametrize("value", ["", "  ", "sk-ä", "sk 1", "sk-\n1"])
def test_a_variable_without_a_key_is_said_without_it(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(ConfigError, match=VARIABLE) as caught:
        OpenAITeacher("big", "big-1", "http://127.0.0.1/v1", key_variable=VARIABLE)
    assert not value.strip() or value.strip() not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("address", ["ftp://host/v1", "http://host/v1?key=1", "http://:x"])
def test_an_address_that_is_none_is_said(address: str) -> None:
    with pytest.raises(ConfigError, match="teacher"):
        OpenAITeacher("big", "big-1", address)


@pytest.mark.parametrize(
    "trouble",
    [
        error(500, "oops"),
        error(503, "overloaded"),
        http(502, b"<html>Bad Gateway</html>"),
        http(200, b'{"choices": [{"mess'),
        http(200, b"[" * 100_000),
        http(200, {"error": {"message": "upstream is busy", "code": 429}}),
        http(200, b"[]"),
        [http(200, b"{}" + b" " * 1000)[:-500], None],
        [http(200, b"{}")[:10], None],
        [None],
    ],
)
def test_what_may_pass_is_asked_again(trouble: bytes | Sequence[bytes | None]) -> None:
    (reply,), server = asked_of(one_by_one(trouble, trouble, openai_said()))
    assert reply.text == "Ada"
    assert len(sent_to(server)) == 3


def test_what_does_not_pass_is_given_up_after_so_many_tries() -> None:
    found: list[bytes] = []

    def reply(sent: bytes) -> Sequence[bytes]:
        found.append(sent)
        return [error(500, "oops")]

    said = failure(reply)
    assert isinstance(said, RuntimeUnavailableError)
    assert "failed at big-1 (status 500): oops" in str(said)
    assert len(found) == QUICK.tries


def test_it_waits_as_long_as_it_is_asked_to() -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    patience = Patience(sleep=sleep, chance=lambda: 0.0)
    busy = [
        http(429, {"error": "slow down"}, Retry_After="7"),
        http(429, {}, Retry_After="Wed, 02 Dec 2026 10:00:09 GMT", Date="Wed, 02 Dec 2026 10:00:00 GMT"),
        error(500, "oops"),
    ]
    asked_of(one_by_one(*busy, openai_said()), patience=patience)
    own = [round(each) for each in waited if each > 0]
    assert own.count(7) >= 1
    assert own.count(9) >= 1
    assert waited[-1] == pytest.approx(2.0) or waited[-2] == pytest.approx(2.0), "0.5 s · 2²"


def test_a_wait_beyond_patience_is_said() -> None:
    found = failure(one_by_one(http(429, {"error": "daily limit"}, Retry_After="3600")))
    assert isinstance(found, AskedToWaitError)
    assert "asks to wait for 60 minutes" in str(found)


def test_an_endless_body_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "MOST_BYTES", 1 << 20)
    found = failure(one_by_one(http(200, b'{"choices": "' + b"a" * (2 << 20) + b'"}')))
    assert isinstance(found, RuntimeRefusedError)
    assert "with more than" in str(found)


def test_a_slow_server_is_given_up() -> None:
    slow: list[bytes | float | None] = [http(200, b"{}" + b" " * 100)[:-50], 0.3, b" ", 0.3, b" ", 0.3, b" ", 5.0]
    found = failure(one_by_one(slow), timeout_s=0.4, patience=replace(QUICK, tries=2))
    assert isinstance(found, RuntimeUnavailableError)
    assert "did not answer within 0.4 s" in str(found)


def test_nobody_there_is_said_after_a_few_tries() -> None:
    async def ask() -> None:
        async with OpenAITeacher("big", "big-1", "http://127.0.0.1:1/v1", patience=QUICK) as teacher:
            await teacher.ask(request())

    with pytest.raises(RuntimeUnavailableError, match=r"127\.0\.0\.1:1/v1 cannot be reached"):
        asyncio.run(ask())


def test_no_https_where_there_is_none_is_said_at_once() -> None:
    async def ask(port: int) -> None:
        async with OpenAITeacher("big", "big-1", f"https://127.0.0.1:{port}/v1", patience=QUICK) as teacher:
            await teacher.ask(request())

    with plain_server() as port, pytest.raises(ConfigError, match="cannot be reached") as caught:
        asyncio.run(ask(port))
    assert "http://" in caught.value.hint


@contextmanager
def plain_server() -> Iterator[int]:
    """It speaks plain HTTP whatever comes, as servers do that are asked by TLS; gives its port."""

    def answer() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(1 << 16)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(timeout=5)


def test_no_key_is_in_any_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    asked_of(one_by_one(error(500, KEY), openai_said()))
    assert KEY not in caplog.text
