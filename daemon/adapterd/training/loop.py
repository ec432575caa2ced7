"""The training loop: Adam over batches of completions, with the best adapter kept, whichever step it was."""

import json
import math
import time
from collections.abc import Callable, Iterator
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
from adapterd.system.files import sha256_file, write_atomic
from adapterd.training.adapter import CONFIG, WEIGHTS, attach_adapter, save_adapter
from adapterd.training.arrays import gather, put_back
from adapterd.training.checkpoint import DEFAULT_PACE, Checkpoint, CheckpointFile, Pace, identity
from adapterd.training.data import Batch, Dataset, training_batches, validation_batches
from adapterd.training.loss import completion_loss
from adapterd.training.progress import Criterion, CurvePoint, TrainingProgress, TrainingResult
from adapterd.training.schedule import Plan
from adapterd.training.tally import Tally

METRICS = "metrics.jsonl"

Report = Callable[[TrainingProgress], object]


def train(
    gguf: GgufFile,
    dataset: Path,
    settings: TrainingSettings,
    out: Path,
    report: Report,
    *,
    base_digest: str | None = None,
    pace: Pace = DEFAULT_PACE,
) -> TrainingResult:
    """Train an adapter on the base model and leave the best one, by validation loss, in the folder `out`.

    The same arguments give the same losses on a CPU, and so does a training that was killed and goes on from the
    checkpoint in `out`, which stays there, so that the end is not lost either where nobody heard the result.
    `base_digest` is that of the file, which is read once to find it where it is not given. Raises NotEnoughDataError
    without training examples, InputError and UnsupportedModelError by what is wrong with dataset or model, StageError
    where a loss is not finite.
    """
    data = Dataset.load(dataset)
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_half_written(out)
    checkpoints = CheckpointFile(out, identity(base_digest or sha256_file(gguf.path), dataset, settings), pace)
    mx.reset_peak_memory()
    model = load_mlx_model(gguf, dtype=default_dtype())
    attach_adapter(model, settings)
    return Trainer(model, data, settings, out, report, checkpoints).run()


@dataclass
class Trainer:
    """One training of a model that has an adapter attached; `run` it once."""

    model: nn.Module
    data: Dataset
    settings: TrainingSettings
    out: Path
    report: Report
    checkpoints: CheckpointFile
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self.plan = Plan.of(self.settings, len(self.data.train))
        self.optimizer = optim.Adam(self.plan.learning_rate(self.settings.learning_rate), bias_correction=True)
        self.loss_and_gradients = nn.value_and_grad(self.model, completion_loss)

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
        if self.data.validation:
            self._record(None, judge=True)

    def _batches_left(self) -> Iterator[Batch]:
        """Those after the steps done, in the order that they have in a training without a break."""
        done, skip = divmod(self.tally.step, self.plan.per_epoch)
        size, seed = self.settings.batch_size, self.settings.seed
        for epoch in range(done + 1, self.plan.epochs + 1):
            yield from training_batches(self.data.train, size, seed=seed, epoch=epoch, skip=skip)
            skip = 0

    def _step(self, batch: Batch) -> float:
        """One update of the adapter; the loss before it."""
        before = time.perf_counter()
        self.model.train()
        lazy_loss, gradients = self.loss_and_gradients(self.model, batch.inputs, batch.positions, batch.targets)
        norm, loss = _number(_norm(gradients)), _number(lazy_loss)
        if not math.isfinite(loss + norm):
            raise StageError(
                f"at step {self.tally.step} the loss is {loss:g} and its gradient's norm {norm:g}; "
                f"the records of that batch are {', '.join(batch.records)}",
                hint="lower training.learning_rate, or look at these records",
            )
        self.optimizer.update(self.model, gradients)
        mx.eval(self.model.trainable_parameters(), self.optimizer.state)
        # Batches differ in shape, and MLX would keep the buffers of each shape for a next time.
        mx.clear_cache()
        self.tally.train_tokens += batch.tokens
        self.tally.stepping_s += time.perf_counter() - before
        return loss

    def _record(self, loss: float | None, *, judge: bool) -> None:
        """Keep the point, judge the adapter if that is due, tell, and keep everything if that is due."""
        tally = self.tally
        measured = self._validation_loss() if judge and self.data.validation else None
        tally.curve.append(CurvePoint(tally.step, loss, measured))
        if judge and tally.best.beaten_by(tally.step, self._recent_loss() if measured is None else measured):
            save_adapter(self.model, self.settings, self.out)
        progress = self._progress()
        with (self.out / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(progress) | {"validation_loss": measured}) + "\n")
        self.report(progress)
        self.checkpoints.keep(self._snapshot, validated=judge)

    def _validation_loss(self) -> float:
        """Mean loss over all completion tokens of the validation set."""
        self.model.eval()
        total, tokens = 0.0, 0
        for batch in validation_batches(self.data.validation, self.settings.batch_size):
            loss = _number(completion_loss(self.model, batch.inputs, batch.positions, batch.targets))
            if not math.isfinite(loss):
                raise StageError(
                    f"after step {self.tally.step} the validation loss is {loss:g} "
                    f"for the records {', '.join(batch.records)}"
                )
            total += loss * batch.targets.size
            tokens += batch.targets.size
        return total / tokens

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
        """Be where the training was when the snapshot was taken, the files in its folder included."""
        for name, data in kept.files.items():
            write_atomic(self.out / name, data)
        put_back(kept.arrays, self.model, self.optimizer)
        self.tally = Tally.restored(kept.tally, kept.files[METRICS])
        self.report(self._progress())

    def _progress(self) -> TrainingProgress:
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
        )


def _remove_half_written(folder: Path) -> None:
    """What a process that was killed left of files that it was writing."""
    for partial in folder.glob(".*.partial"):
        partial.unlink()


def _norm(gradients: Any) -> mx.array:
    return mx.sqrt(sum(gradient.square().sum() for _, gradient in tree_flatten(gradients)))


def _number(scalar: mx.array) -> float:
    return float(scalar.item())  # type: ignore[arg-type]
