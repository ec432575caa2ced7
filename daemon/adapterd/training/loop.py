"""The training loop: AdamW over batches; the adapter with the best validation loss is kept."""

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from mlx.utils import tree_flatten, tree_map

from adapterd.base.mlx.streams import SINGLE_STREAM, ParallelStreams
from adapterd.errors import InputError, StageError
from adapterd.formats.adapter_files import CONFIG, WEIGHTS
from adapterd.formats.metrics_log import METRICS
from adapterd.system.files import write_atomic
from adapterd.training.adapter_layers import save_adapter
from adapterd.training.checkpoints.arrays import collect_arrays, restore_arrays
from adapterd.training.checkpoints.checkpoint import Checkpoint, CheckpointFile
from adapterd.training.checkpoints.trainer_state import TrainerState, ValidationMetrics
from adapterd.training.choice.in_time import ASKING_SHARE
from adapterd.training.choice.kept_adapters import KeptAdapters
from adapterd.training.data import (
    Dataset,
    Forward,
    TrainingBatch,
    training_batches,
    validation_batches,
    whole_model,
)
from adapterd.training.learning_rate import TrainingSchedule
from adapterd.training.preferences import (
    PreferencePairs,
    measure,
)
from adapterd.training.process_group import SINGLE_PROCESS, ProcessGroup
from adapterd.training.progress import (
    Criterion,
    CurvePoint,
    Report,
    TrainingProgress,
    TrainingResult,
    end_of_turn_loss,
    validated,
)
from adapterd.training.recipe import Recipe

DIVERGED_GROWTH = 1.0
"""A validation loss that grew by more than this many times the first one, and nats per token, has diverged."""

PACE_STEPS = 5
"""Steps after which it is known how long one takes."""


class DivergedError(StageError):
    """The learning rate is too high for the model, or a record breaks it."""


@dataclass
class Trainer:
    """One training of a model that has an adapter attached; `run` it once. `spent_s` is the time that was spent on its
    preparation, which counts for `max_hours`. One that `keeps` leaves its best adapters to choose among."""

    model: nn.Module
    data: Dataset
    settings: Recipe
    out: Path
    report: Report
    checkpoints: CheckpointFile
    forward: Forward = whole_model
    pairs: PreferencePairs = field(default_factory=PreferencePairs)
    group: ProcessGroup = SINGLE_PROCESS
    streams: ParallelStreams = SINGLE_STREAM
    spent_s: float = 0.0
    keeps: bool = False
    state: TrainerState = field(default_factory=TrainerState)

    def __post_init__(self) -> None:
        self.schedule = TrainingSchedule.of(self.settings, self.data.per_epoch, len(self.pairs.train))
        self.optimizer = optim.AdamW(
            lambda step: self.schedule.learning_rate(self.settings.learning_rate)(step),
            weight_decay=self.settings.weight_decay,
            bias_correction=True,
        )
        self.kept = KeptAdapters(self.out)
        self.optimizer.init(self.model.trainable_parameters())
        self.loss_and_gradients = nn.value_and_grad(
            self.model, lambda model, batch: batch.loss(model, self.forward, self.settings)
        )

    def run(self) -> TrainingResult:
        """Train to the end, or until more steps would not help; raises StageError."""
        self.started = time.perf_counter()
        kept = self.checkpoints.read()
        if kept:
            self._restore(kept)
        else:
            self._begin()
        for batch in self._batches_left():
            if self._has_ended:
                break
            self.state.step += 1
            loss = self._step(batch)
            if self.state.step == PACE_STEPS:
                self._end_in_time()
            self._record(loss, validate=self.schedule.validates_after(self.state.step))
        return self._result()

    @property
    def _has_ended(self) -> bool:
        """After the last step, after `patience` validations without a lower loss, or where the loss of the examples
        is low enough."""
        state = self.state
        return state.step >= self.schedule.steps or state.best.misses >= self.settings.patience or self._has_learned_all

    @property
    def _has_learned_all(self) -> bool:
        examples_only = bool(self.data.validation) and not self.pairs.validation
        return examples_only and self.state.best.step > 0 and self.state.best.loss < self.settings.enough

    def _end_in_time(self) -> None:
        """Shorten the training to the steps that there is time for, in all processes to what the first one found."""
        found = float(self._steps_in_time()) if self.group.rank == 0 else 0.0
        _, agreed = self.group.all_sum({"": mx.zeros(1)}, found)
        if agreed < self.schedule.steps:
            self.state.planned = round(agreed)
            self.schedule = replace(self.schedule, most=self.state.planned)

    def _steps_in_time(self) -> int:
        """How many fit into `max_hours`, by what the first ones and the validation before them took."""
        step_s = self.state.stepping_s / self.state.step
        validation_s = self._elapsed_s() - self.state.stepping_s
        share = 1 - ASKING_SHARE if self.keeps else 1.0
        left_s = share * self.settings.max_hours * 3600 - self.spent_s - validation_s
        return max(PACE_STEPS, int(left_s / (step_s + validation_s / self.schedule.validate_every)))

    def _begin(self) -> None:
        (self.out / METRICS).write_bytes(b"")
        self.kept.clear()
        if self._validates:
            self._record(None, validate=True)

    @property
    def _validates(self) -> bool:
        return bool(self.data.validation or self.pairs.validation)

    def _batches_left(self) -> Iterator[TrainingBatch]:
        """The batches after the steps done, in the order of an uninterrupted training."""
        done, skip = divmod(self.state.step, self.schedule.per_epoch)
        size, seed = self.settings.batch_size, self.settings.seed
        for epoch in range(done + 1, self.schedule.epochs + 1):
            if self.pairs.train:
                yield from self._mixed(epoch)[skip:]
            else:
                yield from training_batches(self.data.of_epoch(epoch), size, seed=seed, epoch=epoch, skip=skip)
            skip = 0

    def _mixed(self, epoch: int) -> list[TrainingBatch]:
        """All batches of examples and of pairs, in an order that depends on seed and epoch only."""
        size, seed = self.settings.batch_size, self.settings.seed
        batches = [
            *training_batches(self.data.of_epoch(epoch), size, seed=seed, epoch=epoch),
            *self.pairs.batches(size, seed=seed, epoch=epoch),
        ]
        return [batches[index] for index in np.random.default_rng((seed, epoch, 2)).permutation(len(batches))]

    def _step(self, batch: TrainingBatch) -> float:
        """One update of the adapter; the loss before it."""
        before = time.perf_counter()
        self.model.train()
        loss, gradients = self._loss_and_gradients(batch)
        norm = _number(_norm(gradients))
        if not math.isfinite(loss + norm):
            raise DivergedError(
                f"at step {self.state.step} the loss is {loss:g} and its gradient's norm {norm:g}; "
                f"the records of that batch are {', '.join(batch.records)}",
                hint="lower training.learning_rate, or look at these records",
            )
        self.optimizer.update(self.model, gradients)
        mx.eval(self.model.trainable_parameters(), self.optimizer.state)
        self.state.train_tokens += batch.tokens
        self.state.stepping_s += time.perf_counter() - before
        return loss

    def _loss_and_gradients(self, batch: TrainingBatch) -> tuple[float, Any]:
        """The mean loss of the whole batch, and its gradients, accumulated over micro-batches and summed over all
        processes; the pieces of a micro-batch are computed on parallel streams."""
        loss, summed, own = 0.0, None, batch.shard(self.group)

        def computed(piece: TrainingBatch) -> tuple[mx.array, Any]:
            share = piece.weight / batch.weight
            of_piece, gradients = self.loss_and_gradients(self.model, piece)
            return of_piece * share, tree_map(lambda gradient: gradient * share, gradients)

        for part in own.parts(self.settings.batch_tokens) if own else ():
            pieces: Sequence[TrainingBatch] = part.divided(self.streams.count)
            for of_piece, gradients in self.streams.map(computed, pieces):
                loss += _number(of_piece)
                summed = gradients if summed is None else tree_map(mx.add, summed, gradients)
            mx.eval(summed)
        if summed is None:
            summed = tree_map(mx.zeros_like, self.model.trainable_parameters())
        gradients, loss = self.group.all_sum(summed, loss)
        return loss * batch.mean_factor, gradients

    def _record(self, loss: float | None, *, validate: bool) -> None:
        """Add a point to the curve, validate if due, save the adapter if it is the best, report, write a checkpoint."""
        state = self.state
        metrics = self._validate() if validate and self._validates else None
        if metrics:
            self._require_no_divergence(metrics.loss)
        validated_now = (metrics.loss, metrics.end_of_turn_loss) if metrics else (None, None)
        state.curve.append(CurvePoint(state.step, loss, *validated_now))
        if validate and state.best.improved_by(state.step, metrics or ValidationMetrics(self._recent_loss())):
            save_adapter(self.model, self.settings, self.out)
        if self.keeps and metrics and state.step:
            save_adapter(self.model, self.settings, self.kept.room_for(state.step))
            self.kept.keep_only(validated(state.curve))
        progress = self._progress(metrics)
        with (self.out / METRICS).open("a", encoding="utf-8") as file:
            line = {name: value for name, value in asdict(progress).items() if name != "doing"}
            file.write(json.dumps(line | asdict(state.curve[-1])) + "\n")
        self.report(progress)
        self.checkpoints.keep(self._snapshot, validated=validate)

    def _require_no_divergence(self, loss: float) -> None:
        """Raise DivergedError if the validation loss is far above the one before the first step."""
        first = next(iter(self.state.validation_losses()), loss)
        if loss > first + DIVERGED_GROWTH * max(1.0, first):
            raise DivergedError(
                f"after step {self.state.step} the validation loss is {loss:.3g}, and was {first:.3g} before training",
                hint="lower training.learning_rate",
            )

    def _validate(self) -> ValidationMetrics:
        """The validation losses of examples and pairs, added as in a training step; of the pairs only if only pairs
        are trained on."""
        self.model.eval()
        settings = self.settings
        examples = self._validate_examples() if self.data.validation else ValidationMetrics(0.0)
        if not self.pairs.validation:
            return examples
        found = measure(self.model, self.pairs.validation_batches(), self.forward, settings, self.streams)
        loss = settings.sft_weight * examples.loss + found.loss
        return ValidationMetrics(loss, found.accuracies, found.margins, examples.end_of_turn_loss)

    def _validate_examples(self) -> ValidationMetrics:
        """Mean loss over all completion tokens of the validation set, and over its ends of turn."""
        total, tokens, ends = 0.0, 0, 0.0
        batches = self.group.shard(list(validation_batches(self.data.validation, self.settings.batch_size)))
        losses = self.streams.map(lambda batch: batch.validation_losses(self.model, self.forward), batches)
        for batch, (loss, of_ends) in zip(batches, map(_numbers, losses), strict=True):
            if not math.isfinite(loss):
                raise StageError(
                    f"after step {self.state.step} the validation loss is {loss:g} "
                    f"for the records {', '.join(batch.records)}"
                )
            total += loss * batch.targets.size
            tokens += batch.targets.size
            ends += of_ends * len(batch.examples)
        counted, total = self.group.all_sum({"tokens": mx.array([tokens]), "ends": mx.array([ends])}, total)
        end_of_turn_loss = _number(counted["ends"]) / len(self.data.validation)
        return ValidationMetrics(total / _number(counted["tokens"]), end_of_turn_loss=end_of_turn_loss)

    def _recent_loss(self) -> float:
        """The mean training loss of the last steps, which stands in for a validation loss."""
        losses = [point.loss for point in self.state.curve[-self.schedule.validate_every :] if point.loss is not None]
        return sum(losses) / len(losses)

    def _snapshot(self) -> Checkpoint:
        """Everything that `_restore` needs; the order of the examples follows from the step."""
        names = (METRICS, WEIGHTS, CONFIG) if math.isfinite(self.state.best.loss) else (METRICS,)
        return Checkpoint(
            state=self.state.numbers() | {"earlier_s": self._elapsed_s()},
            arrays=collect_arrays(self.model, self.optimizer),
            files={name: (self.out / name).read_bytes() for name in names},
        )

    def _restore(self, kept: Checkpoint) -> None:
        """Go back to the state of the checkpoint, files included; raises StageError unless it has exactly the arrays of
        this model."""
        try:
            restore_arrays(kept.arrays, self.model, self.optimizer)
        except InputError as exc:
            self.checkpoints.discard()
            raise StageError(
                f"training cannot go on from {self.checkpoints.path}: {exc}",
                hint="the checkpoint was removed: `adapterctl retrain` begins this training anew",
            ) from exc
        for name, data in kept.files.items():
            write_atomic(self.out / name, data)
        self.state = TrainerState.restored(kept.state, kept.files[METRICS])
        self.kept.keep_only(validated(self.state.curve))  # none of a later step
        self.schedule = replace(self.schedule, most=self.state.planned)
        self.report(self._progress())

    def _progress(self, metrics: ValidationMetrics | None = None) -> TrainingProgress:
        step, validations = self.state.step, self.state.validation_losses()
        return TrainingProgress(
            step=step,
            steps=self.schedule.steps,
            epoch=self.schedule.epoch_of(step),
            loss=self.state.curve[-1].loss,
            validation_loss=validations[-1] if validations else None,
            tokens_per_s=self.state.tokens_per_s(),
            remaining_s=self._elapsed_s() / step * (self.schedule.steps - step) if step else 0.0,
            peak_memory_bytes=mx.get_peak_memory(),
            rewards_accuracies=metrics.rewards_accuracies if metrics else None,
            rewards_margins=metrics.rewards_margins if metrics else None,
            end_of_turn_loss=metrics.end_of_turn_loss if metrics else None,
        )

    def _elapsed_s(self) -> float:
        """The time since the training began, in all processes that worked on it."""
        return self.state.earlier_s + time.perf_counter() - self.started

    def _result(self) -> TrainingResult:
        state, validations = self.state, self.state.validation_losses()
        return TrainingResult(
            steps=state.step,
            best_step=state.best.step,
            criterion=Criterion.VALIDATION_LOSS if validations else Criterion.TRAINING_LOSS,
            first_validation_loss=validations[0] if validations else None,
            best_validation_loss=state.best.loss if validations else None,
            train_tokens=state.train_tokens,
            tokens_per_s=state.tokens_per_s(),
            seconds=self._elapsed_s(),
            peak_memory_bytes=mx.get_peak_memory(),
            curve=state.curve,
            rewards_accuracies=state.best.rewards_accuracies,
            rewards_margins=state.best.rewards_margins,
            end_of_turn_loss=end_of_turn_loss(state.curve, state.best.step),
            epochs=self.settings.epochs,
            learning_rate=self.settings.learning_rate,
            notes=self._notes(),
        )

    def _notes(self) -> list[str]:
        notes = []
        if self.state.planned is not None:
            whole, hours = replace(self.schedule, most=None).steps, self.settings.max_hours
            notes.append(f"{self.state.planned} of {whole} steps were planned, for training.max_hours is {hours:g}")
        if self._has_learned_all and self.state.step < self.schedule.steps:
            enough = self.settings.enough
            notes.append(f"ended before step {self.schedule.steps}, for the validation loss was below {enough:g}")
        return notes


def _norm(gradients: Any) -> mx.array:
    return mx.sqrt(sum(gradient.square().sum() for _, gradient in tree_flatten(gradients)))


def _number(scalar: mx.array) -> float:
    return float(scalar.item())  # type: ignore[arg-type]


def _numbers(pair: mx.array) -> list[float]:
    return [_number(scalar) for scalar in pair]
