"""How a person says that their feedback is to be read: what fields are called, on which scale, what to pass over."""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Self

from adapterd.config.choices import FeedbackTurns
from adapterd.errors import InputError
from adapterd.feedback.formats.field_names import snake
from adapterd.feedback.ways_on import PLACE, plain_path, typed_plain, within

_SCALE = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*(?:\.\.|:|…|–|to|-)\s*(-?\d+(?:\.\d+)?)\s*")
_BETWEEN_BRACKETS = re.compile(r"[^\[\]]+")
WORST, BEST = 1, 5
"""The ends of our own scale."""


@dataclass(frozen=True)
class Scale:
    """A scale of ratings from `low` (bad) to `high` (good)."""

    low: float
    high: float

    @classmethod
    def read(cls, text: str) -> Self:
        """The scale in a text such as `1..10`; raises InputError."""
        found = _SCALE.fullmatch(text)
        if not found or not float(found[1]) < float(found[2]):
            raise InputError(f"{text!r} is not a scale", hint="a scale is written from bad to good, as in 1..10")
        return cls(float(found[1]), float(found[2]))

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}"

    def holds(self, value: float) -> bool:
        """Whether a rating lies on the scale."""
        return self.low <= value <= self.high

    def rating(self, value: float) -> int:
        """A rating on this scale on ours, 1 to 5: in proportion, and rounded down, so that no answer gains by it."""
        share = (value - self.low) / (self.high - self.low)
        return WORST + math.floor(share * (BEST - WORST) + 1e-9)


OURS = Scale(WORST, BEST)


@dataclass(frozen=True)
class ReadingOptions:
    """The settings of a model's feedback, and what was said at an import.

    `fields` has the names of the sender by ours; one inside an object is written with a dot (`feedback.score`). `scale`
    is that of `rating`, None where it is ours or stated in the record. Names in `ignore` mean nothing: a field's own
    name at any depth, or its whole path; capitals and hyphens may differ. Both are kept as they were typed: `[0]` is a
    place in a list, or a part of a name.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    scale: Scale | None = None
    ignore: frozenset[str] = frozenset()
    turns: FeedbackTurns = FeedbackTurns.LAST

    def over(self, settings: Self) -> Self:
        """These options, and where they say nothing the settings of the model: the last name of a field counts."""
        said = frozenset(map(spelled, self.fields.values()))
        others = {ours: theirs for ours, theirs in settings.fields.items() if spelled(theirs) not in said}
        return replace(
            settings,
            fields={**others, **self.fields},
            scale=self.scale or settings.scale,
            ignore=settings.ignore | self.ignore,
            turns=self.turns if self.turns is not FeedbackTurns.LAST else settings.turns,
        )

    @cached_property
    def is_default(self) -> bool:
        """Whether they say nothing."""
        return not self.fields and not self.ignore and self.scale is None and self.turns is FeedbackTurns.LAST

    def ignores(self, path: str) -> bool:
        """Whether a field means nothing here; `path` may have places in lists, as in `messages[1].annotation`."""
        if not self.ignore:
            return False
        plain = plain_path(path)
        return (
            plain.rpartition(".")[2] in self.ignore
            or self.is_ignored(path)
            or (spelled(plain).rpartition(".")[2] in self._ignored)
        )

    def is_ignored(self, path: str) -> bool:
        """Whether the field at this whole path means nothing; that its own name does is not enough."""
        plain = plain_path(path)
        if plain in self.ignore or spelled(plain) in self._ignored:
            return True
        return bool(self._ignored_places) and spelled(plain) in self._ignored_places and bool(PLACE.search(path))

    def has_within(self, path: str) -> bool:
        """Whether something within the value at this path means nothing."""
        begin = f"{spelled(plain_path(path))}."
        return any(each.startswith(begin) for each in self._ignored | self._ignored_places)

    def maps_within(self, path: str) -> bool:
        """Whether something within the value at this path is one of ours, so that it is known what the rest is."""
        return bool(self.mapped_within(path))

    def mapped_within(self, path: str) -> list[str]:
        """The names of ours that were given to fields within the value at this path."""
        if not self.fields:
            return []
        begin = f"{spelled(plain_path(path))}."
        return [
            ours
            for ours, theirs in self.fields.items()
            if spelled(theirs).startswith(begin) or spelled(typed_plain(theirs)).startswith(begin)
        ]

    def path_of(self, ours: str) -> str:
        """The path to what is one of ours: the declared one, else our name."""
        return within("", self.fields[ours]) if ours in self.fields else ours

    @cached_property
    def _ignored(self) -> frozenset[str]:
        """What means nothing, as our names are written."""
        return frozenset(map(spelled, self.ignore))

    @cached_property
    def _ignored_places(self) -> frozenset[str]:
        """What means nothing and was typed with places in lists, without them."""
        return frozenset(spelled(typed_plain(each)) for each in self.ignore if typed_plain(each) != each)

    def to_json(self) -> str:
        """Canonical JSON, from which `from_json` makes equal options."""
        values = {
            "fields": dict(self.fields),
            "scale": str(self.scale) if self.scale else None,
            "ignore": sorted(self.ignore),
            "turns": str(self.turns),
        }
        return json.dumps(values, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The options that `to_json` wrote."""
        values = json.loads(text)
        return cls.of(values["fields"], values["scale"], values["ignore"], FeedbackTurns(values["turns"]))

    @classmethod
    def of(
        cls,
        fields: Mapping[str, str],
        scale: str | None,
        ignore: Iterable[str],
        turns: FeedbackTurns = FeedbackTurns.LAST,
    ) -> Self:
        """Options as they are written in the configuration and at an import; raises InputError."""
        return cls(dict(fields), Scale.read(scale) if scale else None, frozenset(ignore), turns)

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hex: with other options a file may say something else."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


@lru_cache(maxsize=1024)
def spelled(path: str) -> str:
    """A path with each of its names as ours are written: `Reviewer.MoodOf` → `reviewer.mood_of`."""
    if "[" in path:
        return _BETWEEN_BRACKETS.sub(lambda found: spelled(found[0]), path)
    return ".".join(snake(name) or name for name in path.split("."))
