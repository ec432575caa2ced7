"""Prompt and answer of each dialect, as Ollama 0.34 speaks it, streaming and not; broken streams are recognised."""

import gzip
import json
import zlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.capture.wire.conversation import Conversation, NotRecordedError, Said
from adapterd.capture.wire.dialects import READERS, read_exchange
from adapterd.capture.wire.exchange import Body, Exchange
from adapterd.capture.wire.routes import RECORDED

NDJSON, EVENTS, JSON = "application/x-ndjson", "text/event-stream", "application/json"


def exchange(
    path: str,
    asked: object,
    answer: bytes,
    content_type: str = JSON,
    *,
    status: int = 200,
    whole: bool = True,
    request: Body | None = None,
) -> Exchange:
    body = request or Body(json.dumps(asked).encode())
    return Exchange(
        "01", "POST", path, body, status, Body(answer, {"content-type": content_type}, whole), 0.0, 0.1, 0.2
    )


def ndjson(*chunks: object) -> bytes:
    return b"".join(json.dumps(chunk).encode() + b"\n" for chunk in chunks)


def data(*chunks: object, done: bool = True) -> bytes:
    said = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
    return said + (b"data: [DONE]\n\n" if done else b"")


def named(*events: Mapping[str, Any]) -> bytes:
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


HELLO = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi"}]
CHAT = {"model": "smol", "messages": HELLO, "options": {"temperature": 0.5}}
CHUNKS = (
    {"model": "smol", "message": {"role": "assistant", "content": "", "thinking": "Well"}, "done": False},
    {"model": "smol", "message": {"role": "assistant", "content": "He"}, "done": False,
     "logprobs": [{"token": "He", "logprob": -0.5}]},
    {"model": "smol", "message": {"role": "assistant", "content": "llo"}, "done": False,
     "logprobs": [{"token": "llo", "logprob": -0.25}]},
    {"model": "smol", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop",
     "prompt_eval_count": 12, "eval_count": 3},
)  # fmt: skip


def test_ollamas_chat_as_a_stream_and_as_one_object() -> None:
    streamed = read_exchange(exchange("/api/chat", CHAT, ndjson(*CHUNKS), NDJSON))
    assert streamed.said == Said("Hello", "Well", (), "stop", True, 12, 3, -0.75, 2)
    assert [(turn.role, turn.content) for turn in streamed.turns] == [("system", "Be short."), ("user", "Hi")]
    assert (streamed.model, streamed.options) == ("smol", {"temperature": 0.5})
    whole = {**CHUNKS[-1], "message": {"role": "assistant", "content": "Hello", "thinking": "Well"},
             "logprobs": [{"logprob": -0.5}, {"logprob": -0.25}]}  # fmt: skip
    assert read_exchange(exchange("/api/chat", CHAT, json.dumps(whole).encode())).said == streamed.said


def test_ollamas_tool_calls_are_put_together() -> None:
    call = {"id": "call_1", "function": {"index": 0, "name": "weather", "arguments": {"city": "Bern"}}}
    other = {"function": {"name": "time", "arguments": {}}}
    chunks = [
        {"message": {"role": "assistant", "content": "", "tool_calls": [call]}, "done": False},
        {"message": {"role": "assistant", "content": "", "tool_calls": [other]}, "done": False},
        {"message": {"content": ""}, "done": True, "done_reason": "stop"},
    ]
    turns = [
        {"role": "user", "content": "?", "images": ["aGk="]},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "12 °C", "tool_name": "weather"},
    ]
    found = read_exchange(exchange("/api/chat", {"model": "m", "messages": turns, "tools": [{}]}, ndjson(*chunks)))
    assert found.said.calls == (
        {"name": "weather", "arguments": {"city": "Bern"}}, {"name": "time", "arguments": {}},
    )  # fmt: skip
    assert [(turn.role, turn.parts, len(turn.calls), turn.of_tool) for turn in found.turns] == [
        ("user", 1, 0, None), ("assistant", 0, 1, None), ("tool", 0, 0, "weather"),
    ]  # fmt: skip


def test_ollamas_generate() -> None:
    asked = {"model": "smol", "prompt": "Hi", "system": "Be short.", "format": {"type": "object"}, "think": False}
    answer = ndjson({"response": "{", "done": False}, {"response": "}", "done": True, "done_reason": "length"})
    found = read_exchange(exchange("/api/generate", asked, answer, NDJSON))
    assert (found.said.text, found.said.cut, found.said.complete) == ("{}", True, True)
    assert [(turn.role, turn.content) for turn in found.turns] == [("system", "Be short."), ("user", "Hi")]
    assert (found.schema, found.options) == ({"type": "object"}, {"think": False})


@pytest.mark.parametrize(
    ("path", "asked", "answer", "why"),
    [
        ("/api/chat", {"model": "m", "messages": []}, ndjson({"done": True, "done_reason": "load"}), "loaded"),
        ("/api/chat", {**CHAT, "keep_alive": 0}, ndjson({"done": True, "done_reason": "unload"}), "loaded"),
        ("/api/chat", {**CHAT, "_debug_render_only": True}, b"{}", "rendered"),
        ("/api/generate", {"model": "m"}, ndjson({"done": True, "done_reason": "load"}), "loaded"),
        ("/api/generate", {"model": "m", "prompt": "x", "raw": True}, b"{}", "template"),
        ("/api/generate", {"model": "m", "prompt": "x", "suffix": "y"}, b"{}", "template"),
        ("/api/generate", {"model": "m", "prompt": "x", "context": [1]}, b"{}", "template"),
        ("/v1/completions", {"model": "m", "prompt": "x", "suffix": "y"}, b"{}", "template"),
        ("/v1/responses", {"model": "m", "input": "x", "previous_response_id": "resp_1"}, b"{}", "beginning"),
        ("/api/chat", {**CHAT, "model": "big:120b-cloud"}, ndjson(*CHUNKS), "run here"),
        ("/v1/messages", {"model": "big:cloud", "messages": HELLO}, b"{}", "run here"),
        ("/api/chat", {"messages": HELLO}, ndjson(*CHUNKS), "without a model"),
        ("/v1/chat/completions", {"model": "m", "messages": HELLO}, b"not JSON", "no JSON"),
        ("/api/chat", [1, 2], ndjson(*CHUNKS), "no JSON object"),
        ("/api/embed", {"model": "m", "input": "x"}, b"{}", "route"),
    ],
)
def test_what_is_no_conversation_says_why(path: str, asked: object, answer: bytes, why: str) -> None:
    with pytest.raises(NotRecordedError, match=why):
        read_exchange(exchange(path, asked, answer))


def test_a_refused_or_unfinished_request_is_no_conversation() -> None:
    with pytest.raises(NotRecordedError, match="refused"):
        read_exchange(exchange("/api/chat", CHAT, b'{"error":"no such model"}', status=404))
    with pytest.raises(NotRecordedError, match="too long"):
        read_exchange(exchange("/api/chat", CHAT, ndjson(*CHUNKS), request=Body(b"{", whole=False)))


OPENAI = {
    "model": "smol",
    "messages": [{"role": "developer", "content": "Be short."}, HELLO[1]],
    "temperature": 0.5,
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
}


def delta(index: int = 0, reason: str | None = None, **said: object) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "model": "smol", "choices": [{"index": index, "delta": said, "finish_reason": reason}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 3}}


def test_openais_chat_as_a_stream_and_as_one_object() -> None:
    chunks = data(
        delta(role="assistant", content="He", reasoning="Well"), delta(content="llo"), delta(reason="stop"), USAGE
    )
    found = read_exchange(exchange("/v1/chat/completions", OPENAI, chunks, EVENTS))
    assert found.said == Said("Hello", "Well", (), "stop", True, 12, 3)
    assert [(turn.role, turn.content) for turn in found.turns] == [("system", "Be short."), ("user", "Hi")]
    assert (found.options, found.schema) == ({"temperature": 0.5}, {"type": "object"})
    message = {"role": "assistant", "content": "Hello", "reasoning": "Well"}
    whole = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": USAGE["usage"]}
    assert read_exchange(exchange("/v1/chat/completions", OPENAI, json.dumps(whole).encode())).said == found.said


@pytest.mark.parametrize(
    "chunks",
    [
        data(
            delta(content="He"),
            {"model": "", "choices": [{"delta": {"content": ""}, "finish_reason": None}]},
            done=False,
        ),
        data(delta(content="He"), done=False),
        data(delta(content="He"), delta(reason="stop"), done=False),
        data(delta(content="He")),
        data(delta(content="He"), delta(reason="stop"))[:-3],
    ],
)
def test_an_openai_stream_without_its_end_is_broken(chunks: bytes) -> None:
    """Ollama answers a runner that was killed with an empty chunk, status 200, and no `[DONE]`."""
    found = read_exchange(exchange("/v1/chat/completions", OPENAI, chunks, EVENTS))
    assert (found.said.text, found.said.complete) == ("He", False)


def test_openais_tool_calls_parts_and_logprobs() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}
    parts = [{"type": "text", "text": "What "}, {"type": "image_url", "image_url": {"url": "data:"}},
             {"type": "text", "text": "is it?"}]  # fmt: skip
    turns = [{"role": "user", "content": parts}, {"role": "assistant", "content": None, "tool_calls": [call]},
             {"role": "tool", "tool_call_id": "call_1", "content": "12"}]  # fmt: skip
    logged = delta(tool_calls=[call])
    logged["choices"][0]["logprobs"] = {"content": [{"token": "x", "logprob": -1.5}]}
    found = read_exchange(
        exchange(
            "/v1/chat/completions", {"model": "m", "messages": turns}, data(logged, delta(reason="tool_calls")), EVENTS
        )
    )
    assert found.said.calls == ({"name": "weather", "arguments": '{"city":"Bern"}'},)
    assert (found.said.logprob, found.said.logprob_tokens, found.said.reason) == (-1.5, 1, "tool_calls")
    assert [(turn.content, turn.parts, len(turn.calls), turn.of_tool) for turn in found.turns] == [
        ("What is it?", 1, 0, None), ("", 0, 1, None), ("12", 0, 0, "call_1"),
    ]  # fmt: skip


def test_openais_completions() -> None:
    chunks = data(
        {"choices": [{"text": "He", "finish_reason": None}]}, {"choices": [{"text": "llo", "finish_reason": "length"}]}
    )
    found = read_exchange(exchange("/v1/completions", {"model": "m", "prompt": "Hi"}, chunks, EVENTS))
    assert (found.said.text, found.said.cut, found.turns[0].content) == ("Hello", True, "Hi")


RESPONSE = {"status": "completed", "usage": {"input_tokens": 12, "output_tokens": 3}, "output": [
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Well"}]},
    {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]},
    {"type": "function_call", "name": "weather", "arguments": "{}"},
]}  # fmt: skip


def test_openais_responses() -> None:
    asked = {"model": "m", "instructions": "Be short.", "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "Hi"}, {"type": "input_image"}]},
        {"type": "function_call", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "12"},
    ]}  # fmt: skip
    stream = named(
        {"type": "response.created", "response": {}},
        {"type": "response.output_text.delta", "delta": "Hel"},
        {"type": "response.output_text.delta", "delta": "lo"},
        {"type": "response.completed", "response": RESPONSE},
    )
    found = read_exchange(exchange("/v1/responses", asked, stream, EVENTS))
    calls = ({"name": "weather", "arguments": "{}"},)
    assert found.said == Said("Hello", "Well", calls, "completed", True, 12, 3)
    assert [(turn.role, turn.content, turn.parts) for turn in found.turns] == [
        ("system", "Be short.", 0), ("user", "Hi", 1), ("assistant", "", 0), ("tool", "12", 0),
    ]  # fmt: skip
    assert read_exchange(exchange("/v1/responses", asked, json.dumps(RESPONSE).encode())).said == found.said
    broken = read_exchange(
        exchange("/v1/responses", {**asked, "input": "Hi"}, b"event:".join(stream.split(b"event:")[:3]), EVENTS)
    )
    assert (broken.said.complete, broken.said.text) == (False, "Hel")
    cut = {**RESPONSE, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    assert read_exchange(exchange("/v1/responses", asked, json.dumps(cut).encode())).said.cut


def test_anthropics_messages() -> None:
    asked = {"model": "m", "system": [{"type": "text", "text": "Be short."}], "max_tokens": 9, "messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "weather", "input": {"a": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "12"},
                                     {"type": "text", "text": "And?"}, {"type": "image"}]},
    ]}  # fmt: skip
    stream = named(
        {"type": "message_start", "message": {"usage": {"input_tokens": 12}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Well"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hel"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "lo"}},
        {"type": "content_block_start", "index": 2, "content_block": {"type": "tool_use", "name": "time"}},
        {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
        {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
    )
    found = read_exchange(exchange("/v1/messages", asked, stream, EVENTS))
    calls = ({"name": "time", "arguments": "{}"},)
    assert found.said == Said("Hello", "Well", calls, "max_tokens", True, 12, 3)
    assert found.said.cut
    assert [(turn.role, turn.content, turn.parts, len(turn.calls), turn.of_tool) for turn in found.turns] == [
        ("system", "Be short.", 0, 0, None), ("user", "Hi", 0, 0, None), ("assistant", "", 0, 1, None),
        ("tool", "12", 0, 0, "t"), ("user", "And?", 1, 0, None),
    ]  # fmt: skip
    without_end = read_exchange(exchange("/v1/messages", asked, stream.rpartition(b"event:")[0], EVENTS))
    assert (without_end.said.text, without_end.said.complete) == ("Hello", False)
    whole = {"content": [{"type": "thinking", "thinking": "Well"}, {"type": "text", "text": "Hello"}],
             "stop_reason": "end_turn", "usage": {"input_tokens": 12, "output_tokens": 3}}  # fmt: skip
    assert read_exchange(exchange("/v1/messages", asked, json.dumps(whole).encode())).said == Said(
        "Hello", "Well", (), "end_turn", True, 12, 3
    )


@pytest.mark.parametrize(
    "answer",
    [
        ndjson(*CHUNKS[:3]),
        ndjson(*CHUNKS[:3], {"error": "an error was encountered while running the model: unexpected EOF"}),
        ndjson(*CHUNKS[:3]) + b'{"model":"smol","mess',
    ],
)
def test_an_ollama_stream_without_its_end_is_broken(answer: bytes) -> None:
    found = read_exchange(exchange("/api/chat", CHAT, answer, NDJSON))
    assert (found.said.text, found.said.complete, found.said.reason) == ("Hello", False, None)


def test_what_was_longer_than_is_kept_or_broke_off_is_not_complete() -> None:
    assert not read_exchange(exchange("/api/chat", CHAT, ndjson(*CHUNKS), NDJSON, whole=False)).said.complete
    answer = data(delta(content="x"), delta(reason="stop"))
    assert not read_exchange(exchange("/v1/chat/completions", OPENAI, answer, EVENTS, whole=False)).said.complete


@pytest.mark.parametrize(("coding", "code"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_request_is_read(coding: str, code: Any) -> None:
    body = Body(code(json.dumps(CHAT).encode()), {"content-encoding": coding})
    assert read_exchange(exchange("/api/chat", None, ndjson(*CHUNKS), NDJSON, request=body)).said.text == "Hello"


@pytest.mark.parametrize(
    "body",
    [
        Body(b"no gzip", {"content-encoding": "gzip"}),
        Body(gzip.compress(b"{}")[:-4], {"content-encoding": "gzip"}),
        Body(b"x", {"content-encoding": "br"}),
        Body(gzip.compress(bytes(80 << 20)), {"content-encoding": "gzip"}),
    ],
)
def test_a_body_that_cannot_be_decoded_says_so(body: Body) -> None:
    with pytest.raises(NotRecordedError, match=r"a body|compressed"):
        read_exchange(exchange("/api/chat", None, ndjson(*CHUNKS), NDJSON, request=body))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted({
        "model", "messages", "role", "content", "type", "text", "choices", "delta", "message", "finish_reason", "done",
        "response", "output", "usage", "logprobs", "logprob", "tool_calls", "function", "name", "prompt", "input",
        "system", "error", "index", "content_block", "images", "options", "format", "tools", "status", "summary",
    })), inner, max_size=5),
    max_leaves=25,
)  # fmt: skip


@given(
    st.sampled_from(sorted(RECORDED)),
    JSON_VALUES,
    st.lists(JSON_VALUES, max_size=4),
    st.sampled_from([NDJSON, EVENTS, JSON]),
)
def test_whatever_is_said_is_a_conversation_or_none(path: str, asked: Any, answer: list[Any], kind: str) -> None:
    asked = {**asked, "model": "m"} if isinstance(asked, dict) else asked
    said = data(*answer) if kind == EVENTS else ndjson(*answer)
    with suppress(NotRecordedError):
        found = read_exchange(exchange(path, asked, said, kind))
        assert isinstance(found, Conversation)
        assert isinstance(found.said.text, str)


def test_every_recorded_route_has_a_reader() -> None:
    assert set(READERS) == RECORDED
