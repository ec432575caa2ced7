"""Unlearning of repetitions: where answers of the chosen adapter run on, it is trained a few steps more.

It answers some training prompts itself. Where a list in such an answer repeats an item, it is trained on what it should
have gone on with (corrected.py); where it goes round in circles otherwise, what begins a passage again is made less
likely (unlikelihood, Welleck et al. 2020, arXiv:1908.04319); beside as many examples that are imitated. What comes of
it has to answer the prompts of the validation set better than what it came from.
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
from adapterd.training.mistakes.corrected import corrected
from adapterd.training.mistakes.own_mistake import VISITS, own_mistake, unlearning_examples
from adapterd.training.progress import Report, TrainingProgress, TrainingResult, end_of_turn_loss, validated
from adapterd.training.recipe import Recipe

FOLDER = "unlearned"
ASKED = 32
"""So many training prompts are answered."""
FEWEST = 3
"""Of fewer mistakes there is nothing general to learn."""

RATE_FACTOR = 0.15
"""The learning rate of the training is multiplied by this: at more, right answers suffer."""
BATCH = 6

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Unlearning:
    """What it takes: the base's file, the training of some steps on examples, from the chosen adapter on, in a folder
    where the last adapter is kept, and how many rounds of it there may be."""

    gguf: Path
    train: Callable[[tuple[EncodedExample, ...], Path, Report], TrainingResult]
    rounds: int = 3

    def mistake(self, example: EncodedExample, ids: Sequence[int]) -> EncodedExample | None:
        """What is learned from an answer that was cut: where it should have gone on otherwise, or, where that is not
        known, what it should not have said; None where it does not repeat itself."""
        return corrected(example, ids, self._tokenizer) or own_mistake(example, ids, self._is_word)

    def _is_word(self, token: int) -> bool:
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
        enough=0.0,
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
    """Put an adapter that has unlearned its repetitions in the place of the chosen one, if it answers better, and go on
    from it, `rounds` times at most; the result says so. Nothing is done where no answer of the chosen one was cut, and
    a fault leaves that one in place."""
    for number in range(second.rounds):
        chosen = next((each for each in result.judged if each.is_of(result.best_step, result.unlearned)), None)
        if chosen is None or not chosen.truncated:
            return result
        folder = out / FOLDER / str(number + 1)
        try:
            report(TrainingProgress.after(result, "looking for repetitions in its own answers"))
            mistakes = _mistakes(_spread_from(examples, number), out, judge, second)
            if len(mistakes) < FEWEST:
                return result
            done = second.train(unlearning_examples(mistakes, examples), folder, _told(result, report))
            report(TrainingProgress.after(result, "asking the adapter without these repetitions"))
            found = judged(done.steps, validated(done.curve)[done.steps], _last(folder), judge)
        except (AdapterdError, OSError, MemoryError, RuntimeError) as exc:
            if isinstance(exc, RuntimeError) and not is_out_of_memory(exc):
                raise
            log.warning("repetitions of the adapter are left: %s", str(exc) or type(exc).__name__)
            return result
        tried = replace(found, step=chosen.step, unlearned=result.unlearned + len(mistakes))
        result = replace(result, judged=[*result.judged, tried])
        if tried.worth <= chosen.worth:
            return result
        for name in (WEIGHTS, CONFIG):
            shutil.copyfile(_last(folder) / name, out / name)
        result = replace(
            result, best_validation_loss=tried.validation_loss, unlearned=tried.unlearned,
            end_of_turn_loss=end_of_turn_loss(done.curve, done.steps),
        )  # fmt: skip
    return result


def _told(result: TrainingResult, report: Report) -> Report:
    """Reports the steps of the unlearning as what goes on after the training."""

    def of_step(progress: TrainingProgress) -> None:
        doing = progress.doing or f"unlearning repetitions, step {progress.step} of {progress.steps}"
        report(TrainingProgress.after(result, doing))

    return of_step


def _spread_from(examples: Sequence[EncodedExample], first: int) -> Sequence[EncodedExample]:
    """So many as are asked, from all over the examples; in each round others, where there are as many."""
    return examples[first :: max(1, len(examples) // ASKED)][:ASKED]


def _mistakes(asked: Sequence[EncodedExample], out: Path, judge: Judge, second: Unlearning) -> list[EncodedExample]:
    """What is to be learned from answers to the prompts of these examples that ran on and repeat themselves."""
    answers = zip(asked, judge.answers(out, asked) if asked else (), strict=True)
    found = (second.mistake(example, answer.ids) for example, answer in answers if not answer.complete)
    return [each for each in found if each]


def _last(folder: Path) -> Path:
    """The adapter of the last step."""
    kept = KeptAdapters(folder)
    return kept.folder(kept.steps()[-1])
