"""adapterd's own format: a prompt as text, the model's output, and what is said about it."""

from collections.abc import Sequence

from adapterd.feedback.formats import schema
from adapterd.feedback.formats.answers import content_of
from adapterd.feedback.formats.conversations import finished, prompt_of
from adapterd.feedback.formats.feedback_format import Content, FeedbackFormat, Fields
from adapterd.feedback.formats.options import ReadingOptions


def _read(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    prompt, reader = prompt_of(fields, "prompt", options)
    return [finished(content_of(fields, prompt, None), reader)]


NATIVE = FeedbackFormat(
    name="Native",
    description="adapterd's own: a prompt as text, the model's output, and what is said about it.",
    marks=("prompt",),
    read=_read,
    schema=schema.record_of({"prompt": schema.PROMPT, **schema.output_and_inputs()}),
    example={"prompt": "Who met?", "output": "The mayor.", "rating": 2, "correction": "The council."},
)
