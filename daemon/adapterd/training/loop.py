"""The training loop: Adam over batches of completions, with the best adapter kept, whichever step it was."""

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from mlx.utils import tree_flatten, tree_map

from adapterd.base.mlx.streams import ONE_LANE, Lanes
from adapterd.errors import InputError, StageError
from adapterd.system.files import write_atomic
from adapterd.training.adapter_layers import CONFIG, WEIGHTS, save_adapter
from adapterd.training.arrays import gather, put_back
from adapterd.training.checkpoint import Checkpoint, CheckpointFile
from adapterd.training.data import (
    Batch,
    Dataset,
    Forward,
    training_batches,
    validation_batches,
    whole_model,
)
from adapterd.training.learning_rate import Plan
from adapterd.training.preferences import (
    PairBatch,
    Pairs,
    measure,
)
from adapterd.training.process_group import ALONE, Ranks
from adapterd.training.progress import Criterion, CurvePoint, TrainingProgress, TrainingResult
from adapterd.training.recipe import Recipe
from adapterd.training.trainer_state import Judged, Tally

METRICS = "metrics.jsonl"

Report = Callable[[TrainingProgress], object]
HOPELESS = 1.0
"""By how many times the first one, and nats a token, a validation loss has to grow to be beyond hope."""
Lesson = Batch | PairBatch
"""What a step learns."""


class DivergedError(StageError):
    """The learning rate is too high for the model, or a record breaks it."""


@dataclass
class Trainer:
    """One training of a model that has an adapter attached; `run` it once."""

    model: nn.Module
    data: Dataset
    settings: Recipe
    out: Path
    report: Report
    checkpoints: CheckpointFile
    forward: Forward = whole_model
    pairs: Pairs = field(default_factory=Pairs)
    ranks: Ranks = ALONE
    lanes: Lanes = ONE_LANE
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self.plan = Plan.of(self.settings, len(self.data.train), len(self.pairs.train))
        rate, decay = self.plan.learning_rate(self.settings.learning_rate), self.settings.weight_decay
        self.optimizer = optim.AdamW(rate, weight_decay=decay, bias_correction=True)
        self.optimizer.init(self.model.trainable_parameters())
        self.loss_and_gradients = nn.value_and_grad(
            self.model, lambda model, lesson: lesson.loss(model, self.forward, self.settings)
        )

    def run(self) -> TrainingResult:
        """Train to the end, or until validation has not improved `patience` times; raises StageError."""
        self.started = time.perf_counter()
        kept = self.checkpoints.read()
        if kept:
            self._restore(kept)
        else:
            self._begin()
        for batch in self._batches_left():
            if self.tally.best.misses >= self.settings.patience:
                break
            self.tally.step += 1
            loss = self._step(batch)
            self._record(loss, judge=self.plan.judged_after(self.tally.step))
        return self._result()

    def _begin(self) -> None:
        (self.out / METRICS).write_bytes(b"")
        if self._validates:
            self._record(None, judge=True)

    @property
    def _validates(self) -> bool:
        return bool(self.data.validation or self.pairs.validation)

    def _batches_left(self) -> Iterator[Lesson]:
        """Those after the steps done, in the order that they have in a training without a break."""
        done, skip = divmod(self.tally.step, self.plan.per_epoch)
        size, seed = self.settings.batch_size, self.settings.seed
        for epoch in range(done + 1, self.plan.epochs + 1):
            if self.pairs.train:
                yield from self._mixed(epoch)[skip:]
            else:
                yield from training_batches(self.data.train, size, seed=seed, epoch=epoch, skip=skip)
            skip = 0

    def _mixed(self, epoch: int) -> list[Lesson]:
        """All batches of examples and of pairs, in an order that depends on seed and epoch only."""
        size, seed = self.settings.batch_size, self.settings.seed
        lessons = [
            *training_batches(self.data.train, size, seed=seed, epoch=epoch),
            *self.pairs.batches(size, seed=seed, epoch=epoch),
        ]
        return [lessons[index] for index in np.random.default_rng((seed, epoch, 2)).permutation(len(lessons))]

    def _step(self, batch: Lesson) -> float:
        """One update of the adapter; the loss before it."""
        before = time.perf_counter()
        self.model.train()
        loss, gradients = self._loss_and_gradients(batch)
        norm = _number(_norm(gradients))
        if not math.isfinite(loss + norm):
            raise DivergedError(
                f"at step {self.tally.step} the loss is {loss:g} and its gradient's norm {norm:g}; "
                f"the records of that batch are {', '.join(batch.records)}",
                hint="lower training.learning_rate, or look at these records",
            )
        self.optimizer.update(self.model, gradients)
        mx.eval(self.model.trainable_parameters(), self.optimizer.state)
        self.tally.train_tokens += batch.tokens
        self.tally.stepping_s += time.perf_counter() - before
        return loss

    def _loss_and_gradients(self, lesson: Lesson) -> tuple[float, Any]:
        """The mean loss of the whole batch and the gradients of its share of an average step, computed part by part
        where it is too large, each rank its own, and a part in pieces side by side."""
        loss, summed, own = 0.0, None, lesson.shared(self.ranks)

        def computed(piece: Lesson) -> tuple[mx.array, Any]:
            share = piece.weight / lesson.weight
            of_piece, gradients = self.loss_and_gradients(self.model, piece)
            return of_piece * share, tree_map(lambda gradient: gradient * share, gradients)

        for part in own.parts(self.settings.batch_tokens) if own else ():
            pieces: Sequence[Lesson] = part.divided(self.lanes.count)
            for of_piece, gradients in self.lanes.map(computed, pieces):
                loss += _number(of_piece)
                summed = gradients if summed is None else tree_map(mx.add, summed, gradients)
            mx.eval(summed)
        if summed is None:
            summed = tree_map(mx.zeros_like, self.model.trainable_parameters())
        gradients, loss = self.ranks.summed(summed, loss)
        return loss * lesson.mean_factor, gradients

    def _record(self, loss: float | None, *, judge: bool) -> None:
        """Keep the point, judge the adapter if that is due, tell, and keep everything if that is due."""
        tally = self.tally
        judged = self._validate() if judge and self._validates else None
        if judged:
            self._refuse_to_diverge(judged.loss)
        measured = judged.loss if judged else None
        tally.curve.append(CurvePoint(tally.step, loss, measured))
        if judge and tally.best.beaten_by(tally.step, judged or Judged(self._recent_loss())):
            save_adapter(self.model, self.settings, self.out)
        progress = self._progress(judged)
        with (self.out / METRICS).open("a", encoding="utf-8") as file:
            told = {name: value for name, value in asdict(progress).items() if name != "doing"}
            file.write(json.dumps(told | {"validation_loss": measured}) + "\n")
        self.report(progress)
        self.checkpoints.keep(self._snapshot, validated=judge)

    def _refuse_to_diverge(self, loss: float) -> None:
        """A model that foretells far worse than before its first step does not come back."""
        first = next(iter(self.tally.validation_losses()), loss)
        if loss > first + HOPELESS * max(1.0, first):
            raise DivergedError(
                f"after step {self.tally.step} the validation loss is {loss:.3g}, and was {first:.3g} before training",
                hint="lower training.learning_rate",
            )

    def _validate(self) -> Judged:
        """The losses over the validation set and over the pairs that are not trained on, as a training step adds them;
        only of the pairs where only pairs teach."""
        self.model.eval()
        settings = self.settings
        if not self.pairs.validation:
            return Judged(self._validation_loss())
        found = measure(self.model, self.pairs.validation_batches(), self.forward, settings, self.lanes)
        examples = settings.sft_weight * self._validation_loss() if self.data.validation else 0.0
        return Judged(examples + found.loss, found.accuracy, found.margin)

    def _validation_loss(self) -> float:
        """Mean loss over all completion tokens of the validation set."""
        total, tokens = 0.0, 0
        batches = self.ranks.share(list(validation_batches(self.data.validation, self.settings.batch_size)))
        losses = self.lanes.map(lambda batch: batch.loss(self.model, self.forward, self.settings), batches)
        for batch, loss in zip(batches, map(_number, losses), strict=True):
            if not math.isfinite(loss):
                raise StageError(
                    f"after step {self.tally.step} the validation loss is {loss:g} "
                    f"for the records {', '.join(batch.records)}"
                )
            total += loss * batch.targets.size
            tokens += batch.targets.size
        counted, total = self.ranks.summed({"tokens": mx.array([tokens])}, total)
        return total / float(counted["tokens"].item())

    def _recent_loss(self) -> float:
        """Mean training loss of the last steps, for want of a validation set."""
        losses = [point.loss for point in self.tally.curve[-self.plan.judge_every :] if point.loss is not None]
        return sum(losses) / len(losses)

    def _snapshot(self) -> Checkpoint:
        """Everything that `_restore` needs; the order of the examples follows from the step."""
        names = (METRICS, WEIGHTS, CONFIG) if math.isfinite(self.tally.best.loss) else (METRICS,)
        return Checkpoint(
            tally=self.tally.numbers() | {"earlier_s": self._elapsed_s()},
            arrays=gather(self.model, self.optimizer),
            files={name: (self.out / name).read_bytes() for name in names},
        )

    def _restore(self, kept: Checkpoint) -> None:
        """Be where the training was when the snapshot was taken, the files in its folder included; raises StageError
        unless that has all of this model's arrays and no others."""
        try:
            put_back(kept.arrays, self.model, self.optimizer)
        except InputError as exc:
            self.checkpoints.discard()
            raise StageError(
                f"training cannot go on from {self.checkpoints.path}: {exc}",
                hint="the checkpoint was removed: `adapterctl retrain` begins this training anew",
            ) from exc
        for name, data in kept.files.items():
            write_atomic(self.out / name, data)
        self.tally = Tally.restored(kept.tally, kept.files[METRICS])
        self.report(self._progress())

    def _progress(self, judged: Judged | None = None) -> TrainingProgress:
        step, validations = self.tally.step, self.tally.validation_losses()
        return TrainingProgress(
            step=step,
            steps=self.plan.steps,
            epoch=self.plan.epoch_of(step),
            loss=self.tally.curve[-1].loss,
            validation_loss=validations[-1] if validations else None,
            tokens_per_s=self.tally.tokens_per_s(),
            remaining_s=self._elapsed_s() / step * (self.plan.steps - step) if step else 0.0,
            peak_memory_bytes=mx.get_peak_memory(),
            preference_accuracy=judged.preference_accuracy if judged else None,
            preference_margin=judged.preference_margin if judged else None,
        )

    def _elapsed_s(self) -> float:
        """The time that went into the steps done, by whichever process."""
        return self.tally.earlier_s + time.perf_counter() - self.started

    def _result(self) -> TrainingResult:
        tally, validations = self.tally, self.tally.validation_losses()
        return TrainingResult(
            steps=tally.step,
            best_step=tally.best.step,
            criterion=Criterion.VALIDATION_LOSS if validations else Criterion.TRAINING_LOSS,
            first_validation_loss=validations[0] if validations else None,
            best_validation_loss=tally.best.loss if validations else None,
            train_tokens=tally.train_tokens,
            tokens_per_s=tally.tokens_per_s(),
            seconds=self._elapsed_s(),
            peak_memory_bytes=mx.get_peak_memory(),
            curve=tally.curve,
            preference_accuracy=tally.best.preference_accuracy,
            preference_margin=tally.best.preference_margin,
            epochs=self.settings.epochs,
            learning_rate=self.settings.learning_rate,
        )


def _norm(gradients: Any) -> mx.array:
    return mx.sqrt(sum(gradient.square().sum() for _, gradient in tree_flatten(gradients)))


def _number(scalar: mx.array) -> float:
    return float(scalar.item())  # type: ignore[arg-type]
