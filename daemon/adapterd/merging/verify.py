"""Proof of law 2: the candidate has the base's tensors, and those that no update touched are the same bytes."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from adapterd.base.gguf_file import GgufFile


@dataclass(frozen=True)
class TensorReport:
    """Counts over the tensors of a base and its candidate. The header is everything before the tensors' bytes."""

    total: int
    same_name_shape_type_order: int
    untouched: int
    untouched_identical: int
    header_identical: bool
    size_equal: bool

    @property
    def matches(self) -> bool:
        """Whether the candidate is matched in every respect."""
        return (
            self.total == self.same_name_shape_type_order
            and self.untouched == self.untouched_identical
            and self.header_identical
            and self.size_equal
        )


def compare(base: GgufFile, candidate: Path, touched: Collection[str]) -> TensorReport:
    """Compare two files tensor by tensor; raises InputError if the candidate is no GGUF at all."""
    ours, theirs = base, GgufFile.open(candidate)
    pairs = list(zip(ours.tensors.values(), theirs.tensors.values(), strict=False))
    untouched = [name for name in ours.tensors if name not in touched]
    return TensorReport(
        total=len(ours.tensors),
        same_name_shape_type_order=sum(a == b for a, b in pairs) if len(ours.tensors) == len(theirs.tensors) else 0,
        untouched=len(untouched),
        untouched_identical=sum(
            name in theirs.tensors and ours.raw(name).tobytes() == theirs.raw(name).tobytes() for name in untouched
        ),
        header_identical=_header(ours) == _header(theirs),
        size_equal=ours.path.stat().st_size == candidate.stat().st_size,
    )


def _header(file: GgufFile) -> bytes:
    with file.path.open("rb") as handle:
        return handle.read(min(tensor.offset_bytes for tensor in file.tensors.values()))
