"""Label Studio's exports: JSON, a task with the annotations of several people, and JSON_MIN, a row for each of them."""

from collections.abc import Iterator, Mapping, Sequence

from adapterd.errors import InputError
from adapterd.feedback import checks, ways_on
from adapterd.feedback.formats import schema
from adapterd.feedback.formats.feedback_format import Content, FeedbackFormat, Fields
from adapterd.feedback.formats.field_names import snake
from adapterd.feedback.formats.options import OURS, ReadingOptions
from adapterd.feedback.formats.tools.exchanges import an_object
from adapterd.feedback.formats.tools.records import SHOWN, a_list, beside, shown
from adapterd.feedback.formats.tools.statements import FIELDS, Statement, meaning_of
from adapterd.feedback.formats.unknown_fields import Aside

_OF_AN_ANNOTATION = frozenset({
    "id", "completed_by", "result", "was_cancelled", "ground_truth", "created_at", "updated_at", "draft_created_at",
    "lead_time", "prediction", "result_count", "unique_id", "import_id", "last_action", "bulk_created", "task",
    "project", "updated_by", "parent_prediction", "parent_annotation", "last_created_by", "created_username",
    "created_ago",
})  # fmt: skip
_OF_A_RESULT = frozenset({
    "id", "from_name", "to_name", "type", "value", "origin", "original_width", "original_height", "image_rotation",
    "readonly", "hidden", "parentID",
})  # fmt: skip
_VALUE_OF = {"rating": "rating", "choices": "choices", "textarea": "text", "number": "number"}


@beside
def _read_task(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    asked = shown("data", an_object("data", fields["data"]), options)
    given = a_list("annotations", fields.get("annotations", []))
    aside = asked.aside
    found = [
        _annotation(f"annotations[{place}]", an_object(f"annotations[{place}]", each), options, aside)
        for place, each in enumerate(given)
    ]
    contents = [said.content(asked.prompt, asked.output) for said in found if said is not None]
    if not contents and asked.output is not None:
        contents = [Content(asked.prompt, output=asked.output)]
    return [each._replace(metadata=frozenset(aside.metadata)) for each in contents]


def _annotation(path: str, given: Mapping[str, object], options: ReadingOptions, aside: Aside) -> Statement | None:
    """What one person said; None for a task that they skipped, or left as it was."""
    if given.get("was_cancelled"):
        return None
    aside.check(given, _OF_AN_ANNOTATION, options, path)
    if given.get("last_action") == "rejected" and not options.ignores(f"{path}.last_action"):
        raise InputError(
            f"{path}.last_action is 'rejected', by a reviewer; if it counts: {ways_on.ignore(f'{path}.last_action')}"
        )
    said = Statement(options, OURS, created_at=given.get("updated_at") or given.get("created_at"))
    results = a_list(f"{path}.result", given.get("result") or [])
    for place, each in enumerate(results):
        where = f"{path}.result[{place}]"
        result = an_object(where, each)
        aside.check(result, _OF_A_RESULT, options, where)
        name = checks.text(f"{where}.from_name", result.get("from_name"))
        if not options.ignores(name):
            said.take(name, f"{where}.value", _value(where, result, options, aside))
    return said if results else None


def _value(path: str, result: Mapping[str, object], options: ReadingOptions, aside: Aside) -> object:
    kind, value = result.get("type"), an_object(f"{path}.value", result.get("value"))
    name = str(result.get("from_name"))
    if not isinstance(kind, str) or kind not in _VALUE_OF:
        raise InputError(
            f"{path}.type is {checks.shown(kind)}; of Label Studio's controls {', '.join(_VALUE_OF)} are read; "
            f"{ways_on.if_nothing(name)}"
        )
    aside.check(value, (_VALUE_OF[kind],), options, f"{path}.value")
    return _single(f"{path}.value", name, value.get(_VALUE_OF[kind]))


def _single(path: str, name: str, value: object) -> object:
    """The only one of a list of choices or texts; of tags all of them."""
    if not isinstance(value, list) or snake(name) == "failure_tags":
        return value
    if len(value) != 1:
        raise InputError(
            f"{path} has {len(value)} entries; which one is meant? If it means nothing: {ways_on.ignore(name)}"
        )
    return value[0]


def _read_row(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    said = Statement(options, OURS)
    for name, value in fields.items():
        if name not in SHOWN and meaning_of(name, options) is not None:
            said.take(name, name, _of_a_row(name, value))
    rest = {name: value for name, value in fields.items() if name in SHOWN}
    asked = shown("", rest, options)
    return [said.content(asked.prompt, asked.output)._replace(metadata=frozenset(asked.aside.metadata))]


def _of_a_row(name: str, value: object) -> object:
    """A value of JSON_MIN: plain, a list of one, or an object with what the control gave."""
    for inside in _unwrapped(value):
        return _single(name, name, inside)
    return value


def _unwrapped(value: object) -> Iterator[object]:
    only = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(only, Mapping):
        yield from (only[key] for key in ("rating", "choices", "text", "number") if key in only and len(only) == 1)
    yield value


def _is_task(fields: Fields) -> bool:
    told = {"annotations", "predictions", "drafts", "total_annotations", "inner_id", "file_upload"}
    return isinstance(fields["data"], Mapping) and not told.isdisjoint(fields)


_EXAMPLE_RESULT = [
    {"from_name": "rating", "to_name": "answer", "type": "rating", "value": {"rating": 1}},
    {"from_name": "correction", "to_name": "answer", "type": "textarea", "value": {"text": ["The council."]}},
]
LABEL_STUDIO = FeedbackFormat(
    name="LabelStudio",
    description="Label Studio's JSON: a task and what several people said in ratings, choices and text areas.",
    marks=("data",),
    looks_so=_is_task,
    read=_read_task,
    schema=schema.record_of(
        {
            "data": {"type": "object", "description": "What was shown: a prompt, and the model's answer."},
            "annotations": {"description": "What each of the annotators said."},
        },
        {"required": ["data"]},
    ),
    example={
        "data": {"prompt": "Who met?", "response": "The mayor."},
        "annotations": [{"id": 7, "completed_by": 1, "result": _EXAMPLE_RESULT, "was_cancelled": False}],
        "predictions": [],
    },
    also=frozenset(
        {
            "predictions",
            "drafts",
            "file_upload",
            "total_annotations",
            "cancelled_annotations",
            "total_predictions",
            "comment_count",
            "unresolved_comment_count",
            "comment_authors",
            "last_comment_updated_at",
            "project",
            "updated_by",
            "agreement",
            "precomputed_agreement",
            "overlap",
            "is_labeled",
            "allow_skip",
            "inner_id",
        }
    ),
)
LABEL_STUDIO_ROW = FeedbackFormat(
    name="LabelStudioMin",
    description="Label Studio's JSON_MIN and CSV: a row for each annotation, beside the fields of its task.",
    marks=("annotation_id", "annotator"),
    read=_read_row,
    schema=schema.record_of({"annotation_id": {}, "annotator": {}}, {"required": ["annotation_id"]}),
    example={
        "prompt": "Who met?",
        "response": "The mayor.",
        "rating": 1,
        "correction": "The council.",
        "annotator": 1,
        "annotation_id": 7,
        "lead_time": 4.2,
    },
    also=frozenset((*SHOWN, *FIELDS, "annotation_id", "annotator", "lead_time")),
)
