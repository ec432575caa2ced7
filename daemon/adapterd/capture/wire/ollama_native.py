"""Ollama's own dialect: /api/chat and /api/generate."""

from collections.abc import Iterable
from typing import Any

from adapterd.capture.wire.bodies import Object, decoded, json_object, lines
from adapterd.capture.wire.conversation import Conversation, NotRecordedError, Said, Turn
from adapterd.capture.wire.exchange import Exchange
from adapterd.capture.wire.values import an_object, called, logprobs, objects, text, whole

NO_ANSWER = frozenset(("load", "unload"))
OWN_TEMPLATE = ("raw", "template", "suffix", "context")
"""What puts a prompt together otherwise than the model's template does."""


def read_chat(exchange: Exchange) -> Conversation:
    """The conversation of /api/chat; raises NotRecordedError where it is none."""
    asked = json_object(decoded(exchange.request))
    turns = tuple(map(_turn, objects(asked.get("messages"))))
    return _conversation(exchange, asked, turns, "ollama-chat")


def read_generate(exchange: Exchange) -> Conversation:
    """The conversation of /api/generate; raises NotRecordedError where it is none, or has a template of its own."""
    asked = json_object(decoded(exchange.request))
    if any(asked.get(name) for name in OWN_TEMPLATE):
        raise NotRecordedError("a prompt that was not put into the model's template")
    prompt, images = text(asked.get("prompt")), asked.get("images")
    system = [Turn("system", text(asked["system"]))] if text(asked.get("system")) else []
    user = [Turn("user", prompt, len(images) if isinstance(images, list) else 0)] if prompt else []
    return _conversation(exchange, asked, (*system, *user), "ollama-generate")


def _conversation(exchange: Exchange, asked: Object, turns: tuple[Turn, ...], dialect: str) -> Conversation:
    if asked.get("_debug_render_only"):
        raise NotRecordedError("a prompt that is only rendered")
    said = _said(lines(decoded(exchange.response)))
    if not turns or said.reason in NO_ANSWER:
        raise NotRecordedError("a model that is loaded or unloaded")
    options = dict(an_object(asked.get("options")))
    if "think" in asked:
        options["think"] = asked["think"]
    schema = asked.get("format") or None
    return Conversation(
        text(asked.get("model")), turns, said, options, objects(asked.get("tools")),
        schema if isinstance(schema, (dict, str)) else None, dialect,
    )  # fmt: skip


def _turn(message: Object) -> Turn:
    images = message.get("images")
    calls = [called(an_object(call.get("function"))) for call in objects(message.get("tool_calls"))]
    of_tool = text(message.get("tool_name")) or None
    parts = len(images) if isinstance(images, list) else 0
    return Turn(text(message.get("role")), text(message.get("content")), parts, tuple(calls), of_tool)


def _said(chunks: Iterable[Object]) -> Said:
    said: dict[str, Any] = {}
    words, thoughts, calls, logprob, counted = list[str](), list[str](), list[Object](), 0.0, 0
    for chunk in chunks:
        message = an_object(chunk.get("message"))
        words.append(text(message.get("content")) or text(chunk.get("response")))
        thoughts.append(text(message.get("thinking")) or text(chunk.get("thinking")))
        calls += [called(an_object(call.get("function"))) for call in objects(message.get("tool_calls"))]
        more, count = logprobs(chunk.get("logprobs"))
        logprob, counted = logprob + more, counted + count
        if text(chunk.get("error")):
            said["error"] = chunk["error"]
        if chunk.get("done") is True:
            said |= {
                "reason": text(chunk.get("done_reason")) or None, "complete": True,
                "prompt_tokens": whole(chunk.get("prompt_eval_count")),
                "answer_tokens": whole(chunk.get("eval_count")),
            }  # fmt: skip
    return Said(
        "".join(words), "".join(thoughts), tuple(calls), logprob=logprob if counted else None, logprob_tokens=counted,
        **said,
    )  # fmt: skip
