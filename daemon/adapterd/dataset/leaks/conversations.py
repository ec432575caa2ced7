"""Prompts that give away what a frozen case asks: the conversation that goes on behind it, or its reference itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from adapterd.chat import Message, Prompt, Role
from adapterd.dataset.leaks.shingles import words

LONG_ANSWER = 32
"""Characters of the shortest reference that is looked for, white space and punctuation aside: a label is everywhere."""
FREQUENT = 0.02
"""The share of the prompts above which a text in them tells nothing of a single case, such as one of the answers that
every prompt offers."""
FEW = 3
"""So many prompts are never a share."""


@dataclass(frozen=True)
class Judged:
    """A frozen case: what is asked, and what a good answer is."""

    messages: Prompt
    reference: str


def gives_away(prompts: Sequence[Prompt], judged: Sequence[Judged]) -> list[bool]:
    """For each prompt, whether it goes on behind a case, or has the reference of one in it."""
    found = {place for place, _ in _leaks(prompts, judged)}
    return [place in found for place in range(len(prompts))]


def given_away(prompts: Sequence[Prompt], judged: Sequence[Judged]) -> list[bool]:
    """For each case, whether one of the prompts goes on behind it, or has its reference in it."""
    found = {case for _, case in _leaks(prompts, judged)}
    return [case in found for case in range(len(judged))]


def _leaks(prompts: Sequence[Prompt], judged: Sequence[Judged]) -> Iterator[tuple[int, int]]:
    """The places of prompts, each with that of a case that it gives away."""
    asked = {_turns(case.messages): place for place, case in enumerate(judged)}
    lengths = sorted({len(turns) for turns in asked})
    turns = [_turns(prompt) for prompt in prompts]
    for place, each in enumerate(turns):
        for length in lengths:
            if len(each) > length and each[:length] in asked:
                yield place, asked[each[:length]]
    yield from _holding(["\n".join(text for _, text in each) for each in turns], judged)


def _turns(prompt: Prompt) -> tuple[tuple[Role, str], ...]:
    """Who says what, as it is compared; instructions of the application aside."""
    return tuple((each.role, _plain(each.content)) for each in prompt if each.role is not Role.SYSTEM)


def _plain(text: str) -> str:
    return "".join(words((Message(Role.USER, text),)))


def _holding(texts: Sequence[str], judged: Sequence[Judged]) -> Iterator[tuple[int, int]]:
    """The places of texts that have a reference in them that is not in its own prompt and not in many texts, with that
    of the case."""
    most = max(FEW, FREQUENT * len(texts))
    everything = "\0".join(texts)
    for case, (reference, own) in enumerate((_plain(each.reference), each.messages) for each in judged):
        if len(reference) < LONG_ANSWER or reference not in everything:
            continue
        if any(reference in _plain(each.content) for each in own):
            continue
        having = [place for place, text in enumerate(texts) if reference in text]
        if len(having) <= most:
            yield from ((place, case) for place in having)
