"""Langfuse's exports: items of a data set with the expected output, and traces with their scores."""

from collections.abc import Mapping, Sequence

from adapterd.errors import InputError
from adapterd.feedback import checks
from adapterd.feedback.formats import schema
from adapterd.feedback.formats.feedback_format import Content, FeedbackFormat, Fields
from adapterd.feedback.formats.options import ReadingOptions
from adapterd.feedback.formats.tools.exchanges import PROMPT, ExchangeReader, an_object
from adapterd.feedback.formats.tools.records import a_list, beside, demonstrated
from adapterd.feedback.formats.tools.statements import Statement, person
from adapterd.feedback.formats.unknown_fields import is_empty

_OF_A_SCORE = frozenset({
    "id", "name", "value", "dataType", "stringValue", "comment", "source", "traceId", "observationId", "sessionId",
    "timestamp", "createdAt", "updatedAt", "authorUserId", "configId", "queueId", "projectId", "environment",
    "metadata", "datasetRunId",
})  # fmt: skip
_OTHERS = frozenset({"prompt", "instruction", "messages", "question"})


@beside
def _read_item(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    status = fields.get("status", "ACTIVE")
    if status != "ACTIVE":
        raise InputError(f"status is {checks.shown(status)}; only active items are taken")
    reader = ExchangeReader(options)
    prompt = reader.prompt("input", fields["input"])
    expected = reader.answer("expectedOutput", fields.get("expectedOutput"))
    if expected is None:
        raise InputError("expectedOutput is empty, so that there is nothing to train on")
    return [demonstrated(prompt, expected, reader.aside)]


@beside
def _read_trace(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    reader = ExchangeReader(options)
    prompt = reader.prompt("input", fields["input"])
    output = reader.answer("output", fields.get("output"))
    if output is None:
        raise InputError("output is empty, so that there is nothing that a score could be about")
    session = fields.get("sessionId")
    conversation = checks.label("sessionId", session) if session is not None else None
    said: dict[object, Statement] = {}
    for place, each in enumerate(a_list("scores", fields.get("scores", []))):
        _take_score(f"scores[{place}]", an_object(f"scores[{place}]", each), said, reader)
    contents = [each.content(prompt, output) for each in said.values()] or [Content(prompt, output=output)]
    kept = frozenset(reader.aside.metadata)
    return [each._replace(conversation_id=conversation, metadata=kept) for each in contents]


def _take_score(path: str, score: Mapping[str, object], said: dict[object, Statement], reader: ExchangeReader) -> None:
    """Add a score to what its author said; not one of a model, nor one that is about a part of the trace."""
    if score.get("source") == "EVAL" or not is_empty(score.get("observationId")):
        return
    reader.aside.check(score, _OF_A_SCORE, reader.options, path)
    name = checks.text(f"{path}.name", score.get("name"))
    if reader.options.ignores(name):
        return
    one = said.setdefault(
        person(score.get("authorUserId")), Statement(reader.options, created_at=score.get("timestamp"))
    )
    if score.get("dataType") == "CORRECTION":
        one.take("correction", f"{path}.stringValue", score.get("stringValue"))
    else:
        one.take(name, f"{path}.value", _value(path, score))
    one.take("comment", f"{path}.comment", score.get("comment"))


def _value(path: str, score: Mapping[str, object]) -> object:
    kind, value = score.get("dataType", "NUMERIC"), score.get("value")
    if kind == "BOOLEAN":
        if value not in (0, 1):
            raise InputError(f"{path}.value is {checks.shown(value)}, and a boolean is 0 or 1")
        return value == 1
    if kind not in ("NUMERIC", "CATEGORICAL"):
        raise InputError(f"{path}.dataType is {checks.shown(kind)}, which is not known")
    return score.get("stringValue", value) if kind == "CATEGORICAL" else value


def _is_item(fields: Fields) -> bool:
    return not {"datasetId", "datasetName", "expectedOutput", "sourceTraceId"}.isdisjoint(
        fields
    ) and _OTHERS.isdisjoint(fields)


def _is_trace(fields: Fields) -> bool:
    known = {"scores", "observations", "htmlPath", "bookmarked", "sessionId", "totalCost"}
    return not known.isdisjoint(fields) and _OTHERS.isdisjoint(fields)


LANGFUSE_ITEM = FeedbackFormat(
    name="LangfuseItem",
    description="Langfuse's items of a data set: an input and the expected output.",
    marks=("input",),
    looks_so=_is_item,
    read=_read_item,
    schema=schema.record_of(
        {"input": PROMPT, "expectedOutput": schema.answer("What it should have answered.")},
        {"required": ["expectedOutput"]},
    ),
    example={"input": "Who met?", "expectedOutput": "The council.", "datasetName": "meetings", "status": "ACTIVE"},
    also=frozenset({"status", "datasetName"}),
)
LANGFUSE_TRACE = FeedbackFormat(
    name="LangfuseTrace",
    description="Langfuse's traces: an input, an output, and the scores that people gave.",
    marks=("input", "output"),
    looks_so=_is_trace,
    read=_read_trace,
    schema=schema.record_of(
        {
            "input": PROMPT,
            "output": schema.answer("What the model answered."),
            "scores": {"description": "What people said of the trace."},
        },
        {"required": ["output"]},
    ),
    example={
        "input": "Who met?",
        "output": "The mayor.",
        "scores": [
            {"name": "user-feedback", "value": 0, "dataType": "BOOLEAN", "source": "API"},
            {"name": "output", "stringValue": "The council.", "dataType": "CORRECTION", "source": "ANNOTATION"},
        ],
        "observations": [],
    },
    also=frozenset({"bookmarked", "public", "observations", "htmlPath"}),
)
