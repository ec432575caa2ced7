"""Estimates the peak memory of a merge: of its three parts that take much, each by itself, the largest.

The constants are measured on models of llama's shape with 0.1 and 1.1 billion parameters, each with one attempt; since
a Hessian is factored in place, only the smaller one was measured again (test_memory_of_a_merge.py). Pages of the base's
file are counted only where llama.cpp maps it: what is read of it once is given back to the system.
"""

import math
from dataclasses import dataclass

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.language_part import language_bytes
from adapterd.base.gguf.quants import QUANT_TYPES
from adapterd.base.mlx.sizes import FP32_BYTES, BlockSizes, ModelSizes
from adapterd.config import TrainingSettings
from adapterd.merging.blockwise_merge import BATCH_TOKENS
from adapterd.merging.distil import CHECKPOINTING_BYTES
from adapterd.merging.gptq import PANEL_COLUMNS
from adapterd.merging.merge import CALIBRATION_TOKENS, MIN_CALIBRATION_EXAMPLES
from adapterd.merging.retention import COMPARED_COPIES, MAX_DEQUANTIZED_BYTES

_STATES = 3
"""Hidden states of all calibration examples: before a block, after it, and those that distillation begins with."""
_FACTORED, _FACTOR, _PANELS = 12, 4, 24
"""Bytes for each entry of a Hessian beside its own: while it is factored, in fp64, and of the factor, in fp32; and for
each of the panel that is worked on."""
_ROUNDED = 24
"""Bytes for each weight of a tensor while it is rounded."""
_PLAIN = 20
"""The same where ggml rounds it, counted, not measured: base, update, both, and what is written."""
_QUANTS, _DISTILLED = 1, 9
"""Bytes for each touched weight that has a quant: of that, and of what the backward pass needs."""
_ACTIVATIONS = 16
"""Values of a token in a block, in multiples of its widths."""
_TOKEN = 470
"""Bytes that llama.cpp keeps of a token: 60 MB for 128 256 of them, 112 MB for 262 144."""
_LOGITS = 10
"""Arrays of the size of the logits of a batch."""


@dataclass(frozen=True)
class MergeDemand:
    """What the memory of a merge depends on: the model's sizes in fp32, how many of its top blocks have an adapter, ids
    of an example and of its completion, the bytes of the language model, and whether retention is measured with the
    touched blocks in fp32. Without examples to measure on there is no retention, without steps no distillation. Where
    no projection that gets an adapter has quants, ggml rounds all, and there is neither GPTQ nor distillation."""

    sizes: ModelSizes
    layers: int
    tokens: int
    completion: int
    file_bytes: int
    dequantized: bool
    distils: bool = True
    measures: bool = True

    @classmethod
    def of(
        cls,
        base: GgufFile,
        sizes: ModelSizes,
        settings: TrainingSettings,
        tokens: int,
        completion: int,
        *,
        on_cpu: bool,
    ) -> "MergeDemand":
        """For a base and an adapter that is trained with these settings; `sizes` are those in fp32, and `on_cpu` says
        whether llama.cpp computes on a CPU."""
        return cls(sizes, settings.layers, tokens, completion, language_bytes(base), dequantized=on_cpu)

    @property
    def bytes(self) -> int:
        """The estimate of the peak, but for what the process takes by itself."""
        computed: float = _PLAIN * max(_largest(block, quants=False) for block in self._touched)
        if any(_adapted(block, quants=True) for block in self._touched):
            computed = max(computed, self._calibration(), self._distillation() if self.distils else 0)
        return round(max(computed, self._retention() if self.measures else 0))

    @property
    def _touched(self) -> tuple[BlockSizes, ...]:
        return self.sizes.blocks[-self.layers :]

    @property
    def _states_bytes(self) -> float:
        attempts = 2 if self.measures else 1  # the second has twice the examples, and follows a low retention
        tokens = attempts * max(CALIBRATION_TOKENS, MIN_CALIBRATION_EXAMPLES * self.tokens)
        return _STATES * tokens * self.sizes.width * FP32_BYTES

    @property
    def _batch_tokens(self) -> int:
        return max(BATCH_TOKENS, self.tokens)

    def _activations(self, block: BlockSizes) -> float:
        values = self.sizes.width + block.queries + block.ffn + block.mixed + block.delta
        return FP32_BYTES * self._batch_tokens * _ACTIVATIONS * values / 4

    def _calibration(self) -> float:
        """One block in memory, with Hessians of its inputs, the largest of which is factored."""
        return self.sizes.common_bytes + self._states_bytes + max(map(_calibrated, self._touched))

    def _distillation(self) -> float:
        """All touched blocks, where there are quants as these, and the weights of those once or one block at a time."""
        touched = [sum(map(math.prod, _adapted(block, quants=True))) for block in self._touched]
        others = sum(block.weight_bytes for block in self._touched) - FP32_BYTES * sum(touched)
        kept, step = _QUANTS * sum(touched) + others, _DISTILLED * sum(touched)
        activations = sum(map(self._activations, self._touched))
        if FP32_BYTES * sum(touched) > CHECKPOINTING_BYTES:
            step, activations = _DISTILLED * max(touched), max(map(self._activations, self._touched))
        share = self.completion / self.tokens
        logits = _LOGITS * FP32_BYTES * self.sizes.vocabulary * self._batch_tokens * share
        return self.sizes.common_bytes + self._states_bytes + kept + step + activations + logits

    def _retention(self) -> float:
        """The base and the candidate in llama.cpp, perhaps with the touched blocks in fp32."""
        expanded = FP32_BYTES * (self.sizes.vocabulary * self.sizes.width + sum(b.matrix_values for b in self._touched))
        fits = self.dequantized and expanded <= MAX_DEQUANTIZED_BYTES
        logits = _LOGITS * FP32_BYTES * self.sizes.vocabulary * self.completion
        each = self.file_bytes + (expanded if fits else 0) + _TOKEN * self.sizes.vocabulary
        return COMPARED_COPIES * each + logits


def _adapted(block: BlockSizes, *, quants: bool) -> list[tuple[int, int]]:
    """(rows, columns) of the projections that get an adapter: of those whose types have quants, or of the others."""
    return [
        block.projections[module]
        for module, type_name in block.adaptable.items()
        if (type_name in QUANT_TYPES) is quants
    ]


def _largest(block: BlockSizes, *, quants: bool) -> int:
    return max(map(math.prod, _adapted(block, quants=quants)), default=0)


def _calibrated(block: BlockSizes) -> int:
    """Bytes of a block with the Hessians of its inputs, those of all types, the largest of which is factored; then its
    largest tensor is rounded by the factor."""
    columns = {block.projections[module][1] for module in block.adaptable}
    most = max(columns, default=0)
    hessians = FP32_BYTES * sum(each**2 for each in columns)
    factored = _FACTORED * most**2 + _PANELS * PANEL_COLUMNS * most
    rounded = _FACTOR * most**2 + _ROUNDED * _largest(block, quants=True)
    return block.weight_bytes + hessians + max(factored, rounded)
