"""Anthropic's dialect: /v1/messages."""

from collections.abc import Iterable
from typing import Any

from adapterd.capture.wire.bodies import Object, decoded, events, is_stream, json_object
from adapterd.capture.wire.conversation import Conversation, NotRecordedError, Said, Turn
from adapterd.capture.wire.exchange import Exchange
from adapterd.capture.wire.values import an_object, content, objects, text, whole

OPTIONS = ("temperature", "top_p", "top_k", "max_tokens", "stop_sequences", "thinking")
_NOT_PARTS = frozenset(("tool_use", "tool_result", "thinking", "redacted_thinking"))


def read(exchange: Exchange) -> Conversation:
    """The conversation of /v1/messages; raises NotRecordedError where it is none."""
    asked = json_object(decoded(exchange.request))
    system, _ = content(asked.get("system"))
    turns = [Turn("system", system)] if system else []
    turns += [turn for message in objects(asked.get("messages")) for turn in _turns(message)]
    if not objects(asked.get("messages")):
        raise NotRecordedError("a request without a prompt")
    body = decoded(exchange.response)
    said = _of_stream(events(body)) if is_stream(exchange.response) else _of_message(json_object(body))
    options = {name: asked[name] for name in OPTIONS if asked.get(name) is not None}
    tools = objects(asked.get("tools"))
    return Conversation(text(asked.get("model")), tuple(turns), Said(**said), options, tools, None, "anthropic")


def _turns(message: Object) -> Iterable[Turn]:
    """The turns of a message: the results of tools, each by itself, then the rest."""
    blocks = objects(message.get("content"))
    for block in blocks:
        if block.get("type") == "tool_result":
            words, parts = content(block.get("content"))
            yield Turn("tool", words, parts, of_tool=text(block.get("tool_use_id")) or None)
    calls = tuple(_call(block) for block in blocks if block.get("type") == "tool_use")
    words, _ = content(message.get("content"))
    parts = sum(block.get("type") not in _NOT_PARTS | {"text"} for block in blocks)
    if words or parts or calls or not blocks:
        yield Turn(text(message.get("role")), words, parts, calls)


def _call(block: Object) -> Object:
    return {"name": text(block.get("name")), "arguments": block.get("input")}


def _of_message(message: Object) -> dict[str, Any]:
    blocks, usage = objects(message.get("content")), an_object(message.get("usage"))
    reason = text(message.get("stop_reason")) or None
    return {
        "text": content(blocks)[0],
        "thoughts": "".join(text(block.get("thinking")) for block in blocks),
        "calls": tuple(_call(block) for block in blocks if block.get("type") == "tool_use"),
        "reason": reason,
        "complete": reason is not None,
        "prompt_tokens": whole(usage.get("input_tokens")),
        "answer_tokens": whole(usage.get("output_tokens")),
        "error": text(an_object(message.get("error")).get("message")) or None,
    }


def _of_stream(found: Iterable[tuple[str, Object | None]]) -> dict[str, Any]:
    """The blocks put together. It is complete where a reason and `message_stop` were seen."""
    words, thoughts, names, inputs = list[str](), list[str](), dict[object, str](), dict[object, list[str]]()
    said: dict[str, Any] = {}
    for name, event in found:
        event = event or {}
        kind, delta = text(event.get("type")) or name, an_object(event.get("delta"))
        if kind == "content_block_start" and an_object(event.get("content_block")).get("type") == "tool_use":
            names[_index(event)] = text(an_object(event["content_block"]).get("name"))
        elif kind == "content_block_delta":
            words.append(text(delta.get("text")))
            thoughts.append(text(delta.get("thinking")))
            inputs.setdefault(_index(event), []).append(text(delta.get("partial_json")))
        elif kind == "message_start":
            said["prompt_tokens"] = whole(an_object(an_object(event.get("message")).get("usage")).get("input_tokens"))
        elif kind == "message_delta":
            usage = an_object(event.get("usage"))
            said["reason"] = text(delta.get("stop_reason")) or said.get("reason")
            said["answer_tokens"] = whole(usage.get("output_tokens"))
            said["prompt_tokens"] = whole(usage.get("input_tokens")) or said.get("prompt_tokens")
        elif kind == "message_stop":
            said["complete"] = bool(said.get("reason"))
        elif kind == "error":
            said["error"] = text(an_object(event.get("error")).get("message")) or "an error"
    calls = tuple({"name": name, "arguments": "".join(inputs.get(index, []))} for index, name in names.items())
    return {"text": "".join(words), "thoughts": "".join(thoughts), "calls": calls, **said}


def _index(event: Object) -> object:
    found = event.get("index")
    return found if isinstance(found, int) else None
