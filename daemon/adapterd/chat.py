"""The words of a conversation, shared by every room: messages in, an answer out."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


Prompt = tuple[Message, ...]
"""A conversation up to the point where the model speaks; its last message is a user's."""


@dataclass(frozen=True)
class ChatOptions:
    """How an answer is sampled. Every option is always sent, so that no server default decides a result.

    `num_ctx` and `num_predict` are in tokens. `think` asks a thinking model to think or not to; None says nothing about
    it, as applications do that know nothing of it.
    """

    num_ctx: int = 2048
    num_predict: int = 512
    temperature: float = 0.0
    seed: int = 0
    repeat_penalty: float = 1.0
    think: bool | None = None

    def sampling(self) -> dict[str, float]:
        """Those that are numbers for the sampler."""
        return {name: value for name, value in vars(self).items() if name != "think"}


@dataclass(frozen=True)
class Answer:
    """What the model said, why it stopped (`stop`, `length`, …), and what it took.

    `logprob` is the natural logarithm of the answer's probability; None where the runtime does not tell.
    """

    text: str
    done_reason: str
    prompt_tokens: int
    answer_tokens: int
    total_s: float
    first_token_s: float
    logprob: float | None = None

    @property
    def truncated(self) -> bool:
        """Whether the answer was cut because it ran out of tokens."""
        return self.done_reason == "length"


_THOUGHT = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>\s*", re.DOTALL | re.IGNORECASE)


def without_thought(text: str) -> str:
    """An answer without the thoughts in front of it, if there are any between think tags."""
    return _THOUGHT.sub("", text)


Ask = Callable[[Sequence[Message]], Answer]
Render = Callable[[Sequence[Message]], str]


def as_dicts(messages: Sequence[Message]) -> list[dict[str, str]]:
    """The messages in the shape that chat APIs take: `[{"role": …, "content": …}]`."""
    return [{"role": str(m.role), "content": m.content} for m in messages]


def from_dicts(messages: Sequence[Mapping[str, str]]) -> Prompt:
    """The reverse of `as_dicts`; raises ValueError for an unknown role."""
    return tuple(Message(Role(m["role"]), m["content"]) for m in messages)
