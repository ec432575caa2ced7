"""What was asked and answered, whatever dialect it was said in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Turn:
    """One message before the answer. `parts` counts what is not text: images, audio, files. `calls` are the tool calls
    of an assistant, and `of_tool` the name or id of the tool whose result this is."""

    role: str
    content: str
    parts: int = 0
    calls: tuple[Mapping[str, Any], ...] = ()
    of_tool: str | None = None


@dataclass(frozen=True)
class Said:
    """An answer: text, thoughts and tool calls (each with `name` and `arguments`); why it ended, in the words of its
    dialect, None where it was not said; `complete` only where the stream said that it was over.

    `logprob` is the sum of the natural logarithms over the tokens that came with one, `logprob_tokens` how many these
    were. `error` is what the server said had gone wrong.
    """

    text: str = ""
    thoughts: str = ""
    calls: tuple[Mapping[str, Any], ...] = ()
    reason: str | None = None
    complete: bool = False
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    logprob: float | None = None
    logprob_tokens: int = 0
    error: str | None = None

    @property
    def cut(self) -> bool:
        """Whether the answer ran out of tokens."""
        return self.reason in CUT


CUT = frozenset(("length", "max_tokens", "max_output_tokens"))
"""How the dialects say that an answer ran out of tokens."""


@dataclass(frozen=True)
class Conversation:
    """One exchange as a conversation: the model's name as it was asked for, the turns, the options that the request
    set, the tools and the schema (Ollama's `format`) that it offered, and the answer."""

    model: str
    turns: tuple[Turn, ...]
    said: Said
    options: Mapping[str, Any] = field(default_factory=dict)
    tools: Sequence[Mapping[str, Any]] = ()
    schema: Mapping[str, Any] | str | None = None
    dialect: str = ""


class NotRecordedError(Exception):
    """An exchange that is no conversation: the message says what it is."""
