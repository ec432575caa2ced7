"""DPO, direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290).

The reference model is the base: the model while its adapter is untrained. Its log-likelihoods are computed once, before
the first step.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from adapterd.base.mlx.streams import SINGLE_STREAM, ParallelStreams
from adapterd.config import TrainingSettings
from adapterd.formats import encoded
from adapterd.formats.encoded import EncodedExample
from adapterd.training.data import CompletionBatch, Forward, grouped
from adapterd.training.process_group import ProcessGroup


@dataclass(frozen=True)
class PreferencePair:
    """A chosen and a rejected completion of one prompt; its weight is that of the chosen one.

    `imitate` says whether the chosen one is an example, too; else it is only less bad.
    """

    chosen: EncodedExample
    rejected: EncodedExample
    imitate: bool = True

    @property
    def weight(self) -> float:
        """The factor of its loss."""
        return self.chosen.weight

    @property
    def tokens(self) -> int:
        """Ids of both, without padding."""
        return len(self.chosen.ids) + len(self.rejected.ids)


@dataclass(frozen=True)
class LogLikelihoods:
    """Log-likelihoods (pairs,) of the chosen and the rejected completion of each pair, in nats; per token if they are
    normalised for length."""

    chosen: mx.array
    rejected: mx.array

    def margin(self) -> mx.array:
        """The log-likelihood of the chosen completion minus that of the rejected one (pairs,)."""
        return self.chosen - self.rejected


@dataclass(frozen=True)
class PreferenceBatch:
    """Pairs as one batch of completions, the chosen ones first. `sequence` (targets,) is the index of the completion
    that each target belongs to, `reference` (pairs,) the reference model's margins. `weight` is what the sum of their
    losses is divided by: the sum of their weights, or that of an average batch of the set."""

    pairs: tuple[PreferencePair, ...]
    batch: CompletionBatch
    sequence: mx.array
    reference: mx.array
    weight: float

    @property
    def tokens(self) -> int:
        """Ids without padding."""
        return self.batch.tokens

    @property
    def records(self) -> tuple[str, ...]:
        """The hashes of the feedback records that the pairs come from."""
        return tuple(pair.chosen.record for pair in self.pairs)

    @property
    def mean_factor(self) -> float:
        """The factor that makes its loss a mean over its own pairs."""
        return self.weight / sum(pair.weight for pair in self.pairs)

    @classmethod
    def of(
        cls, pairs: Sequence[PreferencePair], reference: Sequence[float], *, weight: float | None = None
    ) -> "PreferenceBatch":
        """A batch whose loss is the mean over its own pairs, or their sum divided by `weight`."""
        examples = [*(pair.chosen for pair in pairs), *(pair.rejected for pair in pairs)]
        lengths = [len(example.ids) - example.prompt_tokens for example in examples]
        sequence = mx.array(np.repeat(np.arange(len(examples)), lengths).astype(np.int32))
        margins = mx.array(list(reference), mx.float32)
        weight = sum(pair.weight for pair in pairs) if weight is None else weight
        return cls(tuple(pairs), CompletionBatch.of(examples), sequence, margins, weight)

    def log_likelihoods(self, model: nn.Module, forward: Forward, *, by_token: bool) -> LogLikelihoods:
        """The model's log-likelihoods of both completions of each pair."""
        of_target = -self.batch.target_losses(model, forward)
        count = len(self.batch.examples)
        summed = mx.zeros(count).at[self.sequence].add(of_target)
        if by_token:
            summed = summed / mx.zeros(count).at[self.sequence].add(mx.ones_like(of_target))
        return LogLikelihoods(summed[: len(self.pairs)], summed[len(self.pairs) :])

    def shard(self, group: ProcessGroup) -> "PreferenceBatch | None":
        """The part of it that this process computes; None if that is empty."""
        mine = group.shard(self._with_margins())
        if len(mine) == len(self.pairs):
            return self
        return PreferenceBatch.of(*zip(*mine, strict=True)) if mine else None

    def _with_margins(self) -> list[tuple[PreferencePair, float]]:
        """Each pair with its reference margin."""
        return list(zip(self.pairs, self.reference.tolist(), strict=True))  # type: ignore[arg-type]

    def parts(self, tokens: int) -> "list[PreferenceBatch]":
        """Micro-batches of at most `tokens` ids, padding included, or of one pair; in the same order."""
        parts = grouped(
            self._with_margins(), tokens // 2, lambda each: max(len(each[0].chosen.ids), len(each[0].rejected.ids))
        )
        return [self] if len(parts) == 1 else [PreferenceBatch.of(*zip(*part, strict=True)) for part in parts]

    def divided(self, count: int) -> "list[PreferenceBatch]":
        """The batch in `count` parts of about the same size, or in fewer where it has fewer pairs."""
        if min(count, len(self.pairs)) == 1:
            return [self]
        pairs = self._with_margins()
        return [PreferenceBatch.of(*zip(*pairs[first::count], strict=True)) for first in range(min(count, len(pairs)))]

    def loss(self, model: nn.Module, forward: Forward, settings: TrainingSettings) -> mx.array:
        """The weighted sum over the pairs of −log σ(β · (margin − reference margin)), plus `sft_weight` times the mean
        loss per token of the chosen completion where it is to be imitated, divided by `weight`; in nats, fp32."""
        found = self.log_likelihoods(model, forward, by_token=settings.length_normalised)
        reward_margins = settings.beta * (found.margin() - self.reference)
        losses: mx.array = nn.softplus(-reward_margins)
        if settings.sft_weight:
            lengths = mx.array([len(pair.chosen.ids) - pair.chosen.prompt_tokens for pair in self.pairs], mx.float32)
            by_token = found.chosen if settings.length_normalised else found.chosen / lengths
            imitated = mx.array([pair.imitate for pair in self.pairs], mx.float32)
            losses = losses - settings.sft_weight * imitated * by_token
        weights = mx.array([pair.weight for pair in self.pairs], mx.float32)
        return (losses * weights).sum() / self.weight


@dataclass(frozen=True)
class RewardMetrics:
    """TRL's metrics over held-out pairs. A reward is β times how far the adapter raised a completion's log-likelihood
    over the reference, in nats: `accuracies` is the share of pairs whose chosen completion has the higher reward,
    `margins` the mean difference of the rewards, `loss` the mean DPO loss."""

    accuracies: float
    margins: float
    loss: float


def measure(
    model: nn.Module,
    batches: Iterable[PreferenceBatch],
    forward: Forward,
    settings: TrainingSettings,
    streams: ParallelStreams = SINGLE_STREAM,
) -> RewardMetrics:
    """The metrics over the pairs of these batches; raises ValueError if there are none."""

    def reward_margins(batch: PreferenceBatch) -> mx.array:
        found = batch.log_likelihoods(model, forward, by_token=settings.length_normalised)
        return settings.beta * (found.margin() - batch.reference)

    values = np.array([value for batch in streams.map(reward_margins, batches) for value in batch.tolist()])  # type: ignore[union-attr]
    if not len(values):
        raise ValueError("there are no pairs")
    return RewardMetrics(float((values > 0).mean()), float(values.mean()), float(np.logaddexp(0, -values).mean()))


def read_pairs(path: Path) -> Iterator[PreferencePair]:
    """The pairs of a file, none where there is no file; raises InputError naming the line at fault."""
    return (PreferencePair(*pair.examples(), pair.imitate) for pair in encoded.read_pairs(path))


def reference_margins(
    model: nn.Module,
    pairs: Sequence[PreferencePair],
    forward: Forward,
    settings: TrainingSettings,
    report: Callable[[int], object],
    streams: ParallelStreams = SINGLE_STREAM,
) -> list[float]:
    """The margin of each pair by the model as it is, which is the reference; `report` gets how many are done."""

    def margin(pair: PreferencePair) -> mx.array:
        alone = PreferenceBatch.of([pair], [0.0])
        return alone.log_likelihoods(model, forward, by_token=settings.length_normalised).margin()

    def reported() -> Iterator[PreferencePair]:
        for done, pair in enumerate(pairs):
            report(done)
            yield pair

    return [float(found.item()) for found in streams.map(margin, reported())]  # type: ignore[arg-type]


@dataclass(frozen=True)
class PreferencePairs:
    """The pairs of one training, each with its reference margin; both sets may be empty."""

    train: tuple[tuple[PreferencePair, float], ...] = ()
    validation: tuple[tuple[PreferencePair, float], ...] = ()

    def batches(self, size: int, *, seed: int, epoch: int) -> list[PreferenceBatch]:
        """The batches of one epoch, in an order that depends on seed and epoch only; all have the weight of an average
        one."""
        order = np.random.default_rng((seed, epoch, 1)).permutation(len(self.train)).tolist()
        chosen = [[self.train[index] for index in order[start : start + size]] for start in range(0, len(order), size)]
        average = sum(pair.weight for pair, _ in self.train) / max(1, len(chosen))
        return [PreferenceBatch.of(*zip(*group, strict=True), weight=average) for group in chosen]

    def validation_batches(self) -> list[PreferenceBatch]:
        """A batch for each validation pair."""
        return [PreferenceBatch.of([pair], [margin]) for pair, margin in self.validation]


def with_example_weights(pairs: Iterable[PreferencePair], examples: Iterable[EncodedExample]) -> list[PreferencePair]:
    """The pairs, each with the weight of the example of the same record; 1 where there is none."""
    weights = {example.record: example.weight for example in examples}
    return [replace(pair, chosen=replace(pair.chosen, weight=weights.get(pair.chosen.record, 1.0))) for pair in pairs]


def without_chosen(
    examples: Sequence[EncodedExample], pairs: Sequence[PreferencePair], settings: TrainingSettings
) -> list[EncodedExample]:
    """The examples that are not imitated as part of a pair; none if only pairs are trained on (`sft_weight` 0)."""
    if pairs and not settings.sft_weight:
        return []
    chosen = {pair.chosen.ids for pair in pairs if pair.imitate}
    return [example for example in examples if example.ids not in chosen]
