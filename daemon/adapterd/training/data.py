"""Prompt-completion examples of a dataset folder, and the batches that a training step takes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from adapterd.base.mlx.model import hidden_states, project
from adapterd.config import TrainingSettings
from adapterd.errors import NotEnoughDataError
from adapterd.formats.encoded import REPLAY, TRAIN, VALIDATION, EncodedExample, general_per_epoch, read_examples
from adapterd.training.process_group import ProcessGroup

LEAST_NATS = 1e-6
"""What is said for certain has a cross entropy of 0, and of that the unlikelihood is infinite."""
MOST_WEIGHT = 2.0
"""Of a general example: few of them are not blown up to their share of much feedback."""
_WINDOW_BATCHES = 16

T = TypeVar("T")


@dataclass(frozen=True)
class Dataset:
    """The training and the validation set of one training; `validation` may be empty. Of the `general` examples each
    epoch has `general_per_epoch`; the weights of all of them together are those of one epoch."""

    train: tuple[EncodedExample, ...]
    validation: tuple[EncodedExample, ...]
    general: tuple[EncodedExample, ...] = ()
    general_per_epoch: int = 0

    @classmethod
    def load(cls, folder: Path) -> "Dataset":
        """Read the files; raises InputError naming the line at fault, NotEnoughDataError for an empty train set."""
        train, validation = (tuple(read_examples(folder / name)) for name in (TRAIN, VALIDATION))
        if not train:
            raise NotEnoughDataError(f"{folder / TRAIN} has no examples")
        general = tuple(read_examples(folder / REPLAY)) if (folder / REPLAY).exists() else ()
        return cls(train, validation, general, min(len(general), general_per_epoch(len(train))))

    @property
    def every(self) -> tuple[EncodedExample, ...]:
        """All examples that a training may come upon."""
        return (*self.train, *self.general, *self.validation)

    @property
    def per_epoch(self) -> int:
        """How many examples an epoch has."""
        return len(self.train) + self.general_per_epoch

    def of_epoch(self, epoch: int) -> tuple[EncodedExample, ...]:
        """The examples of an epoch, counted from 1: all of feedback, and the next of the general ones in turn, with the
        weight of all of them; none weighs more than `MOST_WEIGHT`."""
        count, of_all = self.general_per_epoch, len(self.general)
        drawn = (self.general[((epoch - 1) * count + offset) % of_all] for offset in range(count))
        return (*self.train, *(replace(each, weight=min(MOST_WEIGHT, each.weight * of_all / count)) for each in drawn))


class TrainingBatch(Protocol):
    """What a training step learns from: a CompletionBatch or a PreferenceBatch."""

    @property
    def weight(self) -> float:
        """What the sum of its losses is divided by."""

    @property
    def tokens(self) -> int:
        """Ids without padding."""

    @property
    def records(self) -> tuple[str, ...]:
        """The hashes of the feedback records that it is made of."""

    @property
    def mean_factor(self) -> float:
        """The factor that makes its loss a mean over its own targets or pairs."""

    def shard(self, group: ProcessGroup) -> "TrainingBatch | None":
        """The part of it that this process computes; None if that is empty."""

    def parts(self, tokens: int) -> "Sequence[TrainingBatch]":
        """Micro-batches of at most `tokens` ids, padding included."""

    def divided(self, count: int) -> "Sequence[TrainingBatch]":
        """At most `count` parts of about the same size."""

    def loss(self, model: nn.Module, forward: "Forward", settings: TrainingSettings) -> mx.array:
        """Its loss, a scalar, fp32."""


@dataclass(frozen=True)
class CompletionBatch:
    """Examples padded to the longest of them, with the positions whose successors are the targets of the loss.

    `inputs` are ids (examples, positions), int32. The first target of any example stands behind position `start`;
    `positions` (targets,) index the flattened inputs from `start` on, `targets` (targets,) are the ids to predict
    there, and `weights` (targets,), fp32, their factors in the loss; None is 1 each. Those that are `wrong` (targets,)
    are not to be predicted; None is none. `weight` is what the sum of their losses is divided by: their own count, or
    that of an average batch of the set.
    """

    inputs: mx.array
    start: int
    positions: mx.array
    targets: mx.array
    examples: tuple[EncodedExample, ...]
    weight: float
    weights: mx.array | None = None
    wrong: mx.array | None = None

    @property
    def tokens(self) -> int:
        """Ids without padding."""
        return sum(len(example.ids) for example in self.examples)

    @property
    def mean_factor(self) -> float:
        """The factor that makes its loss a mean over its own targets."""
        return self.weight / total_weight(self.examples)

    @property
    def records(self) -> tuple[str, ...]:
        """The hashes of the feedback records that the examples come from."""
        return tuple(example.record for example in self.examples)

    @classmethod
    def of(cls, examples: Sequence[EncodedExample], *, weight: float | None = None) -> "CompletionBatch":
        """Its loss is the mean over its own targets, or their sum by `weight`.

        Padding stands behind the ids, where causal attention keeps it from having any effect.
        """
        width = max(len(example.ids) for example in examples) - 1
        start = min(example.prompt_tokens for example in examples) - 1
        inputs = np.zeros((len(examples), width), np.int32)
        positions: list[int] = []
        targets: list[int] = []
        for row, example in enumerate(examples):
            inputs[row, : len(example.ids) - 1] = example.ids[:-1]
            before = row * (width - start) - start
            positions += [before + place - 1 for place in example.targets]
            targets += [example.ids[place] for place in example.targets]
        return cls(
            inputs=mx.array(inputs),
            start=start,
            positions=mx.array(positions, mx.int32),
            targets=mx.array(targets, mx.int32),
            examples=tuple(examples),
            weight=total_weight(examples) if weight is None else weight,
            weights=_weights(examples),
            wrong=_wrong(examples),
        )

    def shard(self, group: ProcessGroup) -> "CompletionBatch | None":
        """The part of it that this process computes; None if that is empty."""
        mine = group.shard(self.examples)
        if len(mine) == len(self.examples):
            return self
        return CompletionBatch.of(mine) if mine else None

    def parts(self, tokens: int) -> "list[CompletionBatch]":
        """Micro-batches of at most `tokens` ids, padding included, or of one example; in the same order."""
        parts = grouped(self.examples, tokens, lambda example: len(example.ids))
        return [self] if len(parts) == 1 else [CompletionBatch.of(part) for part in parts]

    def divided(self, count: int) -> "list[CompletionBatch]":
        """The batch in `count` parts of about the same size, or in fewer where it has fewer examples."""
        if min(count, len(self.examples)) == 1:
            return [self]
        return [CompletionBatch.of(self.examples[first::count]) for first in range(min(count, len(self.examples)))]

    def loss(self, model: nn.Module, forward: "Forward", _settings: TrainingSettings) -> mx.array:
        """The weighted sum of the targets' cross entropies, divided by `weight`: nats per token, fp32.

        Of what is wrong it is the unlikelihood, -ln(1 - p) (Welleck et al. 2020, arXiv:1908.04319).
        """
        return self._mean(self.target_losses(model, forward))

    def validation_losses(self, model: nn.Module, forward: "Forward") -> mx.array:
        """Two numbers, fp32: its loss, and the mean cross entropy of the last target of each example, the end of turn.
        Where that is high, answers run on."""
        losses = self.target_losses(model, forward)
        ends = np.cumsum([len(example.targets) for example in self.examples]) - 1
        return mx.stack([self._mean(losses), losses[mx.array(ends)].mean()])

    def _mean(self, losses: mx.array) -> mx.array:
        if self.wrong is not None:
            losses = mx.where(self.wrong, -mx.log(-mx.expm1(-mx.maximum(losses, LEAST_NATS))), losses)
        summed = losses.sum() if self.weights is None else (losses * self.weights).sum()
        return summed / self.weight

    def target_losses(self, model: nn.Module, forward: "Forward") -> mx.array:
        """The cross entropy of each target, in nats, fp32.

        A vocabulary has 50 to 250 thousand entries, so logits are computed at completion positions only: for a prompt
        of 400 ids and a completion of 100 that is half as much time again, and a third less memory.
        """
        states = forward(model, self)
        learned = states.reshape(-1, states.shape[-1])[self.positions]
        logits = project(model, learned).astype(mx.float32)
        losses: mx.array = nn.losses.cross_entropy(logits, self.targets)
        return losses


def total_weight(examples: Iterable[EncodedExample]) -> float:
    """The number of targets, each times the weight of its example."""
    return sum(example.weight * len(example.targets) for example in examples)


def _weights(examples: Sequence[EncodedExample]) -> mx.array | None:
    if all(example.weight == 1 for example in examples):
        return None
    return mx.array(_of_each_target([example.weight for example in examples], examples).astype(np.float32))


def _wrong(examples: Sequence[EncodedExample]) -> mx.array | None:
    if all(example.imitated for example in examples):
        return None
    return mx.array(_of_each_target([not example.imitated for example in examples], examples))


def _of_each_target(values: Sequence[float], examples: Sequence[EncodedExample]) -> "np.ndarray[Any, np.dtype[Any]]":
    """The value of each example, once for each of its targets."""
    return np.repeat(np.array(values), [len(example.targets) for example in examples])


Forward = Callable[[nn.Module, CompletionBatch], mx.array]
"""A model and a batch → states (examples, positions from the batch's start on, width) after all blocks and the final
norm."""


def whole_model(model: nn.Module, batch: CompletionBatch) -> mx.array:
    """From the ids through all blocks, as models run."""
    return hidden_states(model, batch.inputs, batch.start)


def grouped(items: Sequence[T], tokens: int, length: Callable[[T], int]) -> list[list[T]]:
    """The items in groups of at most `tokens` ids if padded to the longest of each, or of one; in the same order."""
    groups: list[list[T]] = []
    longest = 0
    for item in items:
        longest = max(longest, length(item))
        if not groups or longest * (len(groups[-1]) + 1) > tokens:
            groups.append([])
            longest = length(item)
        groups[-1].append(item)
    return groups


def training_batches(
    examples: Sequence[EncodedExample], size: int, *, seed: int, epoch: int, skip: int = 0
) -> Iterator[CompletionBatch]:
    """The batches of one epoch, in an order that depends on seed and epoch only; one batch may be short.

    Within windows of some batches, examples of similar length go together, so that there is little padding. All batches
    have the weight of an average one, so that a token counts the same in whichever batch it is, and the weight of an
    example holds against the whole set. The first `skip` batches are left out.
    """
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(examples)).tolist()
    window = size * _WINDOW_BATCHES
    groups: list[list[int]] = []
    for start in range(0, len(order), window):
        near = sorted(order[start : start + window], key=lambda index: len(examples[index].ids))
        groups += _chunks(near, size)
    average = total_weight(examples) / max(1, len(groups))
    for index in random.permutation(len(groups))[skip:]:
        yield CompletionBatch.of([examples[i] for i in groups[index]], weight=average)


def validation_batches(examples: Sequence[EncodedExample], size: int) -> Iterator[CompletionBatch]:
    """Each example once, shortest first, with weight 1 whatever its weight in training."""
    order = sorted(range(len(examples)), key=lambda index: len(examples[index].ids))
    for chunk in _chunks(order, size):
        yield CompletionBatch.of([replace(examples[index], weight=1.0) for index in chunk])


def _chunks(items: list[int], size: int) -> list[list[int]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
