"""A prompt and what should follow: mlx-lm's and TRL's `completion`, and the same under other names."""

from collections.abc import Callable, Sequence

from adapterd.feedback.formats import schema
from adapterd.feedback.formats.answers import answer_in, content_of, refuse_output
from adapterd.feedback.formats.conversations import finished, prompt_of
from adapterd.feedback.formats.feedback_format import Content, FeedbackFormat, Fields
from adapterd.feedback.formats.options import ReadingOptions


def _reader(asked: str, answered: str) -> Callable[[Fields, ReadingOptions], Sequence[Content]]:
    def read(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
        prompt, reader = prompt_of(fields, asked, options)
        refuse_output(fields, answered)
        return [finished(content_of(fields, prompt, answer_in(fields, (answered,), prompt, reader)), reader)]

    return read


def _format(name: str, asked: str, answered: str, description: str) -> FeedbackFormat:
    return FeedbackFormat(
        name=name,
        description=description,
        marks=(asked, answered),
        read=_reader(asked, answered),
        schema=schema.record_of(
            {asked: schema.PROMPT, answered: schema.answer("What should follow."), **schema.output_and_inputs()},
            {"required": [answered]},
        ),
        example={asked: "Who met?", answered: "The council."},
    )


COMPLETION = _format(
    "Completion", "prompt", "completion", "mlx-lm's and TRL's prompt and `completion`; with a `label`, TRL's for KTO."
)
PROMPT_RESPONSE = _format("PromptResponse", "prompt", "response", "A prompt and its `response`.")
QUERY_RESPONSE = _format("QueryResponse", "query", "response", "ms-swift's: a query and its response.")
