"""The merging stage: clone the base's file, overwrite the tensors that the adapter touches, change nothing else."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapterd.base.ggml import quantize
from adapterd.base.gguf_file import GgufFile
from adapterd.errors import StageError
from adapterd.merging.adapter import Update, read_adapter
from adapterd.merging.verify import TensorReport, compare
from adapterd.system import files

SPARE_BYTES = 64 << 20
WRITING_SHARE = 0.8


@dataclass(frozen=True)
class MergeResult:
    """The candidate file: its digest (`sha256:…`), how the base was copied (`clone` or `copy`), what was rewritten."""

    candidate: Path
    digest: str
    size_bytes: int
    copied_by: str
    touched: int
    written_bytes: int
    tensors: TensorReport


def merge(
    base_path: Path, adapter: Path, candidate: Path, *, report: Callable[[float], object] = lambda _: None
) -> MergeResult:
    """Write base + adapter to `candidate`, each tensor in the type it has; `report` gets the share done, 0…1.

    Rounding is ggml's own. Raises StageError for want of disk space or when the result is not matched to the base,
    InputError when the adapter does not fit. On any failure no candidate is left behind.
    """
    base = GgufFile.open(base_path)
    updates = read_adapter(adapter, base)
    _require_space(base_path, candidate.parent)
    candidate.unlink(missing_ok=True)
    partial = candidate.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    try:
        copied_by = files.clone(base_path, partial)
        partial.chmod(0o600)
        written = _overwrite(partial, base, updates, lambda share: report(WRITING_SHARE * share))
        tensors = compare(base_path, partial, {update.tensor for update in updates})
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
        written_bytes=written,
        tensors=tensors,
    )


def _overwrite(target: Path, base: GgufFile, updates: Sequence[Update], report: Callable[[float], object]) -> int:
    """Put the updated tensors in place; returns the bytes written."""
    written = 0
    with target.open("r+b") as file:
        for count, update in enumerate(updates, start=1):
            tensor = base.tensors[update.tensor]
            data = quantize(base.values(update.tensor) + update.delta(), tensor.type_name).tobytes()
            if len(data) != tensor.size_bytes:
                raise StageError(f"{tensor.name} would change from {tensor.size_bytes} to {len(data)} bytes")
            file.seek(tensor.offset_bytes)
            written += file.write(data)
            report(count / len(updates))
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
