"""Finds the texts that are going in other texts, and takes them out."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapterd.visible import visible_nfc

REMOVED = "[removed]"
"""What stands in the place of a text that was taken out of a sentence."""
KEY_CHARACTERS = 8
"""Texts of at least so many characters are found wherever they stand; shorter ones only where they stand alone."""

_SPACE = re.compile(r"\s+")
_NONE: Mapping[int, set[str]] = {}


def folded(text: str) -> str:
    """A text as it is compared with `--matching`: NFC, without regard to case, to the kind of white space and how much
    of it there is, and to invisible characters such as soft hyphens."""
    return _SPACE.sub(" ", visible_nfc(text).casefold())


@dataclass(frozen=True)
class Texts:
    """Texts that are to be found in others: `texts` to the letter, `wanted` (folded) without regard to case."""

    texts: frozenset[str]
    wanted: tuple[str, ...] = ()
    _by_key: Mapping[str, Mapping[int, set[str]]] = field(init=False, repr=False, compare=False)
    """By their first characters the texts of each length, the longest first: many begin with one instruction."""

    def __post_init__(self) -> None:
        by_key = defaultdict[str, dict[int, set[str]]](dict)
        for text in sorted(self.texts, key=len, reverse=True):
            if len(text) >= KEY_CHARACTERS:
                by_key[text[:KEY_CHARACTERS]].setdefault(len(text), set()).add(text)
        object.__setattr__(self, "_by_key", dict(by_key))

    @classmethod
    def of(cls, texts: Iterable[str | None]) -> "Texts":
        """These texts as they are, and without the white space around them, as they are trained on."""
        given = {text for text in texts if text}
        return cls(frozenset(given | {text.strip() for text in given}) - {""})

    def are_in(self, text: str) -> bool:
        """Whether one of them is in the text."""
        if self.wanted and any(each in folded(text) for each in self.wanted):
            return True
        return text.strip() in self.texts or self._first(text, 0) is not None

    def are_in_value(self, value: Any) -> bool:
        """Whether one of them is in a string of plain values, names included."""
        if isinstance(value, str):
            return self.are_in(value)
        if isinstance(value, Mapping):
            return any(self.are_in(str(name)) or self.are_in_value(each) for name, each in value.items())
        return isinstance(value, list | tuple) and any(map(self.are_in_value, value))

    def without(self, text: str) -> str:
        """The text with REMOVED in the place of each of them."""
        if text.strip() in self.texts:
            return REMOVED
        text = self._without_wanted(text)
        pieces, start = list[str](), 0
        while found := self._first(text, start):
            place, length = found
            pieces += [text[start:place], REMOVED]
            start = place + length
        return "".join([*pieces, text[start:]])

    def without_value(self, value: Any) -> Any:
        """Plain values with REMOVED in the place of each of them, in names, too."""
        if isinstance(value, str):
            return self.without(value)
        if isinstance(value, Mapping):
            return {self.without(str(name)): self.without_value(each) for name, each in value.items()}
        return [self.without_value(each) for each in value] if isinstance(value, list | tuple) else value

    def _without_wanted(self, text: str) -> str:
        for each in self.wanted:
            if each in folded(text):
                text = re.sub(_wherever(each), REMOVED, visible_nfc(text), flags=re.IGNORECASE)
                if each in folded(text):  # a letter that is several ones when it is folded, such as ß
                    return REMOVED
        return text

    def _first(self, text: str, start: int) -> tuple[int, int] | None:
        """Where the first of them begins at or after `start`, and how long it is."""
        by_key = self._by_key
        if not by_key:
            return None
        for place in range(start, len(text) - KEY_CHARACTERS + 1):
            for length, texts in by_key.get(text[place : place + KEY_CHARACTERS], _NONE).items():
                if text[place : place + length] in texts:
                    return place, length
        return None


def _wherever(wanted: str) -> str:
    """The pattern of a folded text. At its ends, one of any number of blanks is enough: looked for from each of them,
    all of them would take a time that grows with their square."""
    words = r"\s+".join(map(re.escape, wanted.strip().split(" ")))
    before, after = (r"\s" if is_blank else "" for is_blank in (wanted[0].isspace(), wanted[-1].isspace()))
    return f"{before}{words}{after}"
