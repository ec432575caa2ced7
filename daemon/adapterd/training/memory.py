"""Estimates the memory of a training step before the first one, and chooses how to compute it so that it fits.

The constants are measured: SmolLM2-135M, and random models of llama, gemma3, gemma4 and qwen35 of 256 and 512 values,
fp32, 4 and 8 blocks, 256 and 512 ids.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import mlx.core as mx

from adapterd.base.families.layers.gated_delta import CHUNK
from adapterd.base.mlx.model import on_gpu
from adapterd.base.mlx.sizes import FP32_BYTES, BlockSizes, ModelSizes
from adapterd.config import GradientCheckpointing, TrainingSettings
from adapterd.errors import NoSpaceError
from adapterd.formats.encoded import EncodedExample
from adapterd.system.machine import available_memory_bytes, memory_bytes
from adapterd.training.adapter_layers import PLACES

SHARE_OF_FREE = 0.9
SHARE_KEPT = 0.1
_RESIDUALS, _NORMED, _CARRIED, _PROJECTED, _FFNS, _OWN = 0.5, 1.75, 2, 2, 4, 6
"""Activations that a block keeps per token for the backward pass: by the width of hidden states, for each of its norms,
and by its other widths."""
_MIXED, _DELTA = 1.5, 6
"""The same of a gated delta layer, in fp32, beside its states between chunks."""
_SCORES = 1.25
_LOGITS = 4
_PEAK_BLOCKS, _PEAK_BLOCKS_CHECKPOINTED = 0.25, 2.6
"""Peak activations beside the kept ones, in blocks: without and with gradient checkpointing."""
_KEPT_CHECKPOINTED = 2
_OPTIMISER = 4
"""Weight, gradient and Adam's two moments."""
SHARE_OF_FROZEN = 0.5
"""Of what training may take, the weights of frozen blocks that are in memory at a time while their outputs are
computed; the rest is for those outputs and for what else is there."""
KEPT_BYTES = 256 << 20
"""Of states that are kept from one range of the frozen blocks to the next: enough texts that computing takes far longer
than reading the blocks again, and so few that nobody waits long for progress, or for a run to stop."""
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
    """What the memory of a step depends on: the sizes of the blocks with an adapter, the longest example and completion
    in ids, the examples in a micro-batch (`rows` at most, `least` at least), and whether gradient checkpointing is
    allowed. `fixed_bytes` are those of weights, adapter and optimiser, `width` the values of a token between blocks, of
    which `carried` are keys and values for later blocks."""

    fixed_bytes: int
    value_bytes: int
    width: int
    vocabulary: int
    blocks: tuple[BlockSizes, ...]
    longest: int
    completion: int
    rows: int
    least: int = 1
    carried: int = 0
    checkpointing: GradientCheckpointing = GradientCheckpointing.AUTO

    @classmethod
    def of(
        cls,
        sizes: ModelSizes,
        examples: Sequence[EncodedExample],
        settings: TrainingSettings,
        *,
        below: int = 0,
        pairs: bool = False,
    ) -> "MemoryDemand":
        """For a model and these examples, at least one; with `pairs`, some are sides of pairs. The lowest `below`
        blocks are not in memory."""
        longest = max(len(example.ids) for example in examples)
        completion = max(len(example.ids) - example.prompt_tokens for example in examples)
        return cls.of_lengths(sizes, longest, completion, settings, below=below, pairs=pairs)

    @classmethod
    def of_lengths(
        cls,
        sizes: ModelSizes,
        longest: int,
        completion: int,
        settings: TrainingSettings,
        *,
        below: int = 0,
        pairs: bool = False,
    ) -> "MemoryDemand":
        """The same for examples and completions of at most so many ids."""
        trained = sizes.blocks[-settings.layers :]
        return cls(
            fixed_bytes=sizes.weight_bytes(below) + _OPTIMISER * adapter_bytes(trained, settings),
            value_bytes=sizes.value_bytes,
            width=sizes.width,
            carried=sizes.carried,
            vocabulary=sizes.vocabulary,
            blocks=trained,
            longest=longest,
            completion=completion,
            rows=settings.batch_size * (2 if pairs else 1),
            least=2 if pairs else 1,
            checkpointing=settings.gradient_checkpointing,
        )

    def bytes(self, *, recompute: bool, batch_tokens: int) -> int:
        """The estimate for a step with the longest examples."""
        rows = min(self.rows, max(self.least, batch_tokens // self.longest))
        blocks = [self._kept_bytes(block) for block in self.blocks]
        if recompute:
            kept = len(blocks) * _KEPT_CHECKPOINTED * self.width * self.value_bytes
            token = kept + _PEAK_BLOCKS_CHECKPOINTED * max(blocks)
        else:
            token = sum(blocks) + _PEAK_BLOCKS * max(blocks)
        logits = _LOGITS * 4 * self.vocabulary * self.completion
        return round(self.fixed_bytes + rows * (self.longest * token + logits))

    def _kept_bytes(self, block: BlockSizes) -> float:
        """What a block keeps of each token for the backward pass."""
        hidden = (_RESIDUALS + _NORMED * block.norms) * (self.width - self.carried) + _CARRIED * self.carried
        attention = _PROJECTED * (block.queries + block.keys) + _SCORES * block.heads * self.longest
        values = hidden + attention + _FFNS * block.ffn + _OWN * block.own
        delta = _MIXED * block.mixed + (_DELTA + block.state / CHUNK) * block.delta
        return self.value_bytes * values + FP32_BYTES * delta


def adapter_bytes(blocks: Sequence[BlockSizes], settings: TrainingSettings) -> int:
    """Of both factors of every projection that gets an adapter, fp32."""
    shapes = (
        block.projections[module]
        for block in blocks
        for module in block.adaptable
        if module.startswith(PLACES[settings.modules])
    )
    return FP32_BYTES * settings.rank * sum(map(sum, shapes))


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


def frozen_parts(frozen: Sequence[BlockSizes], budget_bytes: int) -> list[range]:
    """The frozen blocks, from the lowest up, in ranges whose weights take their share of the budget; at least one
    block each."""
    parts, held = [range(0)], 0
    for index, block in enumerate(frozen):
        if held + block.weight_bytes > SHARE_OF_FROZEN * budget_bytes and parts[-1]:
            parts.append(range(index, index))
            held = 0
        parts[-1] = range(parts[-1].start, index + 1)
        held += block.weight_bytes
    return parts


def preparing_bytes(sizes: ModelSizes, frozen: int, budget_bytes: int, tokens: int) -> int:
    """The estimate of what computing the outputs of the lowest `frozen` blocks takes for so many ids in all: their
    weights, as there are activations of one block at a time only; in ranges, also the states before and after one."""
    parts = frozen_parts(sizes.blocks[:frozen], budget_bytes)
    weights = max(sum(block.weight_bytes for block in sizes.blocks[part.start : part.stop]) for part in parts)
    kept = min(KEPT_BYTES, tokens * sizes.width * sizes.value_bytes) if len(parts) > 1 else 0
    return sizes.common_bytes + weights + 2 * kept


def budget_bytes() -> int:
    """The memory that training may take now: a share of what is free, and on a GPU no more than its working set."""
    return budget_of(available_memory_bytes() + mx.get_active_memory(), working_set_bytes())


def budget_of(free_bytes: int, gpu_bytes: int | None) -> int:
    """The same where so much is free, and a GPU can work in so much; None without one."""
    return int((free_bytes if gpu_bytes is None else min(free_bytes, gpu_bytes)) * SHARE_OF_FREE)


def working_set_bytes() -> int | None:
    """What the GPU of this machine can work in as far as it tells; None where MLX computes on the CPU."""
    if not on_gpu():
        return None
    information: Any = mx.device_info()
    return int(information.get("max_recommended_working_set_size", memory_bytes()))


def limit_buffer_cache(budget_bytes: int) -> int:
    """Limit MLX's buffer cache to a part of the budget; returns the rest of the budget, in bytes.

    Batches differ in shape, and without a limit MLX caches the buffers of each shape. Without a cache a step takes a
    tenth longer on a CPU, because the system clears the memory that it hands out.
    """
    rest = without_cache(budget_bytes)
    mx.set_cache_limit(budget_bytes - rest)
    return rest


def without_cache(budget_bytes: int) -> int:
    """What a step may take of the budget, in bytes: all but MLX's buffer cache."""
    return budget_bytes - int(budget_bytes * SHARE_KEPT)


def is_out_of_memory(error: Exception) -> bool:
    """Whether this is an out-of-memory error of MLX or Python."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _OUT_OF_MEMORY)
    )
