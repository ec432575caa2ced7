"""OpenAI's chat format: `messages` with `role` and `content`."""

from adapterd.feedback.formats import schema
from adapterd.feedback.formats.conversations import CHAT_ROLES, read_conversation
from adapterd.feedback.formats.feedback_format import Content, FeedbackFormat, Fields


def _read(fields: Fields) -> Content:
    return read_conversation(fields, "messages", ("role", "content"), CHAT_ROLES)


OPENAI_CHAT = FeedbackFormat(
    name="Chat",
    description="OpenAI's chat format, also used by Hugging Face: a conversation as `messages`.",
    marks=("messages",),
    read=_read,
    schema=schema.record_of(
        {"messages": schema.conversation("role", "content", [*CHAT_ROLES], ["user"]), **schema.output_and_inputs()},
        schema.has_turn("messages", "role", ["assistant"]),
    ),
    example={"messages": [{"role": "user", "content": "Who met?"}, {"role": "assistant", "content": "The council."}]},
)
