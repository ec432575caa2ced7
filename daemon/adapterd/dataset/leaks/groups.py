"""What belongs together, so that it is on one side: prompts about one source, and the turns of one conversation.

Conversations are known by the id that an application gives them, and by what was said first: where a prompt has answers
in it, all prompts that begin with the same question belong together, unless that is the example in front of every
question. A question of a word or two is none to know a conversation by; there, its answer has to be the same as well.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from adapterd.chat import Message, Prompt, Role
from adapterd.dataset.leaks.shingles import words

FEW_CHARACTERS = 16
"""A first question of no more characters is as good as none."""
EXAMPLES = 3
"""So many different questions behind the same turns are asked behind examples, and go on in no conversation."""


@dataclass(frozen=True)
class Member:
    """A prompt and what is known of where it belongs; `answer` is the one that it has got."""

    messages: Prompt
    answer: str
    source: str | None = None
    conversation: str | None = None


class Together:
    """Places from 0 on, some of which belong together: with each two, all that belong to either."""

    def __init__(self, places: int) -> None:
        self._leaders = list(range(places))

    def join(self, one: int, other: int) -> None:
        """Have two belong together."""
        first, second = sorted((self.number(one), self.number(other)))
        self._leaders[second] = first

    def number(self, place: int) -> int:
        """The number of its group: the first of its places."""
        while self._leaders[place] != place:
            self._leaders[place] = self._leaders[self._leaders[place]]
            place = self._leaders[place]
        return place

    def numbers(self) -> list[int]:
        """For each place, the number of its group."""
        return [self.number(place) for place in range(len(self._leaders))]


def groups_of(members: Sequence[Member]) -> list[int]:
    """For each, the number of its group: the place of its first member."""
    return together(members).numbers()


def together(members: Sequence[Member]) -> Together:
    """What belongs together of these."""
    found = Together(len(members))
    first: dict[tuple[str, ...], int] = {}
    for place, keys in enumerate(_keys(members)):
        for key in keys:
            found.join(first.setdefault(key, place), place)
    return found


def _keys(members: Sequence[Member]) -> Iterator[list[tuple[str, ...]]]:
    """What each member shares with the others of its group."""
    beginnings = [_beginning(each) for each in members]
    of_conversations = _conversations(members, beginnings)
    for each, beginning in zip(members, beginnings, strict=True):
        keys = [(kind, name) for kind, name in (("source", each.source), ("conversation", each.conversation)) if name]
        yield [*keys, *([("begins", *beginning)] if beginning in of_conversations else [])]


def _beginning(member: Member) -> tuple[str, ...]:
    """The first question; where it says too little, with its answer."""
    turns = [each for each in member.messages if each.role is not Role.SYSTEM]
    question = _plain(turns[0].content) if turns else ""
    if len(question) > FEW_CHARACTERS:
        return (question,)
    return question, _plain(turns[1].content if len(turns) > 1 else member.answer)


def _conversations(members: Sequence[Member], beginnings: Sequence[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """The beginnings of conversations of several turns."""
    asked: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for each in members:
        if is_conversation(each.messages):
            asked[_turns_before(each)].add(_plain(each.messages[-1].content))
    found = set()
    for each, beginning in zip(members, beginnings, strict=True):
        if is_conversation(each.messages) and len(asked[_turns_before(each)]) < EXAMPLES:
            found.add(beginning)
    return found


def _turns_before(member: Member) -> tuple[str, ...]:
    """All but the last question."""
    return tuple(_plain(turn.content) for turn in member.messages[:-1])


def is_conversation(messages: Prompt) -> bool:
    """Whether there are answers in a prompt."""
    return any(each.role is Role.ASSISTANT for each in messages)


def _plain(text: str) -> str:
    return " ".join(words((Message(Role.USER, text),)))
