"""A correction as a repair that other answers may need, too: what it took away around the answer, or the one text that
it replaced."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Self

from adapterd.capture.captures import Capture
from adapterd.review.frame import Frame

LEAST_CHARACTERS = 3
"""A text that is shorter says too little of where it belongs."""
LOOKED_AT = 300
"""So many of the newest answers, with a known fault and without, are looked through."""
MOST = 50


@dataclass(frozen=True)
class Repair:
    """`before` is taken away at the beginning and `after` at the end; or, where `replaced` is given, that text, which
    the answer has once, becomes `by`."""

    before: str = ""
    after: str = ""
    replaced: str = ""
    by: str = ""

    @classmethod
    def of(cls, answer: str, correction: str) -> Self | None:
        """What made one of the other; None where it is no such repair."""
        if not correction.strip() or answer.strip() == correction.strip():
            return None
        before, found, after = answer.partition(correction.strip())
        if found:
            repair = cls(before, after)
            return repair if len(repair.before.strip() + repair.after.strip()) >= LEAST_CHARACTERS else None
        start = _in_common(answer, correction)
        end = _in_common(answer[start:][::-1], correction[start:][::-1])
        replaced, by = answer[start : len(answer) - end], correction[start : len(correction) - end]
        repair = cls(replaced=replaced, by=by)
        is_a_part = len(replaced.strip()) >= LEAST_CHARACTERS and replaced.strip() != answer.strip()
        return repair if is_a_part and repair.applied(answer) == correction else None

    def applied(self, answer: str) -> str | None:
        """The answer when it is repaired; None where the repair does not fit, or leaves nothing."""
        if self.replaced:
            return answer.replace(self.replaced, self.by) if answer.count(self.replaced) == 1 else None
        if not (answer.startswith(self.before) and answer.endswith(self.after)):
            return None
        left = answer[len(self.before) : len(answer) - len(self.after)].strip()
        return left or None

    def __str__(self) -> str:
        if self.replaced:
            return (
                f"{self.replaced.strip()!r} becomes {self.by.strip()!r}"
                if self.by.strip()
                else (f"{self.replaced.strip()!r} goes")
            )
        ends = [(self.before, "at the beginning"), (self.after, "at the end")]
        return " and ".join(f"{text.strip()!r} {where}" for text, where in ends if text.strip()) + " goes"


def _in_common(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(map(len, (one, other)))
    )


def repaired(frame: Frame, repair: Repair) -> list[tuple[Capture, str]]:
    """Answers that were not judged yet and that the repair fits, each with what it becomes; one for each prompt."""
    return list(islice(_repaired(frame, repair), MOST))


def _repaired(frame: Frame, repair: Repair) -> Iterator[tuple[Capture, str]]:
    judged = {each.capture for each in frame.store.reviews.all(frame.model)}
    newest = [*frame.newest(LOOKED_AT, faulty=True), *frame.newest(LOOKED_AT, faulty=False)]
    known = frame.store.feedback.known_prompts(frame.model, {each.prompt_hash for each in newest})
    for capture in newest:
        text = repair.applied(capture.answer)
        if text and capture.id not in judged and capture.prompt_hash not in known:
            known.add(capture.prompt_hash)
            yield capture, text
