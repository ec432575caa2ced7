"""Whether a server tells thoughts apart is found out by asking the base for its first words."""

from collections.abc import Sequence

import pytest

from adapterd.chat import Answer, ChatOptions, Message
from adapterd.config import EvaluationSettings, ModelSettings, Think
from adapterd.runs.served_prompts import FIRST_WORDS_TOKENS, tells_thoughts_apart
from tests.support.fakes import FakeRuntime


class Says(FakeRuntime):
    """A server that delivers this as the content."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.content, self.asked = content, list[ChatOptions]()

    def chat(self, tag: str, messages: Sequence[Message], options: ChatOptions, *, logprobs: bool = False) -> Answer:
        assert (tag, len(messages), logprobs) == ("mine:base", 1, False)
        self.asked.append(options)
        return Answer(self.content, "length", 5, FIRST_WORDS_TOKENS, 0.1, 0.1)


@pytest.mark.parametrize(("content", "apart"), [("", True), ("Let me see", False), ("\n", False)])
@pytest.mark.parametrize("think", list(Think))
def test_content_before_a_thought_is_closed_means_that_it_is_not_told_apart(
    content: str, apart: bool, think: Think
) -> None:
    model = ModelSettings(base="b.gguf", base_digest="d", think=think, evaluation=EvaluationSettings(num_ctx=8192))
    runtime = Says(content)
    assert tells_thoughts_apart(runtime, "mine:base", model) is apart
    [options] = runtime.asked
    assert (options.num_ctx, options.num_predict, options.think) == (8192, FIRST_WORDS_TOKENS, think.wanted)
