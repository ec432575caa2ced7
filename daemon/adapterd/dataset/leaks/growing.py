"""How a frozen set grows: a fixed share of new prompts is never trained on and joins it, until the set has its size.

Which prompts these are follows from the hash of their source, or of themselves, and so not from when somebody looks.
They wait, untrained, until there are enough for another version of the set; a new one for each case would leave nothing
to compare with.
"""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from adapterd.chat import Prompt
from adapterd.config import DatasetSettings
from adapterd.dataset.cases import EvaluationCase, case_of
from adapterd.dataset.examples import Example
from adapterd.dataset.leaks.conversations import Judged, given_away
from adapterd.dataset.leaks.first_set import FaultOf
from adapterd.dataset.leaks.near_duplicates import cases_near
from adapterd.dataset.leaks.origins import ENOUGH as ENOUGH_OF_OTHERS
from adapterd.dataset.leaks.sides import TOO_LARGE, Groups

STEP, LEAST_STEP = 0.1, 5
"""A set grows by at least so large a share of itself, and so many cases, …"""
MOST_AT_ONCE, MOST_FEW = 0.25, 10
"""… and by at most so large a share, or so few cases: what comes in one night is not to decide who judges."""
LARGE = 1.5
"""A group that is so many times too large for one side is no group: its prompts are drawn one by one."""
Unit = tuple[str, object]


@dataclass(frozen=True)
class NewPrompts:
    """By their hashes, the prompts that came after the last training, and those that were kept from it to join. On
    prompts that teachers `answered` versions may have been trained, too."""

    unseen: AbstractSet[str] = field(default_factory=frozenset)
    waiting: AbstractSet[str] = field(default_factory=frozenset)
    answered: Sequence[Prompt] = ()


NONE_NEW = NewPrompts()


@dataclass(frozen=True)
class Newcomers:
    """The examples that are kept from training, the oldest first, and whether they join the set now or wait."""

    examples: Sequence[Example] = ()
    join: bool = False

    @property
    def joining(self) -> list[EvaluationCase]:
        """The cases that join now."""
        return [case_of(each) for each in self.examples] if self.join else []

    @property
    def waiting(self) -> list[str]:
        """The prompts that wait."""
        return [] if self.join else [each.prompt_hash for each in self.examples]


def newcomers(
    usable: Sequence[Example],
    new: NewPrompts,
    groups: Groups,
    settings: DatasetSettings,
    *,
    frozen: Sequence[EvaluationCase],
    judged: Sequence[EvaluationCase],
    unaskable: FaultOf,
) -> Newcomers:
    """Those of the usable examples that join the `frozen` set, or wait for it; `judged` are the cases of all sets.

    A source goes as a whole, and only if no version was trained on it; so does a conversation. None is nearly the same
    as what is judged or was trained on, nor given away by that, and no origin gets more than its share of the set.
    """
    if not frozen or not settings.growing_share:
        return Newcomers()
    room = min(settings.evaluation_max - len(frozen), max(MOST_FEW, int(MOST_AT_ONCE * len(frozen))))
    places = _Places(frozen, usable, settings.max_share_of_source, room)
    in_order = sorted(usable, key=lambda each: (each.first_at or each.created_at, each.record))
    units = _units(in_order, groups, LARGE * max(len(frozen) + room, TOO_LARGE * len(usable)))
    kept = [each for each in in_order if each.prompt_hash in new.waiting][: max(0, room)]
    places.take(kept)
    drawn = list(_drawn(units, new, groups, settings.growing_share))
    trained = [each for each in in_order if each.prompt_hash not in new.unseen | new.waiting]
    taught = [*(each.messages for each in trained), *new.answered]
    for unit in _taught_by_none(drawn, taught, judged):
        askable = [each for each in unit if each.prompt_hash not in new.waiting and not unaskable(each)]
        if askable and places.has_room(askable):
            places.take(askable)
            kept += askable
    enough = min(settings.evaluation_max - len(frozen), max(LEAST_STEP, math.ceil(STEP * len(frozen))))
    return Newcomers(kept, join=bool(kept) and len(kept) >= enough)


def joins(name: str, share: float) -> bool:
    """Whether the source or the prompt of this name is one of the share that joins."""
    digest = hashlib.sha256(f"joins the evaluation set: {name}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


def _units(examples: Iterable[Example], groups: Groups, most: float) -> Mapping[Unit, list[Example]]:
    """What goes as a whole: a source or a conversation of at most so many prompts, or a prompt for itself."""
    sizes = Counter(groups.of_prompt.values())
    found = defaultdict[Unit, list[Example]](list)
    for each in examples:
        number = groups.of_prompt[each.prompt_hash]
        whole = sizes[number] <= most
        found["group" if whole else "prompt", number if whole else each.prompt_hash].append(each)
    return found


def _drawn(
    units: Mapping[Unit, list[Example]], new: NewPrompts, groups: Groups, share: float
) -> Iterator[list[Example]]:
    """The units of new prompts alone whose hash says that they join."""
    for (kind, _), members in units.items():
        name = groups.name_of(members[0]) if kind == "group" else None
        if joins(name or members[0].prompt_hash, share) and all(
            each.prompt_hash in new.unseen | new.waiting for each in members
        ):
            yield members


def _taught_by_none(
    units: Sequence[list[Example]], known: Sequence[Prompt], judged: Sequence[EvaluationCase]
) -> list[list[Example]]:
    """The units without a prompt that is nearly the same as a known one, on which a version may have been trained, or
    as one that is judged, or is given away."""
    members = [each for unit in units for each in unit]
    cases = [case_of(each) for each in members]
    near = cases_near([*known, *(case.messages for case in judged)], [case.messages for case in cases])
    away = given_away(known, [Judged(case.messages, case.reference) for case in cases])
    taught = {
        each.prompt_hash for each, one, other in zip(members, near, away, strict=True) if one or other
    }  # fmt: skip
    return [unit for unit in units if not any(each.prompt_hash in taught for each in unit)]


class _Places:
    """Who gave the cases so far; `room` is for how many more there are places."""

    def __init__(self, frozen: Sequence[EvaluationCase], usable: Sequence[Example], share: float, room: int) -> None:
        self._taken, self._room, self._share = Counter(each.origin for each in frozen), room, share
        prompts = self._taken + Counter(each.origin for each in usable)
        total = prompts.total()
        self._limited = {origin for origin, count in prompts.items() if total - count >= ENOUGH_OF_OTHERS}
        self._share = max(share, 1 / max(1, len(prompts)))

    def has_room(self, examples: Sequence[Example]) -> bool:
        """Whether they find places, and none of their origins gets more than its share."""
        wanted = Counter(each.origin for each in examples)
        most = self._share * (self._taken.total() + len(examples)) + 1e-9
        return len(examples) <= self._room and all(
            origin not in self._limited or self._taken[origin] + count <= most for origin, count in wanted.items()
        )

    def take(self, examples: Sequence[Example]) -> None:
        """Give them places."""
        self._taken.update(each.origin for each in examples)
        self._room -= len(examples)
