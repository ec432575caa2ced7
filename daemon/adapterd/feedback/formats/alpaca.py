"""Alpaca's format: `instruction`, `input` and `output`."""

from adapterd.chat import Message, Role
from adapterd.feedback import checks
from adapterd.feedback.formats import schema
from adapterd.feedback.formats.answers import OUTPUT, answer_in, content_of
from adapterd.feedback.formats.conversations import with_inputs, with_system
from adapterd.feedback.formats.feedback_format import Content, FeedbackFormat, Fields


def _read(fields: Fields) -> Content:
    asked = Message(Role.USER, checks.text("instruction", fields["instruction"]))
    output = answer_in(fields, OUTPUT)
    last_answer = None if output is None else checks.text("output", output)
    turns = with_inputs(with_system(fields, "instruction", [asked]), fields, "input")
    return content_of(fields, tuple(turns), last_answer)


ALPACA = FeedbackFormat(
    name="Alpaca",
    description="Alpaca's: an instruction, what it is about, and the answer.",
    marks=("instruction",),
    read=_read,
    schema=schema.record_of(
        {
            "instruction": schema.TEXT,
            "input": schema.answer("What it is about."),
            **schema.each(OUTPUT, schema.answer_that_says_something("What the model answered.")),
        }
    ),
    example={"instruction": "Who met?", "input": "The council met on Monday.", "output": "The council."},
)
