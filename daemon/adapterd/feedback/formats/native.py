"""adapterd's own format: a prompt as text, the model's output, and what is said about it."""

from adapterd.chat import Message, Role
from adapterd.feedback import checks
from adapterd.feedback.formats import schema
from adapterd.feedback.formats.answers import content_of
from adapterd.feedback.formats.conversations import with_inputs, with_system
from adapterd.feedback.formats.feedback_format import Content, FeedbackFormat, Fields


def _read(fields: Fields) -> Content:
    asked = Message(Role.USER, checks.text("prompt", fields["prompt"]))
    turns = with_inputs(with_system(fields, "prompt", [asked]), fields, "inputs")
    return content_of(fields, tuple(turns), None)


NATIVE = FeedbackFormat(
    name="Native",
    description="adapterd's own: a prompt as text, the model's output, and what is said about it.",
    marks=("prompt",),
    read=_read,
    schema=schema.record_of({"prompt": schema.TEXT, **schema.output_and_inputs()}),
    example={"prompt": "Who met?", "output": "The mayor.", "rating": 2, "correction": "The council."},
)
