"""What a training on a base takes here: memory by stage and time, computed from the header of its file and a measure of
this machine. Nothing of the file is loaded."""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from adapterd.config import EvaluationSettings, TrainingSettings
from adapterd.errors import NoSpaceError
from adapterd.system import blas
from adapterd.system.child.call import call as child
from adapterd.system.machine import memory_bytes

if TYPE_CHECKING:
    from adapterd.base.gguf.gguf_file import GgufFile
    from adapterd.base.mlx.sizes import ModelSizes, Precision

PROCESS_BYTES = 250_000_000
"""Python with all libraries of a stage, before there is a model."""
FOR_OTHERS_BYTES = 1 << 30
"""What an idle system takes by itself."""
SHARE_REACHED = 0.4
"""Of the speed of bare products of matrices, what a training reaches: on two cores 516 tokens per second (SmolLM2-135M,
an adapter on 8 blocks), which is 70 GFLOP/s, where bare products reach 190. No GPU was measured."""
NEW_MODEL = TrainingSettings()
"""The settings that a new model has."""
NEW_CONTEXT = EvaluationSettings().num_ctx
_MEASURED_WITHIN_S = 60.0
_CACHE_VALUE_BYTES, _UBATCH, _BUFFERS = 2, 512, 1.1


@dataclass(frozen=True)
class Workload:
    """Records to learn from, and about how many tokens each has with its answer, which is a quarter of it."""

    records: int = 100
    tokens: int = 500

    @property
    def answer(self) -> int:
        """Tokens of an answer."""
        return max(1, self.tokens // 4)


@dataclass(frozen=True)
class Hardware:
    """A machine by its memory, and what of that a GPU of it can work in; None where all is computed on a CPU."""

    memory_bytes: int
    gpu_bytes: int | None = None

    @classmethod
    def here(cls) -> "Hardware":
        """This one."""
        from adapterd.training.memory import working_set_bytes

        return cls(memory_bytes(), working_set_bytes())

    @property
    def free_bytes(self) -> int:
        """What it can spare when it is idle."""
        return self.memory_bytes - FOR_OTHERS_BYTES

    def budget(self, free_bytes: int) -> int:
        """What a process may take where so much is free."""
        from adapterd.training.memory import budget_of

        return budget_of(free_bytes, self.gpu_bytes)

    @property
    def precision(self) -> "Precision":
        """That of a training."""
        from adapterd.base.mlx.sizes import Precision

        return Precision.of(on_gpu=self.gpu_bytes is not None)


@dataclass(frozen=True)
class Needs:
    """Peak memory by stage, in bytes: training and merging in a process of this product, evaluation in the runtime.

    Training is computed in the fastest way that fits into this machine's memory, or in the one that takes least where
    none does; `recomputes` says whether that is with gradient checkpointing. `room_bytes` is what this machine can
    spare when it is idle, `training_room_bytes` what a training takes of it, which leaves a part to MLX's cache.
    `training_s` is about how long the training takes, None where the speed of this machine could not be measured.
    """

    training_bytes: int
    merging_bytes: int
    evaluation_bytes: int
    recomputes: bool
    training_room_bytes: int
    room_bytes: int
    training_s: float | None

    @property
    def too_large(self) -> dict[str, tuple[int, int]]:
        """The stages that do not fit, each with the bytes that it needs and those that it can have."""
        stages = {
            "training": (self.training_bytes, self.training_room_bytes),
            "merging": (self.merging_bytes, self.room_bytes),
            "evaluation": (self.evaluation_bytes, self.room_bytes),
        }
        return {stage: sizes for stage, sizes in stages.items() if sizes[0] > sizes[1]}

    @property
    def fits(self) -> bool:
        """Whether every stage fits."""
        return not self.too_large

    @property
    def peak_bytes(self) -> int:
        """The most that any stage takes."""
        return max(self.training_bytes, self.merging_bytes, self.evaluation_bytes)


@cache
def measured_speed() -> float | None:
    """Operations per second of products of matrices as a training has them, with the BLAS that it has; None where that
    cannot be measured."""
    from adapterd.base.mlx.speed import operations_per_s

    try:
        return child(operations_per_s, timeout_s=_MEASURED_WITHIN_S, variables=blas.preload_environment())
    except Exception:  # whatever MLX says of a machine that it cannot compute on
        return None


def needs(
    gguf: "GgufFile",
    work: Workload,
    speed: float | None,
    hardware: Hardware,
    settings: TrainingSettings = NEW_MODEL,
    context: int = NEW_CONTEXT,
) -> Needs:
    """For a file that can be trained, with the settings that a new model has unless others are given; it is evaluated
    with a context of so many ids.

    Raises InputError or UnsupportedModelError for a file that contradicts itself.
    """
    from adapterd.base.mlx.sizes import FP32, ModelSizes
    from adapterd.merging.memory import MergeDemand
    from adapterd.training.memory import without_cache

    budget = without_cache(hardware.budget(hardware.free_bytes - PROCESS_BYTES))
    sizes = ModelSizes.of(gguf, hardware.precision)
    training, recomputes = _training(sizes, work, settings, budget)
    on_cpu = hardware.gpu_bytes is None
    merging = MergeDemand.of(gguf, ModelSizes.of(gguf, FP32), settings, work.tokens, work.answer, on_cpu=on_cpu).bytes
    operations = _operations(sizes, work, settings, recomputes=recomputes)
    return Needs(
        training_bytes=PROCESS_BYTES + training,
        merging_bytes=PROCESS_BYTES + merging,
        evaluation_bytes=_evaluation(gguf, sizes, context),
        recomputes=recomputes,
        training_room_bytes=PROCESS_BYTES + budget,
        room_bytes=hardware.budget(hardware.free_bytes),
        training_s=operations / (SHARE_REACHED * speed) if speed else None,
    )


def too_large(tag: str, found: Needs, memory: int) -> str:
    """Which stages do not fit, as a sentence."""
    stages = [
        f"{stage} needs about {needed / 1e9:.1f} GB of memory, and {max(0, room) / 1e9:.1f} GB can be had"
        for stage, (needed, room) in found.too_large.items()
    ]
    return f"{tag} is too large for this machine's {memory / 1e9:.1f} GB: {'; '.join(stages)}"


def _training(sizes: "ModelSizes", work: Workload, settings: TrainingSettings, budget: int) -> tuple[int, bool]:
    """Bytes, and whether blocks are computed twice. The lower blocks are in memory before the upper ones are."""
    from adapterd.training.memory import MemoryDemand, fit, preparing_bytes

    below = max(0, len(sizes.blocks) - settings.layers)
    preparing = preparing_bytes(sizes, below, budget, work.records * work.tokens)
    demand = MemoryDemand.of_lengths(sizes, work.tokens, work.answer, settings, below=below)
    try:
        fitted = fit(demand, settings.batch_tokens, budget)
    except NoSpaceError:
        return max(preparing, demand.bytes(recompute=True, batch_tokens=1)), True
    return max(preparing, fitted.bytes), fitted.recompute


def _operations(sizes: "ModelSizes", work: Workload, settings: TrainingSettings, *, recomputes: bool) -> float:
    """Multiplications and additions of a training: the lower blocks once, the upper ones forwards and backwards in
    every epoch, for no gradient of their own weights. Attention multiplies each query with every key and value."""
    from adapterd.training.recipe import epochs_for

    by_block = [block.matrix_values + 2 * work.tokens * block.queries for block in sizes.blocks]
    upper, lower = sum(by_block[-settings.layers :]), sum(by_block[: -settings.layers])
    tokens, epochs = work.records * work.tokens, settings.epochs or epochs_for(work.records, settings.batch_size)
    head = sizes.vocabulary * (sizes.width - sizes.carried) * work.answer / work.tokens
    passes = 3 if recomputes else 2
    return 2.0 * tokens * (lower + epochs * (passes * upper + 2 * head))


def _evaluation(gguf: "GgufFile", sizes: "ModelSizes", context: int) -> int:
    """The language model in the runtime, keys and values of a whole context in 16 bits, and its buffers."""
    from adapterd.base.gguf.language_part import language_bytes

    cached = 2 * _CACHE_VALUE_BYTES * context * sum(block.keys for block in sizes.blocks)
    states = 4 * sum(block.delta * block.state for block in sizes.blocks)
    buffers = 4 * _UBATCH * (sizes.vocabulary + 4 * max(block.ffn for block in sizes.blocks))
    return round(_BUFFERS * (language_bytes(gguf) + cached + states + buffers))
