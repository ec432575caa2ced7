"""Rounding with knowledge of the task: error feedback block by block, then distillation of the whole."""

from collections.abc import Callable, Sequence

import mlx.core as mx

from adapterd.base.architectures import architecture_of
from adapterd.base.mlx.model import BlockwiseModel
from adapterd.merging.distil import Distillation, distil
from adapterd.merging.draft import Draft
from adapterd.merging.examples import Example, batches
from adapterd.merging.hessian import Calibration, Moments
from adapterd.merging.rounding import Feedback, round_with_feedback
from adapterd.merging.updates import Update

WATCHED_EVERY = 8
BATCH_TOKENS = 512
Report = Callable[..., object]


def calibrate(
    draft: Draft, updates: Sequence[Update], examples: Sequence[Example], *, steps: int, report: Report
) -> Distillation | None:
    """Write base + adapter into the draft, for all updated tensors with a grid; tensors without stay as they are.

    With 0 `steps` nothing is distilled. `report` takes the share done, 0…1, and `doing`.
    """
    calibration, watched = round_all(
        draft, updates, examples, lambda share: report(0.4 * share, doing="error feedback")
    )
    if not steps:
        return None
    return distil(
        draft, architecture_of(draft.base), calibration, watched, steps=steps,
        report=lambda share: report(0.4 + 0.6 * share, doing="distilling"),
    )  # fmt: skip


def round_all(
    draft: Draft,
    updates: Sequence[Update],
    examples: Sequence[Example],
    report: Callable[[float], object] = lambda _: None,
) -> tuple[Calibration, int]:
    """The first step, error feedback; returns what the second needs: the calibration, and how many of its batches, the
    last ones, are kept back from learning to stop in time (of each eighth example).

    Computes in fp32 everywhere: what is at stake is far below what a 16-bit float resolves.
    """
    watched = examples[::WATCHED_EVERY]
    learned = [each for number, each in enumerate(examples) if number % WATCHED_EVERY] or watched
    to_learn, to_watch = (list(batches(each, tokens=BATCH_TOKENS)) for each in (learned, watched))
    source = BlockwiseModel(draft.base, dtype=mx.float32)
    calibration = Calibration(source, draft.base, updates, [*to_learn, *to_watch])
    by_tensor = {update.tensor: update for update in updates}
    done = 0
    for moments in calibration.moments():
        done += _round_block(draft, by_tensor, calibration.modules, moments)
        report(done / len(updates))
    return calibration, len(to_watch)


def _round_block(draft: Draft, updates: dict[str, Update], tensors: dict[str, str], moments: Moments) -> int:
    """Choose the codes of one block's tensors, which are named by module in `tensors`; returns how many had moments."""
    groups = moments.groups()
    for name, modules in groups.items():
        feedback = Feedback.of(moments.of(name))
        for tensor in filter(draft.has_grid, (tensors[module] for module in modules)):
            grid, codes = draft.base_grid(tensor)
            target = grid.values(codes) + updates[tensor].delta()
            draft.choose(tensor, round_with_feedback(target, grid, codes, feedback))
    return sum(map(len, groups.values()))
