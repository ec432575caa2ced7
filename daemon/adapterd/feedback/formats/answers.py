"""The fields that every format shares: the answers, under each name that they may have, and the judgement of them."""

from adapterd.chat import Prompt
from adapterd.errors import InputError
from adapterd.feedback import checks
from adapterd.feedback.formats.feedback_format import Content, Fields

OUTPUT = ("output", "output_json")
CORRECTION = ("correction", "chosen")
REJECTED = ("rejected_output", "rejected_output_json", "rejected")
JUDGEMENT = ("rating", "failure_tags", "correction_notes", *CORRECTION, *REJECTED)


def answer_in(fields: Fields, names: tuple[str, ...]) -> str | None:
    """The answer given under one of several names; raises InputError if it is given twice."""
    found: str | None = None
    for name in names:
        if name in fields:
            if found:
                raise InputError(f"{found} and {name} are both given; they mean the same")
            found = name
    return checks.answer(found, fields[found]) if found else None


def refuse_output(fields: Fields, name: str) -> None:
    """Raise InputError if a record whose answer is in the field `name` has an output as well."""
    if any(output in fields for output in OUTPUT):
        raise InputError(f"{name} already ends with the answer, and output is given as well")


def content_of(fields: Fields, prompt: Prompt, last_answer: str | None) -> Content:
    """The answers of a record whose conversation ends with `last_answer`, if it ends with one.

    Without a judgement, what the assistant says there is what it should say: a correction. As soon as one of the fields
    of a judgement is there, it is the model's output.
    """
    correction = answer_in(fields, CORRECTION)
    if correction is not None and not correction.strip():
        raise InputError("correction is empty")
    if last_answer is None:
        output = answer_in(fields, OUTPUT)
    elif any(name in fields for name in JUDGEMENT):
        output = last_answer
    else:
        output, correction = None, last_answer
    return Content(prompt, output, correction, answer_in(fields, REJECTED))
