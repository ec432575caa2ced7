"""Learning from "this rather than that": direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290).

The reference is the base itself, which is the model while its adapter is untrained; its log-likelihoods are computed
once, before the first step.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from adapterd.base.mlx.streams import ONE_LANE, Lanes
from adapterd.config import TrainingSettings
from adapterd.errors import InputError
from adapterd.training.data import Batch, Example, Forward, grouped
from adapterd.training.process_group import Ranks

PAIRS, VALIDATION_PAIRS = "pairs.jsonl", "validation_pairs.jsonl"


@dataclass(frozen=True)
class Pair:
    """Two completions of one prompt, of which the first is preferred; it counts as often as the chosen one does."""

    chosen: Example
    rejected: Example

    @property
    def weight(self) -> float:
        """How often it counts."""
        return self.chosen.weight

    @property
    def tokens(self) -> int:
        """Ids of both, without padding."""
        return len(self.chosen.ids) + len(self.rejected.ids)


@dataclass(frozen=True)
class Likelihoods:
    """Of each pair, log-likelihoods (pairs,) of the chosen and the rejected completion, in nats; by token where they
    are normalised for length."""

    chosen: mx.array
    rejected: mx.array

    def margin(self) -> mx.array:
        """By how much the chosen one is the more likely (pairs,)."""
        return self.chosen - self.rejected


@dataclass(frozen=True)
class PairBatch:
    """Pairs side by side, the chosen ones first. `reference` (pairs,) are the base's margins. `weight` is what the sum
    of their losses is divided by: as often as they count, or the pairs of an average batch of the set do."""

    pairs: tuple[Pair, ...]
    batch: Batch
    sequence: mx.array
    reference: mx.array
    weight: float

    @property
    def tokens(self) -> int:
        """Ids without padding."""
        return self.batch.tokens

    @property
    def records(self) -> tuple[str, ...]:
        """The hashes of the feedback records that they come from."""
        return tuple(pair.chosen.record for pair in self.pairs)

    @property
    def mean_factor(self) -> float:
        """What its loss has to be multiplied by to be a mean over its own pairs."""
        return self.weight / sum(pair.weight for pair in self.pairs)

    @classmethod
    def of(cls, pairs: Sequence[Pair], reference: Sequence[float], *, weight: float | None = None) -> "PairBatch":
        """`sequence` tells for each target which of the examples it is of. Its loss is the mean over its own pairs, or
        their sum by `weight`."""
        examples = [*(pair.chosen for pair in pairs), *(pair.rejected for pair in pairs)]
        lengths = [len(example.ids) - example.prompt_tokens for example in examples]
        sequence = mx.array(np.repeat(np.arange(len(examples)), lengths).astype(np.int32))
        margins = mx.array(list(reference), mx.float32)
        weight = sum(pair.weight for pair in pairs) if weight is None else weight
        return cls(tuple(pairs), Batch.of(examples), sequence, margins, weight)

    def likelihoods(self, model: nn.Module, forward: Forward, *, by_token: bool) -> Likelihoods:
        """What a model makes of both completions of each pair."""
        of_target = -self.batch.of_targets(model, forward)
        count = len(self.batch.examples)
        summed = mx.zeros(count).at[self.sequence].add(of_target)
        if by_token:
            summed = summed / mx.zeros(count).at[self.sequence].add(mx.ones_like(of_target))
        return Likelihoods(summed[: len(self.pairs)], summed[len(self.pairs) :])

    def shared(self, ranks: Ranks) -> "PairBatch | None":
        """What of it is this rank's to do; None where that is nothing."""
        mine = ranks.share(self._told())
        if len(mine) == len(self.pairs):
            return self
        return PairBatch.of(*zip(*mine, strict=True)) if mine else None

    def _told(self) -> list[tuple[Pair, float]]:
        """Each pair with the base's margin."""
        return list(zip(self.pairs, self.reference.tolist(), strict=True))  # type: ignore[arg-type]

    def parts(self, tokens: int) -> "list[PairBatch]":
        """The batch in parts of so many ids each, padding included, or of one pair; in the same order."""
        parts = grouped(self._told(), tokens // 2, lambda each: max(len(each[0].chosen.ids), len(each[0].rejected.ids)))
        return [self] if len(parts) == 1 else [PairBatch.of(*zip(*part, strict=True)) for part in parts]

    def divided(self, count: int) -> "list[PairBatch]":
        """The batch in so many parts of about the same size, fewer where there are not enough pairs."""
        if min(count, len(self.pairs)) == 1:
            return [self]
        told = self._told()
        return [PairBatch.of(*zip(*told[first::count], strict=True)) for first in range(min(count, len(told)))]

    def loss(self, model: nn.Module, forward: Forward, settings: TrainingSettings) -> mx.array:
        """The sum of −log σ(β · (margin − reference margin)) over the pairs, as often as each counts, by `weight`, in
        nats, and `sft_weight` times the loss of a token of the chosen completions, added up over the pairs likewise."""
        found = self.likelihoods(model, forward, by_token=settings.length_normalised)
        gained = settings.beta * (found.margin() - self.reference)
        losses: mx.array = nn.softplus(-gained)
        if settings.sft_weight:
            lengths = mx.array([len(pair.chosen.ids) - pair.chosen.prompt_tokens for pair in self.pairs], mx.float32)
            by_token = found.chosen if settings.length_normalised else found.chosen / lengths
            losses = losses - settings.sft_weight * by_token
        often = mx.array([pair.weight for pair in self.pairs], mx.float32)
        return (losses * often).sum() / self.weight


@dataclass(frozen=True)
class Preferred:
    """How well a model tells the completions of pairs apart that it was not trained on: the share of pairs in which the
    adapter moved it towards the chosen one (`accuracy`), by how much in nats times β (`margin`), and the loss."""

    accuracy: float
    margin: float
    loss: float


def measure(
    model: nn.Module,
    batches: Iterable[PairBatch],
    forward: Forward,
    settings: TrainingSettings,
    lanes: Lanes = ONE_LANE,
) -> Preferred:
    """All of it over some pairs; raises ValueError for none."""

    def gained(batch: PairBatch) -> mx.array:
        found = batch.likelihoods(model, forward, by_token=settings.length_normalised)
        return settings.beta * (found.margin() - batch.reference)

    values = np.array([value for batch in lanes.map(gained, batches) for value in batch.tolist()])  # type: ignore[union-attr]
    if not len(values):
        raise ValueError("there are no pairs")
    return Preferred(float((values > 0).mean()), float(values.mean()), float(np.logaddexp(0, -values).mean()))


def read_pairs(path: Path) -> Iterator[Pair]:
    """The pairs of a file, none where there is no file; raises InputError naming the line at fault."""
    if not path.exists():
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            fields: dict[str, Any] = json.loads(line)
            chosen, rejected = (
                Example(tuple(map(int, fields[name])), int(fields["prompt_tokens"]), str(fields["record"]))
                for name in ("chosen", "rejected")
            )
        except (ValueError, KeyError, TypeError) as exc:
            raise InputError(f"{path} line {number} is not a pair: {exc}") from exc
        yield Pair(chosen, rejected)


def references(
    model: nn.Module,
    pairs: Sequence[Pair],
    forward: Forward,
    settings: TrainingSettings,
    report: Callable[[int], object],
    lanes: Lanes = ONE_LANE,
) -> list[float]:
    """The margin of each pair by the model as it is; `report` gets how many are done."""

    def margin(pair: Pair) -> mx.array:
        alone = PairBatch.of([pair], [0.0])
        return alone.likelihoods(model, forward, by_token=settings.length_normalised).margin()

    def reported() -> Iterator[Pair]:
        for done, pair in enumerate(pairs):
            report(done)
            yield pair

    return [float(told.item()) for told in lanes.map(margin, reported())]  # type: ignore[arg-type]


@dataclass(frozen=True)
class Pairs:
    """The pairs of one training, each with the base's margin; both sets may be empty."""

    train: tuple[tuple[Pair, float], ...] = ()
    validation: tuple[tuple[Pair, float], ...] = ()

    def batches(self, size: int, *, seed: int, epoch: int) -> list[PairBatch]:
        """Each pair to train on once, in an order that depends on seed and epoch only; all batches have the weight of
        an average one."""
        order = np.random.default_rng((seed, epoch, 1)).permutation(len(self.train)).tolist()
        chosen = [[self.train[index] for index in order[start : start + size]] for start in range(0, len(order), size)]
        average = sum(pair.weight for pair, _ in self.train) / max(1, len(chosen))
        return [PairBatch.of(*zip(*group, strict=True), weight=average) for group in chosen]

    def validation_batches(self) -> list[PairBatch]:
        """Each of the others, alone."""
        return [PairBatch.of([pair], [margin]) for pair, margin in self.validation]


def as_often_as_examples(pairs: Iterable[Pair], examples: Iterable[Example]) -> list[Pair]:
    """The pairs, each counting as often as the example of the same record does, once where there is none."""
    often = {example.record: example.weight for example in examples}
    return [replace(pair, chosen=replace(pair.chosen, weight=often.get(pair.chosen.record, 1.0))) for pair in pairs]


def without_chosen(examples: Sequence[Example], pairs: Sequence[Pair], settings: TrainingSettings) -> list[Example]:
    """The examples that no pair teaches already; none at all where only pairs are to teach."""
    if pairs and not settings.sft_weight:
        return []
    taught = {pair.chosen.ids for pair in pairs}
    return [example for example in examples if example.ids not in taught]
