"""Axolotl's format of reflections: an answer, what is wrong with it, and the corrected one."""

from collections.abc import Sequence

from adapterd.feedback import checks
from adapterd.feedback.formats import schema
from adapterd.feedback.formats.answers import OUTPUT, answer_in, content_of
from adapterd.feedback.formats.conversations import finished, prompt_of
from adapterd.feedback.formats.feedback_format import Content, FeedbackFormat, Fields
from adapterd.feedback.formats.options import ReadingOptions


def _read(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    prompt, reader = prompt_of(fields, "instruction", options)
    corrected = {**fields, "correction": fields["corrected"]} if "correction" not in fields else fields
    content = content_of(corrected, prompt, answer_in(fields, OUTPUT))
    notes = checks.any_text("reflection", fields["reflection"]) if "reflection" in fields else None
    return [finished(content._replace(correction_notes=notes), reader)]


AXOLOTL = FeedbackFormat(
    name="Reflection",
    description="Axolotl's: an instruction, an output, a reflection on it, and the output as `corrected`.",
    marks=("instruction", "corrected"),
    read=_read,
    schema=schema.record_of(
        {
            "instruction": schema.TEXT,
            "corrected": schema.answer("What it should have answered."),
            "reflection": {},
            **schema.output_and_inputs(),
        },
        {"required": ["corrected"]},
    ),
    example={
        "instruction": "Who met?",
        "output": "The mayor.",
        "reflection": "It is not in the text.",
        "corrected": "The council.",
    },
)
