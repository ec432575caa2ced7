"""Unlearning of repetitions: where answers of the chosen adapter run on, it is trained a few steps more.

It answers some training prompts itself. Where such an answer goes round in circles, what begins a passage again is made
less likely (unlikelihood, Welleck et al. 2020, arXiv:1908.04319), beside as many examples that are imitated. What comes
of it has to answer the prompts of the validation set better than what it came from.
"""

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.config import Preferences
from adapterd.errors import AdapterdError
from adapterd.formats.adapter_files import CONFIG, WEIGHTS
from adapterd.formats.encoded import EncodedExample
from adapterd.training.choice.by_answers import Judge, judged
from adapterd.training.choice.kept_adapters import KeptAdapters
from adapterd.training.memory import is_out_of_memory
from adapterd.training.mistakes.own_mistake import VISITS, OwnMistake, own_mistake, unlearning_examples
from adapterd.training.progress import Report, TrainingProgress, TrainingResult, end_of_turn_loss, validated
from adapterd.training.recipe import Recipe

FOLDER = "unlearned"
ASKED = 32
"""So many training prompts are answered."""
FEWEST = 3
"""Of fewer mistakes there is nothing general to learn."""

RATE_FACTOR = 0.075
"""The learning rate of the training is multiplied by this: at more, right answers suffer."""
BATCH = 6

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Unlearning:
    """What it takes: the base's file, and the training of some steps on examples, from the chosen adapter on, in a
    folder where the last adapter is kept."""

    gguf: Path
    train: Callable[[tuple[EncodedExample, ...], Path, Report], TrainingResult]

    def is_word(self, token: int) -> bool:
        """Whether the id stands for letters or digits."""
        return any(character.isalnum() for character in self._tokenizer.text([token]))

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return Tokenizer.open(self.gguf)


def for_mistakes(recipe: Recipe) -> Recipe:
    """The recipe of these steps: once through the examples, without pairs, to the end."""
    return replace(
        recipe,
        epochs=1,
        batch_size=BATCH,
        learning_rate=recipe.learning_rate * RATE_FACTOR,
        patience=VISITS,
        preferences=Preferences.OFF,
    )


def without_repetitions(
    result: TrainingResult,
    examples: Sequence[EncodedExample],
    out: Path,
    judge: Judge,
    second: Unlearning,
    report: Report,
) -> TrainingResult:
    """Put an adapter that has unlearned its repetitions in the place of the chosen one, if it answers better; the
    result says so. Nothing is done where no answer of the chosen one was cut, and a fault leaves that one in place."""
    chosen = next((each for each in result.judged if each.step == result.best_step), None)
    if chosen is None or not chosen.truncated or not examples:
        return result
    try:
        report(TrainingProgress.after(result, "looking for repetitions in its own answers"))
        mistakes = _mistakes(examples, out, judge, second.is_word)
        if len(mistakes) < FEWEST:
            return result
        done = second.train(unlearning_examples(mistakes, examples), out / FOLDER, _told(result, report))
        report(TrainingProgress.after(result, "asking the adapter without these repetitions"))
        found = judged(done.steps, validated(done.curve)[done.steps], _last(out / FOLDER), judge)
    except (AdapterdError, OSError, MemoryError, RuntimeError) as exc:
        if isinstance(exc, RuntimeError) and not is_out_of_memory(exc):
            raise
        log.warning("repetitions of the adapter are left: %s", str(exc) or type(exc).__name__)
        return result
    tried = replace(found, step=chosen.step, unlearned=len(mistakes))
    result = replace(result, judged=[*result.judged, tried])
    if tried.worth <= chosen.worth:
        return result
    for name in (WEIGHTS, CONFIG):
        shutil.copyfile(_last(out / FOLDER) / name, out / name)
    return replace(
        result, best_validation_loss=tried.validation_loss, unlearned=tried.unlearned,
        end_of_turn_loss=end_of_turn_loss(done.curve, done.steps),
    )  # fmt: skip


def _told(result: TrainingResult, report: Report) -> Report:
    """Reports the steps of the unlearning as what goes on after the training."""

    def of_step(progress: TrainingProgress) -> None:
        doing = progress.doing or f"unlearning repetitions, step {progress.step} of {progress.steps}"
        report(TrainingProgress.after(result, doing))

    return of_step


def _mistakes(
    examples: Sequence[EncodedExample], out: Path, judge: Judge, is_word: Callable[[int], bool]
) -> list[OwnMistake]:
    """Answers to prompts from all over the examples that ran on and repeat themselves."""
    asked = examples[:: max(1, len(examples) // ASKED)][:ASKED]
    answers = zip(asked, judge.answers(out, asked), strict=True)
    found = (own_mistake(example, answer.ids, is_word) for example, answer in answers if not answer.complete)
    return [each for each in found if each]


def _last(folder: Path) -> Path:
    """The adapter of the last step."""
    kept = KeptAdapters(folder)
    return kept.folder(kept.steps()[-1])
