"""Whether a case can be asked and its answer measured, checked before it is frozen.

A frozen set is used for months. A case that no runtime accepts, or whose reference no metric can hold, would stop every
run until somebody froze another set; so it never gets in, and in older sets it is left out for all models alike.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.chat import Message, Prompt, Render, Role
from adapterd.errors import InputError, RuntimeRefusedError

GREATEST = 1e100
"""Numbers beyond are no measurements, and their squares and sums are soon beyond what a float holds."""
REFERENCE_ANSWERS, LEAST_REFERENCE_TOKENS, MOST_REFERENCE_TOKENS = 4, 2048, 8192
"""A reference may be so many times as long as an answer (`num_predict`), within these bounds, in tokens."""
NOTHING_TO_ASK = (
    "correct evaluation.num_ctx and evaluation.num_predict, if they are at fault; "
    "`adapterctl eval freeze` makes another set"
)
"""What to do where no case can be asked."""
PLAIN = (Message(Role.USER, "Yes?"),)
"""A conversation that every template can render."""


@dataclass(frozen=True)
class TokenLimits:
    """How many tokens a case may take: `num_ctx`, `num_predict` as it is asked, `context` what the model can read."""

    num_ctx: int
    num_predict: int
    context: int | None = None

    def fault_of_prompt(self, tokens: int) -> str:
        """Why a prompt of so many tokens cannot be asked; empty if it can."""
        needed = tokens + self.num_predict
        if self.context is not None and self.context < min(needed, self.num_ctx + 1):
            return f"{self._takes(tokens)}, and the model reads {self.context} at most"
        return f"{self._takes(tokens)}, more than evaluation.num_ctx = {self.num_ctx}" if needed > self.num_ctx else ""

    def _takes(self, tokens: int) -> str:
        return f"its prompt of {tokens} tokens and an answer of {self.num_predict} take {tokens + self.num_predict}"

    @property
    def reference(self) -> int:
        """The most tokens that a reference may have."""
        return min(max(REFERENCE_ANSWERS * self.num_predict, LEAST_REFERENCE_TOKENS), MOST_REFERENCE_TOKENS)


class Prompts:
    """Prompts as they are served, each rendered once; what the template or the tokenizer refuses has a reason."""

    def __init__(self, render: Render, tokenizer: Tokenizer) -> None:
        self._render, self._tokenizer = render, tokenizer
        self._known: dict[Prompt, tuple[str, int]] = {}
        self._faults: dict[Prompt, str] = {}

    def render(self, messages: Sequence[Message]) -> str:
        """The text of a prompt; raises InputError with the reason for one that cannot be served."""
        return self._served(tuple(messages))[0]

    def tokens(self, messages: Prompt) -> int:
        """The length of a prompt that can be served."""
        return self._served(messages)[1]

    def fault(self, messages: Prompt) -> str:
        """Why a prompt cannot be served; empty if it can."""
        try:
            self._served(messages)
        except InputError as exc:
            return str(exc)
        return ""

    def _served(self, messages: Prompt) -> tuple[str, int]:
        if fault := self._faults.get(messages):
            raise InputError(fault)
        if messages not in self._known:
            try:
                self._known[messages] = self._rendered(messages)
            except InputError as exc:
                self._faults[messages] = str(exc)
                raise
        return self._known[messages]

    def _rendered(self, messages: Prompt) -> tuple[str, int]:
        for message in messages:
            check_text(message.content)
        text = self._text(messages)
        tokens = len(self._tokenizer.encode_prompt(text))
        if not text.strip() or not tokens:
            raise InputError("nothing is left of its prompt when it is rendered")
        return text, tokens

    def _text(self, messages: Prompt) -> str:
        try:
            return self._render(messages)
        except RuntimeRefusedError:
            self._render(PLAIN)  # what refuses this as well refuses everything, and that is no fault of the record
        try:
            return self._render(messages)
        except RuntimeRefusedError as exc:
            raise InputError(f"the chat template refuses its conversation: {exc}") from exc


def fault_of_case(
    messages: Prompt, reference: str, prompts: Prompts, tokenizer: Tokenizer, limits: TokenLimits | None
) -> str:
    """Why a case cannot be asked, or its answers not be measured; empty if they can."""
    fault = prompts.fault(messages) or fault_of_reference(reference)
    if fault or limits is None:
        return fault
    if too_long := limits.fault_of_prompt(prompts.tokens(messages)):
        return too_long
    tokens = len(tokenizer.encode_continuation(reference))
    return (
        f"its answer has {tokens} tokens, more than the {limits.reference} to compare"
        if tokens > limits.reference
        else ""
    )


def fault_of_text(text: str) -> str:
    """Why a text cannot be encoded; empty if it can."""
    try:
        check_text(text)
    except InputError as exc:
        return str(exc)
    return ""


def fault_of_reference(text: str) -> str:
    """Why no metric can measure a reference; empty if they can."""
    try:
        check_text(text)
        value = json.loads(text, parse_int=_number, parse_float=_number)
        for each in _texts(value):
            check_text(each)
    except InputError as exc:
        return str(exc)
    except (ValueError, RecursionError):
        return ""  # no JSON, but text
    return ""


def check_text(text: str) -> None:
    """Raise InputError for a text that cannot be written down."""
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise InputError(f"it has half of a surrogate pair at position {exc.start + 1}") from exc


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or abs(value) > GREATEST:
        raise InputError(f"it has the number {text[:20]}{'…' if len(text) > 20 else ''}, which is too large to measure")
    return value


def _texts(value: Any) -> Iterator[str]:
    """All keys and strings of a JSON value."""
    level: list[Any] = [value]
    while level:
        each = level.pop()
        if isinstance(each, dict):
            yield from each
            level += each.values()
        elif isinstance(each, list):
            level += each
        elif isinstance(each, str):
            yield each
