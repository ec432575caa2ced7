"""The choice among the adapters that were kept: a low loss is not yet a good answer.

Each answers some prompts of the validation set, as it would be served. What is best by its answers is taken, less the
share of them that ran on until they were cut; where answers are alike, what has the lower loss.
"""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from adapterd.errors import AdapterdError
from adapterd.formats.adapter_files import CONFIG, WEIGHTS
from adapterd.formats.judged_step import JudgedStep
from adapterd.training.choice.kept_adapters import KeptAdapters
from adapterd.training.progress import (
    Criterion,
    Report,
    TrainingProgress,
    TrainingResult,
    end_of_turn_loss,
    validated,
)

if TYPE_CHECKING:
    from adapterd.base.gguf.llama_model import GreedyAnswer
    from adapterd.formats.encoded import EncodedExample

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AnswerScore:
    """How an adapter answers: the mean `score` of so many `prompts`, higher is better, and the share that was cut."""

    score: float
    truncated: float
    prompts: int


class Judge(Protocol):
    """Asks adapters, each in a folder; raises AdapterdError, OSError or MemoryError where one cannot be asked."""

    def __call__(self, adapter: Path) -> AnswerScore:
        """How it answers the prompts of the validation set."""

    def answers(self, adapter: Path, examples: "Sequence[EncodedExample]") -> "Sequence[GreedyAnswer]":
        """What it answers to the prompts of these examples."""


def chosen_by_answers(result: TrainingResult, out: Path, judge: Judge, report: Report) -> TrainingResult:
    """Put the adapter that answers best in the place of the one with the lowest loss; says so in the result.

    Where there is nothing to choose from, nothing was learned or nothing can be asked, the lowest loss decides. Those
    that were kept stay there, as the checkpoint does, so that a result that was lost on its way can be had again.
    """
    kept = KeptAdapters(out)
    losses = validated(result.curve)
    steps = [step for step in kept.steps() if step in losses] if result.best_step else []
    try:
        found = list[JudgedStep]()
        for step in steps if len(steps) > 1 else ():
            report(TrainingProgress.after(result, f"asking the adapter of step {step}"))
            found.append(judged(step, losses[step], kept.folder(step), judge))
    except (AdapterdError, OSError, MemoryError) as exc:
        log.warning("the adapter is chosen by its validation loss alone: %s", str(exc) or type(exc).__name__)
        found = []
    if found:
        best = max(found, key=lambda each: (each.worth, -each.validation_loss))
        for name in (WEIGHTS, CONFIG):
            shutil.copyfile(kept.folder(best.step) / name, out / name)
        result = _taken(result, best, found)
    return result


def judged(step: int, loss: float, adapter: Path, judge: Judge) -> JudgedStep:
    """How the adapter of a step, with that validation loss, answers."""
    found = judge(adapter)
    return JudgedStep(step, loss, round(found.score, 4), round(found.truncated, 4), found.prompts)


def _taken(result: TrainingResult, best: JudgedStep, judged: list[JudgedStep]) -> TrainingResult:
    """The result, with what was chosen and why."""
    is_same = best.step == result.best_step
    return replace(
        result,
        best_step=best.step,
        best_validation_loss=best.validation_loss,
        criterion=Criterion.ANSWERS,
        judged=judged,
        rewards_accuracies=result.rewards_accuracies if is_same else None,
        rewards_margins=result.rewards_margins if is_same else None,
        end_of_turn_loss=end_of_turn_loss(result.curve, best.step),
    )
