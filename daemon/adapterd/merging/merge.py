"""The merging stage: clone the base's file, overwrite the tensors that the adapter touches, change nothing else."""

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adapterd.base.gguf.ggml import quantize
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.grids import CodeArray
from adapterd.errors import NoSpaceError, StageError
from adapterd.merging.blockwise_merge import calibrate
from adapterd.merging.distil import Distillation
from adapterd.merging.draft import Draft
from adapterd.merging.examples import Samples, spread
from adapterd.merging.kept_update import SUFFIXES, Retention, fits, measure
from adapterd.merging.rounding import round_plainly
from adapterd.merging.updates import Update, read_adapter
from adapterd.merging.verify import TensorReport, compare
from adapterd.system import files
from adapterd.system.processors import processors

SPARE_BYTES = 64 << 20
ROWS_AT_A_TIME = 256
CALIBRATION_TOKENS = 8_192
LEAST_EXAMPLES = 24
STEPS = 48
ASIDE_SUFFIX = ".first"
"""Of the first attempt, while a second one is made."""
HELD_OUT_TOKENS = 8_192
LEAST_HELD_OUT = 16
ATTEMPTS = ((0.05, 0.8, 0.85), (0.85, 0.93, 0.95))
"""By attempt, the shares of the whole at which its calibration begins and ends, and its measuring ends. The second is
seldom needed."""

Report = Callable[..., object]
"""Takes the share done, 0…1, and `doing`, what is being done."""


@dataclass(frozen=True)
class MergeResult:
    """The candidate file: its digest (`sha256:…`), how the base was copied (`clone` or `copy`), what was rewritten.

    `touched` counts tensors; of these, `with_feedback` were rounded with error feedback on the base's own grid.
    `attempts` are more than one if the first kept too little.
    """

    candidate: Path
    digest: str
    size_bytes: int
    copied_by: str
    touched: int
    with_feedback: int
    written_bytes: int
    tensors: TensorReport
    retention: Retention | None = None
    attempts: int = 1
    distillation: Distillation | None = None


def merge(
    base_path: Path,
    adapter: Path,
    candidate: Path,
    *,
    samples: Samples | None = None,
    min_retention: float = 0.0,
    steps: int = STEPS,
    context_tokens: int | None = None,
    report: Report = lambda _share, **_more: None,
) -> MergeResult:
    """Write base + adapter to `candidate`, each tensor in the type it has.

    Calibrated with `samples.train`, tensors with a grid are rounded with error feedback, then scales, minimums and
    norm gains are distilled for up to `steps` steps; without samples each value goes to its nearest code. Types that
    have no grid of their own are rounded by ggml. Where `samples.held_out` show a retention below `min_retention`, it
    is done once more with twice the calibration. `context_tokens` is what the file is served with. Raises StageError
    for want of disk space or when the result is not matched to the base, InputError when the adapter does not fit. On
    any failure no candidate is left behind.
    """
    base = GgufFile.open(base_path, context_tokens=context_tokens)
    updates = read_adapter(adapter, base)
    _require_space(base_path, candidate.parent)
    partial = candidate.with_suffix(".partial")
    for left_over in (candidate, partial, *map(candidate.with_suffix, (*SUFFIXES, ASIDE_SUFFIX))):
        left_over.unlink(missing_ok=True)
    merging = _Merging(Draft(base, partial), updates, samples or Samples(), report)
    try:
        copied_by = files.clone(base_path, partial, without=_places(base, updates))
        partial.chmod(files.PRIVATE_FILE)
        merging.carry_out(min_retention, steps)
        merging.draft.sync()
        tensors = compare(base, partial, merging.draft.changed)
        if not tensors.matches:
            raise StageError(f"the merged file does not match the base tensor by tensor: {tensors}")
        digest = files.sha256_file(partial, merging.part(0.95, 1.0, "checking the file"))
        partial.replace(candidate)
    finally:
        partial.unlink(missing_ok=True)
    return MergeResult(
        candidate=candidate,
        digest=f"sha256:{digest}",
        size_bytes=candidate.stat().st_size,
        copied_by=copied_by,
        touched=len(updates),
        with_feedback=len(merging.on_grid),
        written_bytes=merging.draft.written_bytes,
        tensors=tensors,
        retention=merging.retention,
        attempts=merging.attempts,
        distillation=merging.distillation,
    )


@dataclass
class _Merging:
    """One merge on its way: attempts at a draft, until it keeps enough of the adapter."""

    draft: Draft
    updates: Sequence[Update]
    samples: Samples
    report: Report
    attempts: int = 0
    retention: Retention | None = None
    distillation: Distillation | None = None

    def __post_init__(self) -> None:
        self.on_grid = [update for update in self.updates if self.samples.train and self.draft.has_grid(update.tensor)]

    def carry_out(self, min_retention: float, steps: int) -> None:
        """Round, calibrate, distil and measure; once more with twice of everything where too little is kept. The better
        attempt stays."""
        self._round_plainly()
        self._attempt(1, steps)
        first = self.retention
        if first is None or first.kept is None or first.kept >= min_retention or not self.on_grid:
            return
        if not _has_space_for(self.draft.path, self.draft.path.parent):
            return  # the first attempt is kept, and held for keeping too little
        distillation, aside = self.distillation, self.draft.path.with_suffix(ASIDE_SUFFIX)
        try:
            files.clone_atomic(self.draft.path, aside)
            self._attempt(2, steps)
            if self.retention is not None and (self.retention.kept or 0.0) < first.kept:
                aside.replace(self.draft.path)
                self.retention, self.distillation = first, distillation
        finally:
            aside.unlink(missing_ok=True)

    def _attempt(self, effort: int, steps: int) -> None:
        start, calibrated, measured = ATTEMPTS[effort - 1]
        self.attempts = effort
        if self.on_grid:
            train = spread(self.samples.train, tokens=effort * CALIBRATION_TOKENS, at_least=effort * LEAST_EXAMPLES)
            self.distillation = calibrate(
                self.draft, self.updates, train, steps=effort * steps, report=self.part(start, calibrated)
            )
        self._measure(self.part(calibrated, measured, "measuring retention"))

    def part(self, start: float, end: float, doing: str = "") -> Report:
        """A listener for the part of the work between two shares of the whole."""
        return lambda share, doing=doing: self.report(start + (end - start) * share, doing=doing)

    def _round_plainly(self) -> None:
        """The tensors without a grid; without samples, all."""
        tensors = {update.tensor for update in self.on_grid}
        plain = [update for update in self.updates if update.tensor not in tensors]
        start, calibrated, _ = ATTEMPTS[0]
        say = self.part(0.0, start if self.on_grid else calibrated, "rounding")
        for count, update in enumerate(plain, start=1):
            _add(self.draft, update)
            say(count / len(plain))

    def _measure(self, report: Report) -> None:
        measurable = [each for each in self.samples.held_out if fits(self.draft.base, each)]
        held_out = spread(measurable, tokens=HELD_OUT_TOKENS, at_least=LEAST_HELD_OUT)
        if held_out:
            self.retention = measure(self.draft, self.updates, held_out, report)


def _places(base: GgufFile, updates: Sequence[Update]) -> list[range]:
    """Where the updated tensors stand in the file."""
    tensors = [base.tensors[update.tensor] for update in updates]
    places = [range(each.offset_bytes, each.offset_bytes + each.size_bytes) for each in tensors]
    return sorted(places, key=lambda place: place.start)


def _add(draft: Draft, update: Update) -> None:
    """Add the update and round each value by itself: on the base's own grid, or as ggml does for types without one."""
    tensor, delta = update.tensor, update.delta()
    if not draft.has_grid(tensor):
        draft.replace(tensor, quantize(draft.base.values(tensor) + delta, draft.type_of(tensor)).tobytes())
        return

    def codes_of(start: int) -> CodeArray:
        rows = slice(start, start + ROWS_AT_A_TIME)
        grid, codes = draft.base_grid(tensor, rows)
        return round_plainly(grid.values(codes) + delta[rows], grid, codes)

    with ThreadPoolExecutor(processors()) as pool:
        draft.choose(tensor, np.concatenate(list(pool.map(codes_of, range(0, len(delta), ROWS_AT_A_TIME)))))


def _has_space_for(file: Path, folder: Path) -> bool:
    return shutil.disk_usage(folder).free >= file.stat().st_size + SPARE_BYTES


def _require_space(base: Path, folder: Path) -> None:
    if not _has_space_for(base, folder):
        needed, free = base.stat().st_size + SPARE_BYTES, shutil.disk_usage(folder).free
        raise NoSpaceError(
            f"{folder} has {free / 1e9:.1f} GB free and merging may need {needed / 1e9:.1f} GB",
            hint="free some space, then run `adapterctl retrain` to go on where this stopped",
        )
