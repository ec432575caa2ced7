"""OpenAI's dialect: /v1/chat/completions and /v1/completions."""

from collections.abc import Iterable, Mapping
from typing import Any

from adapterd.capture.wire.bodies import Object, decoded, events, is_stream, json_object
from adapterd.capture.wire.conversation import Conversation, NotRecordedError, Said, Turn
from adapterd.capture.wire.exchange import Exchange
from adapterd.capture.wire.values import an_object, called, content, logprobs, objects, text, whole

OPTIONS = (
    "temperature", "top_p", "max_tokens", "seed", "stop", "frequency_penalty", "presence_penalty", "reasoning_effort",
    "reasoning",
)  # fmt: skip
ROLES = {"developer": "system"}


def read_chat(exchange: Exchange) -> Conversation:
    """The conversation of /v1/chat/completions; raises NotRecordedError where it is none."""
    asked = json_object(decoded(exchange.request))
    turns = tuple(map(_turn, objects(asked.get("messages"))))
    return _conversation(exchange, asked, turns, "openai-chat")


def read_completion(exchange: Exchange) -> Conversation:
    """The conversation of /v1/completions; raises NotRecordedError where it is none."""
    asked = json_object(decoded(exchange.request))
    if asked.get("suffix"):
        raise NotRecordedError("a prompt that was not put into the model's template")
    prompt = text(asked.get("prompt"))
    return _conversation(exchange, asked, (Turn("user", prompt),) if prompt else (), "openai-completion")


def _conversation(exchange: Exchange, asked: Object, turns: tuple[Turn, ...], dialect: str) -> Conversation:
    if not turns:
        raise NotRecordedError("a request without a prompt")
    body = decoded(exchange.response)
    said = _of_stream(events(body)) if is_stream(exchange.response) else _of_choice(json_object(body), "message")
    options = {name: asked[name] for name in OPTIONS if asked.get(name) is not None}
    return Conversation(
        text(asked.get("model")), turns, Said(**said), options, objects(asked.get("tools")),
        _schema(an_object(asked.get("response_format"))), dialect,
    )  # fmt: skip


def _schema(wanted: Object) -> Mapping[str, Any] | str | None:
    if wanted.get("type") == "json_object":
        return "json"
    return an_object(an_object(wanted.get("json_schema")).get("schema")) or None


def _turn(message: Object) -> Turn:
    role = text(message.get("role"))
    words, parts = content(message.get("content"))
    calls = [called(an_object(call.get("function"))) for call in objects(message.get("tool_calls"))]
    of_tool = text(message.get("tool_call_id")) or None
    return Turn(ROLES.get(role, role), words, parts, tuple(calls), of_tool)


def _of_choice(chunk: Object, where: str) -> dict[str, Any]:
    """What one object says: a whole answer, or a part of a stream."""
    choice = next(iter(objects(chunk.get("choices"))), {})
    message, usage = an_object(choice.get(where)), an_object(chunk.get("usage"))
    found = an_object(choice.get("logprobs"))
    logprob, counted = logprobs(found.get("content"))
    reason = text(choice.get("finish_reason")) or None
    error = chunk.get("error")
    return {
        "text": text(message.get("content")) or text(choice.get("text")),
        "thoughts": text(message.get("reasoning")) or text(message.get("reasoning_content")),
        "calls": tuple(called(an_object(call.get("function"))) for call in objects(message.get("tool_calls"))),
        "reason": reason,
        "complete": reason is not None,
        "prompt_tokens": whole(usage.get("prompt_tokens")),
        "answer_tokens": whole(usage.get("completion_tokens")),
        "logprob": logprob if counted else None,
        "logprob_tokens": counted,
        "error": text(an_object(error).get("message")) or text(error) or None,
    }


def _of_stream(chunks: Iterable[tuple[str, Object | None]]) -> dict[str, Any]:
    """The parts put together. It is complete where a reason and the `[DONE]` were seen: Ollama ends a stream that broke
    with an empty part and status 200."""
    added = {"text": "", "thoughts": "", "calls": (), "logprob_tokens": 0}
    said: dict[str, Any] = {**added, "reason": None, "logprob": None}
    over = False
    for _, chunk in chunks:
        if chunk is None:
            over = True
            break
        part = _of_choice(chunk, "delta")
        for name in added:
            said[name] += part[name]
        if part["logprob"] is not None:
            said["logprob"] = (said["logprob"] or 0.0) + part["logprob"]
        for name in ("reason", "prompt_tokens", "answer_tokens", "error"):
            said[name] = part[name] if part[name] is not None else said.get(name)
    return {**said, "complete": over and said["reason"] is not None}
