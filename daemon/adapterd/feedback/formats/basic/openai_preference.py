"""OpenAI's preference format: an input of messages, the answer that was preferred, and the one that was not."""

from collections.abc import Mapping, Sequence

from adapterd.errors import InputError
from adapterd.feedback import checks
from adapterd.feedback.formats import schema
from adapterd.feedback.formats.answers import PREFERRED_TO, content_of, refuse_output
from adapterd.feedback.formats.conversations import finished, prompt_of
from adapterd.feedback.formats.feedback_format import Content, FeedbackFormat, Fields
from adapterd.feedback.formats.messages import TurnReader, split_answer
from adapterd.feedback.formats.options import ReadingOptions


def _read(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    asked = fields["input"]
    inside = asked.get("messages") if isinstance(asked, Mapping) else asked
    if not isinstance(inside, list):
        raise InputError(f"input must have messages, not {checks.shown(inside)}")
    others = {name: value for name, value in fields.items() if name != "input"}
    prompt, reader = prompt_of({**others, "input.messages": inside}, "input.messages", options)
    if isinstance(asked, Mapping):
        reader.aside.check(asked, ("messages", "parallel_tool_calls"), options, "input")
    better, worse = (_answer(name, fields[name], reader) for name in ("preferred_output", "non_preferred_output"))
    refuse_output(fields, "preferred_output")
    return [finished(content_of({**fields, PREFERRED_TO[0]: worse}, prompt, better), reader)]


def _answer(name: str, value: object, reader: TurnReader) -> str:
    if isinstance(value, str):
        return checks.text(name, value)
    before, answer = split_answer(name, value, reader)
    if before:
        raise InputError(f"{name} has {len(before) + 1} messages; only one is taken")
    return answer


OPENAI_PREFERENCE = FeedbackFormat(
    name="OpenAIPreference",
    description="OpenAI's preference format: an input, the answer that was preferred, and the one that was not.",
    marks=("input", "preferred_output", "non_preferred_output"),
    read=_read,
    schema=schema.record_of(
        {"input": {"type": ["object", "array"]}, "preferred_output": {}, "non_preferred_output": {}},
        {"required": ["preferred_output"]},
    ),
    example={
        "input": {"messages": [{"role": "user", "content": "Who met?"}]},
        "preferred_output": [{"role": "assistant", "content": "The council."}],
        "non_preferred_output": [{"role": "assistant", "content": "The mayor."}],
    },
)
