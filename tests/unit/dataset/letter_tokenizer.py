"""A served model in miniature: every letter is a token, and two control tokens end things."""

import re
from collections.abc import Sequence

from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.chat import Message, Role

END, TEXT_END = 1, 2
_FIRST_LETTER = 10
_CONTROL = {"<end>": END, "<text-end>": TEXT_END}


class LetterTokenizer(Tokenizer):
    """The few methods of `Tokenizer` that the dataset calls."""

    def __init__(self) -> None:
        """There is no file."""

    @property
    def end_of_turn_id(self) -> int:
        return TEXT_END

    def encode_prompt(self, text: str) -> list[int]:
        """Control tokens are recognised."""
        pieces = re.split("(<end>|<text-end>)", text)
        return [i for piece in pieces for i in ([_CONTROL[piece]] if piece in _CONTROL else letters(piece))]

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
