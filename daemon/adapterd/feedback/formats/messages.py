"""Turns of a conversation as people write them, and the text in each."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from adapterd.chat import Message, Prompt, Role
from adapterd.errors import InputError
from adapterd.feedback import checks, strict_json, ways_on
from adapterd.feedback.formats.options import ReadingOptions
from adapterd.feedback.formats.unknown_fields import Aside, is_empty, unpacked
from adapterd.feedback.ways_on import OurFieldError

ROLES: Mapping[str, Role] = {
    **{str(role): role for role in Role},
    "developer": Role.SYSTEM,
    "human": Role.USER,
    "gpt": Role.ASSISTANT,
    "model": Role.ASSISTANT,
}
KEYS = (("role", "content"), ("from", "value"))
"""How a turn names who speaks and what is said: OpenAI's way and ShareGPT's."""
TEXT_PARTS = ("text", "input_text", "output_text")
"""The kinds of parts of a content that are text."""
THOUGHTS = ("thinking", "reasoning_content", "reasoning")
WEIGHTS = ("weight", "loss")
_CALLS = ("tool_calls", "function_call")
_KNOWN = frozenset((*KEYS[0], *KEYS[1], *THOUGHTS, *WEIGHTS, *_CALLS, "name", "refusal"))
_PLACEHOLDER = re.compile(r"\A\s*<(image|video|audio)>|<(image|video|audio)>\s*\Z")


class Said(dict[str, object]):
    """What was declared to be said of a turn, under our names; it stands in the turn at `SAID`. No JSON has it, so that
    no turn can have it of its own."""


SAID = "\0said"


class Turn(NamedTuple):
    """A turn. `is_taught` tells what its own weight says: True, False, or None where it has none.

    `said` has what was declared to be said of it, under our names.
    """

    message: Message
    is_taught: bool | None = None
    said: Mapping[str, object] = MappingProxyType({})


@dataclass
class TurnReader:
    """Reads turns, and keeps aside what is not known in them."""

    options: ReadingOptions = field(default_factory=ReadingOptions)
    aside: Aside = field(default_factory=Aside)

    def turns(self, name: str, items: object) -> list[Turn]:
        """The turns of a conversation, at least one; raises InputError for one that is not text of a known role.

        They may be JSON in a text, as tables have them.
        """
        items = unpacked(items)
        if not isinstance(items, list) or not items:
            raise InputError(f"{name} must be a list of turns, not {'empty' if items == [] else checks.shown(items)}")
        return [self._turn_at(name, index, item) for index, item in enumerate(items)]

    def _turn_at(self, name: str, index: int, item: object) -> Turn:
        keys = KEYS[1] if isinstance(item, dict) and "from" in item else KEYS[0]
        plain = plain_turn(item, keys)
        return Turn(plain) if plain else self.turn(f"{name}[{index}]", item)

    def turn(self, name: str, item: object) -> Turn:
        """One turn; raises InputError."""
        if not isinstance(item, dict):
            raise InputError(f"{name} must be an object with role and content, not {checks.shown(item)}")
        speaker, content = KEYS[1] if "from" in item and "role" not in item else KEYS[0]
        if len(item) > 2:
            self._check_others(name, item)
        said = item.get(speaker)
        role = ROLES.get(said) if isinstance(said, str) else None
        if role is None:
            raise InputError(f"{name}.{speaker} is {checks.shown(said)}, which is not one of: {', '.join(ROLES)}")
        text = self._text(f"{name}.{content}", item.get(content))
        if len(item) == 2:
            return Turn(Message(role, text))
        said = {each: value for each, value in _said(item).items() if not is_empty(value)}
        return Turn(Message(role, _with_thought(name, role, text, item)), self._weight(name, item, said), said)

    def _weight(self, name: str, item: Mapping[str, object], said: Mapping[str, object]) -> bool | None:
        """What the weight of a turn says, be it its own or a declared one."""
        given = {f"{name}.{each}": item[each] for each in WEIGHTS if item.get(each) is not None}
        declared = {self.options.path_of(each): said[each] for each in WEIGHTS if each in said}
        return _weight({**given, **declared})

    def _check_others(self, name: str, item: Mapping[str, object]) -> None:
        if call := next((call for call in _CALLS if not is_empty(item.get(call))), None):
            raise InputError(
                f"{name} calls a tool; only text can be trained on; if it means nothing: "
                f"{ways_on.ignore(f'{name}.{call}')}"
            )
        known = _KNOWN | {"annotations"} if "refusal" in item and item.get("annotations") == [] else _KNOWN
        if isinstance(item.get(SAID), Said):
            known |= {SAID}
        self.aside.check(item, known, self.options, name)
        if not is_empty(item.get("refusal")) and item["refusal"] is not False:
            raise InputError(
                f"{name} is a refusal, which is no answer to train on; if it means nothing: "
                f"{ways_on.ignore(f'{name}.refusal')}"
            )
        if any(weight in item and item[weight] is None for weight in WEIGHTS):
            self.aside.is_unjudged = True

    def _text(self, name: str, content: object) -> str:
        """What is said in a turn: text, or parts that are all text."""
        if isinstance(content, list) and content:
            content = "\n".join(self._part(f"{name}[{index}]", part) for index, part in enumerate(content))
        elif isinstance(content, list | dict):
            raise InputError(f"{name} is {checks.shown(content)}; only text can be trained on")
        text = checks.text(name, content)
        if "<" in text and (found := _PLACEHOLDER.search(text)):
            raise InputError(f"{name} has {found[0].strip()}; only text can be trained on")
        return text

    def _part(self, name: str, part: object) -> str:
        if isinstance(part, str):
            return part
        if not isinstance(part, dict) or part.get("type") not in TEXT_PARTS:
            raise InputError(f"{name} is not text; only text can be trained on")
        known = ("type", "text", "annotations") if part.get("annotations") == [] else ("type", "text")
        self.aside.check(part, known, self.options, name)
        return checks.any_text(f"{name}.text", part.get("text"))


def plain_turn(item: object, keys: tuple[str, str]) -> Message | None:
    """The turn that an item is which has nothing but a known role and text under these keys, as nearly always; else
    None."""
    if type(item) is not dict or len(item) != 2:
        return None
    speaker, content = keys
    said, text = item.get(speaker), item.get(content)
    if type(said) is not str or said not in ROLES or not checks.is_plain(text) or "<" in text:
        return None
    return Message(ROLES[said], text)


def _with_thought(name: str, role: Role, text: str, item: Mapping[str, object]) -> str:
    given = [each for each in THOUGHTS if not is_empty(item.get(each))]
    if not given:
        return text
    if role is not Role.ASSISTANT:
        raise InputError(
            f"{name}.{given[0]} is a thought, and {name} is not the assistant's; if it means nothing: "
            f"{ways_on.ignore(f'{name}.{given[0]}')}"
        )
    thoughts = {checks.text(f"{name}.{each}", item[each]) for each in given}
    if len(thoughts) > 1:
        raise InputError(
            f"{name} has {given[0]} and {given[1]}, and they differ; leave one out: "
            f"{ways_on.ignore(f'{name}.{given[1]}')}"
        )
    return with_thought(thoughts.pop(), text)


def with_thought(thought: str, answer: str) -> str:
    """An answer with the thought in front of it, between tags as `chat.thought_and_answer` finds them."""
    return f"<think>\n{thought.strip()}\n</think>\n\n{answer}"


def said_of(turn: dict[str, object], ours: str, value: object, theirs: str) -> dict[str, object]:
    """A turn of which one more thing is said; raises InputError if it says that of its own as well."""
    if ours in WEIGHTS and not is_empty(turn.get(ours)):
        raise InputError(
            f"{ways_on.shown(theirs)} is to be {ours}, and a turn has {ours} as well; leave one out: "
            f"{ways_on.ignore(ways_on.within('', theirs))}"
        )
    if not is_empty(turn.get(SAID)) and not isinstance(turn[SAID], Said):
        raise InputError(f"{ways_on.shown(SAID)} is {checks.shown(turn[SAID])}, which could be a verdict")
    return {**turn, SAID: Said({**_said(turn), ours: value})}


def _said(turn: Mapping[str, object]) -> Said:
    found = turn.get(SAID)
    return found if isinstance(found, Said) else Said()


def _weight(given: Mapping[str, object]) -> bool | None:
    found = {_is_taught(each, value) for each, value in given.items()}
    if len(found) > 1:
        one, other = (ways_on.shown(each) for each in given)
        raise InputError(f"{one} and {other} contradict each other; leave one out: {ways_on.ignore(list(given)[1])}")
    return found.pop() if found else None


def _is_taught(name: str, value: object, *, is_ours: bool = False) -> bool:
    """What a weight says: 1 is trained on, 0 is not; raises InputError for anything between or beyond."""
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    number = int(value) if isinstance(value, bool) else checks.number(value)
    if number not in (0, 1):
        fault = OurFieldError(
            lambda path_of: (
                f"{ways_on.shown(path_of(name))} is {checks.shown(value)}: a weight is 1 (trained on) or 0 (not); "
                f"{ways_on.if_nothing(path_of(name))}"
            )
        )
        raise fault if is_ours else fault.named(str)
    return number == 1


def is_taught(fields: Mapping[str, object]) -> bool:
    """Whether a record's own weight says that it is trained on; without one it is. Raises InputError."""
    if "weight" not in fields and "loss" not in fields:
        return True
    return all(_is_taught(name, fields[name], is_ours=True) for name in WEIGHTS if name in fields)


def messages(turns: Iterable[Turn]) -> list[Message]:
    """What is said in the turns."""
    return [turn.message for turn in turns]


def are_messages(value: object) -> bool:
    """Whether an answer is given as one message or several, and not as text or as JSON of its own."""
    if isinstance(value, str):
        if value[:1] not in ("[", "{") or not ('"role"' in value or '"from"' in value):
            return False
        value = seen_in(value)
    items = value if isinstance(value, list) else [value]
    return bool(items) and all(_is_message(item) for item in items)


def seen_in(text: str) -> object:
    """JSON that stands in a text, to see whether it is a message; whoever reads it as one takes `unpacked`, which is
    strict."""
    try:
        return unpacked(text)
    except InputError:
        if len(text) > strict_json.AT_ONCE:
            raise
        return json.loads(text)


def _is_message(item: object) -> bool:
    if not isinstance(item, dict):
        return False
    return any(
        item.get(who) in ROLES if isinstance(item.get(who), str) else False for who, what in KEYS if what in item
    )


def answer_of(name: str, value: object, prompt: Prompt = (), reader: TurnReader | None = None) -> str:
    """The text of an answer that is given as messages; those before it have to be the prompt. Raises InputError."""
    before, answer = split_answer(name, value, reader)
    asked = [message for message in prompt if message.role is not Role.SYSTEM]
    if before and [message for message in before if message.role is not Role.SYSTEM] != asked:
        raise InputError(f"{name} begins with other turns than the prompt")
    return answer


def split_answer(name: str, value: object, reader: TurnReader | None = None) -> tuple[Sequence[Message], str]:
    """The turns before the answer that messages end with, and that answer; raises InputError if they end otherwise."""
    reader, value = reader or TurnReader(), unpacked(value)
    turns = reader.turns(name, value) if isinstance(value, list) else [reader.turn(name, value)]
    last = turns[-1]
    if last.message.role is not Role.ASSISTANT or last.is_taught is False:
        raise InputError(f"{name} does not end with an answer that is taught")
    return messages(turns[:-1]), last.message.content
