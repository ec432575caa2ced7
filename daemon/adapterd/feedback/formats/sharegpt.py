"""ShareGPT's format: `conversations` with `from` and `value`."""

from adapterd.feedback.formats import schema
from adapterd.feedback.formats.conversations import SHAREGPT_ROLES, read_conversation
from adapterd.feedback.formats.feedback_format import Content, FeedbackFormat, Fields


def _read(fields: Fields) -> Content:
    return read_conversation(fields, "conversations", ("from", "value"), SHAREGPT_ROLES)


SHAREGPT = FeedbackFormat(
    name="ShareGPT",
    description="ShareGPT's: a conversation as `conversations`.",
    marks=("conversations",),
    read=_read,
    schema=schema.record_of(
        {
            "conversations": schema.conversation("from", "value", [*SHAREGPT_ROLES], ["user", "human"]),
            **schema.output_and_inputs(),
        },
        schema.has_turn("conversations", "from", ["assistant", "gpt"]),
    ),
    example={"conversations": [{"from": "human", "value": "Who met?"}, {"from": "gpt", "value": "The council."}]},
)
