"""The training loop: Adam over batches of completions, with the best adapter kept, whichever step it was."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten

from adapterd.base.gguf_file import GgufFile
from adapterd.base.mlx_model import default_dtype, load_mlx_model
from adapterd.config import TrainingSettings
from adapterd.errors import StageError
from adapterd.training.adapter import attach_adapter, save_adapter
from adapterd.training.data import Batch, Dataset, training_batches, validation_batches
from adapterd.training.loss import completion_loss
from adapterd.training.progress import Criterion, CurvePoint, TrainingProgress, TrainingResult
from adapterd.training.schedule import Plan

METRICS = "metrics.jsonl"

Report = Callable[[TrainingProgress], object]


def train(gguf: GgufFile, dataset: Path, settings: TrainingSettings, out: Path, report: Report) -> TrainingResult:
    """Train an adapter on the base model and leave the best one, by validation loss, in the folder `out`.

    The same arguments give the same losses on a CPU. Raises NotEnoughDataError without training examples, InputError
    and UnsupportedModelError by what is wrong with dataset or model, StageError where a loss is not finite.
    """
    data = Dataset.load(dataset)
    mx.reset_peak_memory()
    model = load_mlx_model(gguf, dtype=default_dtype())
    attach_adapter(model, settings)
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Trainer(model, data, settings, out, report).run()


@dataclass
class Best:
    """The lowest loss so far, and how many times in a row it was not beaten."""

    step: int = 0
    loss: float = math.inf
    misses: int = 0

    def beaten_by(self, step: int, loss: float) -> bool:
        """Take the loss into account; whether it is the lowest."""
        if loss < self.loss:
            self.step, self.loss, self.misses = step, loss, 0
            return True
        self.misses += 1
        return False


@dataclass
class Trainer:
    """One training of a model that has an adapter attached; `run` it once."""

    model: nn.Module
    data: Dataset
    settings: TrainingSettings
    out: Path
    report: Report
    best: Best = field(default_factory=Best)
    curve: list[CurvePoint] = field(default_factory=list)
    train_tokens: int = 0
    stepping_s: float = 0.0

    def __post_init__(self) -> None:
        self.plan = Plan.of(self.settings, len(self.data.train))
        self.optimizer = optim.Adam(self.plan.learning_rate(self.settings.learning_rate), bias_correction=True)
        self.loss_and_gradients = nn.value_and_grad(self.model, completion_loss)

    def run(self) -> TrainingResult:
        """Train to the end, or until validation has not improved `patience` times; raises StageError."""
        self.started = time.perf_counter()
        (self.out / METRICS).write_bytes(b"")
        if self.data.validation:
            self._record(0, None, epoch=1, judge=True)
        step = 0
        for epoch in range(1, self.settings.epochs + 1):
            size, seed = self.settings.batch_size, self.settings.seed
            for batch in training_batches(self.data.train, size, seed=seed, epoch=epoch):
                step += 1
                loss = self._step(step, batch)
                self._record(step, loss, epoch, judge=self.plan.judged_after(step))
                if self.best.misses >= self.settings.patience:
                    return self._result(step)
        return self._result(step)

    def _step(self, step: int, batch: Batch) -> float:
        """One update of the adapter; the loss before it."""
        before = time.perf_counter()
        self.model.train()
        lazy_loss, gradients = self.loss_and_gradients(self.model, batch.inputs, batch.positions, batch.targets)
        norm, loss = _number(_norm(gradients)), _number(lazy_loss)
        if not math.isfinite(loss + norm):
            raise StageError(
                f"at step {step} the loss is {loss:g} and its gradient's norm {norm:g}; "
                f"the records of that batch are {', '.join(batch.records)}",
                hint="lower training.learning_rate, or look at these records",
            )
        self.optimizer.update(self.model, gradients)
        mx.eval(self.model.trainable_parameters(), self.optimizer.state)
        # Batches differ in shape, and MLX would keep the buffers of each shape for a next time.
        mx.clear_cache()
        self.train_tokens += batch.tokens
        self.stepping_s += time.perf_counter() - before
        return loss

    def _record(self, step: int, loss: float | None, epoch: int, *, judge: bool) -> None:
        """Keep the point, judge the adapter if that is due, and tell."""
        measured = self._validation_loss(step) if judge and self.data.validation else None
        self.curve.append(CurvePoint(step, loss, measured))
        if judge and self.best.beaten_by(step, self._recent_loss() if measured is None else measured):
            save_adapter(self.model, self.settings, self.out)
        progress = self._progress(step, loss, epoch)
        with (self.out / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(progress) | {"validation_loss": measured}) + "\n")
        self.report(progress)

    def _validation_loss(self, step: int) -> float:
        """Mean loss over all completion tokens of the validation set."""
        self.model.eval()
        total, tokens = 0.0, 0
        for batch in validation_batches(self.data.validation, self.settings.batch_size):
            loss = _number(completion_loss(self.model, batch.inputs, batch.positions, batch.targets))
            if not math.isfinite(loss):
                raise StageError(
                    f"after step {step} the validation loss is {loss:g} for the records {', '.join(batch.records)}"
                )
            total += loss * batch.targets.size
            tokens += batch.targets.size
        return total / tokens

    def _recent_loss(self) -> float:
        """Mean training loss of the last steps, for want of a validation set."""
        losses = [point.loss for point in self.curve[-self.plan.judge_every :] if point.loss is not None]
        return sum(losses) / len(losses)

    def _progress(self, step: int, loss: float | None, epoch: int) -> TrainingProgress:
        validations = self._validation_losses()
        elapsed_s = time.perf_counter() - self.started
        return TrainingProgress(
            step=step,
            steps=self.plan.steps,
            epoch=epoch,
            loss=loss,
            validation_loss=validations[-1] if validations else None,
            tokens_per_s=self._tokens_per_s(),
            remaining_s=elapsed_s / step * (self.plan.steps - step) if step else 0.0,
            peak_memory_bytes=mx.get_peak_memory(),
        )

    def _result(self, step: int) -> TrainingResult:
        validations = self._validation_losses()
        return TrainingResult(
            steps=step,
            best_step=self.best.step,
            criterion=Criterion.VALIDATION_LOSS if validations else Criterion.TRAINING_LOSS,
            first_validation_loss=validations[0] if validations else None,
            best_validation_loss=self.best.loss if validations else None,
            train_tokens=self.train_tokens,
            tokens_per_s=self._tokens_per_s(),
            seconds=time.perf_counter() - self.started,
            peak_memory_bytes=mx.get_peak_memory(),
            curve=self.curve,
        )

    def _validation_losses(self) -> list[float]:
        return [point.validation_loss for point in self.curve if point.validation_loss is not None]

    def _tokens_per_s(self) -> float:
        return self.train_tokens / self.stepping_s if self.stepping_s else 0.0


def _norm(gradients: Any) -> mx.array:
    return mx.sqrt(sum(gradient.square().sum() for _, gradient in tree_flatten(gradients)))


def _number(scalar: mx.array) -> float:
    return float(scalar.item())  # type: ignore[arg-type]
