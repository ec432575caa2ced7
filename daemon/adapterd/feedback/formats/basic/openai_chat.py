"""OpenAI's chat format: `messages` with `role` and `content`."""

from collections.abc import Sequence

from adapterd.feedback.formats import schema
from adapterd.feedback.formats.conversations import read_conversation
from adapterd.feedback.formats.feedback_format import Content, FeedbackFormat, Fields
from adapterd.feedback.formats.options import ReadingOptions


def _read(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    return read_conversation(fields, "messages", options)


OPENAI_CHAT = FeedbackFormat(
    name="Chat",
    description="OpenAI's chat format, also of Hugging Face, ms-swift and OpenPipe: a conversation as `messages`.",
    marks=("messages",),
    read=_read,
    schema=schema.record_of(
        {"messages": schema.CONVERSATION, **schema.output_and_inputs()}, schema.has_turn("messages")
    ),
    example={"messages": [{"role": "user", "content": "Who met?"}, {"role": "assistant", "content": "The council."}]},
)
