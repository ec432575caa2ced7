"""What was asked and answered, in the shapes in which tools log it: text, messages, LangChain's objects, fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapterd.chat import Prompt
from adapterd.errors import InputError
from adapterd.feedback import checks, ways_on
from adapterd.feedback.formats.answer_shapes import answer_text
from adapterd.feedback.formats.conversations import INPUTS, prompt_of
from adapterd.feedback.formats.feedback_format import Schema
from adapterd.feedback.formats.messages import TurnReader, are_messages, split_answer
from adapterd.feedback.formats.options import ReadingOptions
from adapterd.feedback.formats.unknown_fields import Aside, is_empty
from adapterd.feedback.ways_on import within

ASKED = ("messages", "prompt", "question", "instruction", "query", "input", "user_input", "text")
"""Names under which what was asked stands in an object, in the order in which they are looked for."""
PROMPT: Schema = {
    "description": "What was asked: text, messages, or an object in which one of the known names has it.",
    "type": ["string", "array", "object"],
}
ANSWERED = ("answer", "output", "response", "completion", "result", "content", "text", "generation", "message")
_LANGCHAIN = {
    "human": "user", "ai": "assistant", "system": "system", "HumanMessage": "user", "AIMessage": "assistant",
    "SystemMessage": "system", "HumanMessageChunk": "user", "AIMessageChunk": "assistant",
}  # fmt: skip
_PARAMETERS = frozenset({
    "model", "stream", "stream_options", "options", "keep_alive", "temperature", "top_p", "top_k", "min_p", "seed",
    "stop", "max_tokens", "max_completion_tokens", "num_predict", "n", "presence_penalty", "frequency_penalty",
    "repeat_penalty", "logprobs", "top_logprobs", "format", "response_format", "user", "think", "reasoning_effort",
    "store", "parallel_tool_calls", "logit_bias", "service_tier", "verbosity",
})  # fmt: skip
"""Parameters of a request: they say how to answer, and nothing of what was asked."""
_OF_A_MESSAGE = ("tool_calls", "function_call", "reasoning_content")
_OF_A_CHOICE = ("index", "finish_reason", "logprobs", "delta", "message", "text")


@dataclass
class ExchangeReader:
    """Reads what was asked and answered, and keeps aside what is not known in it."""

    options: ReadingOptions
    aside: Aside = field(default_factory=Aside)

    def prompt(self, path: str, value: object) -> Prompt:
        """What was asked, ending with the user; raises InputError with a sentence that names what is not known."""
        if isinstance(value, str | list):
            return self._prompt_of({path: _plain(value)}, path)
        if not isinstance(value, Mapping):
            raise InputError(f"{path} must be what was asked, not {checks.shown(value)}")
        if are_messages(value):
            return self._prompt_of({path: [value]}, path)
        name = next((name for name in ASKED if not is_empty(value.get(name))), None)
        if name is None:
            raise InputError(
                f"{path or 'the row'} has none of {', '.join(ASKED)}, so that it is not known what was asked: "
                f"{_ways(path, value, 'prompt')}"
            )
        about = {each: value[each] for each in ("system", "history", *INPUTS) if each != name and each in value}
        self.aside.check(value, {name, "system", "history", *INPUTS, *_PARAMETERS}, self.options, path)
        given = {each: known for each, known in about.items() if not is_blank(known)}
        return self._prompt_of({within(path, name): _plain(value[name]), **given}, within(path, name))

    def _prompt_of(self, fields: Mapping[str, object], name: str) -> Prompt:
        prompt, reader = prompt_of(fields, name, self.options)
        self.aside.metadata |= reader.aside.metadata
        return prompt

    def answer(self, path: str, value: object, *, is_wrapped: bool = False) -> str | None:
        """The answer, None where there is none; raises InputError.

        An object is the answer itself, as JSON, unless it is a message or a response of an API. Where it `is_wrapped`,
        an object is never the answer: it has the answer in one of its fields.
        """
        if is_empty(value):
            return None
        value = _plain(value)
        if isinstance(value, str):
            return checks.text(path, value)
        if are_messages(value):
            return self._last(path, value)
        if isinstance(value, Mapping) and isinstance(value.get("choices"), list):
            return self._choice(path, value["choices"])
        if isinstance(value, Mapping) and isinstance(value.get("generations"), list):
            return self._generation(f"{path}.generations", value["generations"])
        return self._wrapped(path, value) if is_wrapped or self._has_declared(path) else answer_text(path, value)

    def _has_declared(self, path: str) -> bool:
        """Whether a field of the object at a path was declared to be the answer."""
        return "output" in self.options.mapped_within(path)

    def _last(self, path: str, value: object) -> str:
        """The last of several messages, which is the answer, without its fields that are empty."""
        last = value[-1] if isinstance(value, list) else value
        plain = {name: each for name, each in an_object(path, last).items() if not is_blank(each)}
        return split_answer(path, plain, TurnReader(self.options, self.aside))[1]

    def _choice(self, path: str, choices: Sequence[object]) -> str | None:
        if len(choices) != 1 or not isinstance(choices[0], Mapping):
            raise InputError(f"{path}.choices has {len(choices)} answers; which one is meant?")
        self.aside.check(choices[0], _OF_A_CHOICE, self.options, f"{path}.choices[0]")
        return self.answer(f"{path}.choices[0]", choices[0].get("message") or choices[0].get("text"))

    def _generation(self, path: str, generations: Sequence[object]) -> str | None:
        found: object = generations
        while isinstance(found, list) and found:
            if len(found) != 1:
                raise InputError(f"{path} has {len(found)} answers; which one is meant?")
            found = found[0]
        if not isinstance(found, Mapping):
            raise InputError(f"{path} must have an answer, not {checks.shown(found)}")
        return self.answer(f"{path}.message", found.get("message")) or self.answer(f"{path}.text", found.get("text"))

    def _wrapped(self, path: str, value: object) -> str | None:
        given = [name for name in ANSWERED if isinstance(value, Mapping) and not is_empty(value.get(name))]
        if "output" in given and self._has_declared(path):
            given = ["output"]
        if not isinstance(value, Mapping) or len(given) != 1:
            raise InputError(
                f"{path} has {'none' if not given else 'several'} of {', '.join(ANSWERED)}, so that it is not known "
                f"which is the answer: {_ways(path, value, 'output', given)}"
            )
        self.aside.check(value, given, self.options, path)
        inside = value[given[0]]
        return self.answer(f"{path}.{given[0]}", inside)


def an_object(path: str, value: object) -> Mapping[str, object]:
    """The value if it is an object; raises InputError."""
    if not isinstance(value, Mapping):
        raise InputError(f"{path} must be an object, not {checks.shown(value)}")
    return value


def _ways(path: str, value: object, ours: str, given: Sequence[str] = ()) -> str:
    """How to say which field is meant: of those with text the first, which is to be replaced by the one that is."""
    fields = value if isinstance(value, Mapping) else {}
    names = [*given, *(name for name, each in fields.items() if isinstance(each, str) and not is_empty(each))]
    names = [name for name in names if ways_on.can_be_typed(within(path, name))]
    if not names:
        return f"name it {ours} in the file"
    place = within(path, names[0])
    return f"say it, as with {ways_on.mapping(ours, place)} if that is what {ways_on.shown(place)} is"


def is_blank(value: object) -> bool:
    """Whether a field counts as absent: null, blank text, an empty list or object."""
    return value is None or (isinstance(value, str) and not value.strip()) or value in ([], {})


def _plain(value: object) -> object:
    """The same with LangChain's messages as those of OpenAI, and a list of one list of messages as that list."""
    if isinstance(value, list):
        if len(value) == 1 and isinstance(value[0], list):
            return _plain(value[0])
        return [_plain_message(each) for each in value]
    return _plain_message(value)


def _plain_message(value: object) -> object:
    if not isinstance(value, Mapping) or "role" in value:
        return value
    kind, inside = value.get("type"), value
    if kind == "constructor" and isinstance(value.get("id"), list) and value["id"]:
        kind, inside = value["id"][-1], value.get("kwargs", {})
    elif isinstance(value.get("data"), Mapping):
        inside = value["data"]
    if (
        not isinstance(kind, str)
        or kind not in _LANGCHAIN
        or not isinstance(inside, Mapping)
        or "content" not in inside
    ):
        return value
    extra = inside.get("additional_kwargs")
    said = {**(extra if isinstance(extra, Mapping) else {}), **inside}
    kept = {name: said[name] for name in _OF_A_MESSAGE if not is_empty(said.get(name))}
    return {"role": _LANGCHAIN[kind], "content": inside["content"], **kept}
