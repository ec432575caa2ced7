"""The training stage: a base and encoded sets in, an adapter out. What surrounds the loop is here."""

import gc
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn

from adapterd.base.architectures import computed_as
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.mlx.blocks import Blocks
from adapterd.base.mlx.model import BlockwiseModel, default_dtype, on_gpu
from adapterd.base.mlx.streams import ONE_LANE, Lanes
from adapterd.config import GradientCheckpointing, Preferences, TrainingSettings
from adapterd.errors import InputError
from adapterd.system.files import sha256_file
from adapterd.training.adapter_layers import attach_adapter, begin_at
from adapterd.training.checkpoint import CHECKPOINT, DEFAULT_PACE, CheckpointFile, Pace, identity
from adapterd.training.data import Dataset, Example, Forward
from adapterd.training.hidden_state_cache import KeptStates, Prefix
from adapterd.training.learning_rate import Plan
from adapterd.training.loop import DivergedError, Report, Trainer
from adapterd.training.memory import Demand, budget_bytes, fit, keep_some_for_next_time, says_memory_is_short
from adapterd.training.preferences import (
    PAIRS,
    VALIDATION_PAIRS,
    Pair,
    Pairs,
    as_often_as_examples,
    read_pairs,
    references,
    without_chosen,
)
from adapterd.training.process_group import ALONE, Ranks
from adapterd.training.progress import TrainingProgress, TrainingResult
from adapterd.training.recipe import Recipe

PLENTY = 0.8
"""Of the memory that there is."""
SLOWER = 0.25
"""Of the learning rate, after a training diverged."""

log = logging.getLogger(__name__)


def train(
    gguf: GgufFile,
    dataset: Path,
    settings: TrainingSettings,
    out: Path,
    report: Report,
    *,
    base_digest: str | None = None,
    states: KeptStates | None = None,
    start: Path | None = None,
    pace: Pace = DEFAULT_PACE,
    ranks: Ranks = ALONE,
) -> TrainingResult:
    """Train an adapter on the base model and leave the best one, by validation loss, in the folder `out`.

    The same arguments give the same losses on a CPU, and so does a training that was killed and goes on from the
    checkpoint in `out`, which stays there, so that the end is not lost either where nobody heard the result. One that
    diverges is begun again, once, at a lower learning rate; one that is short of memory goes on, once, with less at a
    time. `base_digest` is that of the file, which is read once to find it where it is not given. What the blocks below
    the adapter make of the examples is kept in `states`; `start` is the folder of an adapter to begin at. Where there
    are several `ranks`, all of them are to call this, each with a folder of its own.

    Raises NotEnoughDataError without training examples, InputError and UnsupportedModelError by what is wrong with
    dataset (also an example that is longer than the base can read) or model, NoSpaceError where memory is too small for
    any step, StageError where a loss is not finite.
    """
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    for unfinished in out.glob(".*.partial"):  # of a process that was killed
        unfinished.unlink()
    digest = (base_digest or sha256_file(gguf.path)) + computed_as(gguf)
    data, pairs = _read(dataset, settings)
    recipe = Recipe.of(settings, gguf, len(data.train) + len(pairs[0]))
    attempt = _Attempt(gguf, digest, dataset, data, pairs, out, report, states, start, pace, ranks)
    try:
        return attempt.run(recipe)
    except DivergedError as exc:
        recipe = replace(recipe, learning_rate=recipe.learning_rate * SLOWER)
        log.warning("training begins again at a learning rate of %g: %s", recipe.learning_rate, exc)
        (out / CHECKPOINT).unlink(missing_ok=True)
    except (RuntimeError, MemoryError) as exc:
        if not says_memory_is_short(exc) or ranks.size > 1:
            raise
        attempt = replace(attempt, sparing=True)
        log.warning("training goes on with half as much at a time: %s", str(exc) or "memory ran out")
    gc.collect()  # the first attempt's model, which refers to itself
    mx.clear_cache()
    return attempt.run(recipe)


@dataclass(frozen=True)
class _Attempt:
    gguf: GgufFile
    digest: str
    dataset: Path
    data: Dataset
    pairs: "ReadPairs"
    out: Path
    report: Report
    states: KeptStates | None
    start: Path | None
    pace: Pace
    ranks: Ranks
    sparing: bool = False

    def run(self, settings: Recipe) -> TrainingResult:
        """Train with these settings."""
        data, pairs = self.data, self.pairs
        tell = _teller(Plan.of(settings, len(data.train), len(pairs[0])), self.report)
        mx.reset_peak_memory()
        source = BlockwiseModel(self.gguf, dtype=default_dtype(), packed=on_gpu())
        examples = (*data.train, *data.validation, *_sides(*pairs))
        self._refuse_too_long(examples)
        budget = keep_some_for_next_time(budget_bytes(on_gpu()))
        lanes = self._lanes(source.model, examples, settings, budget)
        prefix = self._prefix(source, settings.layers, examples, tell, lanes)
        below = prefix.blocks if prefix else 0
        same = identity(self.digest, self.dataset, settings, below, self.start)
        checkpoints = CheckpointFile(self.out, same, self.pace)
        model = source.keep(below)
        attach_adapter(model, settings)
        demand = Demand.of(model, examples, settings, below=below, pairs=bool(pairs[0] or pairs[1]))
        fitted = fit(demand, settings.batch_tokens, keep_some_for_next_time(budget_bytes(on_gpu())))
        if self.sparing:
            fitted = fitted.smaller(settings.gradient_checkpointing)
        settings = replace(settings, batch_tokens=fitted.batch_tokens)
        with Blocks.only(model, below, sparing=fitted.recompute) as above:
            forward = prefix.forward_by(above) if prefix else _from_the_ids(above)
            told = self._with_references(model, forward, settings, tell, lanes)
            if self.start:
                begin_at(model, settings, self.start)
            trainer = Trainer(
                model, data, settings, self.out, self.report, checkpoints, forward, told, self.ranks, lanes
            )
            result = trainer.run()
        return replace(result, estimated_memory_bytes=fitted.bytes, gradient_checkpointing=fitted.recompute)

    def _with_references(
        self, model: nn.Module, forward: Forward, settings: Recipe, tell: "Tell", lanes: Lanes
    ) -> Pairs:
        """The pairs with what the model makes of them while its adapter is untrained."""
        model.eval()
        every, count = [*chain(*self.pairs)], len(self.pairs[0])
        margins = references(
            model, every, forward, settings, lambda done: tell("the base's view, pair", done, len(every)), lanes
        )
        told = tuple(zip(every, margins, strict=True))
        return Pairs(told[:count], told[count:])

    def _refuse_too_long(self, examples: Sequence[Example]) -> None:
        context = self.gguf.value(f"{self.gguf.architecture}.context_length")
        longest = max(examples, key=lambda example: len(example.ids))
        if context is not None and len(longest.ids) > context:
            raise InputError(
                f"the example of record {longest.record} has {len(longest.ids)} ids, and the base reads {context}",
                hint="lower dataset.max_tokens",
            )

    def _lanes(self, model: nn.Module, examples: Sequence[Example], settings: Recipe, budget: int) -> Lanes:
        """Several where there is so much memory that nothing has to be computed twice, which they do not go with."""
        demand = Demand.of(model, examples, settings, pairs=bool(self.pairs[0] or self.pairs[1]))
        wanted_bytes = demand.bytes(recompute=False, batch_tokens=settings.batch_tokens)
        sparing = self.sparing or settings.gradient_checkpointing is GradientCheckpointing.ON
        plenty = wanted_bytes <= PLENTY * budget
        return Lanes.here(settings.batch_size) if plenty and not sparing else ONE_LANE

    def _prefix(
        self, source: BlockwiseModel, layers: int, examples: Sequence[Example], tell: "Tell", lanes: Lanes
    ) -> Prefix | None:
        """What the blocks below the adapter make of all examples; None where there are none, or no place for it."""
        below = source.blocks - layers
        if self.states is None or below <= 0:
            return None
        prefix = Prefix(source, below, self.states.of(self.digest, below), self.ranks)
        report = partial(tell, "layers below the adapter, example")
        return prefix if prefix.prepare(examples, report, lanes) else None


def _from_the_ids(blocks: Blocks) -> Forward:
    return lambda _model, batch: blocks.run(batch.inputs, None, batch.start)


Tell = Callable[[str, int, int], None]
"""What goes on before the first step, and how many of how many are done."""


def _teller(plan: Plan, report: Report) -> Tell:
    def tell(what: str, done: int, count: int) -> None:
        report(TrainingProgress.preparing(plan.steps, f"{what} {done + 1} of {count}"))

    return tell


ReadPairs = tuple[list[Pair], list[Pair]]
"""Those to train on, and those to validate with."""


def _read(folder: Path, settings: TrainingSettings) -> tuple[Dataset, ReadPairs]:
    """The examples that are to be learned as such, and the pairs."""
    data = Dataset.load(folder)
    if settings.preferences is Preferences.OFF:
        return data, ([], [])
    pairs, others = (list(read_pairs(folder / name)) for name in (PAIRS, VALIDATION_PAIRS))
    pairs = as_often_as_examples(pairs, data.train)
    validation = data.validation if settings.sft_weight or not others else ()
    return Dataset(tuple(without_chosen(data.train, pairs, settings)), validation), (pairs, others)


def _sides(*sets: Sequence[Pair]) -> list[Example]:
    return [side for pair in chain(*sets) for side in (pair.chosen, pair.rejected)]
