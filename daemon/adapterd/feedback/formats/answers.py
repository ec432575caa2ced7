"""The fields that every format shares: the answers, under each name that they may have, and the judgement of them."""

from collections.abc import Collection

from adapterd.chat import Prompt
from adapterd.errors import InputError
from adapterd.feedback import checks, ways_on
from adapterd.feedback.formats.answer_shapes import answer_text
from adapterd.feedback.formats.feedback_format import BAD, GOOD, Content, Fields
from adapterd.feedback.formats.messages import TurnReader
from adapterd.feedback.formats.ratings import THUMBS, verdict_in
from adapterd.feedback.ways_on import OurFieldError

OUTPUT = ("output", "output_json")
CORRECTION = ("correction", "chosen")
PREFERRED_TO = ("rejected_response", "rejected_message")
"""A worse answer as ms-swift and OpenPipe have it: the conversation ends with the better one."""
REJECTED = ("rejected_output", "rejected_output_json", "rejected", *PREFERRED_TO)
_THUMBS = frozenset(THUMBS)
JUDGEMENT = ("rating", "failure_tags", "correction_notes", *THUMBS, *CORRECTION, *REJECTED)
SYNTHETIC = "synthetic"
"""The mark of a record that a model wrote, and nobody said."""
_OF_A_RECORD = (
    "source_id", "output_type", "created_at", "conversation_id", "application", "weight", "system", SYNTHETIC,
)  # fmt: skip
SHARED = frozenset((*JUDGEMENT, "rating_scale", *_OF_A_RECORD))
"""The fields that mean the same in every format."""
_JUDGEMENT_BUT_PREFERRED = frozenset(JUDGEMENT).difference(PREFERRED_TO)
EMPTY_CELLS = ("nan", "NaN", "<NA>", "#N/A")
_BY_PEOPLE = (False, "false", "no")
_UP = {True: GOOD, "true": GOOD, "up": GOOD, "👍": GOOD, False: BAD, "false": BAD, "down": BAD, "👎": BAD}


def answer_in(
    fields: Fields, names: tuple[str, ...], prompt: Prompt = (), reader: TurnReader | None = None
) -> str | None:
    """The answer given under one of several names; raises InputError if it is given twice.

    It may be messages, of which the last is the answer, and those before it are the prompt once more; `reader` keeps
    aside what is not known in them.
    """
    found: str | None = None
    for name in names:
        if name in fields:
            if found:
                raise InputError(f"{found} and {name} are both given; they mean the same")
            found = name
    if found is None:
        return None
    given = fields[found]
    _refuse_verdict(found, given, fields)
    if given in EMPTY_CELLS:
        raise InputError(f"{found} is {checks.shown(given)}, which is what tables write for an empty cell")
    return answer_text(found, given, prompt, reader)


_OUTPUTS = frozenset(OUTPUT)
_VERDICT_TOO = ("chosen", "rejected", "correction")
"""Names of answers that may be those of a verdict as well."""


def _refuse_verdict(name: str, value: object, fields: Fields) -> None:
    """Raise InputError for true or false where a verdict may be meant: unless another answer is true or false, too."""
    if name not in _VERDICT_TOO or not (isinstance(value, bool) or (name != CORRECTION[0] and _is_yes_or_no(value))):
        return
    if name == CORRECTION[0] and not _OUTPUTS.isdisjoint(fields):
        return
    others = _own_answers(fields) or [fields[each] for each in _VERDICT_TOO if each != name and each in fields]
    if any(map(_is_yes_or_no, others)) or (name == CORRECTION[0] and not others):
        return
    raise OurFieldError(
        lambda path_of: (
            f"{ways_on.shown(path_of(name))} is {checks.shown(value)}, which could be a verdict and no answer: write "
            f"it as label, true if the answer is good; {ways_on.if_nothing(path_of(name))}"
        )
    )


def _own_answers(fields: Fields) -> list[object]:
    """The answers that stand where each format has its own."""
    found = [fields[name] for name in (*OUTPUT, "completion", "response", "answer") if name in fields]
    for name in ("messages", "conversations"):
        turns = fields.get(name)
        last = turns[-1] if isinstance(turns, list) and turns else None
        if isinstance(last, dict) and last.get("role", last.get("from")) in ("assistant", "gpt", "model"):
            found.append(last.get("content", last.get("value")))
    return found


def _is_yes_or_no(value: object) -> bool:
    return isinstance(value, bool) or (isinstance(value, str) and value.strip().lower() in ("true", "false"))


def refuse_synthetic(fields: Fields) -> None:
    """Raise InputError for a record that is marked as a model's: what it answers, no person has said."""
    if SYNTHETIC not in fields:
        return
    value = fields[SYNTHETIC]
    if (value.strip().lower() if isinstance(value, str) else value) in _BY_PEOPLE:
        return
    raise OurFieldError(
        lambda path_of: (
            f"{ways_on.shown(path_of(SYNTHETIC))} is {checks.shown(value)}: a model made this record, and feedback is "
            "what people say"
        )
    )


def refuse_output(fields: Fields, name: str, names: Collection[str] = OUTPUT) -> None:
    """Raise InputError if a record whose answer is in the field `name` has an output as well."""
    if any(output in fields for output in names):
        raise OurFieldError(
            lambda path_of: (
                f"{name} already ends with the answer, and {ways_on.shown(path_of('output'))} is given as well: if it "
                f"is the better one: {ways_on.mapping('correction', path_of('output'))}; "
                f"{ways_on.if_nothing(path_of('output'))}"
            )
        )


def thumb_in(fields: Fields) -> int | None:
    """The rating that a thumb means, if there is one; raises InputError for any other value of such a field."""
    if _THUMBS.isdisjoint(fields):
        return None
    given = [name for name in THUMBS if name in fields]
    if len(given) > 1 or "rating" in fields:
        other = (*given[1:], "rating")[0]
        raise OurFieldError(
            lambda path_of: (
                f"{ways_on.shown(path_of(given[0]))} and {ways_on.shown(path_of(other))} are both given; one verdict "
                f"is enough; leave one out: {ways_on.ignore(path_of(given[0]))}"
            )
        )
    value = fields[given[0]]
    known = value.strip().lower() if isinstance(value, str) else value
    if not isinstance(known, bool | str) or known not in _UP:
        raise OurFieldError(
            lambda path_of: (
                f"{ways_on.shown(path_of(given[0]))} is {checks.shown(value)}, and not true or false, up or down, as a "
                f"verdict is; {_ways(path_of(given[0]), value)}"
            )
        )
    return _UP[known]


def _ways(name: str, value: object) -> str:
    """How to say what a field means that is called as a verdict is, and has another value."""
    if verdict_in(value) is not None:
        return f"say that it is one with {ways_on.mapping('rating', name)}, or {ways_on.ignore(name)}"
    if checks.number(value) is not None:
        return f"say what it means with {ways_on.mapping('rating', name)} (and --scale), or {ways_on.ignore(name)}"
    if isinstance(value, str):
        return f"if it is the right answer: {ways_on.mapping('correction', name)}; {ways_on.if_nothing(name)}"
    return f"{ways_on.if_nothing(name)}"


def content_of(fields: Fields, prompt: Prompt, last_answer: str | None) -> Content:
    """The answers of a record whose conversation ends with `last_answer`, if it ends with one.

    Without a judgement, what the assistant says there is what it should say: a demonstration. As soon as one of the
    fields of a judgement is there, it is the model's output.
    """
    correction = answer_in(fields, CORRECTION, prompt)
    if correction is not None and not correction.strip():
        raise InputError("correction is empty")
    rejected = answer_in(fields, REJECTED, prompt)
    rating = thumb_in(fields)
    if last_answer is None:
        return Content(prompt, answer_in(fields, OUTPUT), correction, rejected, rating=rating)
    if _JUDGEMENT_BUT_PREFERRED.isdisjoint(fields):
        return Content(prompt, rejected_output=rejected, demonstration=last_answer)
    return Content(prompt, last_answer, correction, rejected, rating=rating)
