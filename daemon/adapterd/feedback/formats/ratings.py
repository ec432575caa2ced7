"""Ratings: on the scale that is known or stated, never on one that is guessed."""

import re

from adapterd.errors import InputError
from adapterd.feedback import checks, ways_on
from adapterd.feedback.formats.feedback_format import BAD, GOOD, Fields
from adapterd.feedback.formats.field_names import names_a_fault
from adapterd.feedback.formats.options import OURS, ReadingOptions, Scale

_GOOD = (
    "good", "correct", "accept", "accepted", "approve", "approved", "up", "thumbs up", "thumb up", "like", "liked",
    "positive", "pos", "pass", "passed", "helpful", "true", "yes", "gut", "richtig", "ja", "👍", "✅",
)  # fmt: skip
_BAD = (
    "bad", "incorrect", "wrong", "reject", "rejected", "disapprove", "disapproved", "down", "thumbs down", "thumb down",
    "dislike", "disliked", "negative", "neg", "fail", "failed", "unhelpful", "not helpful", "false", "no", "schlecht",
    "falsch", "nein", "👎", "❌",
)  # fmt: skip
THUMBS = ("label", "kto_tag", "thumbs", "thumb")
"""The names of a verdict of two values: true or false as KTO has it, up or down."""
_VERDICTS = {**dict.fromkeys(_GOOD, GOOD), **dict.fromkeys(_BAD, BAD)}
_LONGEST_WORD = 20
_SKIN_TONES = re.compile("[\U0001f3fb-\U0001f3ff\ufe0f]")


class OffScaleError(InputError):
    """A rating lies beyond its scale, so that every other rating of the same file may be on another one as well."""


def verdict_in(value: object) -> int | None:
    """The rating that a verdict of two values means, where it is known to be one: yes or no, a word such as `bad`."""
    if isinstance(value, bool):
        return GOOD if value else BAD
    if not isinstance(value, str) or len(value) > _LONGEST_WORD:
        return None
    return _VERDICTS.get(_SKIN_TONES.sub("", value).strip().lower().replace("_", " ").replace("-", " "))


def refuse_fault(name: str, value: object) -> None:
    """Raise InputError for a verdict under a name that says that an answer is bad, where yes and a high number are no
    praise."""
    if names_a_fault(name):
        is_word = verdict_in(value) is not None
        said = "a label into the file, true" if is_word else "a rating into the file, a high one"
        raise InputError(
            f"{ways_on.shown(name)} is {checks.shown(value)}, and its name says that an answer is bad: write it as "
            f"{said} if the answer is good; {ways_on.if_nothing(name)}"
        )


def _refuse_faults(fields: Fields, options: ReadingOptions) -> None:
    """Raise InputError if a field that was declared to be a verdict has a name that says that an answer is bad."""
    for ours in ("rating", *THUMBS):
        if ours in options.fields and (verdict_in(fields.get(ours)) or checks.number(fields.get(ours))) is not None:
            refuse_fault(options.path_of(ours), fields[ours])


def rating_in(fields: Fields, options: ReadingOptions) -> int | None:
    """The rating of a record, 1 to 5, None if it has none; raises OffScaleError, and InputError for no number and for
    any verdict that was declared to be the value of a fault."""
    if options.fields:
        _refuse_faults(fields, options)
    if "rating" not in fields:
        return None
    value = fields["rating"]
    if type(value) is int and OURS.low <= value <= OURS.high and _scale(fields, options) is OURS:
        return value  # as nearly always
    if "rating" in options.fields and (verdict := verdict_in(value)) is not None:
        return verdict
    number = checks.number(value)
    if number is None:
        raise InputError(f"rating must be a number, not {checks.shown(value)}; {ways_on.if_nothing(_theirs(options))}")
    scale = _scale(fields, options)
    if not scale.holds(number):
        raise OffScaleError(
            f"rating is {checks.shown(value)}, which is beyond {scale}; state the scale with --scale, "
            "feedback.scale, or rating_scale in the records"
        )
    if scale == OURS and not number.is_integer():
        raise InputError(
            f"rating must be a whole number from 1 to 5, not {checks.shown(value)}; state another scale with "
            "--scale, as in 0..1"
        )
    return scale.rating(number)


def _theirs(options: ReadingOptions) -> str:
    return options.path_of("rating")


def _scale(fields: Fields, options: ReadingOptions) -> Scale:
    """The scale that the record states, else the one that a person does, else ours."""
    if "rating_scale" not in fields:
        return options.scale or OURS
    given = fields["rating_scale"]
    best = checks.number(given)
    if best is not None and best >= OURS.low + 1:
        return Scale(OURS.low, best)
    if isinstance(given, list) and len(given) == 2:
        given = f"{given[0]}..{given[1]}"
    if not isinstance(given, str):
        raise InputError(f"rating_scale must be the best rating or a scale as in 1..10, not {checks.shown(given)}")
    return Scale.read(given)
