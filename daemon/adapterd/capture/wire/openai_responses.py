"""OpenAI's newer dialect: /v1/responses."""

from collections.abc import Iterable, Mapping
from typing import Any

from adapterd.capture.wire.bodies import Object, decoded, events, is_stream, json_object
from adapterd.capture.wire.conversation import Conversation, NotRecordedError, Said, Turn
from adapterd.capture.wire.exchange import Exchange
from adapterd.capture.wire.values import an_object, called, content, logprobs, objects, text, whole

OPTIONS = ("temperature", "top_p", "max_output_tokens", "reasoning", "top_logprobs")
ROLES = {"developer": "system"}
TEXTS = frozenset(("input_text", "output_text", "text"))
_ENDS = frozenset(("response.completed", "response.incomplete", "response.failed"))


def read(exchange: Exchange) -> Conversation:
    """The conversation of /v1/responses; raises NotRecordedError where it is none, or goes on from one that only the
    server knows."""
    asked = json_object(decoded(exchange.request))
    if asked.get("previous_response_id") or asked.get("conversation"):
        raise NotRecordedError("a conversation whose beginning is not in the request")
    turns = tuple(_turns(asked))
    if not turns:
        raise NotRecordedError("a request without a prompt")
    body = decoded(exchange.response)
    said = _of_stream(events(body)) if is_stream(exchange.response) else _of_response(json_object(body))
    options = {name: asked[name] for name in OPTIONS if asked.get(name) is not None}
    wanted = an_object(an_object(asked.get("text")).get("format"))
    schema: Mapping[str, Any] | str | None = an_object(wanted.get("schema")) or None
    if wanted.get("type") == "json_object":
        schema = "json"
    return Conversation(
        text(asked.get("model")), turns, Said(**said), options, objects(asked.get("tools")), schema, "openai-responses"
    )


def _turns(asked: Object) -> Iterable[Turn]:
    if text(asked.get("instructions")):
        yield Turn("system", text(asked["instructions"]))
    given = asked.get("input")
    if text(given):
        yield Turn("user", text(given))
    for item in objects(given):
        if item.get("type") == "function_call":
            yield Turn("assistant", "", calls=(called(item),))
        elif item.get("type") == "function_call_output":
            yield Turn("tool", text(item.get("output")), of_tool=text(item.get("call_id")) or None)
        elif item.get("type", "message") == "message":
            role = text(item.get("role"))
            yield Turn(ROLES.get(role, role), *content(item.get("content"), TEXTS))


def _of_response(response: Object) -> dict[str, Any]:
    """What a whole response says."""
    words, thoughts, calls, logprob, counted = list[str](), list[str](), list[Object](), 0.0, 0
    for item in objects(response.get("output")):
        if item.get("type") == "function_call":
            calls.append(called(item))
        elif item.get("type") == "reasoning":
            thoughts += [text(part.get("text")) for part in objects(item.get("summary")) + objects(item.get("content"))]
        else:
            words.append(content(item.get("content"), TEXTS)[0])
            for part in objects(item.get("content")):
                more, count = logprobs(part.get("logprobs"))
                logprob, counted = logprob + more, counted + count
    usage, status = an_object(response.get("usage")), text(response.get("status"))
    reason = text(an_object(response.get("incomplete_details")).get("reason")) or status or None
    return {
        "text": "".join(words),
        "thoughts": "".join(thoughts),
        "calls": tuple(calls),
        "reason": reason,
        "complete": status in ("completed", "incomplete"),
        "prompt_tokens": whole(usage.get("input_tokens")),
        "answer_tokens": whole(usage.get("output_tokens")),
        "logprob": logprob if counted else None,
        "logprob_tokens": counted,
        "error": text(an_object(response.get("error")).get("message")) or None,
    }


def _of_stream(found: Iterable[tuple[str, Object | None]]) -> dict[str, Any]:
    """What the event at the end says; of a stream that broke before it, the text that there is."""
    words = list[str]()
    for name, event in found:
        kind = text((event or {}).get("type")) or name
        if event is None:
            break
        if kind in _ENDS:
            return _of_response(an_object(event.get("response")))
        if kind == "response.output_text.delta":
            words.append(text(event.get("delta")))
        elif kind == "error":
            error = text(event.get("message")) or text(an_object(event.get("error")).get("message"))
            return {"text": "".join(words), "error": error or "an error"}
    return {"text": "".join(words)}
