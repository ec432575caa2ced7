"""The words of a conversation, shared by every room: messages in, an answer out."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from adapterd.stopped import REPEAT, UNPARSED

ParameterValue = str | int | float | bool
"""A PARAMETER of a Modelfile; one that is given several times is a tuple of them."""


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
    it, as applications do that know nothing of it. `schema` is the text of a JSON Schema that the runtime holds the
    answer to as it is sampled (Ollama's `format`); None leaves it free.
    """

    num_ctx: int = 2048
    num_predict: int = 512
    temperature: float = 0.0
    seed: int = 0
    repeat_penalty: float = 1.0
    think: bool | None = None
    schema: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """All that decides an answer, as caches know it; the schema only where there is one."""
        return repr(self) if self.schema is None else f"{self!r} {self.schema}"

    def sampling(self) -> dict[str, float]:
        """Those that are numbers for the sampler."""
        return {name: value for name, value in vars(self).items() if name not in ("think", "schema")}


_CUT = frozenset({"length", REPEAT, UNPARSED})


@dataclass(frozen=True)
class Answer:
    """What the model said, why it stopped (`stop`, `length`, or one of `stopped`, …), and what it took.

    `logprob` is the natural logarithm of the answer's probability; None where the runtime does not tell. `figures` are
    what was measured of it besides, by name: by the file itself, by an encoder, against the clock, or by a rubric.
    """

    text: str
    done_reason: str
    prompt_tokens: int
    answer_tokens: int
    total_s: float
    first_token_s: float
    logprob: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict, hash=False)

    @property
    def truncated(self) -> bool:
        """Whether the answer was cut: it ran out of tokens, or Ollama stopped it."""
        return self.done_reason in _CUT


_NAMES = r"think|thought|reasoning|reflection"
"""What is in the names of the tags around thoughts, as models have them: `<think>`, `[THINK]`, `<|START_THINKING|>`."""
_NAME = rf"[^\s<>\[\]◁▷]{{0,40}}(?:{_NAMES})[^\s<>\[\]◁▷]{{0,40}}"
_CHANNEL = r"<\|channel>thought", r"<channel\|>"
"""Gemma 4's, whose tags have the name behind them."""
_OPENING = re.compile(rf"(?:<|\[|◁)(?!/|\|?end){_NAME}(?:>|\]|▷)|{_CHANNEL[0]}", re.IGNORECASE)
_CLOSING = re.compile(rf"(?:(?:<|\[|◁)(?:/|(?=\|?end)){_NAME}(?:>|\]|▷)|{_CHANNEL[1]})", re.IGNORECASE)
_ON_ITS_LINE = re.compile(rf"^[^\S\n]*{_CLOSING.pattern}[^\S\n]*$", re.IGNORECASE | re.MULTILINE)
_LAST_TAG = re.compile(r"(<[^<>\s]{1,90}>|\[[^\[\]\s]{1,90}\]|◁[^◁▷\s]{1,90}▷)\s*\Z")


@dataclass(frozen=True)
class Said:
    """A text in its parts: a thought between its tags, or None, and the answer."""

    answer: str
    thought: str | None = None
    opening: str = ""
    closing: str = ""


def thought_and_answer(text: str) -> Said:
    """The thought in front of an answer, if there is one between tags.

    Of what a model says to a prompt that has opened a thought there is the closing tag only, on a line of its own.
    """
    closing = _CLOSING.search(text)
    if closing is None:
        return Said(text)
    opening = _OPENING.search(text, 0, closing.start())
    begins = opening is not None and not text[: opening.start()].strip()
    alone = opening is None and _ON_ITS_LINE.search(text)
    if not begins and not alone:
        return Said(text)
    thought = text[opening.end() if opening else 0 : closing.start()]
    return Said(text[closing.end() :].lstrip(), thought, opening[0] if opening else "", closing[0])


def without_thought(text: str) -> str:
    """An answer without the thoughts in front of it, if there are any between tags."""
    return thought_and_answer(text).answer


def last_tag(text: str) -> str | None:
    """The tag that a text ends with, but for white space."""
    found = _LAST_TAG.search(text[-200:])
    return found[1] if found else None


def opens_thought(tag: str) -> bool:
    """Whether a tag is named as those that begin a thought are."""
    return _OPENING.fullmatch(tag) is not None


def closing_of(tag: str) -> str:
    """`<think>` → `</think>`, `[THINK]` → `[/THINK]`, `<|START_THINKING|>` → `<|END_THINKING|>`"""
    for begin, end in (("START", "END"), ("start", "end"), ("BEGIN", "END"), ("begin", "end")):
        if begin in tag:
            return tag.replace(begin, end, 1)
    return f"{tag[0]}/{tag[1:]}"


def after_opened_thought(prompt: str, text: str) -> str:
    """What of a text is the answer to a prompt: what comes after the thought, where the prompt has opened one."""
    tag = last_tag(prompt)
    if tag is None or not opens_thought(tag):
        return text
    return text.partition(closing_of(tag))[2].lstrip()


Ask = Callable[[Sequence[Message]], Answer]
Render = Callable[[Sequence[Message]], str]


def as_dicts(messages: Sequence[Message]) -> list[dict[str, str]]:
    """The messages in the shape that chat APIs take: `[{"role": …, "content": …}]`."""
    return [{"role": str(m.role), "content": m.content} for m in messages]


def from_dicts(messages: Sequence[Mapping[str, str]]) -> Prompt:
    """The reverse of `as_dicts`; raises ValueError for an unknown role."""
    return tuple(Message(Role(m["role"]), m["content"]) for m in messages)
