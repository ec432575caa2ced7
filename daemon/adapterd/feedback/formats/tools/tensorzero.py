"""TensorZero's rows: inferences with what was said of them, datapoints of a data set, and examples for its DICL.

An inference is judged by its metrics, which have names that whoever set them up chose, by a demonstration, or by
the outputs that a demonstration was preferred to. What its own evaluators measured is no verdict of a person.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from adapterd.chat import Prompt
from adapterd.errors import InputError
from adapterd.feedback import checks, ways_on
from adapterd.feedback.formats import schema
from adapterd.feedback.formats.answers import CORRECTION, JUDGEMENT, REJECTED
from adapterd.feedback.formats.conversations import prompt_of
from adapterd.feedback.formats.feedback_format import Content, FeedbackFormat, Fields
from adapterd.feedback.formats.messages import TurnReader, with_thought
from adapterd.feedback.formats.options import ReadingOptions
from adapterd.feedback.formats.tools.exchanges import an_object
from adapterd.feedback.formats.tools.records import a_list, refuse_beside, with_said
from adapterd.feedback.formats.tools.statements import Statement
from adapterd.feedback.formats.unknown_fields import Aside, is_empty, unpacked
from adapterd.feedback.moments import moment_in

_TOLD = ("function_name", "variant_name", "episode_id", "inference_id", "source_inference_id", "dispreferred_outputs")
"""What tells of an inference, of a datapoint, and of both."""
_OTHERS = frozenset({"prompt", "instruction", "messages", "question"})
_TOOLS = (
    "tool_params", "allowed_tools", "additional_tools", "provider_tools", "dynamic_tools", "dynamic_provider_tools",
)  # fmt: skip
_ALSO = (
    *_TOLD, *_TOOLS, "tool_choice", "parallel_tool_calls", "inference_params", "extra_body", "processing_time_ms",
    "ttft_ms", "output_schema", "stored_input", "stored_output", "auxiliary", "auxiliary_content", "dataset_name",
    "is_custom", "is_deleted", "staled_at", "snapshot_hash", "namespace", "embedding", "metric_name", "value",
    "target_id", "target_type", "demonstration", "feedback",
)  # fmt: skip
_OF_A_FEEDBACK = frozenset({
    "type", "id", "metric_name", "value", "target_id", "target_type", "inference_id", "tags", "timestamp",
    "snapshot_hash",
})  # fmt: skip
_TEXTS = {"text": ("text", "value"), "raw_text": ("value", "text")}
"""The blocks that are text, and where they have it, newer ways first."""
_OF_A_THOUGHT = frozenset({
    "type", "text", "signature", "summary", "provider_type", "_internal_provider_type", "extra_data",
})  # fmt: skip
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_EVALUATORS = "tensorzero::"
"""The begin of the names of what TensorZero's evaluators measure."""


def _read(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    refuse_beside(fields, ("system",))
    _refuse_removed(fields)
    blocks = _Blocks(options)
    prompt = _prompt(fields, blocks)
    output = blocks.answer("output", fields.get("output"))
    worse = [blocks.answer(path, each) for path, each in _places("dispreferred_outputs", fields)]
    if output and (thought := blocks.thought("auxiliary_content", fields.get("auxiliary_content"))):
        output = with_thought(thought, output)
    said_of_it = _statement(fields, options, blocks)
    if worse:
        contents = [_preferred(said_of_it.content(prompt, each), output) for each in worse]
    elif output is not None and _is_right(fields) and said_of_it.is_silent:
        contents = [Content(prompt, demonstration=output)]
    else:
        contents = [said_of_it.content(prompt, output)]
    beside = {name: _plain(name, fields[name], blocks) for name in JUDGEMENT if name in fields}
    said = {name: value for name, value in beside.items() if value is not None}
    episode = fields.get("episode_id")
    kept = frozenset(blocks.aside.metadata)
    return [
        with_said(each, said, options)._replace(
            conversation_id=episode if isinstance(episode, str) else None, metadata=kept
        )
        for each in contents
    ]


def _preferred(content: Content, better: str | None) -> Content:
    """What was said of an output to which a demonstration was preferred; raises InputError if there are two of them."""
    if content.correction not in (None, better):
        raise InputError("output and demonstration are two better answers; which one is meant?")
    return content._replace(correction=better)


def _refuse_removed(fields: Fields) -> None:
    """Raise InputError for a datapoint that was deleted or edited since, and where the model was shown tools."""
    for name in ("is_deleted", "staled_at"):
        if name in fields and fields[name] is not False:
            raise InputError(
                f"{name} is {checks.shown(fields[name])}: the datapoint counts no more; {ways_on.if_nothing(name)}"
            )
    for name in _TOOLS:
        value = unpacked(fields.get(name))
        inside = list(value.values()) if isinstance(value, Mapping) else [value]
        if any(isinstance(each, list) and not is_empty(each) for each in inside):
            raise InputError(
                f"{name} has tools that the model was shown; only text can be trained on; {ways_on.if_nothing(name)}"
            )


def _is_right(fields: Fields) -> bool:
    """Whether an output is the right one by where it stands, unless something is said of it: an example for DICL, a
    datapoint that somebody wrote."""
    return "embedding" in fields or fields.get("is_custom") is True


def _prompt(fields: Fields, blocks: "_Blocks") -> Prompt:
    given = unpacked(fields["input"])
    asked = {"messages": given} if isinstance(given, list) else an_object("input", given)
    blocks.aside.check(asked, ("system", "messages"), blocks.options, "input")
    turns = [
        blocks.turn(f"input.messages[{place}]", each)
        for place, each in enumerate(a_list("input.messages", asked.get("messages")))
    ]
    system = asked.get("system")
    if not is_empty(system) and not isinstance(system, str):
        raise _filled("input.system")
    about = {} if is_empty(system) else {"system": system}
    prompt, reader = prompt_of({"input.messages": turns, **about}, "input.messages", blocks.options)
    blocks.aside.metadata |= reader.aside.metadata
    return prompt


def _kind(block: object) -> object:
    return block.get("type") if isinstance(block, Mapping) else None


def _filled(path: str) -> InputError:
    return InputError(
        f"{path} is filled into a template, so that the text that the model was asked is not there: export the samples "
        "rendered, with experimental_render_samples"
    )


_Row = tuple[str, Mapping[str, object]]
"""A row of feedback, with the path at which it stands."""


@dataclass(frozen=True)
class _Blocks:
    """Reads blocks of content, and outputs: of a chat function these, of a JSON function `raw` and `parsed`."""

    options: ReadingOptions
    aside: Aside = field(default_factory=Aside)

    def turn(self, path: str, given: object, place: str | None = None) -> Mapping[str, object]:
        """A message with its blocks, which stand at `place`, as parts of OpenAI's, and its thoughts beside them."""
        message, place = an_object(path, given), place or f"{path}.content"
        content = message.get("content")
        if not isinstance(content, list):
            return message
        parts = [self._part(f"{place}[{at}]", each) for at, each in enumerate(content) if _kind(each) != "thought"]
        thought = self.thought(place, content)
        if content and not parts:
            raise InputError(f"{place} is a thought, and no text stands beside it; leave it out of the file")
        if thought and message.get("role") != "assistant":
            raise InputError(f"{place} has a thought, and {path} is not the assistant's; leave it out of the file")
        return {**message, "content": parts, **({"reasoning_content": thought} if thought else {})}

    def _part(self, path: str, block: object) -> object:
        if isinstance(block, str):
            return block
        given, kind = an_object(path, block), _kind(block)
        if kind == "template" or (kind == "text" and "arguments" in given):
            raise _filled(path)
        if not isinstance(kind, str) or kind not in _TEXTS:
            raise InputError(f"{path} is {checks.shown(kind)}; only text can be trained on")
        name = next((name for name in _TEXTS[kind] if name in given), "text")
        if isinstance(given.get(name), Mapping):
            raise _filled(path)
        self.aside.check(given, ("type", name), self.options, path)
        return {"type": "text", "text": given.get(name)}

    def answer(self, path: str, value: object) -> str | None:
        """The answer, None where there is none; raises InputError."""
        inside = unpacked(value)
        if isinstance(inside, Mapping) and inside.keys() == {"raw", "parsed"}:
            value = inside["parsed"] if inside["raw"] is None else inside["raw"]
            return None if value is None else checks.answer(path, value)
        if is_empty(value):
            return None
        if isinstance(inside, list) and all(_kind(each) is not None for each in inside):
            turn = self.turn(path, {"role": "assistant", "content": inside}, path)
            return TurnReader(self.options, self.aside).turn(path, turn).message.content
        return checks.text(path, checks.answer(path, value))

    def thought(self, path: str, value: object) -> str:
        """The thoughts among blocks that stand beside an output."""
        blocks = unpacked(value)
        if not isinstance(blocks, list):
            return ""
        found = [self._thought(f"{path}[{at}]", each) for at, each in enumerate(blocks) if _kind(each) == "thought"]
        return "\n\n".join(each for each in found if each)

    def _thought(self, path: str, block: object) -> str:
        given = an_object(path, block)
        self.aside.check(given, _OF_A_THOUGHT, self.options, path)
        return "" if is_empty(given.get("text")) else checks.any_text(f"{path}.text", given["text"])


def _places(name: str, fields: Fields) -> Iterator[tuple[str, object]]:
    given = a_list(name, unpacked(fields.get(name, [])))
    return ((f"{name}[{place}]", each) for place, each in enumerate(given))


def _statement(fields: Fields, options: ReadingOptions, blocks: _Blocks) -> Statement:
    """What was said of an inference by its metrics, of each the last, by comments, and by a demonstration."""
    said = Statement(options)
    rows: dict[tuple[str, str], list[_Row]] = {}
    for path, given in _feedback(fields):
        blocks.aside.check(given, _OF_A_FEEDBACK, options, path)
        name = _metric(path, given)
        if not name.startswith(_EVALUATORS) and not options.ignores(name):
            rows.setdefault((name, path if name == "comment" else ""), []).append((path, given))
    counting = [(name, _last(name, each)) for (name, _), each in rows.items()]
    for name, (path, given) in sorted(counting, key=lambda pair: _moment(pair[1]) or _EARLIEST):
        where = f"{path}.value" if path else "value"
        if name == "demonstration":
            said.take("correction", where, blocks.answer(where, given.get("value")))
        else:
            said.take(name, where, _value(given))
        said.created_at = given.get("timestamp") or said.created_at
    if not is_empty(fields.get("demonstration")):
        said.take("correction", "demonstration", blocks.answer("demonstration", fields["demonstration"]))
    return said


def _last(name: str, rows: Sequence[_Row]) -> _Row:
    """The last of several rows of a metric; raises InputError where they differ and nothing tells which is the last."""
    if len({repr(_value(given)) for _, given in rows}) == 1:
        return rows[-1]
    moments = [moment for row in rows if (moment := _moment(row)) is not None]
    newest = [row for row in rows if moments and _moment(row) == max(moments)]
    if len(moments) < len(rows) or len({repr(_value(given)) for _, given in newest}) > 1:
        raise InputError(
            f"feedback has {len(rows)} values of {ways_on.shown(name)} that differ, and their timestamps do not tell "
            f"which is the last; {ways_on.if_nothing(name)}"
        )
    return newest[-1]


def _moment(row: _Row) -> datetime | None:
    return moment_in(row[1].get("timestamp"))


def _feedback(fields: Fields) -> Iterator[_Row]:
    """Rows of feedback: those in a list, and the one that was joined to the inference."""
    for path, each in _places("feedback", fields):
        yield path, an_object(path, each)
    if is_empty(fields.get("value")):
        return
    if is_empty(fields.get("metric_name")):
        raise InputError(
            f"value is {checks.shown(fields['value'])}, of a metric whose name is not there: say what it is with "
            f"{ways_on.mapping('rating', 'value')} or {ways_on.mapping('correction', 'value')}, or that it means "
            f"nothing with {ways_on.ignore('value')}"
        )
    yield "", {name: fields[name] for name in ("metric_name", "value", "timestamp") if name in fields}


def _metric(path: str, given: Mapping[str, object]) -> str:
    kind = given.get("type")
    if kind in ("demonstration", "comment"):
        return str(kind)
    return checks.text(f"{path}.metric_name" if path else "metric_name", given.get("metric_name"))


def _value(given: Mapping[str, object]) -> object:
    value = given.get("value")
    return bool(value) if given.get("type") == "boolean" and value in (0, 1) else value


def _plain(name: str, value: object, blocks: _Blocks) -> object:
    return blocks.answer(name, value) if name in (*CORRECTION, *REJECTED) else value


def _is_row(fields: Fields) -> bool:
    given = unpacked(fields["input"])
    has_turns = isinstance(given, Mapping) and isinstance(given.get("messages"), list)
    is_list = (
        isinstance(given, list) and bool(given) and all(isinstance(each, Mapping) and "role" in each for each in given)
    )
    return (has_turns or is_list) and _OTHERS.isdisjoint(fields)


_ASKED = {"system": "Be brief.", "messages": [{"role": "user", "content": [{"type": "text", "text": "Who met?"}]}]}
_OUTPUT = [{"type": "text", "text": "The mayor."}]
_BETTER = [{"type": "text", "text": "The council."}]


def _format(name: str, mark: str, description: str, example: Fields) -> FeedbackFormat:
    return FeedbackFormat(
        name=name,
        description=description,
        marks=("input", mark),
        looks_so=_is_row,
        read=_read,
        schema=schema.record_of(
            {
                "input": {"type": ["object", "array", "string"]},
                "output": {"description": "Blocks of content, or `raw` and `parsed`."},
            },
            {"required": ["output"]},
            {"required": ["demonstration"]},
        ),
        example={"input": _ASKED, **example},
        also=frozenset(_ALSO),
    )


TENSORZERO = _format(
    "TensorZero",
    "function_name",
    "TensorZero's inferences with a demonstration or feedback, its datapoints, and its examples for DICL.",
    {"function_name": "titles", "output": _BETTER, "dispreferred_outputs": [_OUTPUT]},
)
TENSORZERO_QUERY = _format(
    "TensorZeroQuery",
    "episode_id",
    "Rows of a query that joins TensorZero's inferences with their feedback.",
    {"episode_id": "e-1", "output": _OUTPUT, "metric_name": "demonstration", "value": _BETTER},
)
