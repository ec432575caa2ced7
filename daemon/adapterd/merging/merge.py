"""The merging stage: clone the base's file, overwrite the tensors that the adapter touches, change nothing else."""

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adapterd.base.gguf.ggml import quantize
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.language_part import language_bytes
from adapterd.base.gguf.quants import QuantArray
from adapterd.errors import NoSpaceError, StageError
from adapterd.merging.blockwise_merge import gptq_then_distil
from adapterd.merging.candidate_file import CandidateFile
from adapterd.merging.distil import Distillation
from adapterd.merging.examples import MergeExamples, sample_evenly
from adapterd.merging.gptq import round_to_nearest
from adapterd.merging.retention import (
    COMPARED_COPIES,
    SUFFIXES,
    Retention,
    fits_context,
    measure_retention,
    needs_copies,
)
from adapterd.merging.updates import Update, read_adapter
from adapterd.merging.verify import TensorReport, compare_tensors
from adapterd.system import files
from adapterd.system.processors import processors

SPARE_BYTES = 64 << 20
ROWS_AT_A_TIME = 256
CALIBRATION_TOKENS = 16_384
MIN_CALIBRATION_EXAMPLES = 24
STEPS = 128
FIRST_ATTEMPT_SUFFIX = ".first"
"""The suffix of the first attempt's file, while a second attempt is made."""
HELD_OUT_TOKENS = 8_192
MIN_HELD_OUT_EXAMPLES = 16
ATTEMPTS = ((0.05, 0.8, 0.85), (0.85, 0.93, 0.95))
"""For each attempt, the shares of the whole merge, 0…1, at which its calibration begins and ends, and its measuring
ends. A second attempt is seldom needed."""

Report = Callable[..., object]
"""Takes the share done, 0…1, and `doing`, what is being done."""


@dataclass(frozen=True)
class MergeResult:
    """The candidate file: its digest (`sha256:…`), how the base was copied (`clone` or `copy`), what was rewritten.

    `touched` counts tensors; for `gptq_tensors` of these, GPTQ chose the quants on the base's own scales. `attempts` is
    more than one if the retention of the first was too low.
    """

    candidate: Path
    digest: str
    size_bytes: int
    copied_by: str
    touched: int
    written_bytes: int
    tensors: TensorReport
    retention: Retention | None = None
    attempts: int = 1
    gptq_tensors: int = 0
    distillation: Distillation | None = None


def merge(
    base_path: Path,
    adapter: Path,
    candidate: Path,
    *,
    examples: MergeExamples | None = None,
    min_retention: float = 0.0,
    steps: int = STEPS,
    context_tokens: int | None = None,
    report: Report = lambda _share, **_more: None,
) -> MergeResult:
    """Write base + adapter to `candidate`, each tensor in the type it has.

    With `examples.train` for calibration, GPTQ chooses the quants, and scales, minimums and norm weights are distilled
    for up to `steps` steps; without them each weight is rounded to its nearest quant. Types that are not in
    `QUANT_TYPES` are quantised by ggml. If the retention on `examples.held_out` is below `min_retention`, a second
    attempt is made with twice the calibration. `context_tokens` is the context that the file is served with. Raises
    NoSpaceError for too little disk space, StageError if the result does not match the base tensor by tensor,
    InputError if the adapter does not fit the base. After any failure no candidate is left behind.
    """
    base = GgufFile.open(base_path, context_tokens=context_tokens)
    updates = read_adapter(adapter, base)
    measured = bool(examples and examples.held_out)
    _require_space(base, candidate.parent, measured=measured)
    partial = candidate.with_suffix(".partial")
    for left_over in (candidate, partial, *map(candidate.with_suffix, (*SUFFIXES, FIRST_ATTEMPT_SUFFIX))):
        left_over.unlink(missing_ok=True)
    merging = _Merge(CandidateFile(base, partial), updates, examples or MergeExamples(), report)
    try:
        copied_by = files.clone(base_path, partial, without=_places(base, updates))
        partial.chmod(files.PRIVATE_FILE)
        merging.run(min_retention, steps)
        merging.candidate.sync()
        tensors = compare_tensors(base, partial, merging.candidate.changed)
        if not tensors.matches:
            raise StageError(f"the merged file does not match the base tensor by tensor: {tensors}")
        digest = files.sha256_file(partial, merging.partial_report(0.95, 1.0, "checking the file"))
        partial.replace(candidate)
    finally:
        partial.unlink(missing_ok=True)
    return MergeResult(
        candidate=candidate,
        digest=f"sha256:{digest}",
        size_bytes=candidate.stat().st_size,
        copied_by=copied_by,
        touched=len(updates),
        written_bytes=merging.candidate.written_bytes,
        tensors=tensors,
        retention=merging.retention,
        attempts=merging.attempts,
        gptq_tensors=len(merging.gptq_updates),
        distillation=merging.distillation,
    )


@dataclass
class _Merge:
    """One merge: up to two attempts at the candidate's file, until the retention is high enough."""

    candidate: CandidateFile
    updates: Sequence[Update]
    examples: MergeExamples
    report: Report
    attempts: int = 0
    retention: Retention | None = None
    distillation: Distillation | None = None

    def __post_init__(self) -> None:
        self.gptq_updates = [
            update for update in self.updates if self.examples.train and self.candidate.has_quants(update.tensor)
        ]

    def run(self, min_retention: float, steps: int) -> None:
        """Round, calibrate, distil and measure; if the retention is too low, once more with twice the examples and
        steps. The better attempt stays."""
        self._round_to_nearest()
        self._attempt(1, steps)
        first = self.retention
        if first is None or first.kept is None or first.kept >= min_retention or not self.gptq_updates:
            return
        if not _has_space_for(self.candidate.base, self.candidate.path.parent, measured=True):
            return  # the first attempt stays, and the retention gate holds it
        distillation, aside = self.distillation, self.candidate.path.with_suffix(FIRST_ATTEMPT_SUFFIX)
        try:
            files.clone_atomic(self.candidate.path, aside)
            self._attempt(2, steps)
            if self.retention is not None and (self.retention.kept or 0.0) < first.kept:
                aside.replace(self.candidate.path)
                self.retention, self.distillation = first, distillation
        finally:
            aside.unlink(missing_ok=True)

    def _attempt(self, effort: int, steps: int) -> None:
        start, calibrated, measured = ATTEMPTS[effort - 1]
        self.attempts = effort
        if self.gptq_updates:
            train = sample_evenly(
                self.examples.train, tokens=effort * CALIBRATION_TOKENS, at_least=effort * MIN_CALIBRATION_EXAMPLES
            )
            self.distillation = gptq_then_distil(
                self.candidate, self.updates, train, steps=effort * steps, report=self.partial_report(start, calibrated)
            )
        self._measure(self.partial_report(calibrated, measured, "measuring retention"))

    def partial_report(self, start: float, end: float, doing: str = "") -> Report:
        """A report function for the part of the merge between two shares of the whole."""
        return lambda share, doing=doing: self.report(start + (end - start) * share, doing=doing)

    def _round_to_nearest(self) -> None:
        """Round the tensors that GPTQ is not used for, which are all without calibration examples."""
        tensors = {update.tensor for update in self.gptq_updates}
        others = [update for update in self.updates if update.tensor not in tensors]
        start, calibrated, _ = ATTEMPTS[0]
        progress = self.partial_report(0.0, start if self.gptq_updates else calibrated, "rounding")
        for count, update in enumerate(others, start=1):
            _add_rounded(self.candidate, update)
            progress(count / len(others))

    def _measure(self, report: Report) -> None:
        measurable = [each for each in self.examples.held_out if fits_context(self.candidate.base, each)]
        held_out = sample_evenly(measurable, tokens=HELD_OUT_TOKENS, at_least=MIN_HELD_OUT_EXAMPLES)
        if held_out:
            self.retention = measure_retention(self.candidate, self.updates, held_out, report)


def _places(base: GgufFile, updates: Sequence[Update]) -> list[range]:
    """The byte ranges of the updated tensors in the file, in order."""
    tensors = [base.tensors[update.tensor] for update in updates]
    places = [range(each.offset_bytes, each.offset_bytes + each.size_bytes) for each in tensors]
    return sorted(places, key=lambda place: place.start)


def _add_rounded(candidate: CandidateFile, update: Update) -> None:
    """Add the update and round each weight to its nearest quant on the base's scales, or let ggml quantise it."""
    tensor, delta = update.tensor, update.delta()
    if not candidate.has_quants(tensor):
        candidate.write(tensor, quantize(candidate.base.values(tensor) + delta, candidate.type_of(tensor)).tobytes())
        return

    def quants_of(start: int) -> QuantArray:
        rows = slice(start, start + ROWS_AT_A_TIME)
        scales, quants = candidate.unpack_base(tensor, rows)
        return round_to_nearest(scales.dequantize(quants) + delta[rows], scales, quants)

    with ThreadPoolExecutor(processors()) as pool:
        candidate.write_quants(tensor, np.concatenate(list(pool.map(quants_of, range(0, len(delta), ROWS_AT_A_TIME)))))


def _needed_bytes(base: GgufFile, *, measured: bool) -> int:
    """Of one more file like the base, and of the two copies of its language model that retention is measured with
    where llama.cpp cannot load the file itself."""
    copies = COMPARED_COPIES if measured and needs_copies(base) else 0
    return base.path.stat().st_size + copies * language_bytes(base) + SPARE_BYTES


def _has_space_for(base: GgufFile, folder: Path, *, measured: bool) -> bool:
    return shutil.disk_usage(folder).free >= _needed_bytes(base, measured=measured)


def _require_space(base: GgufFile, folder: Path, *, measured: bool) -> None:
    if not _has_space_for(base, folder, measured=measured):
        needed, free = _needed_bytes(base, measured=measured), shutil.disk_usage(folder).free
        raise NoSpaceError(
            f"{folder} has {free / 1e9:.1f} GB free and merging may need {needed / 1e9:.1f} GB",
            hint="free some space, then run `adapterctl retrain` to go on where this stopped",
        )
