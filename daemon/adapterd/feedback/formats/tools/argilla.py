"""Argilla's exports: records of version 1 and of version 2, with what several people answered to each question."""

from collections.abc import Iterator, Mapping, Sequence

from adapterd.errors import InputError
from adapterd.feedback import checks
from adapterd.feedback.formats import schema
from adapterd.feedback.formats.feedback_format import Content, FeedbackFormat, Fields
from adapterd.feedback.formats.options import ReadingOptions
from adapterd.feedback.formats.tools.exchanges import an_object
from adapterd.feedback.formats.tools.records import a_list, beside, shown
from adapterd.feedback.formats.tools.statements import Statement, person
from adapterd.feedback.formats.unknown_fields import Aside, is_empty

_OF_A_RESPONSE = frozenset({
    "id", "user_id", "status", "values", "value", "user", "question_name", "inserted_at", "updated_at", "record_id",
    "_server_id",
})  # fmt: skip
_NOT_TAKEN = ("draft", "discarded")


@beside
def _read(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    asked = shown("fields", an_object("fields", fields["fields"]), options)
    given = fields.get("responses", [])
    answered = (
        _by_question(fields, given)
        if isinstance(given, Mapping)
        else _by_person(a_list("responses", given), options, asked.aside)
    )
    refuse_discarded(fields)
    people: dict[object, Statement] = {}
    for who, name, path, response in answered:
        asked.aside.check(response, _OF_A_RESPONSE, options, path)
        people.setdefault(person(who), Statement(options)).take(name, f"{path}.value", response.get("value"))
    contents = [said.content(asked.prompt, asked.output) for said in people.values()]
    if not contents and asked.output is not None:
        contents = [Content(asked.prompt, output=asked.output)]
    return [each._replace(metadata=frozenset(asked.aside.metadata)) for each in contents]


_Answer = tuple[object, str, str, Mapping[str, object]]
"""Who answered, the name of the question, where the answer stands, and the answer."""


def _by_person(responses: list[object], options: ReadingOptions, aside: Aside) -> Iterator[_Answer]:
    """Version 1: a list of responses, each with the values of one person."""
    for place, each in enumerate(responses):
        path = f"responses[{place}]"
        response = an_object(path, each)
        if not is_taken(path, response, None):
            continue
        aside.check(response, _OF_A_RESPONSE, options, path)
        for name, value in an_object(f"{path}.values", response.get("values") or {}).items():
            inside = value if isinstance(value, Mapping) and "value" in value else {"value": value}
            yield place, name, f"{path}.values.{checks.field(name)}", inside


def _by_question(fields: Fields, responses: Mapping[str, object]) -> Iterator[_Answer]:
    """Version 2: for each question a list of the answers of several people."""
    for name, answers in responses.items():
        for place, each in enumerate(a_list(f"responses.{checks.field(name)}", answers)):
            path = f"responses.{checks.field(name)}[{place}]"
            response = an_object(path, each)
            if is_taken(path, response, fields.get("status")):
                yield response.get("user_id", place), name, path, response


def refuse_discarded(fields: Fields) -> None:
    """Raise InputError for a record that its annotators found not to be used."""
    if fields.get("status") == "discarded":
        raise InputError("status is 'discarded': the record is not to be used; if it is: --ignore status")


def is_taken(path: str, response: Mapping[str, object], status_of_record: object) -> bool:
    """Whether a response was submitted; raises InputError where nothing tells that."""
    status = response.get("status")
    if is_empty(status):
        status = "submitted" if status_of_record == "completed" else None
    if status in _NOT_TAKEN:
        return False
    if status != "submitted":
        raise InputError(
            f"{path}.status is {checks.shown(status)}, so that it is not known whether it was submitted; export the "
            "records with the status of their responses"
        )
    return True


def _is_argilla(fields: Fields) -> bool:
    known = {"responses", "suggestions", "vectors", "external_id", "status", "_server_id"}
    return isinstance(fields["fields"], Mapping) and not known.isdisjoint(fields)


ARGILLA = FeedbackFormat(
    name="Argilla",
    description="Argilla's records: fields, and the responses that people submitted; suggestions are no answers.",
    marks=("fields",),
    looks_so=_is_argilla,
    read=_read,
    schema=schema.record_of(
        {
            "fields": {"type": "object", "description": "What was shown: a prompt, and the model's answer."},
            "responses": {"description": "What people answered to the questions."},
        },
        {"required": ["fields"]},
    ),
    example={
        "fields": {"prompt": "Who met?", "response": "The mayor."},
        "responses": [{"user_id": "u", "status": "submitted", "values": {"correction": {"value": "The council."}}}],
        "suggestions": [],
    },
    also=frozenset({"status", "suggestions", "vectors"}),
)
