"""Does to a record what was declared of its fields: finds each by its path, and puts it where ours stands.

A path goes through objects, through lists (of which all elements are meant), and through JSON in a text. Capitals and
hyphens may differ. Declared fields of turns are those of the answer that a conversation ends with; a context stays with
the turn that it was given with.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from adapterd.chat import Role
from adapterd.config.choices import FeedbackTurns
from adapterd.errors import InputError
from adapterd.feedback import checks, ways_on
from adapterd.feedback.formats.conversations import INPUTS, about
from adapterd.feedback.formats.messages import KEYS, ROLES, WEIGHTS, said_of
from adapterd.feedback.formats.options import ReadingOptions, spelled
from adapterd.feedback.formats.ratings import THUMBS
from adapterd.feedback.formats.unknown_fields import is_empty, unpacked
from adapterd.feedback.ways_on import within

_SPEAKERS = tuple(speaker for speaker, _ in KEYS)
_OF_A_TURN = frozenset(key for keys in KEYS for key in keys)
_CONVERSATIONS = frozenset({"messages", "conversations", "conversation"})
_PLACES = re.compile(r"(?:\[[\w:-]{1,80}\])*?(?:\[\d{1,18}\](?=$)|\[[\w:-]{1,80}\](?=\.))", re.ASCII)
"""Places in a list behind the name of a field: at the end of a path only numbers, as anything else is of the name."""
_VERDICTS = frozenset(("rating", *THUMBS))
"""Fields of ours of which a list has several; of others it is a value."""


class Way(Enum):
    """What is done with a declared field: it is moved to the record, renamed where it stands, or left to its format."""

    MOVED = auto()
    RENAMED = auto()
    LEFT = auto()


class _Taken(NamedTuple):
    """What stood at a path, and everything else; `is_there` tells whether anything did."""

    found: Sequence[object]
    left: object
    is_there: bool = True


@dataclass(frozen=True)
class _Taker:
    """Takes what stands at a path out of a record, to be `ours`; `renames` it where it stands instead."""

    ours: str
    theirs: str
    renames: bool
    turns: FeedbackTurns

    def taken(self, value: object, path: str, place: str = "", depth: int = 0) -> _Taken:
        """What stands at a path within a value that itself stands at `place`, in so many others; raises InputError."""
        inside = unpacked(value)
        if depth > checks.MAX_DEPTH and isinstance(inside, dict | list):
            raise InputError(f"{ways_on.shown(place)} is nested more than {checks.MAX_DEPTH} levels deep")
        if depth and not self.renames and is_empty(inside):
            return _Taken((None,), value)  # what the path leads to is empty with it
        if isinstance(inside, dict):
            return self._of_object(inside, path, place, depth + 1)
        if isinstance(inside, list):
            takes = self._of_turns if _are_turns(inside) else self._of_list
            return takes(inside, path, place, depth + 1)
        return _Taken((), value, is_there=False)

    def _of_object(self, value: dict[str, object], path: str, place: str, depth: int) -> _Taken:
        ways = [self._of_field(value, name, rest, place, depth) for name, rest in _steps(value, path)]
        there = [each for each in ways if each.is_there]
        said = [each for each in there if not each.found or not is_empty(list(each.found))]
        if len(said) > 1:
            raise InputError(_ambiguous(self.theirs))
        return (*said, *there, _Taken((), value, is_there=False))[0]

    def _of_field(self, value: dict[str, object], name: str, rest: str, place: str, depth: int) -> _Taken:
        """What stands at the rest of a path in a field of an object."""
        if not rest and self.renames and not (self.ours in INPUTS and _role(value)):
            return _Taken((), _renamed_here(value, name, self.ours, self.theirs))
        if not rest:
            return _Taken((value[name],), {each: value[each] for each in value if each != name})
        inner = self.taken(value[name], rest, f"{place}.{name}" if place else name, depth)
        if not inner.is_there:
            return inner
        left = {each: inner.left if each == name else value[each] for each in value}
        is_kept = bool(inner.left) or inner.left is value[name]
        return _Taken(inner.found, {each: left[each] for each in left if each != name or is_kept})

    def _of_list(self, value: Sequence[object], path: str, place: str, depth: int) -> _Taken:
        each_taken = [self.taken(each, path, place, depth) for each in value]
        found = [one for each in each_taken for one in each.found]
        return _Taken(found, [each.left for each in each_taken], any(each.is_there for each in each_taken))

    def _of_turns(self, value: list[dict[str, object]], path: str, place: str, depth: int) -> _Taken:
        each_taken = [self.taken(each, path, place, depth) for each in value]
        if not any(each.is_there for each in each_taken):
            return _Taken((), value, is_there=False)
        left = [each.left for each in each_taken]
        if self.ours in INPUTS:
            return _Taken((), _with_contexts(left, [each.found for each in each_taken], self.theirs))
        if self.turns is FeedbackTurns.JUDGED and place in _CONVERSATIONS:
            is_of_each = self.ours in WEIGHTS and bool(each_taken[-1].found)
            judged = len(left) if is_of_each else len(left) - 1
            left[:judged] = [
                self._judged(turn, each.found) for turn, each in zip(left[:judged], each_taken, strict=False)
            ]
            if is_of_each:
                return _Taken((), left)
        return _Taken(each_taken[-1].found or (None,), left)

    def _judged(self, turn: object, found: Sequence[object]) -> object:
        """A turn with what is said of it, without which it stays as it is."""
        if not isinstance(turn, dict) or not found:
            return turn
        return said_of(turn, self.ours, _only(found, self.ours, self.theirs), self.theirs)


def as_declared(
    value: dict[str, object], options: ReadingOptions, way: Callable[[str, str], Way] = lambda _ours, _theirs: Way.MOVED
) -> dict[str, object]:
    """A record without what means nothing, and with its fields under the names that they are given; raises InputError.

    `way` tells of a name of ours and one of theirs what is done with that field.
    """
    if options.ignore:
        for theirs in options.ignore:
            if _fields_at(value, spelled(theirs)) > 1:
                raise InputError(_ambiguous(theirs))
        value = _with_meaning(value, options)
    for ours, theirs in options.fields.items():
        if theirs != ours and (chosen := way(ours, theirs)) is not Way.LEFT:
            value = _moved(value, ours, theirs, options, renames=chosen is Way.RENAMED)
    return value


def _with_meaning(value: dict[str, object], options: ReadingOptions) -> dict[str, object]:
    """A record without what means nothing, and without objects in which nothing else stood."""
    kept: dict[str, object] = {}
    for name, each in value.items():
        path = within("", name)
        if options.is_ignored(path):
            continue
        if not isinstance(each, list | dict) and not (isinstance(each, str) and each[:1] in ("[", "{")):
            kept[name] = each
        elif not is_empty(left := _without(each, options, path)) or is_empty(each):
            kept[name] = left
    return kept


def _moved(
    value: dict[str, object], ours: str, theirs: str, options: ReadingOptions, *, renames: bool
) -> dict[str, object]:
    if theirs in value and not renames and ours not in INPUTS and "." not in theirs:  # as nearly always
        taken = _Taken((value[theirs],), {name: each for name, each in value.items() if name != theirs})
    else:
        taken = _Taker(ours, theirs, renames, options.turns).taken(value, theirs)
    if not taken.is_there or not isinstance(taken.left, dict):
        return value
    left = taken.left
    if not taken.found:
        return left
    if ours in INPUTS:
        return _with_context(left, ours, theirs, taken.found)
    if not is_empty(left.get(ours)):
        if is_empty(list(taken.found)):
            return left
        raise InputError(
            f"{ways_on.shown(theirs)} is to be {ours}, and {ours} is given as well; leave one out: "
            f"{ways_on.ignore(within('', theirs))}"
        )
    return {**left, ours: _only(taken.found, ours, theirs)}


def _only(found: Sequence[object], ours: str, theirs: str) -> object:
    """The value of a field that stands at several places, if they all say the same; raises InputError."""
    if ours in _VERDICTS and len(found) == 1 and isinstance(found[0], list):
        found = found[0]
    if len(found) == 1:
        return found[0]
    said = [each for each in found if not is_empty(each)]
    if len(set(map(repr, said))) > 1:
        raise InputError(
            f"{ways_on.shown(theirs)} has {len(said)} values that differ; which one is meant? If it means nothing: "
            f"{ways_on.ignore(within('', theirs))}"
        )
    return said[0] if said else None


def _with_context(left: dict[str, object], ours: str, theirs: str, found: Sequence[object]) -> dict[str, object]:
    """A record with what was asked about, below what is there already; nothing of it is dropped."""
    given = next((name for name in INPUTS if not is_empty(left.get(name))), ours)
    before = [left[given]] if given in left and not is_empty(left[given]) else []
    if not before and len(found) == 1:
        return {**left, given: found[0]}
    return {**left, given: "\n\n".join(about(theirs, each) for each in (*before, *found) if not is_empty(each))}


def _with_contexts(turns: Sequence[object], found: Sequence[Sequence[object]], theirs: str) -> list[object]:
    """Turns with the context that was given with each of them: below it, or below the question that it answers."""
    contexts: dict[int, list[str]] = {}
    asked: int | None = None
    for place, each in enumerate(found):
        asked = place if _role(turns[place]) is Role.USER else asked
        added = [about(theirs, one) for one in each if not is_empty(one)]
        if added and asked is None:
            raise InputError(f"{ways_on.shown(theirs)} is a part of what was asked, and no question stands before it")
        if added and asked is not None:
            contexts.setdefault(asked, []).extend(added)
    return [
        _below(turn, "\n\n".join(contexts[place])) if place in contexts else turn for place, turn in enumerate(turns)
    ]


def _below(turn: object, added: str) -> object:
    if not isinstance(turn, dict):
        return turn
    key = next((said for speaker, said in KEYS if speaker in turn), KEYS[0][1])
    said = turn.get(key)
    if isinstance(said, list):
        return {**turn, key: [*said, {"type": "text", "text": f"\n{added}"}]}
    return {**turn, key: f"{said}\n\n{added}"} if isinstance(said, str) else turn


def _renamed_here(value: Mapping[str, object], name: str, ours: str, theirs: str) -> dict[str, object]:
    if name != ours and not is_empty(value.get(ours)):
        raise InputError(
            f"{ways_on.shown(theirs)} is to be {ours}, and {ours} stands beside it; leave one out: "
            f"{ways_on.ignore(within('', theirs))}"
        )
    return {ours if each == name else each: value[each] for each in value if each != ours or each == name}


def _steps(value: Mapping[str, object], path: str) -> list[tuple[str, str]]:
    """The fields with which a path may begin, and what is left of it: exact names first, then those with a place in a
    list behind them, then the one that differs in capitals and hyphens."""
    for has_place in (False, True):
        if found := _begun(value, path, has_place, str):
            return sorted(found, key=lambda pair: len(pair[1]))
    for has_place in (False, True):
        if len(found := _begun(value, spelled(path), has_place, spelled)) == 1:
            return found
    return []


def _begun(
    value: Mapping[str, object], path: str, has_place: bool, spelling: Callable[[str], str]
) -> list[tuple[str, str]]:
    """The fields with whose names, as they are spelled, a path begins, and what is left of it."""
    if has_place and "[" not in path:
        return []
    found = [(name, rest) for name in value if (rest := _rest(path, spelling(name), has_place)) is not None]
    return [(name, rest) for name, rest in found if not has_place or isinstance(unpacked(value[name]), list | dict)]


def _rest(path: str, name: str, has_place: bool) -> str | None:
    """What is left of a path behind the name of a field, and behind places in its list; None if it begins otherwise."""
    if not name or not path.startswith(name):
        return None
    rest = path[len(name) :]
    if has_place:
        behind = _PLACES.match(rest)
        if behind is None:
            return None
        rest = rest[behind.end() :]
    return rest[1:] if not rest or rest[0] == "." else None


def _ambiguous(theirs: str) -> str:
    return (
        f"{ways_on.shown(theirs)} stands in two fields of the record, such as one of this name and one "
        "within an object; give one of them another name in the file"
    )


def _fields_at(value: object, path: str, depth: int = 0) -> int:
    """How many fields of an object a path, as our names are spelled, may mean; in a list, those of one element."""
    inside = unpacked(value)
    if isinstance(inside, list) and depth < checks.MAX_DEPTH:
        return max((_fields_at(each, path, depth + 1) for each in inside), default=0)
    if not isinstance(inside, dict) or depth >= checks.MAX_DEPTH:
        return 0
    steps = [*_begun(inside, path, False, spelled), *_begun(inside, path, True, spelled)]
    return sum(
        _fields_at(inside[name], rest, depth + 1) if rest else not is_empty(inside[name]) for name, rest in steps
    )


def _are_turns(value: Collection[object]) -> bool:
    return bool(value) and all(isinstance(each, dict) and _role(each) is not None for each in value)


def _role(turn: object) -> Role | None:
    said = next((turn[who] for who in _SPEAKERS if who in turn), None) if isinstance(turn, dict) else None
    return ROLES.get(said) if isinstance(said, str) else None


def _without(value: object, options: ReadingOptions, path: str, depth: int = 0) -> object:
    """What is left of a value without the fields whose whole paths mean nothing; of turns their own names do, too."""
    if isinstance(value, list) and depth < checks.MAX_DEPTH:
        return [_without(each, options, f"{path}[{index}]", depth + 1) for index, each in enumerate(value)]
    if isinstance(value, str) and options.has_within(path) and (inside := unpacked(value)) is not value:
        left = _without(inside, options, path, depth + 1)
        return value if left == inside else left
    if not isinstance(value, dict) or depth >= checks.MAX_DEPTH:
        return value
    if _are_turns(list(value.values())):  # a tree of messages by their ids
        return {name: _without(each, options, f"{path}[0]", depth + 1) for name, each in value.items()}
    is_turn = _role(value) is not None
    left = {
        name: _without(each, options, inner, depth + 1)
        for name, each in value.items()
        if not options.is_ignored(inner := within(path, name))
        and not (is_turn and name not in _OF_A_TURN and options.ignores(inner))
    }
    return {name: each for name, each in left.items() if not is_empty(each) or is_empty(value[name])}
