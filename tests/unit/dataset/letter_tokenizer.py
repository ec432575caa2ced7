"""A served model in miniature: every letter is a token, and two control tokens end things."""

import re
from collections.abc import Mapping, Sequence

from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.chat import Message, Role

END, TEXT_END = 1, 2
_FIRST_LETTER = 10
_CONTROL = {"<end>": END, "<text-end>": TEXT_END}


class LetterTokenizer(Tokenizer):
    """The few methods of `Tokenizer` that the dataset calls."""

    def __init__(self, more: Mapping[str, int] | None = None) -> None:
        """There is no file; `more` are further control tokens."""
        object.__setattr__(self, "control", _CONTROL | dict(more or {}))

    @property
    def end_of_turn_id(self) -> int:
        return TEXT_END

    def encode_prompt(self, text: str) -> list[int]:
        """Control tokens are recognised."""
        control: dict[str, int] = vars(self)["control"]
        pieces = re.split(f"({'|'.join(map(re.escape, control))})", text)
        return [i for piece in pieces for i in ([control[piece]] if piece in control else letters(piece))]

    def encode_continuation(self, text: str, *, markup: bool = False) -> list[int]:
        """Control tokens are not recognised: an answer is data."""
        return self.encode_prompt(text) if markup else letters(text)

    def is_end_of_generation(self, token: int) -> bool:
        return token in (END, TEXT_END)


def letters(text: str) -> list[int]:
    return [ord(letter) + _FIRST_LETTER for letter in text]


def render(messages: Sequence[Message]) -> str:
    """`<end>` behind every turn; after a user's turn the model's begins."""
    text = "".join(f"{message.role}: {message.content}<end>\n" for message in messages)
    return text + ("assistant: " if messages[-1].role is Role.USER else "")
