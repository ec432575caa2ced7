"""An adapter that was asked while its training chose among several: what the result of a training says of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from adapterd.serialization import from_plain


@dataclass(frozen=True)
class JudgedStep:
    """The adapter of a step, which answered so many `prompts` of the validation set: the mean score of its answers by
    the primary metric, in which higher is better, and the share of them that was cut. One that has `unlearned` own
    answers that repeat themselves was trained some steps more."""

    step: int
    validation_loss: float
    score: float
    truncated: float
    prompts: int
    unlearned: int = 0

    @property
    def worth(self) -> float:
        """What the choice goes by: an answer that is cut costs as much as one that scores."""
        return self.score - self.truncated

    def is_of(self, step: int, unlearned: int) -> bool:
        """Whether this is the adapter of that step which has unlearned so many of its answers."""
        return (self.step, self.unlearned) == (step, unlearned)

    def __str__(self) -> str:
        cut = f", {self.truncated:.0%} of the answers cut" if self.truncated else ""
        more = f", {self.unlearned} of its answers that repeat themselves unlearned" if self.unlearned else ""
        return f"step {self.step}{more}: {self.score:.3f} on {self.prompts} prompts of validation{cut}"


def judged_steps(training: Mapping[str, Any]) -> Iterator[str]:
    """A line on each adapter that a training chose among, of its result as plain values; none where the loss decided
    alone."""
    for each in training.get("judged") or ():
        found = from_plain(each, JudgedStep)
        taken = found.is_of(training["best_step"], training.get("unlearned", 0))
        yield f"{found}; taken" if taken else str(found)
