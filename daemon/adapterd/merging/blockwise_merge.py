"""A merge with examples of the task: GPTQ block by block, then distillation over all touched blocks."""

from collections.abc import Callable, Sequence

import mlx.core as mx

from adapterd.base.architectures import architecture_of
from adapterd.base.mlx.model import BlockwiseModel
from adapterd.formats.encoded import EncodedExample
from adapterd.merging.candidate_file import CandidateFile
from adapterd.merging.distil import Distillation, distil
from adapterd.merging.examples import batches
from adapterd.merging.gptq import GptqFactor, gptq_round
from adapterd.merging.hessian import Calibration, Hessians
from adapterd.merging.updates import Update

VALIDATION_EVERY = 8
BATCH_TOKENS = 512
Report = Callable[..., object]


def gptq_then_distil(
    candidate: CandidateFile,
    updates: Sequence[Update],
    examples: Sequence[EncodedExample],
    *,
    steps: int,
    report: Report,
) -> Distillation | None:
    """Write base + adapter into the candidate, for all updated tensors that have quants; others stay as they are.

    With 0 `steps` nothing is distilled, and None is returned. `report` takes the share done, 0…1, and `doing`.
    """
    calibration, validation_batches = gptq_all_blocks(
        candidate, updates, examples, lambda share: report(0.4 * share, doing="GPTQ")
    )
    if not steps:
        return None
    return distil(
        candidate, architecture_of(candidate.base), calibration, validation_batches, steps=steps,
        report=lambda share: report(0.4 + 0.6 * share, doing="distilling"),
    )  # fmt: skip


def gptq_all_blocks(
    candidate: CandidateFile,
    updates: Sequence[Update],
    examples: Sequence[EncodedExample],
    report: Callable[[float], object] = lambda _: None,
) -> tuple[Calibration, int]:
    """GPTQ for all touched blocks. Returns what distillation needs: the calibration, and how many of its last batches
    are its validation set, which has every eighth example.

    Computes in fp32 everywhere, as LoRA updates are far smaller than what a 16-bit float resolves.
    """
    validation = examples[::VALIDATION_EVERY]
    train = [each for number, each in enumerate(examples) if number % VALIDATION_EVERY] or validation
    train_batches, validation_batches = (list(batches(each, tokens=BATCH_TOKENS)) for each in (train, validation))
    source = BlockwiseModel(candidate.base, dtype=mx.float32)
    calibration = Calibration(source, candidate.base, updates, [*train_batches, *validation_batches])
    by_tensor = {update.tensor: update for update in updates}
    done = 0
    for hessians in calibration.run():
        done += _round_block(candidate, by_tensor, calibration.modules, hessians)
        report(done / len(updates))
    return calibration, len(validation_batches)


def _round_block(
    candidate: CandidateFile, updates: dict[str, Update], tensors: dict[str, str], hessians: Hessians
) -> int:
    """GPTQ for one block's tensors, by module in `tensors`; returns how many of its modules have a Hessian."""
    sharing = hessians.modules_by_input()
    for name, modules in sharing.items():
        factor = GptqFactor.of(hessians.of(name))
        for tensor in filter(candidate.has_quants, (tensors[module] for module in modules)):
            scales, quants = candidate.unpack_base(tensor)
            target = scales.dequantize(quants) + updates[tensor].delta()
            candidate.write_quants(tensor, gptq_round(target, scales, quants, factor))
    return sum(map(len, sharing.values()))
