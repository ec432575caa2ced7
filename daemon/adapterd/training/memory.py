"""Estimates the memory of a training step before the first one, and chooses how to compute it so that it fits.

The constants are measured (SmolLM2-135M, fp32, 256 to 2048 ids, 4 and 12 blocks, with and without gradient
checkpointing).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from adapterd.config import GradientCheckpointing, TrainingSettings
from adapterd.errors import NoSpaceError
from adapterd.formats.encoded import EncodedExample
from adapterd.system.machine import available_memory_bytes

SHARE_OF_FREE = 0.9
SHARE_KEPT = 0.1
_WIDTHS, _FFNS = 10, 4
"""Activations that a block keeps per token for the backward pass, in multiples of its two widths."""
_SCORES = 1.25
_LOGITS = 4
_PEAK_BLOCKS, _PEAK_BLOCKS_CHECKPOINTED = 1.0, 2.3
"""Peak activations beside the kept ones, in blocks: without and with gradient checkpointing."""
_KEPT_CHECKPOINTED = 2
_OPTIMISER = 4
"""Weight, gradient and Adam's two moments."""
_OUT_OF_MEMORY = ("malloc", "out of memory", "insufficient memory", "allocat")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MemoryFit:
    """How a step is computed: whether with gradient checkpointing (`recompute`), and in micro-batches of how many ids;
    `bytes` is the estimate of all its memory."""

    recompute: bool
    batch_tokens: int
    bytes: int

    def smaller(self, checkpointing: GradientCheckpointing = GradientCheckpointing.AUTO) -> "MemoryFit":
        """Half the micro-batch, and gradient checkpointing unless it is off."""
        recompute = checkpointing is not GradientCheckpointing.OFF
        return replace(self, recompute=recompute, batch_tokens=max(1, self.batch_tokens // 2))


@dataclass(frozen=True)
class MemoryDemand:
    """What the memory of a step depends on: the model's sizes, the longest example and completion in ids, the examples
    in a micro-batch (`rows` at most, `least` at least), and whether gradient checkpointing is allowed."""

    fixed_bytes: int
    value_bytes: int
    width: int
    ffn: int
    heads: int
    vocabulary: int
    blocks: int
    longest: int
    completion: int
    rows: int
    least: int = 1
    checkpointing: GradientCheckpointing = GradientCheckpointing.AUTO

    @classmethod
    def of(
        cls,
        model: nn.Module,
        examples: Sequence[EncodedExample],
        settings: TrainingSettings,
        *,
        below: int = 0,
        pairs: bool = False,
    ) -> "MemoryDemand":
        """For a model with its adapter and these examples, at least one; with `pairs`, some are sides of pairs. The
        lowest `below` blocks are not in memory."""
        arguments: Any = model.args
        absent = sum(value.nbytes for _, value in tree_flatten([block.parameters() for block in model.layers[:below]]))
        weights = [value for _, value in tree_flatten(model.parameters())]
        adapter_bytes = sum(value.nbytes for _, value in tree_flatten(model.trainable_parameters()))
        embedding = model.model.embed_tokens
        return cls(
            fixed_bytes=sum(value.nbytes for value in weights) - absent + (_OPTIMISER - 1) * adapter_bytes,
            value_bytes=model.model.norm.weight.itemsize,
            width=arguments.hidden_size,
            ffn=arguments.intermediate_size,
            heads=arguments.num_attention_heads,
            vocabulary=embedding.weight.shape[0],
            blocks=min(settings.layers, len(model.layers)),
            longest=max(len(example.ids) for example in examples),
            completion=max(len(example.ids) - example.prompt_tokens for example in examples),
            rows=settings.batch_size * (2 if pairs else 1),
            least=2 if pairs else 1,
            checkpointing=settings.gradient_checkpointing,
        )

    def bytes(self, *, recompute: bool, batch_tokens: int) -> int:
        """The estimate for a step with the longest examples."""
        rows = min(self.rows, max(self.least, batch_tokens // self.longest))
        scores = _SCORES * self.heads * self.longest
        block = self.value_bytes * (_WIDTHS * self.width + _FFNS * self.ffn + scores)
        if recompute:
            token = self.blocks * _KEPT_CHECKPOINTED * self.width * self.value_bytes + _PEAK_BLOCKS_CHECKPOINTED * block
        else:
            token = (self.blocks + _PEAK_BLOCKS) * block
        logits = _LOGITS * 4 * self.vocabulary * self.completion
        return round(self.fixed_bytes + rows * (self.longest * token + logits))


def fit(demand: MemoryDemand, batch_tokens: int, budget_bytes: int) -> MemoryFit:
    """The fastest way to compute a step within the budget; raises NoSpaceError if none fits."""
    for number, (recompute, tokens) in enumerate(_ways(demand, batch_tokens)):
        found = MemoryFit(recompute, tokens, demand.bytes(recompute=recompute, batch_tokens=tokens))
        if found.bytes <= budget_bytes:
            if number:
                with_checkpointing = "gradient checkpointing, " if recompute else ""
                log.info("memory is short: %s%d ids at a time", with_checkpointing, tokens)
            return found
    hint = "lower training.layers or dataset.max_tokens, close other programs, or take a smaller base"
    if demand.checkpointing is GradientCheckpointing.OFF:
        hint = f'set training.gradient_checkpointing = "auto", {hint}'
    raise NoSpaceError(
        f"training needs about {found.bytes / 1e9:.1f} GB of memory, {budget_bytes / 1e9:.1f} GB can be had", hint=hint
    )


def _ways(demand: MemoryDemand, batch_tokens: int) -> list[tuple[bool, int]]:
    """Pairs of (gradient checkpointing, ids per micro-batch), the fastest first."""
    recompute = demand.checkpointing is not GradientCheckpointing.OFF
    ways = [(False, batch_tokens)] if demand.checkpointing is GradientCheckpointing.AUTO else []
    ways.append((recompute, batch_tokens))
    while ways[-1][1] > demand.longest:
        ways.append((recompute, max(demand.longest, ways[-1][1] // 2)))
    return ways


def budget_bytes(on_device: bool) -> int:
    """The memory that training may take now: a share of what is free, and on a GPU no more than its working set."""
    budget = available_memory_bytes() + mx.get_active_memory()
    if on_device:
        information: Any = mx.device_info()
        budget = min(budget, int(information.get("max_recommended_working_set_size", budget)))
    return int(budget * SHARE_OF_FREE)


def limit_buffer_cache(budget_bytes: int) -> int:
    """Limit MLX's buffer cache to a part of the budget; returns the rest of the budget, in bytes.

    Batches differ in shape, and without a limit MLX caches the buffers of each shape. Without a cache a step takes a
    tenth longer on a CPU, because the system clears the memory that it hands out.
    """
    kept = int(budget_bytes * SHARE_KEPT)
    mx.set_cache_limit(kept)
    return budget_bytes - kept


def is_out_of_memory(error: Exception) -> bool:
    """Whether this is an out-of-memory error of MLX or Python."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _OUT_OF_MEMORY)
    )
