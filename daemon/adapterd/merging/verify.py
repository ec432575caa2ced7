"""The proof of law 2: the candidate has the base's tensors, and those that no update touched are the same bytes."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from adapterd.base.gguf.gguf_file import GgufFile, TensorInfo


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


def compare_tensors(base: GgufFile, candidate: Path, touched: Collection[str]) -> TensorReport:
    """Compare two files tensor by tensor; raises InputError if the candidate is no GGUF at all.

    Files with the same header have the same tensors in the same places; only another header has to be read.
    """
    header_identical = _header(base.path, base) == _header(candidate, base)
    theirs = base.tensors if header_identical else GgufFile.open(candidate).tensors
    pairs = list(zip(base.tensors.values(), theirs.values(), strict=False))
    untouched = [name for name in base.tensors if name not in touched]
    return TensorReport(
        total=len(base.tensors),
        same_name_shape_type_order=sum(a == b for a, b in pairs) if len(base.tensors) == len(theirs) else 0,
        untouched=len(untouched),
        untouched_identical=sum(
            name in theirs and _same_bytes((base.path, base.tensors[name]), (candidate, theirs[name]))
            for name in untouched
        ),
        header_identical=header_identical,
        size_equal=base.path.stat().st_size == candidate.stat().st_size,
    )


def _same_bytes(ours: tuple[Path, TensorInfo], theirs: tuple[Path, TensorInfo]) -> bool:
    return _bytes(*ours) == _bytes(*theirs)


def _bytes(path: Path, tensor: TensorInfo) -> bytes:
    """The tensor's bytes, or what of them there is."""
    with path.open("rb") as handle:
        handle.seek(tensor.offset_bytes)
        return handle.read(tensor.size_bytes)


def _header(path: Path, base: GgufFile) -> bytes:
    """As many bytes as the base has before its first tensor."""
    with path.open("rb") as handle:
        return handle.read(min(tensor.offset_bytes for tensor in base.tensors.values()))
