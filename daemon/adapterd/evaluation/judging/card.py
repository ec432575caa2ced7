"""The card of a judge: how far it agrees with people, what sways it, and what it may be used for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adapterd.errors import InputError
from adapterd.evaluation.bounded_mean import Array
from adapterd.evaluation.judging.agreement import (
    Coefficient,
    LengthBias,
    Portion,
    first_place,
    flips,
    kappa,
    kendall,
    length_bias,
    repeated,
    spearman,
)
from adapterd.evaluation.judging.ask import PairVerdict
from adapterd.evaluation.judging.estimate import LEAST_VOTES
from adapterd.evaluation.statistics import ALPHA


@dataclass(frozen=True)
class SeenPair:
    """A pair that a judge was asked about. `people` is what people said of it, in -1…1, None where nobody did;
    `again` is the judge's verdict when the first order was asked once more. Lengths are in characters."""

    verdict: PairVerdict
    people: float | None
    ours_length: int
    theirs_length: int
    again: float | None = None


@dataclass(frozen=True)
class JudgeCard:
    """How a judge did. `pairs` it was asked about, of which `invalid` have no verdict. People voted on `voted` of them;
    agreement is with people on the `votes` of these that have a verdict. It is plain values, so it can be kept as JSON
    (serialization.py)."""

    judge: str
    pairs: int
    invalid: int
    voted: int
    votes: int
    kappa: Coefficient
    spearman: Coefficient
    kendall: Coefficient
    flips: Portion
    first_place: Portion
    length: LengthBias
    repeated: Portion
    warnings: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether it agrees with people beyond chance, by the interval of Spearman's correlation."""
        return self.spearman.value is not None and self.spearman.low > 0

    @property
    def why_advice(self) -> str:
        """Why its verdicts are advice only, in a sentence; empty where they may inform a gate."""
        if self.voted < LEAST_VOTES:
            return f"{self.voted} of the {LEAST_VOTES} votes on a random part are there, so the judge only advises."
        if not self.agrees:
            return "It is not shown that the judge agrees with people more than by chance, so it only advises."
        return ""

    def sentences(self) -> tuple[str, ...]:
        """All of it in plain English, what matters most first."""
        found = [*self.warnings, self.why_advice, self._agreement(), self._position(), self._length()]
        if self.repeated.of:
            found.append(f"Asked the same again, it says the same of {self.repeated} pairs.")
        if self.invalid:
            found.append(
                f"{self.invalid} of {self.pairs} pairs have no verdict that can be read; they count as ties of the "
                "judge, and in no agreement."
            )
        return tuple(filter(None, found))

    def _agreement(self) -> str:
        return (
            f"With people it agrees by κ {self.kappa}, Spearman {self.spearman}, Kendall {self.kendall}, on "
            f"{self.votes} votes (1 is always, 0 is by chance)."
        )

    def _position(self) -> str:
        if not self.flips.of:
            return ""
        sentence = f"When the two answers change places, it decides {self.flips} pairs otherwise"
        if self.first_place.p is None or self.first_place.p > ALPHA:
            return f"{sentence}; neither place is favoured beyond chance."
        place = "first" if 2 * self.first_place.count > self.first_place.of else "second"
        return f"{sentence}, and favours the answer shown {place} (p = {self.first_place.p:.2g})."

    def _length(self) -> str:
        correlation, p = self.length.correlation, self.length.p
        if correlation is None or p is None:
            return ""
        if p > ALPHA:
            return "It favours longer answers no more than people do, as far as can be seen."
        kind = "longer" if correlation > 0 else "shorter"
        return (
            f"It favours {kind} answers more than people do: to the longer one go {self.length.judge} pairs by the "
            f"judge, {self.length.people} by people (p = {p:.2g})."
        )


def card_of(judge: str, seen: Sequence[SeenPair], warnings: Sequence[str] = ()) -> JudgeCard:
    """The card of a judge by what it was asked. Pass only pairs of the random slice that people voted on as `people`:
    of others no agreement follows. Raises InputError for votes outside of -1…1."""
    if any(each.people is not None and not -1 <= each.people <= 1 for each in seen):
        raise InputError("votes are numbers from -1 to 1", hint="check what people said of the pairs")
    valid = [each for each in seen if each.verdict.value is not None]
    both = [each for each in valid if each.people is not None]
    people, verdicts = _array([each.people for each in both]), _array([each.verdict.value for each in both])
    first, second = (
        _array([getattr(each.verdict, order) for each in valid]) for order in ("ours_first", "theirs_first")
    )
    twice = [each for each in valid if each.again is not None]
    return JudgeCard(
        judge, len(seen), len(seen) - len(valid), sum(each.people is not None for each in seen), len(both),
        kappa(people, verdicts), spearman(people, verdicts),
        kendall(people, verdicts), flips(first, second), first_place(first, second),
        length_bias(people, verdicts, [each.ours_length for each in both], [each.theirs_length for each in both]),
        repeated(_array([each.verdict.ours_first for each in twice]), _array([each.again for each in twice])),
        tuple(warnings),
    )  # fmt: skip


def _array(values: Sequence[float | None]) -> Array:
    return np.array(values, dtype=np.float64)
