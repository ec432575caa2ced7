"""LangSmith's exports: runs with the feedback on them, and examples of a data set with the reference output."""

from collections.abc import Mapping, Sequence

from adapterd.errors import InputError
from adapterd.feedback import checks
from adapterd.feedback.formats import schema
from adapterd.feedback.formats.feedback_format import Content, FeedbackFormat, Fields, Schema
from adapterd.feedback.formats.options import ReadingOptions
from adapterd.feedback.formats.tools.exchanges import PROMPT, ExchangeReader, an_object
from adapterd.feedback.formats.tools.records import a_list, beside, demonstrated
from adapterd.feedback.formats.tools.statements import Statement, person
from adapterd.feedback.formats.unknown_fields import Aside, is_empty

_OF_A_FEEDBACK = frozenset({
    "id", "key", "score", "value", "comment", "correction", "created_at", "modified_at", "run_id", "trace_id",
    "session_id", "feedback_source", "feedback_group_id", "feedback_config", "source_info", "start_time",
    "comparative_experiment_id", "extra", "user_id", "is_root", "feedback_thread_id",
})  # fmt: skip
_OF_EXTRA = ("metadata", "runtime", "invocation_params", "options", "batch_size")
_OF_STATISTICS = frozenset(
    {"n", "avg", "min", "max", "stdev", "values", "comments", "sources", "session_min_score", "errors"}
)


@beside
def _read_run(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    if not is_empty(fields.get("error")):
        raise InputError(f"error is {checks.shown(fields['error'])}: the run has failed")
    reader = ExchangeReader(options)
    reader.aside.check(an_object("extra", fields.get("extra", {})), _OF_EXTRA, options, "extra")
    prompt = reader.prompt("inputs", fields["inputs"])
    output = reader.answer("outputs", fields["outputs"], is_wrapped=True)
    said: dict[object, Statement] = {}
    for place, each in enumerate(a_list("feedback", fields.get("feedback", []))):
        _take_feedback(f"feedback[{place}]", an_object(f"feedback[{place}]", each), said, reader)
    if "feedback" not in fields and "feedback_stats" in fields:
        said[None] = _statistics(an_object("feedback_stats", fields["feedback_stats"]), options, reader.aside)
    found = [each.content(prompt, output) for each in said.values()] or [Content(prompt, output=output)]
    return [each._replace(metadata=frozenset(reader.aside.metadata)) for each in found]


def _take_feedback(
    path: str, given: Mapping[str, object], said: dict[object, Statement], reader: ExchangeReader
) -> None:
    """Add to what its author said; nothing that a model said."""
    source = given.get("feedback_source")
    source = source if isinstance(source, Mapping) else {}
    if source.get("type") in ("model", "auto_eval"):
        return
    reader.aside.check(given, _OF_A_FEEDBACK, reader.options, path)
    name = checks.text(f"{path}.key", given.get("key"))
    if reader.options.ignores(name):
        return
    one = said.setdefault(person(source.get("user_id")), Statement(reader.options, created_at=given.get("created_at")))
    for field in ("score", "value"):
        one.take(name, f"{path}.{field}", given.get(field))
    if not is_empty(given.get("correction")):
        where = f"{path}.correction"
        one.take("correction", where, reader.answer(where, given["correction"], is_wrapped=True))
    one.take("comment", f"{path}.comment", given.get("comment"))


def _statistics(given: Mapping[str, object], options: ReadingOptions, aside: Aside) -> Statement:
    said = Statement(options)
    for name, each in given.items():
        path = f"feedback_stats.{checks.field(name)}"
        if options.ignores(path):
            continue
        stats = an_object(path, each)
        aside.check(stats, _OF_STATISTICS, options, path)
        if stats.get("n") != 1:
            raise InputError(f"{path} is about {checks.shown(stats.get('n'))} verdicts; export the feedback itself")
        said.take(name, f"{path}.avg", stats.get("avg"))
    return said


@beside
def _read_example(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    reader = ExchangeReader(options)
    prompt = reader.prompt("inputs", fields["inputs"])
    expected = reader.answer("outputs", fields["outputs"], is_wrapped=True)
    return [demonstrated(prompt, expected, reader.aside)]


def _is_run(fields: Fields) -> bool:
    return "run_type" in fields or ("feedback_stats" in fields and "prompt" not in fields)


def _is_example(fields: Fields) -> bool:
    return "dataset_id" in fields and "prompt" not in fields


_OUTPUTS: Schema = {"description": "An object in which one field is the answer."}
LANGSMITH_RUN = FeedbackFormat(
    name="LangSmithRun",
    description="LangSmith's runs: inputs, outputs, and the feedback of people on them.",
    marks=("inputs", "outputs"),
    looks_so=_is_run,
    read=_read_run,
    schema=schema.record_of(
        {
            "inputs": PROMPT,
            "outputs": _OUTPUTS,
            "feedback": {"description": "What people said of the run."},
            "feedback_stats": {"description": "The same as averages."},
        },
        {"required": ["outputs"]},
    ),
    example={
        "run_type": "chain",
        "inputs": {"question": "Who met?"},
        "outputs": {"answer": "The mayor."},
        "feedback": [{"key": "correctness", "correction": {"answer": "The council."}}],
    },
    also=frozenset(
        {
            "run_type",
            "extra",
            "status",
            "error",
            "serialized",
            "events",
            "child_runs",
            "child_run_ids",
            "parent_run_ids",
            "in_dataset",
            "execution_order",
            "inputs_preview",
            "outputs_preview",
            "inputs_or_signed_url",
            "outputs_or_signed_url",
            "inputs_s3_urls",
            "outputs_s3_urls",
            "s3_urls",
            "trace_tier",
            "prompt_token_details",
            "completion_token_details",
            "prompt_cost_details",
            "completion_cost_details",
        }
    ),
)
LANGSMITH_EXAMPLE = FeedbackFormat(
    name="LangSmithExample",
    description="LangSmith's examples of a data set: inputs, and the outputs that are expected.",
    marks=("inputs", "outputs", "dataset_id"),
    looks_so=_is_example,
    read=_read_example,
    schema=schema.record_of(
        {"inputs": PROMPT, "outputs": _OUTPUTS},
        {"required": ["outputs"]},
    ),
    example={"dataset_id": "d", "inputs": {"question": "Who met?"}, "outputs": {"answer": "The council."}},
    also=frozenset({"dataset_id", "attachment_urls"}),
)
