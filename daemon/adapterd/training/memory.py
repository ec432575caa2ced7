"""How much memory a training step takes, told before the first one, so that it is made to fit rather than to fail.

The constants are measured (SmolLM2-135M, fp32, 256 to 2048 ids, 4 and 12 blocks, with and without recomputation).
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
from adapterd.system.machine import available_memory_bytes
from adapterd.training.data import Example

SHARE_OF_FREE = 0.9
SHARE_KEPT = 0.1
_WIDTHS, _FFNS = 10, 4
"""Values that a block keeps of each token for its gradients, in multiples of its two widths."""
_SCORES = 1.25
_LOGITS = 4
_AT_WORK, _AT_WORK_AGAIN = 1.0, 2.3
"""Blocks whose values are there beside those that are kept; more if they are computed once more."""
_KEPT_AGAIN = 2
_OPTIMISER = 4
"""Weight, gradient and Adam's two moments."""
_SHORT = ("malloc", "out of memory", "insufficient memory", "allocat")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """How a step is computed: `recompute` the blocks for their gradients or keep their values, and so many ids at a
    time; `bytes` is what all of it is estimated to take."""

    recompute: bool
    batch_tokens: int
    bytes: int

    def smaller(self, checkpointing: GradientCheckpointing = GradientCheckpointing.AUTO) -> "Fitted":
        """Half of it at a time, and nothing kept, unless that is not wanted."""
        recompute = checkpointing is not GradientCheckpointing.OFF
        return replace(self, recompute=recompute, batch_tokens=max(1, self.batch_tokens // 2))


@dataclass(frozen=True)
class Demand:
    """What makes a step large: the model's sizes, the longest examples there are, in ids, and how many are computed at
    a time: `rows` at most, `least` at least; and whether blocks may be computed twice."""

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
        examples: Sequence[Example],
        settings: TrainingSettings,
        *,
        below: int = 0,
        pairs: bool = False,
    ) -> "Demand":
        """Of a model with its adapter, and the examples that it will see, at least one; some of them in pairs. Its
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
        """Of a step with the longest examples."""
        rows = min(self.rows, max(self.least, batch_tokens // self.longest))
        scores = _SCORES * self.heads * self.longest
        block = self.value_bytes * (_WIDTHS * self.width + _FFNS * self.ffn + scores)
        if recompute:
            token = self.blocks * _KEPT_AGAIN * self.width * self.value_bytes + _AT_WORK_AGAIN * block
        else:
            token = (self.blocks + _AT_WORK) * block
        logits = _LOGITS * 4 * self.vocabulary * self.completion
        return round(self.fixed_bytes + rows * (self.longest * token + logits))


def fit(demand: Demand, batch_tokens: int, budget_bytes: int) -> Fitted:
    """The quickest way to compute a step that the memory is enough for; raises NoSpaceError where there is none."""
    for number, (recompute, tokens) in enumerate(_ways(demand, batch_tokens)):
        found = Fitted(recompute, tokens, demand.bytes(recompute=recompute, batch_tokens=tokens))
        if found.bytes <= budget_bytes:
            if number:
                twice = "each block is computed twice, " if recompute else ""
                log.info("memory is short: %s%d ids at a time", twice, tokens)
            return found
    hint = "lower training.layers or dataset.max_tokens, close other programs, or take a smaller base"
    if demand.checkpointing is GradientCheckpointing.OFF:
        hint = f'set training.gradient_checkpointing = "auto", {hint}'
    raise NoSpaceError(
        f"training needs about {found.bytes / 1e9:.1f} GB of memory, {budget_bytes / 1e9:.1f} GB can be had", hint=hint
    )


def _ways(demand: Demand, batch_tokens: int) -> list[tuple[bool, int]]:
    """Whether to recompute and how many ids at a time, the quickest first."""
    recompute = demand.checkpointing is not GradientCheckpointing.OFF
    ways = [(False, batch_tokens)] if demand.checkpointing is GradientCheckpointing.AUTO else []
    ways.append((recompute, batch_tokens))
    while ways[-1][1] > demand.longest:
        ways.append((recompute, max(demand.longest, ways[-1][1] // 2)))
    return ways


def budget_bytes(on_device: bool) -> int:
    """What training may take now: of the memory that is free, and of what the GPU, if that computes, can work with."""
    budget = available_memory_bytes() + mx.get_active_memory()
    if on_device:
        information: Any = mx.device_info()
        budget = min(budget, int(information.get("max_recommended_working_set_size", budget)))
    return int(budget * SHARE_OF_FREE)


def keep_some_for_next_time(budget_bytes: int) -> int:
    """Let MLX keep a part of the budget in buffers that it may use again, and no more; what is left of the budget.

    Batches differ in shape, and MLX keeps the buffers of each shape unless told otherwise; without any, a step takes a
    tenth longer on a CPU, where memory that comes from the system has to be cleared.
    """
    kept = int(budget_bytes * SHARE_KEPT)
    mx.set_cache_limit(kept)
    return budget_bytes - kept


def says_memory_is_short(error: Exception) -> bool:
    """Whether this is how MLX says that memory is short."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _SHORT)
    )
