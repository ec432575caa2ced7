"""What a person said of an answer in the forms of a tool: values under names that whoever set up the form chose."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from adapterd.chat import Prompt
from adapterd.errors import InputError
from adapterd.feedback import checks, ways_on
from adapterd.feedback.formats.answer_shapes import answer_text
from adapterd.feedback.formats.feedback_format import Content
from adapterd.feedback.formats.field_names import names_a_fault, snake
from adapterd.feedback.formats.options import OURS, ReadingOptions, Scale
from adapterd.feedback.formats.ratings import OffScaleError, refuse_fault, verdict_in
from adapterd.feedback.formats.unknown_fields import is_empty
from adapterd.feedback.ways_on import plain_path
from adapterd.record import FailureTag

_MEANINGS: Mapping[str, tuple[str, ...]] = {
    "verdict": (
        "rating", "stars", "user_rating", "overall_rating", "overall", "quality", "response_quality",
        "answer_quality", "verdict", "label", "kto_tag", "thumb", "thumbs", "thumbs_up", "feedback", "user_feedback",
        "user_score", "user_rating_score", "helpful", "is_helpful", "correct", "is_correct", "is_good", "good",
        "accepted", "approved", "like", "liked", "user_thumb", "user_thumbs", "human_feedback", "human_rating",
        "score",
    ),
    "correction": (
        "correction", "chosen", "corrected", "corrected_output", "corrected_answer", "corrected_response",
        "correct_answer", "correct_response", "corrected_text", "better_answer", "better_response", "improved_answer",
        "improved_response", "ideal_answer", "ideal_response", "expected_output", "expected_answer",
    ),
    "notes": ("correction_notes", "comment", "comments", "note", "notes", "reason", "explanation", "justification"),
    "tags": ("failure_tags",),
    "rejected": ("rejected_output", "rejected", "rejected_response"),
}  # fmt: skip
_MEANING_OF = {name: meaning for meaning, names in _MEANINGS.items() for name in names}


QUESTION = ".responses"
"""The end of a column that has the answers to a question, in Argilla's rows."""
FIELDS = frozenset(_MEANING_OF)
"""The names whose meaning is known."""


def meaning_of(name: str, options: ReadingOptions) -> str | None:
    """What the values under a name say, by what a person declared, else by the name; None if nobody knows."""
    for ours, theirs in options.fields.items():
        if theirs in (name, plain_path(name)):
            return _MEANING_OF.get(ours)
    return _MEANING_OF.get(snake(name.removesuffix(QUESTION)))


def person(given: object) -> object:
    """Who said something, as a key: a name or a number as it is, anything else as it is written."""
    return given if given is None or isinstance(given, str | int) else repr(given)


@dataclass
class Statement:
    """One person's statement about an answer. `scale` is that of the tool's numbers, None where the tool has none.

    `created_at` is when it was said, as the tool writes it; None where that is the time of the record.
    """

    options: ReadingOptions
    scale: Scale | None = None
    created_at: object = None
    rating: int | None = None
    correction: str | None = None
    rejected: str | None = None
    notes: list[str] = field(default_factory=list)
    tags: tuple[FailureTag, ...] = ()

    @property
    def is_silent(self) -> bool:
        """Whether nothing is said of the answer."""
        return self.rating is None and not (self.correction or self.rejected or self.notes or self.tags)

    def take(self, name: str, path: str, value: object) -> None:
        """Take a value of the form, which stands at `path`; raises InputError where it is not known what it says."""
        if is_empty(value) or self.options.ignores(path) or self.options.ignores(name):
            return
        meaning = meaning_of(name, self.options)
        if meaning == "verdict":
            self.judge(name, path, value)
        elif meaning == "correction":
            self.correction = self._only_answer(self.correction, name, path, value)
        elif meaning == "rejected":
            self.rejected = self._only_answer(self.rejected, name, path, value)
        elif meaning == "notes":
            self._take_notes(name, path, value)
        elif meaning == "tags":
            self.tags = checks.failure_tags(value)
        else:
            raise InputError(
                f"{path} is {checks.shown(value)}, and it is not known what {ways_on.shown(name)} says: "
                f"{_ways(name, value)}"
            )

    def _take_notes(self, name: str, path: str, value: object) -> None:
        if not isinstance(value, str):
            raise InputError(f"{path} must be text, not {checks.shown(value)}; {ways_on.if_nothing(name)}")
        self.notes.append(checks.any_text(path, value))

    def judge(self, name: str, path: str, value: object) -> None:
        """Take a verdict: yes or no, a word such as good or bad, or a number on a scale; raises InputError."""
        verdict, number = verdict_in(value), checks.number(value)
        if verdict is not None or number is not None:
            refuse_fault(name, value)
        if verdict is not None:
            found = verdict
        elif number is not None:
            found = self._rating(path, value, number)
        else:
            raise InputError(
                f"{path} is {checks.shown(value)}, which is a verdict that is not known: good or bad, up or down, a "
                f"number are; or say that it means nothing with {ways_on.ignore(name)}"
            )
        if self.rating is not None and (self.rating > 3) != (found > 3):
            raise InputError(
                f"{path} is {checks.shown(value)}, and another verdict of the same person says otherwise; leave one "
                f"out: {ways_on.ignore(name)}"
            )
        self.rating = found if self.rating is None else min(self.rating, found)

    def content(self, prompt: Prompt, output: str | None) -> Content:
        """The content of a record about this output."""
        return Content(
            prompt,
            output=output,
            correction=self.correction,
            rejected_output=self.rejected,
            rating=self.rating,
            failure_tags=self.tags,
            correction_notes="\n".join(self.notes) or None,
            created_at=self.created_at,
        )

    def _rating(self, path: str, value: object, number: float) -> int:
        scale = self.options.scale or self.scale
        if scale is None:
            raise InputError(
                f"{path} is {checks.shown(value)} on a scale that the file does not tell: state it with --scale, as in "
                "1..5, from bad to good"
            )
        if not scale.holds(number):
            raise OffScaleError(
                f"{path} is {checks.shown(value)}, which is beyond {scale}; state the scale with --scale"
            )
        if scale == OURS and not number.is_integer():
            raise InputError(f"{path} must be a whole number from 1 to 5, not {checks.shown(value)}")
        return scale.rating(number)

    def _only_answer(self, before: str | None, name: str, path: str, value: object) -> str:
        if before is not None:
            raise InputError(
                f"{path} is a second answer of one person; which is meant? Leave one out: {ways_on.ignore(name)}"
            )
        return checks.text(path, answer_text(path, value))


def _ways(name: str, value: object) -> str:
    """How to say what a question of the form says, with the answer that it has here."""
    if not ways_on.can_be_typed(name):
        return f"give it {ways_on.ignore(name)}"
    is_rating = (verdict_in(value) is not None or checks.number(value) is not None) and not names_a_fault(name)
    ours = ("rating",) if is_rating else ("correction", "correction_notes") if isinstance(value, str) else ()
    said = " or ".join(ways_on.mapping(each, name) for each in ours)
    if not said:
        return f"{ways_on.if_nothing(name)}"
    return f"say it with {said} ([models.NAME.feedback.fields]), or that it means nothing with {ways_on.ignore(name)}"
