"""An answer and the thoughts before it, however a server has put them."""

import re
from typing import Any

from adapterd.chat import opens_thought, thought_and_answer
from adapterd.printable import without_halves
from adapterd.teachers.request import TeacherReply

_FIRST_TAG = re.compile(r"\s*(<[^<>\s]{1,90}>|\[[^\[\]\s]{1,90}\]|◁[^◁▷\s]{1,90}▷)")
_CHARACTERS_OF_A_TOKEN = 4
_MOST_TOKENS = 1 << 40
"""More than any request has; what a server says beyond that is no count."""


def reply_of(
    content: Any, thoughts: Any, *, ended: bool, tokens: tuple[int | None, int | None], asked: int, seconds: float
) -> TeacherReply:
    """What a teacher said. `ended` tells whether it stopped by itself; `tokens` are those of the prompt and of the
    answer, None where the server does not tell: then four characters are one token, and `asked` are the prompt's.

    Thoughts between tags in front of the answer are split off; where such a thought has no end, there is no answer. An
    answer that is empty is not complete: the thoughts may have taken all its tokens.
    """
    text, apart = _text(content)
    thought = "\n".join(filter(None, (_text(thoughts)[0], apart)))
    said = thought_and_answer(text)
    answer, begun = said.answer, said.thought
    if begun is None and (first := _FIRST_TAG.match(text)) and opens_thought(first[1]):
        answer, begun, ended = "", text[first.end() :], False
    thought = "\n".join(filter(None, (thought, (begun or "").strip())))
    prompt_tokens, answer_tokens = tokens
    return TeacherReply(
        text=answer,
        complete=ended and bool(answer.strip()),
        prompt_tokens=asked // _CHARACTERS_OF_A_TOKEN if prompt_tokens is None else prompt_tokens,
        answer_tokens=(len(text) + len(thought)) // _CHARACTERS_OF_A_TOKEN if answer_tokens is None else answer_tokens,
        seconds=seconds,
        thoughts=thought,
    )


def _text(content: Any) -> tuple[str, str]:
    """The text of a message, and the thoughts in it; it may come in parts, each with its type."""
    if isinstance(content, str):
        return without_halves(content), ""
    if not isinstance(content, list):
        return "", ""
    parts = [each for each in content if isinstance(each, dict)]
    texts = [_text(each.get("text"))[0] for each in parts if each.get("type") == "text"]
    thoughts = [_text(each.get("thinking"))[0] for each in parts if each.get("type") == "thinking"]
    return "".join(texts), "".join(thoughts)


def count_of(value: Any) -> int | None:
    """A number of tokens, None for what is none."""
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None
