"""Logs of requests to Ollama, or to a server that speaks OpenAI's API: the bodies of a request and its response."""

from collections.abc import Callable, Collection, Mapping, Sequence

from adapterd.chat import Prompt
from adapterd.errors import InputError
from adapterd.feedback import checks, strict_json, ways_on
from adapterd.feedback.formats import schema
from adapterd.feedback.formats.answers import content_of
from adapterd.feedback.formats.feedback_format import Content, FeedbackFormat, Fields
from adapterd.feedback.formats.messages import THOUGHTS, with_thought
from adapterd.feedback.formats.options import ReadingOptions
from adapterd.feedback.formats.tools.exchanges import ExchangeReader, an_object
from adapterd.feedback.formats.tools.records import refuse_beside
from adapterd.feedback.formats.unknown_fields import is_empty
from adapterd.feedback.ways_on import within

_REFUSED = {
    "raw": "the prompt is rendered already",
    "context": "it continues a conversation that is not there",
    "suffix": "text was to be put in between",
    "images": "only text can be trained on",
    "tools": "the model was shown tools; only text can be trained on",
    "template": "the prompt was rendered by another template",
}
_OF_HTTP = frozenset(
    {"method", "url", "path", "headers", "body", "status", "status_code", "ip", "remote_addr", "query"}
)


_ANSWERING = frozenset(
    {"message", "response", "thinking", "done", "done_reason", "context", "logprobs", "error", "choices"}
)
_OF_A_RESPONSE = _ANSWERING | {
    "model", "created_at", "total_duration", "load_duration", "prompt_eval_count", "prompt_eval_cached_count",
    "prompt_eval_duration", "eval_count", "eval_duration", "remote_model", "remote_host", "id", "object", "created",
    "system_fingerprint", "usage", "service_tier", "timings",
}  # fmt: skip
_OF_A_CHOICE = frozenset({"index", "finish_reason", "logprobs", "delta", "message", "text"})
_OF_A_MESSAGE = frozenset(
    ("role", "content", *THOUGHTS, "tool_calls", "function_call", "images", "refusal", "annotations")
)
_RESPONSES = ("done", "choices", "message", "response", "error")


def _read(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    refuse_beside(fields, ("system",))
    reader = ExchangeReader(options)
    prompt = _prompt("request", an_object("request", _body("request", fields["request"], reader)), reader)
    answer = _answer("response", _chunks(_body("response", fields["response"], reader)), reader)
    return _said(fields, ("request", "response"), prompt, answer, reader)


def _read_flat(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    """The same where the fields of the request and those of the response are in one object."""
    reader = ExchangeReader(options)
    asked = {name: fields[name] for name in _ASKED if name in fields}
    prompt = _prompt("", asked, reader)
    said = {name: value for name, value in fields.items() if name in _ANSWERING and name not in asked}
    return _said(fields, _ANSWERING.union(_ASKED), prompt, _answer("", [said], reader), reader)


def _prompt(path: str, request: Mapping[str, object], reader: ExchangeReader) -> Prompt:
    for name, reason in _REFUSED.items():
        place = within(path, name)
        if is_empty(request.get(name)) or request[name] is False or reader.options.ignores(place):
            continue
        raise InputError(f"{place} is given: {reason}; {ways_on.if_nothing(place)}")
    return reader.prompt(path, {name: value for name, value in request.items() if name not in _REFUSED})


def _said(
    fields: Fields, logged: Collection[str], prompt: Prompt, answer: str, reader: ExchangeReader
) -> Sequence[Content]:
    """The content with the judgement that the record has; a logged answer is never a demonstration."""
    judged = {name: value for name, value in fields.items() if name not in logged}
    content = content_of(judged, prompt, answer)
    content = content._replace(metadata=content.metadata | reader.aside.metadata)
    return [content if content.demonstration is None else content._replace(output=answer, demonstration=None)]


def _body(path: str, value: object, reader: ExchangeReader) -> object:
    """The body of a request or response, also where HTTP's fields stand around it, and where it is JSON in a text."""
    if isinstance(value, Mapping) and "body" in value:
        reader.aside.check(value, _OF_HTTP, reader.options, path)
        return _body(f"{path}.body", value["body"], reader)
    if not isinstance(value, str):
        return value
    try:
        found = _decoded(value)
    except InputError as exc:
        if path.startswith("response") and not value.lstrip().startswith(("{", "[", "data:")):
            return {"message": {"content": value}, "done": True}
        raise InputError(f"{path} {exc}") from exc
    is_answer = path.startswith("response") and isinstance(found, dict) and found.keys().isdisjoint(_RESPONSES)
    return {"message": {"content": value}, "done": True} if is_answer else found


def _decoded(text: str) -> object:
    """JSON, lines of JSON, or the events of a stream."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    events = [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]
    if events:
        return [strict_json.decode(event) for event in events if event != "[DONE]"]
    return (
        [strict_json.decode(line) for line in lines]
        if len(lines) > 1 and lines[0].endswith("}")
        else strict_json.decode(text)
    )


def _chunks(body: object) -> list[Mapping[str, object]]:
    items = body if isinstance(body, list) else [body]
    return [an_object(f"response[{place}]" if len(items) > 1 else "response", each) for place, each in enumerate(items)]


def _answer(path: str, chunks: list[Mapping[str, object]], reader: ExchangeReader) -> str:
    """The answer of a response, of which a stream has many; raises InputError if it failed or was broken off."""
    for chunk in chunks:
        if not is_empty(chunk.get("error")):
            raise InputError(f"{within(path, 'error')} is {checks.shown(chunk['error'])}: the request has failed")
        reader.aside.check(chunk, _OF_A_RESPONSE, reader.options, path)
    if not chunks or not _is_whole(path, chunks):
        raise InputError(f"{path or 'the record'} is not whole: its last part does not say that it is done")
    parts = [_message(path, chunk, reader) for chunk in chunks]
    answer = checks.text(path or "the answer", "".join(_text(path, part.get("content")) for part in parts))
    thought = "".join(_text(path, next((part[each] for each in THOUGHTS if part.get(each)), None)) for part in parts)
    return with_thought(thought, answer) if thought.strip() else answer


def _is_whole(path: str, chunks: list[Mapping[str, object]]) -> bool:
    if "done" in chunks[-1]:
        return chunks[-1]["done"] in (True, "true", "True")
    return any(not is_empty(choice.get("finish_reason")) for chunk in chunks for choice in _choices(path, chunk))


def _choices(path: str, chunk: Mapping[str, object]) -> list[Mapping[str, object]]:
    given = chunk.get("choices")
    choices = [each for each in given if isinstance(each, Mapping)] if isinstance(given, list) else []
    if len(choices) > 1:
        raise InputError(f"{within(path, 'choices')} has {len(choices)} answers; which one is meant?")
    return choices


def _message(path: str, chunk: Mapping[str, object], reader: ExchangeReader) -> Mapping[str, object]:
    """What a response, or a part of a stream, says: of /api/chat, /api/generate, and OpenAI's API."""
    if "response" in chunk:
        return {"content": chunk["response"], "thinking": chunk.get("thinking")}
    said, place = chunk.get("message") or {}, within(path, "message")
    for choice in _choices(path, chunk):
        at = within(path, "choices[0]")
        reader.aside.check(choice, _OF_A_CHOICE, reader.options, at)
        said = choice.get("message") or choice.get("delta") or {"content": choice.get("text")}
        place = f"{at}.{'message' if choice.get('message') else 'delta'}"
    message = an_object(place, said)
    reader.aside.check(message, _OF_A_MESSAGE, reader.options, place)
    for name in ("tool_calls", "function_call", "images"):
        if not is_empty(message.get(name)):
            ignored = ways_on.if_nothing(f"{place}.{name}")
            raise InputError(f"{path or 'the record'} has {name}; only text can be trained on; {ignored}")
    if not is_empty(message.get("refusal")) and message["refusal"] is not False:
        refusal = f"{place}.refusal"
        raise InputError(f"{place} is a refusal, which is no answer to train on; {ways_on.if_nothing(refusal)}")
    return message


def _text(path: str, value: object) -> str:
    return "" if value is None else checks.any_text(path or "the answer", value)


def _is_log(fields: Fields) -> bool:
    request = fields["request"]
    if isinstance(request, str):
        return request.lstrip().startswith("{")
    inside = request.get("body", request) if isinstance(request, Mapping) else None
    return isinstance(inside, str) or (isinstance(inside, Mapping) and not {"messages", "prompt"}.isdisjoint(inside))


def _is_ollama(fields: Fields) -> bool:
    """Whether the fields of a request are there, and the answer is not among its messages."""
    return not {"messages", "prompt"}.isdisjoint(fields) and not {"message", "response"}.isdisjoint(fields)


def _is_openai(fields: Fields) -> bool:
    choices = fields["choices"]
    return (
        not {"messages", "prompt"}.isdisjoint(fields)
        and isinstance(choices, list)
        and all(isinstance(each, Mapping) and not {"message", "text"}.isdisjoint(each) for each in choices)
    )


_ASKED = ("messages", "prompt", "system", "options", "format", "stream", "keep_alive", "think", *_REFUSED)


def _flat(
    name: str, mark: str, looks_so: Callable[[Fields], bool], description: str, example: Fields
) -> FeedbackFormat:
    return FeedbackFormat(
        name=name,
        description=description,
        marks=(mark,),
        looks_so=looks_so,
        read=_read_flat,
        schema=schema.record_of({"messages": {}, "prompt": {}, mark: {}}, {"required": [mark]}),
        example={"messages": [{"role": "user", "content": "Who met?"}], **example, "correction": "The council."},
        also=_ANSWERING.union(_ASKED),
    )


OLLAMA_LOG = _flat(
    "OllamaLog",
    "done",
    _is_ollama,
    "A line of Ollama's response with the prompt or the messages of its request beside it.",
    {"message": {"role": "assistant", "content": "The mayor."}, "done": True},
)
CHOICES_LOG = _flat(
    "ChoicesLog",
    "choices",
    _is_openai,
    "A response of OpenAI's API with the messages of its request beside it.",
    {"choices": [{"message": {"role": "assistant", "content": "The mayor."}, "finish_reason": "stop"}]},
)
REQUEST_LOG = FeedbackFormat(
    name="RequestLog",
    description="A log of Ollama or of OpenAI's API: the bodies of a request and of its response, streamed or not.",
    marks=("request", "response"),
    looks_so=_is_log,
    read=_read,
    schema=schema.record_of(
        {"request": {"type": ["object", "string"]}, "response": {"type": ["object", "array", "string"]}},
        {"required": ["response"]},
    ),
    example={
        "request": {"model": "m", "messages": [{"role": "user", "content": "Who met?"}], "stream": False},
        "response": {"model": "m", "message": {"role": "assistant", "content": "The mayor."}, "done": True},
        "correction": "The council.",
    },
    also=frozenset({"status", "status_code"}),
)
