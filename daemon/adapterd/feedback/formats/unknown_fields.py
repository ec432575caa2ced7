"""The rule for fields that no format knows: a verdict under another name is still a verdict.

A field whose name or value could be a verdict, another answer, or a part of what was asked stops its record; so does
every boolean and every small number that nobody declared. Plain metadata is kept aside, and named in the report.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from adapterd.errors import InputError
from adapterd.feedback import checks, strict_json, ways_on
from adapterd.feedback.formats.field_names import (
    SUSPICIOUS,
    Kind,
    first_words,
    has_verdict,
    is_media,
    kind_of,
    names_a_fault,
    names_an_answer,
    words,
)
from adapterd.feedback.formats.field_words import ANYTHING, LISTS, NEGATIVE, PEOPLE, SWITCHES, WRAPPERS
from adapterd.feedback.formats.options import ReadingOptions
from adapterd.feedback.formats.ratings import verdict_in
from adapterd.feedback.formats.verdict_values import has_verdict_word, is_verdict
from adapterd.feedback.moments import moment_in
from adapterd.feedback.ways_on import plain_path

_RATED = (Kind.UNKNOWN, Kind.TIME, Kind.MEASURE, Kind.LABEL)
_JUDGING = frozenset({Kind.VERDICT, Kind.CORRECTION})
SMALL = 100
"""Numbers up to this size may be a verdict on some scale."""
_LONGEST_TEXT = 200
_MOST_NAMED = 5
_MOST_WORDS = 12
_MOST_WORDS_OF_A_NAME = 4
_LETTERS = 2
"""Characters of a text that names one of several answers, and is none."""
_NUMBER = re.compile(
    r"\W*[+-]?\d+(?:[.,]\d+)?\s*(?:%|/\s*\d+|(?:of|out of)\s+\d+|stars?|points?|pts?)?\W*", re.IGNORECASE
)
_SENTENCE = re.compile(r"\w+(\W+\w+)+\W*[.!?…][\"'”»)]*\s*|.*[。！？].*|.*\n.*\n.*", re.DOTALL)
_BETWEEN = re.compile(r"[,;|]")
_UNSPACED = re.compile(r"[぀-ヿ㐀-鿿฀-๿]{25,}")
_ID = re.compile(r"(?=.*\d)[\w.:/+=@-]{6,}|https?://\S+")


@dataclass
class Aside:
    """What was kept aside of a record: the names of plain metadata, and whether a verdict is there without a value."""

    metadata: set[str] = field(default_factory=set)
    is_unjudged: bool = False

    def check(
        self,
        given: Mapping[str, object],
        known: Collection[str],
        options: ReadingOptions,
        path: str = "",
        *,
        may_be_mapped: bool = True,
    ) -> None:
        """Keep aside what is not known; raises InputError for a field that could say something about the answer.

        `given` is an object as it was handed in, empty fields included; `path` is where it stands in the record. A
        refusal offers that it be declared as one of ours, unless it stands where that is not looked for.
        """
        refused: list[tuple[str, str]] = []
        for name in given:
            if name not in known:
                place = ways_on.within(path, name)
                try:
                    self._take(place, name, given[name], options, may_be_mapped)
                except InputError as exc:
                    refused.append((place, str(exc)))
        if refused:
            raise InputError(_all_refused(refused))

    def _take(self, path: str, name: str, value: object, options: ReadingOptions, may_be_mapped: bool) -> None:
        if options.ignore and not is_empty(value) and is_empty(value := _without_ignored(path, value, options)):
            return
        if options.ignores(path):
            return
        try:
            unpacked(value)
        except InputError as exc:
            raise InputError(f"{ways_on.shown(path)}: {exc}; {ways_on.if_nothing(path)}") from exc
        if is_empty(value):
            self.is_unjudged |= any(kind_of(each) in _JUDGING for each in (name, *_names_inside(value)))
        elif not (options.maps_within(path) and _holds_objects(value)) and (could_be := suspicion(name, value)):
            inner = _first_inside(path, name, value)
            kind = kind_of(inner[1])
            if kind not in SUSPICIOUS or (inner[1].lower() in WRAPPERS and kind_of(name) in SUSPICIOUS):
                kind = kind_of(name)
            ours = _ours(kind, name if inner[1].lower() in WRAPPERS else inner[1], inner[2], could_be)
            is_offered = may_be_mapped and not (ours == "rating" and names_a_fault(plain_path(inner[0])))
            ours = ours if is_offered else None
            raise InputError(_refusal(*inner, could_be, kind, ours))
        else:
            self.metadata.add(path.partition(".")[0].partition("[")[0].rstrip("\\"))
            self._take_inside(path, name, value, options, may_be_mapped)

    def _take_inside(self, path: str, name: str, value: object, options: ReadingOptions, may_be_mapped: bool) -> None:
        if path.count(".") + path.count("[") > checks.MAX_DEPTH:
            raise InputError(f"{path[:_LONGEST_TEXT]} is nested more than {checks.MAX_DEPTH} levels deep")
        inside = unpacked(value)
        if isinstance(inside, dict):
            self.check(inside, (), options, path, may_be_mapped=may_be_mapped)
        elif isinstance(inside, list):
            for index, each in enumerate(inside):
                self._take(f"{path}[{index}]", name, each, options, may_be_mapped)


def _without_ignored(path: str, value: object, options: ReadingOptions, depth: int = 0) -> object:
    """What is left of a value without the fields that mean nothing; None if it is one of them itself."""
    if options.ignores(path):
        return None
    value = unpacked(value) if options.has_within(path) else value
    if isinstance(value, dict) and depth < checks.MAX_DEPTH:
        return {
            name: left
            for name, each in value.items()
            if (left := _without_ignored(ways_on.within(path, name), each, options, depth + 1)) is not None
        }
    if isinstance(value, list) and depth < checks.MAX_DEPTH:
        return [_without_ignored(f"{path}[{index}]", each, options, depth + 1) for index, each in enumerate(value)]
    return value


def _first_inside(path: str, name: str, value: object) -> tuple[str, str, object]:
    """The first field that says something in a suspicious object: the one that can be named by a path."""
    while (
        isinstance(value := unpacked(value), dict | list)
        and value
        and path.count(".") + path.count("[") < checks.MAX_DEPTH
    ):
        if isinstance(value, list):
            if _are_turns(value):
                break
            place = next((place for place, each in enumerate(value) if not is_empty(each)), None)
            if place is None or not isinstance(value[place], dict):
                break
            path, value = f"{path}[{place}]", value[place]
            continue
        said = [(key, each) for key, each in value.items() if not is_empty(each)]
        if not said:
            break
        suspicious = [pair for pair in said if kind_of(pair[0]) in SUSPICIOUS]
        name, value = (suspicious or said)[0]
        path = ways_on.within(path, name)
    return path, name, value


def is_empty(value: object, depth: int = 0) -> bool:
    """Whether a value says nothing: null, blank text, and a list or an object in which nothing else is."""
    if isinstance(value, str):
        return not value or value.isspace() or value in ("[]", "{}")
    if not isinstance(value, dict | list):
        return value is None
    inside = value.values() if isinstance(value, dict) else value
    return depth < checks.MAX_DEPTH and all(is_empty(each, depth + 1) for each in inside)


def _holds_objects(value: object, depth: int = 0) -> bool:
    """Whether a value is an object, or a list of nothing else: whatever is said in it is said by fields of its own."""
    inside = unpacked(value)
    if isinstance(inside, list) and depth < checks.MAX_DEPTH:
        return all(is_empty(each) or _holds_objects(each, depth + 1) for each in inside)
    return isinstance(inside, dict)


def _names_inside(value: object) -> list[str]:
    """The names of all fields in an empty value, at any depth."""
    if isinstance(value, list):
        return [name for each in value for name in _names_inside(each)]
    if isinstance(value, dict):
        return [*value, *(name for each in value.values() for name in _names_inside(each))]
    return []


def suspicion(name: str, value: object) -> str | None:
    """What a field that no format knows could be, in words; None for plain metadata."""
    kind = kind_of(name)
    if kind in SUSPICIOUS:
        return str(kind)
    if isinstance(value, dict | list):
        return None
    if kind is Kind.TIME and not NEGATIVE.isdisjoint(words(name)):
        return str(Kind.VERDICT)
    if kind is Kind.SPLIT:
        return None if _is_for_training(value) else str(kind)
    if isinstance(value, str):
        return _suspicion_of_text(name, kind, value)
    if isinstance(value, bool) and SWITCHES.isdisjoint(words(name)):
        return str(Kind.VERDICT)
    harmless = kind in (Kind.MEASURE, Kind.TIME) and not (has_verdict(name) and _is_small(value))
    return None if harmless or not _is_small(value) else str(Kind.VERDICT)


def _suspicion_of_text(name: str, kind: Kind, text: str) -> str | None:
    if _is_number(text) and not is_verdict(name, kind, text):
        return suspicion(name, float(re.sub(r"[^\d.+-]", "", text.split("/")[0].replace(",", ".")) or 0))
    may_be_anything = kind is Kind.UNKNOWN or has_verdict(name) or words(name)[-1] in ANYTHING
    if any(is_verdict(name, kind, each) for each in _values_in(name, text)) or (
        may_be_anything and has_verdict_word(text)
    ):
        return str(Kind.VERDICT)
    if _ID.fullmatch(text) or unpacked(text) is not text:
        return None
    if len(text.split(maxsplit=_MOST_WORDS_OF_A_NAME)) > _MOST_WORDS_OF_A_NAME and not PEOPLE.isdisjoint(words(name)):
        return str(Kind.VERDICT)
    if kind is Kind.UNKNOWN or (kind is Kind.TIME and moment_in(text) is None):
        return f"{Kind.VERDICT} or {Kind.CONTEXT}"
    is_long = len(text) > _LONGEST_TEXT or len(text.split(maxsplit=_MOST_WORDS)) > _MOST_WORDS or _UNSPACED.search(text)
    return str(Kind.CONTEXT) if is_long or _SENTENCE.fullmatch(text) else None


_PLAIN_ID = re.compile(
    r"(?:(?!needs?[-_])[a-z]{1,20}[-_])?(?=[a-f]*\d+[a-f])[0-9a-f]{8,64}|"
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)


def may_be_id(name: str) -> bool:
    """Whether a field that no format knows is plain metadata where its value is a plain id."""
    return kind_of(name) is Kind.MEASURE and not has_verdict(name) and words(name)[-1:] == ("id",)


def is_plain_id(value: object) -> bool:
    """Whether a value is an id in hexadecimal digits: a quick look, where a verdict is none of these."""
    return type(value) is str and _PLAIN_ID.fullmatch(value) is not None


def _values_in(name: str, text: str) -> list[str]:
    """The values of a text: one, or where the name is that of a list the parts between its delimiters."""
    parts = _BETWEEN.split(text) if words(name)[-1:] and words(name)[-1] in LISTS and len(text) <= _LONGEST_TEXT else []
    return [each for each in parts if each.strip()] or [text]


def _is_number(text: str) -> bool:
    return len(text) < 40 and text[-1:] != "\n" and _NUMBER.fullmatch(text) is not None


def _is_small(value: object) -> bool:
    return isinstance(value, bool) or (isinstance(value, int | float) and not abs(value) > SMALL)


def _is_for_training(value: object) -> bool:
    found = first_words(value, 2) if isinstance(value, str) else ()
    return len(found) <= 2 and not {"train", "training"}.isdisjoint(found)


def unpacked(value: object) -> object:
    """JSON that stands in a text, as tables have it; anything else as it is. Raises InputError for JSON that says two
    things at once or cannot be used, as `strict_json` does for that of a file."""
    if not isinstance(value, str) or value[:1] not in "{[" or len(value) < 2:
        return value
    try:
        return strict_json.decode(value)
    except strict_json.JsonSyntaxError:
        return value
    except InputError as exc:
        raise InputError(f"the JSON in {checks.shown(value)} {exc}") from exc


def _all_refused(refused: Sequence[tuple[str, str]]) -> str:
    """Why the first field stops a record, and which others do, so that all can be declared at once."""
    (_, reason), *others = refused
    if not others:
        return reason
    names = ", ".join(ways_on.shown(plain_path(place)) for place, _ in others[:_MOST_NAMED])
    more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
    return f"{reason}; say it of {names}{more} as well"


def _refusal(path: str, name: str, value: object, could_be: str, kind: Kind, ours: str | None) -> str:
    shown, ignored = checks.shown(value), ways_on.ignore(path)
    said = f"{ways_on.shown(path)} is {shown}"
    if kind is Kind.SPLIT:
        return f"{said}: only what is for training is taken; if it means nothing: {ignored}"
    if kind is Kind.CONTEXT and is_media(name):
        return f"{said}: only text can be trained on; if it means nothing: {ignored}"
    if not ways_on.can_be_typed(path):
        return f"{said}, which could be {could_be}; give it {ignored}, so that it can be said what it is"
    if ours is None:
        return f"{said}, which could be {could_be}; if it means nothing: {ignored}"
    scale = ", and --scale 1..10 if it is a rating" if ours == "rating" and checks.number(value) is not None else ""
    return (
        f"{said}, which could be {could_be}: say what it is, as with {ways_on.mapping(ours, path)} "
        f"([models.NAME.feedback.fields]){scale}, or that it means nothing with {ignored}"
    )


def _ours(kind: Kind, name: str, value: object, could_be: str) -> str | None:
    """The name of ours that a field may be given, with the value that it has; None where none would take it."""
    if kind is Kind.CONTEXT and _are_turns(value):
        return "history"
    says_more = isinstance(value, str) and len(value) > _LETTERS and verdict_in(value) is None and not _is_number(value)
    if says_more and kind in (Kind.CORRECTION, Kind.VERDICT) and names_an_answer(name):
        return "rejected" if names_a_fault(name) else "correction"
    if verdict_in(value) is not None or (checks.number(value) is not None and kind in (*_RATED, Kind.VERDICT)):
        return None if names_a_fault(name) else "rating"
    if kind is Kind.CORRECTION:
        return None if isinstance(value, bool) or names_a_fault(name) else "correction"
    if not isinstance(value, str):
        return "input" if kind is Kind.CONTEXT and not isinstance(value, bool) else None
    if _is_number(value):
        return None
    if could_be == Kind.VERDICT or kind is Kind.VERDICT:
        return "correction_notes"
    return "system" if kind is Kind.CONTEXT and "system" in words(name) else "input"


def _are_turns(value: object) -> bool:
    """Whether a value has the turns before a question: as turns, or as pairs."""
    if not isinstance(value, list) or not value:
        return False
    has_roles = all(isinstance(each, dict) and ("role" in each or "from" in each) for each in value)
    return has_roles or all(isinstance(each, list) and len(each) == 2 for each in value)
