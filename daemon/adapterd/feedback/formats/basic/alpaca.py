"""Alpaca's format, and Dolly's: an instruction, what it is about, and the answer."""

from collections.abc import Sequence

from adapterd.errors import InputError
from adapterd.feedback import checks
from adapterd.feedback.formats import schema
from adapterd.feedback.formats.answers import OUTPUT, answer_in, content_of
from adapterd.feedback.formats.conversations import finished, prompt_of
from adapterd.feedback.formats.feedback_format import Content, FeedbackFormat, Fields
from adapterd.feedback.formats.options import ReadingOptions

ANSWER = (*OUTPUT, "response")


def _read(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    prompt, reader = prompt_of(fields, "instruction", options)
    if isinstance(fields["instruction"], list):
        raise InputError("instruction must be text, not a list")
    output = answer_in(fields, ANSWER)
    last_answer = None if output is None else checks.text("output", output)
    return [finished(content_of(fields, prompt, last_answer), reader)]


ALPACA = FeedbackFormat(
    name="Alpaca",
    description="Alpaca's, Dolly's and LLaMA-Factory's: an instruction, what it is about, and the answer.",
    marks=("instruction",),
    read=_read,
    schema=schema.record_of(
        {
            "instruction": schema.TEXT,
            **schema.inputs(),
            **schema.each(ANSWER, schema.answer("What the model answered.")),
        },
        {"required": ["response"]},
    ),
    example={"instruction": "Who met?", "input": "The council met on Monday.", "output": "The council."},
)
