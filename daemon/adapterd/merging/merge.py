"""The merging stage: clone the base's file, overwrite the tensors that the adapter touches, change nothing else."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from adapterd.base.ggml import quantize
from adapterd.base.gguf_file import GgufFile
from adapterd.errors import StageError
from adapterd.merging.adapter import Update, read_adapter
from adapterd.merging.calibration import Calibration
from adapterd.merging.error_feedback import round_with_feedback
from adapterd.merging.grids import GRID_TYPES, pack, unpack
from adapterd.merging.verify import TensorReport, compare
from adapterd.system import files

SPARE_BYTES = 64 << 20
HESSIAN_BYTES = 2 << 30
CALIBRATION_EXAMPLES = 24
WRITING_SHARE = 0.9


@dataclass(frozen=True)
class MergeResult:
    """The candidate file: its digest (`sha256:…`), how the base was copied (`clone` or `copy`), what was rewritten.

    `touched` counts tensors; of these, `with_feedback` were rounded with error feedback on the base's own grid.
    """

    candidate: Path
    digest: str
    size_bytes: int
    copied_by: str
    touched: int
    with_feedback: int
    written_bytes: int
    tensors: TensorReport


def merge(
    base_path: Path,
    adapter: Path,
    candidate: Path,
    *,
    examples: Sequence[Sequence[int]] = (),
    report: Callable[[float], object] = lambda _: None,
) -> MergeResult:
    """Write base + adapter to `candidate`, each tensor in the type it has; `report` gets the share done, 0…1.

    `examples` are token ids of training examples, to calibrate the error feedback with; without any, and for types
    that have no grid of their own, rounding is ggml's. Raises StageError for want of disk space or when the result is
    not matched to the base, InputError when the adapter does not fit. On any failure no candidate is left behind.
    """
    base = GgufFile.open(base_path)
    updates = read_adapter(adapter, base)
    _require_space(base_path, candidate.parent)
    candidate.unlink(missing_ok=True)
    partial = candidate.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    calibration = Calibration(base, adapter, examples) if examples else None
    try:
        copied_by = files.clone(base_path, partial)
        partial.chmod(files.PRIVATE_FILE)
        rounded = _rounded(base, updates, calibration)
        written = _overwrite(partial, base, rounded, lambda count: report(WRITING_SHARE * count / len(updates)))
        tensors = compare(base, partial, {update.tensor for update in updates})
        if not tensors.matches:
            raise StageError(f"the merged file does not match the base tensor by tensor: {tensors}")
        digest = files.sha256_file(partial, lambda share: report(WRITING_SHARE + (1 - WRITING_SHARE) * share))
        partial.replace(candidate)
    finally:
        partial.unlink(missing_ok=True)
    return MergeResult(
        candidate=candidate,
        digest=f"sha256:{digest}",
        size_bytes=candidate.stat().st_size,
        copied_by=copied_by,
        touched=len(updates),
        with_feedback=sum(_has_grid(base, update) for update in updates) if calibration else 0,
        written_bytes=written,
        tensors=tensors,
    )


def calibration_examples(train: Path, count: int = CALIBRATION_EXAMPLES) -> list[list[int]]:
    """Token ids of `count` examples spread evenly over a training set's JSON lines."""
    lines = train.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["ids"] for line in lines[:: max(1, len(lines) // count)][:count]]


def _rounded(base: GgufFile, updates: Sequence[Update], calibration: Calibration | None) -> Iterator[tuple[str, bytes]]:
    """(tensor, its new bytes), block after block of the model; the inputs' moments of a few blocks are held at once."""
    for batch in _batches(base, updates):
        calibrated = [update for update in batch if calibration is not None and _has_grid(base, update)]
        by_name = {update.tensor: update for update in calibrated}
        if calibration is not None and calibrated:
            for name, hessian in calibration.hessians(by_name.keys()):
                yield name, _on_own_grid(base, by_name[name], hessian)
        for update in batch:
            if update.tensor not in by_name:
                values = base.values(update.tensor) + update.delta()
                yield update.tensor, quantize(values, base.tensors[update.tensor].type_name).tobytes()


def _on_own_grid(base: GgufFile, update: Update, hessian: np.ndarray[Any, Any]) -> bytes:
    """The tensor's bytes with new codes, its scales and minimums as they are."""
    tensor = base.tensors[update.tensor]
    raw = base.raw(tensor.name).reshape(tensor.shape[0], -1)
    grid, codes = unpack(raw, tensor.type_name)
    chosen = round_with_feedback(grid.values(codes) + update.delta(), grid, codes, hessian)
    return pack(raw, chosen, tensor.type_name).tobytes()


def _batches(base: GgufFile, updates: Sequence[Update]) -> Iterator[list[Update]]:
    """Consecutive blocks of the model whose moments fit into HESSIAN_BYTES together; at least one block each."""
    batch: list[Update] = []
    held_bytes = 0
    for _, members in groupby(updates, key=lambda update: update.tensor.split(".")[:2]):
        block = list(members)
        needed_bytes = sum(4 * base.tensors[update.tensor].shape[-1] ** 2 for update in block)
        if batch and held_bytes + needed_bytes > HESSIAN_BYTES:
            yield batch
            batch, held_bytes = [], 0
        batch += block
        held_bytes += needed_bytes
    if batch:
        yield batch


def _has_grid(base: GgufFile, update: Update) -> bool:
    return base.tensors[update.tensor].type_name in GRID_TYPES


def _overwrite(
    target: Path, base: GgufFile, rounded: Iterator[tuple[str, bytes]], report: Callable[[int], object]
) -> int:
    """Put the updated tensors in place; returns the bytes written. `report` gets how many tensors are done."""
    written = 0
    with target.open("r+b") as file:
        for count, (name, data) in enumerate(rounded, start=1):
            tensor = base.tensors[name]
            if len(data) != tensor.size_bytes:
                raise StageError(f"{name} would change from {tensor.size_bytes} to {len(data)} bytes")
            file.seek(tensor.offset_bytes)
            written += file.write(data)
            report(count)
        file.flush()
        os.fsync(file.fileno())
    return written


def _require_space(base: Path, folder: Path) -> None:
    needed, free = base.stat().st_size + SPARE_BYTES, shutil.disk_usage(folder).free
    if free < needed:
        raise StageError(
            f"{folder} has {free / 1e9:.1f} GB free and merging may need {needed / 1e9:.1f} GB",
            hint="free some space, then run `adapterctl retrain` to go on where this stopped",
        )
