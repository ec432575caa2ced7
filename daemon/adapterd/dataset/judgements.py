"""What one feedback record says of the answers to its prompt, taken by itself."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from adapterd.chat import without_thought
from adapterd.dataset.same_answer import answer_key
from adapterd.record import FeedbackRecord

GOOD_RATING = 4

LEFT_AS_IT_WAS = (
    "the correction is the very answer that was judged bad: was the form left as it was? Only the bad verdict counts"
)
BOTH_BETTER_AND_WORSE = "the same answer is given as the better and as the worse one"
CONTRADICTORY = "the answer is rated as good, and tagged with failures"


class Verdict(Enum):
    """What is said of an answer: to be imitated, not to be imitated, worse than another, or better than another."""

    GOOD = "good"
    BAD = "bad"
    REJECTED = "rejected"
    PREFERRED = "preferred"


@dataclass(frozen=True)
class SaidAnswer:
    """An answer without white space around it; equal answers have the same `key`."""

    text: str
    key: str


@dataclass(frozen=True)
class Judgement:
    """What a record says of the answers that it names.

    `preferences` are pairs of a better and a worse answer. `relative` tells that the good answer is so as the better of
    two only. `corrects` is the answer that was corrected, `fault` the reason why a verdict that was given is not used.
    """

    good: SaidAnswer | None = None
    bad: SaidAnswer | None = None
    rejected: SaidAnswer | None = None
    preferences: tuple[tuple[SaidAnswer, SaidAnswer], ...] = ()
    corrects: SaidAnswer | None = None
    relative: bool = False
    fault: str = ""

    @property
    def verdicts(self) -> Iterator[tuple[str, Verdict]]:
        """The keys of the answers that are judged, each with its verdict."""
        for better, _ in self.preferences[:1]:
            if better not in (self.good, self.bad):
                yield better.key, Verdict.PREFERRED
        for answer, verdict in (
            (self.rejected, Verdict.REJECTED),
            (self.bad, Verdict.BAD),
            (self.good, Verdict.GOOD),
        ):
            if answer:
                yield answer.key, verdict


def judgement_of(record: FeedbackRecord, *, thinks: bool = True) -> Judgement:
    """What a record says; for a model that does not think, of answers without their thoughts."""
    output, correction, rejected = (
        _answer(text, thinks) for text in (record.output, record.correction, record.rejected_output)
    )
    liked = record.rating is not None and record.rating >= GOOD_RATING
    disliked = bool(record.failure_tags) or (record.rating is not None and not liked)
    fault = ""
    if disliked and _is_left_as_it_was(record):
        correction, fault = None, LEFT_AS_IT_WAS
    elif liked and disliked and output and not correction:
        fault = CONTRADICTORY
    corrected = output if correction and not _same(correction, output) else None
    bad = output if disliked else corrected
    if _same(correction or output, rejected):
        return Judgement(bad=bad, rejected=rejected, fault=BOTH_BETTER_AND_WORSE)
    return Judgement(
        good=correction or (output if liked and not disliked else None),
        bad=bad,
        rejected=rejected,
        preferences=_preferences(correction or output, rejected, corrected),
        corrects=corrected,
        relative=correction is not None and output is None and rejected is not None,
        fault=fault,
    )


def _is_left_as_it_was(record: FeedbackRecord) -> bool:
    """Whether the correction is the output once more, as a form has it that nobody filled in: white space, the form of
    Unicode and a thought, which forms do not keep, make no difference."""
    output, correction = record.output, record.correction
    if output is None or correction is None:
        return False
    if _same(_answer(output, thinks=False), _answer(correction, thinks=False)):
        return True
    return _plain_words(output) == _plain_words(correction)


def _plain_words(answer: str) -> list[str]:
    return unicodedata.normalize("NFC", without_thought(answer)).split()


def _preferences(better: SaidAnswer | None, *worse: SaidAnswer | None) -> tuple[tuple[SaidAnswer, SaidAnswer], ...]:
    """The better answer over each of the worse ones, equal ones once."""
    different = {each.key: each for each in reversed(worse) if each}
    return tuple((better, each) for each in reversed(different.values())) if better else ()


def _same(one: SaidAnswer | None, other: SaidAnswer | None) -> bool:
    return one is not None and other is not None and one.key == other.key


def _answer(text: str | None, thinks: bool) -> SaidAnswer | None:
    """The answer, None where nothing is left: blank answers are not trained on."""
    whole = text or ""
    said = (whole if thinks else without_thought(whole)).strip()
    return SaidAnswer(said, answer_key(said)) if said else None
