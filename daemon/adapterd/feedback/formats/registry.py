"""All formats in the order in which they are tried, and what follows from them: the format of a record, whether its
ratings have to be looked at, and the JSON Schema."""

from functools import lru_cache

from adapterd.errors import InputError
from adapterd.feedback import checks, ways_on
from adapterd.feedback.formats import schema
from adapterd.feedback.formats.basic import BASIC_FORMATS
from adapterd.feedback.formats.feedback_format import FeedbackFormat, Fields, Schema
from adapterd.feedback.formats.field_names import names_an_answer, snake
from adapterd.feedback.formats.options import OURS, ReadingOptions
from adapterd.feedback.formats.tools import TOOL_FORMATS
from adapterd.feedback.formats.tools.argilla_rows import has_responses, is_row
from adapterd.feedback.formats.tools.exchanges import is_blank

FORMATS: tuple[FeedbackFormat, ...] = (*TOOL_FORMATS, *BASIC_FORMATS)
"""A record that fits several formats is of the first of them."""

_ASKED = ("question", "query", "ask", "user_input", "request", "instruction", "input", "text")
"""Names under which what was asked stands in records of no format, in the order in which they are looked for."""
_SHOWN = 6
"""So many names of fields are shown of a record that is of no format."""


_MARKS = frozenset(mark for each in FORMATS for mark in each.marks)
_MARKS_OF_TOOLS = frozenset(mark for each in TOOL_FORMATS for mark in each.marks)
_CONVERSATIONS = frozenset({"messages", "conversations"})


@lru_cache(maxsize=1024)
def _formats_with(marks: frozenset[str]) -> tuple[FeedbackFormat, ...]:
    """The formats that are known by some of these fields."""
    return tuple(each for each in FORMATS if marks.issuperset(each.marks))


def first_of(names: frozenset[str]) -> FeedbackFormat | None:
    """The format of a record whose fields have these names, and text in them; None if it is of none."""
    fields = dict.fromkeys(names, "text")
    found = _formats_with(_MARKS & names)
    return next((each for each in found if each.looks_so is None or each.looks_so(fields)), None)


def format_of(fields: Fields, given: Fields | None = None) -> FeedbackFormat:
    """The format of a record's fields, empty ones left out; raises InputError if it is of none.

    `given` are all of its fields: a column is told by its name, be it empty.
    """
    for each in _formats_with(_MARKS.intersection(fields)):
        if each.looks_so is None or each.looks_so(given or fields if each.columns else fields):
            return each
    raise InputError(_no_format(fields))


def tool_of(fields: Fields) -> FeedbackFormat | None:
    """The format of a record's fields if it is that of a tool's export."""
    found = next((each for each in _formats_with(_MARKS.intersection(fields)) if each.fits(fields)), None)
    return found if found in TOOL_FORMATS else None


def may_be_off_scale(value: object, options: ReadingOptions) -> bool:
    """Whether a record has to be read to know that its ratings lie on their scale: a quick look, for whole files."""
    if not isinstance(value, dict):
        return False
    if "rating_scale" in value or "rating" in options.fields:
        return True
    for name, each in value.items():
        if type(each) is not str and isinstance(each, dict | list) and _may_have_ratings(name, each):
            return True
        if "ating" in name.lower() and name != "rating":
            return True
    number = checks.number(value.get("rating"))
    return (number is not None and not (options.scale or OURS).holds(number)) or _may_be_of_a_tool(value, options)


def _may_have_ratings(name: str, value: dict[str, object] | list[object]) -> bool:
    """Whether ratings may stand within a field, as in exports of tools; the turns of a conversation have none."""
    return isinstance(value, dict) or (name not in _CONVERSATIONS and any(isinstance(each, dict) for each in value))


def _may_be_of_a_tool(value: dict[str, object], options: ReadingOptions) -> bool:
    """Whether a record may be of a tool's export, whose ratings have names that whoever set up the form chose."""
    names = (*value, *options.fields)
    is_usual = len(names) <= _USUAL_FIELDS and max(map(len, names), default=0) <= _USUAL_NAME
    if not (_usual_names_a_tool if is_usual else _names_a_tool)(names):
        return any(type(each) is str and each[:1] in ("[", "{") and has_responses(each) for each in value.values())
    fields = {name: each for name, each in value.items() if not is_blank(each)}
    found = next((each for each in _formats_with(_MARKS.intersection(fields)) if each.fits(fields)), None)
    return found is None or found in TOOL_FORMATS or not _MARKS_OF_TOOLS.isdisjoint(options.fields)


def _names_a_tool(names: tuple[str, ...]) -> bool:
    """Whether the fields may be those of a tool's export, however they are written, or have a column of one."""
    known = {snake(name) for name in names}.union(names)
    return is_row(dict.fromkeys(names, "")) or any(each.marks and known.issuperset(each.marks) for each in TOOL_FORMATS)


_USUAL_FIELDS, _USUAL_NAME = 50, 50
"""What the names of so many fields at most say, of so many characters, is remembered."""
_usual_names_a_tool = lru_cache(maxsize=1024)(_names_a_tool)


def _no_format(fields: Fields) -> str:
    """Why a record is of no format, and the way on."""
    asked, answered = _likely(fields)
    if "text" in fields and (asked is None or answered is None):
        return "text has the prompt and its answer in one; give them as prompt and completion, or as messages"
    names = [checks.field(name) for name in list(fields)[:_SHOWN]]
    more = f" and {len(fields) - _SHOWN} more" if len(fields) > _SHOWN else ""
    known = f"the fields {', '.join(names)}{more}" if fields else "a record without fields"
    ways = [
        ways_on.mapping(ours, theirs)
        for ours, theirs in (("prompt", asked), answered or ("output", None))
        if asked is not None and theirs not in (None, ours)
    ]
    said = " ".join(ways) or "--map prompt=question --map output=reply"
    return f"none of the known formats fits {known}; say what is what, as in {said}"


def _likely(fields: Fields) -> tuple[str | None, tuple[str, str] | None]:
    """The fields that the prompt and the answer of a record of no format may be, the answer with its name of ours."""
    texts = [name for name, value in fields.items() if isinstance(value, str) and ways_on.can_be_typed(name)]
    asked = next((name for name in _ASKED if name in texts), None)
    answers = [name for name in texts if name != asked and (name == "label" or names_an_answer(name))]
    if not answers:
        return asked, None
    ours = "correction" if answers[0] == "label" else answers[0] if answers[0] in ("chosen", "output") else "output"
    return asked, (ours, answers[0])


def is_record(value: dict[str, object]) -> bool:
    """Whether a JSON object has the marks of any format."""
    fields = {name: field for name, field in value.items() if field is not None}
    return any(each.fits(fields) for each in FORMATS)


def record_schemas() -> dict[str, Schema]:
    """Schemas by name, `Record` among them; they refer to one another as components of an OpenAPI document.

    They say what is accepted, as far as a schema can.
    """
    return {
        "Record": {
            "description": "What is known of one answer of the model, or of several, in one of several formats. A "
            "field that is null or empty counts as absent. A field that is not named here is refused if it could be a "
            "verdict, another answer or a part of what was asked, and else kept aside. Without `created_at`, or with "
            "one later than its arrival, a record is as old as its arrival.",
            "anyOf": [{"$ref": f"#/components/schemas/{each.name}"} for each in FORMATS],
        },
        "Judgement": schema.judgement(),
        **{each.name: _whole_schema(each) for each in FORMATS},
    }


def _whole_schema(chosen: FeedbackFormat) -> Schema:
    marks = schema.each(chosen.marks, {"not": {"enum": [None, ""]}})
    return {
        **chosen.schema,
        "description": chosen.description,
        "required": list(chosen.marks),
        "allOf": [*chosen.schema["allOf"], {"properties": marks}],
    }
