"""Trains an adapter: prepares base, data and memory, and runs the training loop, at most twice."""

import gc
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn

from adapterd.base.adaptable import frozen_by_type
from adapterd.base.architectures import architecture_of, computed_as
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.mlx.blocks import Blocks
from adapterd.base.mlx.model import BlockwiseModel, default_dtype, on_gpu
from adapterd.base.mlx.sizes import ModelSizes, Precision
from adapterd.base.mlx.streams import SINGLE_STREAM, ParallelStreams
from adapterd.config import GradientCheckpointing, TrainingSettings
from adapterd.errors import InputError
from adapterd.formats.encoded import EncodedExample
from adapterd.system.files import sha256_file
from adapterd.training.adapter_layers import attach_adapter, load_adapter_weights
from adapterd.training.checkpoints.checkpoint import CHECKPOINT, DEFAULT_PACE, CheckpointFile, Pace, identity
from adapterd.training.choice.by_answers import Judge, chosen_by_answers
from adapterd.training.choice.in_time import InTime
from adapterd.training.data import Dataset, Forward
from adapterd.training.hidden_state_cache import FrozenBlocks, HiddenStateCache
from adapterd.training.learning_rate import TrainingSchedule
from adapterd.training.loop import DivergedError, Trainer
from adapterd.training.memory import (
    MemoryDemand,
    budget_bytes,
    fit,
    frozen_parts,
    is_out_of_memory,
    limit_buffer_cache,
)
from adapterd.training.mistakes.unlearn import Unlearning, for_mistakes, without_repetitions
from adapterd.training.preferences import PreferencePairs, reference_margins
from adapterd.training.process_group import SINGLE_PROCESS, ProcessGroup
from adapterd.training.progress import Report, TrainingProgress, TrainingResult
from adapterd.training.recipe import Recipe
from adapterd.training.training_sets import Preparation, TrainingSets

PARALLEL_MEMORY_SHARE = 0.8
"""Parallel streams are used if a step takes at most this share of the memory budget."""
RETRY_RATE_FACTOR = 0.25
"""The learning rate is multiplied by this after a training diverged."""

log = logging.getLogger(__name__)


def train(
    gguf: GgufFile,
    dataset: Path,
    settings: TrainingSettings,
    out: Path,
    report: Report,
    *,
    base_digest: str | None = None,
    cache: HiddenStateCache | None = None,
    start: Path | None = None,
    judge: Judge | None = None,
    pace: Pace = DEFAULT_PACE,
    group: ProcessGroup = SINGLE_PROCESS,
) -> TrainingResult:
    """Train an adapter on the base model and save the best one in the folder `out`: the one with the lowest validation
    loss, or of the best the one that the `judge` finds to answer best.

    The same arguments give the same losses on a CPU, and so does a training that was killed and resumes from the
    checkpoint in `out`. The checkpoint stays there after the last step, so that a result that was lost on its way can
    be had again. A training that diverges begins again, once, at a lower learning rate; one that runs out of memory
    resumes, once, with smaller micro-batches. `base_digest` is that of the file, computed if it is not given; `cache`
    stores the outputs of the blocks below the adapter; `start` is the folder of an adapter to start from. In a
    distributed training, every process of the `group` calls this, each with a folder of its own.

    Raises NotEnoughDataError without training examples, InputError and UnsupportedModelError by what is wrong with
    dataset (also an example that is longer than the base can read) or model, NoSpaceError where memory is too small for
    any step, StageError where a loss is not finite.
    """
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    for unfinished in out.glob(".*.partial"):  # of a process that was killed
        unfinished.unlink()
    digest = (base_digest or sha256_file(gguf.path)) + computed_as(gguf)
    sets = TrainingSets.read(dataset, settings)
    recipe = Recipe.of(settings, gguf, sets.data.per_epoch + len(sets.pairs))
    keeps = judge is not None and bool(sets.data.validation)
    attempt = _Attempt(gguf, digest, dataset, sets, out, report, cache, start, pace, group, keeps)
    result = _in_two_attempts(attempt, recipe)
    if judge is None or not keeps:
        return result
    _free_memory()
    judge = InTime.after(result.seconds, settings.max_hours, judge)
    result = chosen_by_answers(result, out, judge, report)
    recipe = replace(recipe, learning_rate=result.learning_rate or recipe.learning_rate)
    second = Unlearning(
        gguf.path, lambda *arguments: attempt.on(*arguments).run(for_mistakes(recipe)), settings.correction_rounds
    )
    return without_repetitions(result, sets.data.train, out, judge, second, report)


def _in_two_attempts(attempt: "_Attempt", recipe: Recipe) -> TrainingResult:
    try:
        return attempt.run(recipe)
    except DivergedError as exc:
        recipe = replace(recipe, learning_rate=recipe.learning_rate * RETRY_RATE_FACTOR)
        log.warning("training begins again at a learning rate of %g: %s", recipe.learning_rate, exc)
        (attempt.out / CHECKPOINT).unlink(missing_ok=True)
    except (RuntimeError, MemoryError) as exc:
        if not is_out_of_memory(exc) or attempt.group.world_size > 1:
            raise
        attempt = replace(attempt, less_memory=True)
        log.warning(
            "out of memory, training resumes with micro-batches of half the size: %s", str(exc) or "memory ran out"
        )
    _free_memory()
    return attempt.run(recipe)


def _free_memory() -> None:
    """Of an attempt that is over: its model refers to itself."""
    gc.collect()
    mx.clear_cache()


@dataclass(frozen=True)
class _Attempt:
    gguf: GgufFile
    digest: str
    dataset: Path
    sets: TrainingSets
    out: Path
    report: Report
    cache: HiddenStateCache | None
    start: Path | None
    pace: Pace
    group: ProcessGroup
    keeps: bool
    less_memory: bool = False

    def on(self, examples: tuple[EncodedExample, ...], folder: Path, report: Report) -> "_Attempt":
        """One that goes on at the adapter that this one made, on other examples, in another folder."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sets = TrainingSets(Dataset(examples, self.sets.data.validation))
        return replace(self, sets=sets, out=folder, report=report, start=self.out, keeps=True)

    def run(self, settings: Recipe) -> TrainingResult:
        """Train with these settings."""
        began, whole = time.monotonic(), self.sets
        schedule = TrainingSchedule.of(settings, whole.data.per_epoch, len(whole.pairs))
        report_step = _preparation_reporter(schedule, self.report)
        mx.reset_peak_memory()
        source = BlockwiseModel(self.gguf, dtype=default_dtype(), quantized=on_gpu())
        self._refuse_too_long(whole.examples)
        budget = limit_buffer_cache(budget_bytes())
        sizes = ModelSizes.of(self.gguf, Precision.here())
        streams = self._streams(sizes, settings, budget)
        parts = frozen_parts(sizes.blocks[: -settings.layers], budget)
        frozen, sets = self._prepared(source, parts, settings, report_step, streams)
        below = frozen.blocks if frozen else 0
        same = identity(self.digest, self.dataset, settings, below, self.start)
        checkpoints = CheckpointFile(self.out, same, self.pace)
        demand = MemoryDemand.of(sizes, sets.examples, settings, below=below, pairs=sets.has_pairs)
        fitted = fit(demand, settings.batch_tokens, limit_buffer_cache(budget_bytes()))
        if self.less_memory:
            fitted = fitted.smaller(settings.gradient_checkpointing)
        model = source.keep(below)
        attach_adapter(model, settings, self._frozen_modules())
        settings = replace(settings, batch_tokens=fitted.batch_tokens)
        with Blocks.only(model, below, gradient_checkpointing=fitted.recompute) as above:
            forward = frozen.forward_by(above) if frozen else _from_the_ids(above)
            pairs_with_margins = _with_reference_margins(model, sets, forward, settings, report_step, streams)
            if self.start:
                load_adapter_weights(model, settings, self.start)
            trainer = Trainer(
                model,
                sets.data,
                settings,
                self.out,
                self.report,
                checkpoints,
                forward,
                pairs_with_margins,
                self.group,
                streams,
                spent_s=time.monotonic() - began,
                keeps=self.keeps,
            )
            result = trainer.run()
        return replace(
            result, estimated_memory_bytes=fitted.bytes, gradient_checkpointing=fitted.recompute,
            notes=[*_left_out(whole, sets, settings), *result.notes],
        )  # fmt: skip

    def _frozen_modules(self) -> list[str]:
        """The projections that get no adapter, as they could not be merged."""
        architecture = architecture_of(self.gguf)
        return [architecture.module(tensor) for tensor in frozen_by_type(architecture, self.gguf)]

    def _refuse_too_long(self, examples: Sequence[EncodedExample]) -> None:
        context = self.gguf.value(f"{self.gguf.architecture}.context_length")
        longest = max(examples, key=lambda example: len(example.ids))
        if context is not None and len(longest.ids) > context:
            raise InputError(
                f"the example of record {longest.record} has {len(longest.ids)} ids, and the base reads {context}",
                hint="lower dataset.max_tokens",
            )

    def _streams(self, sizes: ModelSizes, settings: Recipe, budget: int) -> ParallelStreams:
        """Several if there is memory enough to do without gradient checkpointing, which saves little with them."""
        demand = MemoryDemand.of(sizes, self.sets.examples, settings, pairs=self.sets.has_pairs)
        wanted_bytes = demand.bytes(recompute=False, batch_tokens=settings.batch_tokens)
        checkpointing = self.less_memory or settings.gradient_checkpointing is GradientCheckpointing.ON
        fits = wanted_bytes <= PARALLEL_MEMORY_SHARE * budget
        return ParallelStreams.available(settings.batch_size) if fits and not checkpointing else SINGLE_STREAM

    def _prepared(
        self,
        source: BlockwiseModel,
        parts: Sequence[range],
        settings: Recipe,
        report_step: "ReportStep",
        streams: ParallelStreams,
    ) -> tuple[FrozenBlocks | None, TrainingSets]:
        """The blocks below the adapter with cached outputs for the examples of the sets; None if there are none, or no
        space. In one process the sets are without what there is no time for."""
        below = parts[-1].stop
        if self.cache is None or below <= 0:
            return None, self.sets
        frozen = FrozenBlocks(source, below, self.cache.of(self.digest, below), self.group, parts)
        report = partial(report_step, "layers below the adapter, example")
        if self.group.world_size > 1:
            return (frozen if frozen.prepare(self.sets.examples, report, streams) else None), self.sets
        limited = Preparation.beginning(self.sets, self.out, settings.max_hours, below, settings.layers)
        sets = limited.by(frozen, lambda examples, goes_on: frozen.prepare(examples, report, streams, goes_on))
        return (frozen, sets) if sets else (None, self.sets)


def _with_reference_margins(
    model: nn.Module,
    sets: TrainingSets,
    forward: Forward,
    settings: Recipe,
    report_step: "ReportStep",
    streams: ParallelStreams,
) -> PreferencePairs:
    """The pairs with their margins by the reference: the model while its adapter is untrained."""
    model.eval()
    every, count = [*sets.pairs, *sets.validation_pairs], len(sets.pairs)
    margins = reference_margins(
        model,
        every,
        forward,
        settings,
        lambda done: report_step("reference log-likelihoods, pair", done, len(every)),
        streams,
    )
    pairs = tuple(zip(every, margins, strict=True))
    return PreferencePairs(pairs[:count], pairs[count:])


def _left_out(whole: TrainingSets, taken: TrainingSets, settings: Recipe) -> list[str]:
    """A sentence on what was not taken, where there is something."""
    every, some = (len(sets.data.train) + len(sets.pairs) for sets in (whole, taken))
    if some == every:
        return []
    hours = settings.max_hours
    return [f"{some} of {every} examples were prepared and taken, for training.max_hours is {hours:g}"]


def _from_the_ids(blocks: Blocks) -> Forward:
    return lambda _model, batch: blocks.run(batch.inputs, None, batch.start)


ReportStep = Callable[[str, int, int], None]
"""Reports a step of the preparation: its name, and how many of how many are done."""


def _preparation_reporter(schedule: TrainingSchedule, report: Report) -> ReportStep:
    def report_step(what: str, done: int, count: int) -> None:
        report(TrainingProgress.preparing(schedule.steps, f"{what} {done + 1} of {count}"))

    return report_step
