"""Which projections of a base an adapter may change: those whose tensors can be quantised again.

All others are computed with as they are, and stay the same bytes in every version.
"""

from collections.abc import Collection, Iterator

from adapterd.base.families.architecture import Architecture
from adapterd.base.gguf.ggml import ADAPTABLE_TYPES
from adapterd.base.gguf.gguf_file import GgufFile

ATTENTION, MLP = "self_attn.", "mlp."
"""What the names of mlx-lm modules within a block begin with that an adapter goes on."""
OTHER_QUANTISATION = "take the same model in another quantisation, such as Q4_K_M or Q8_0"
WRITABLE = f"what can be quantised again: {', '.join(sorted(ADAPTABLE_TYPES))}"


def projections(architecture: Architecture, gguf: GgufFile) -> Iterator[str]:
    """The tensors of a base that an adapter goes on, whatever their types are."""
    for name, tensor in gguf.tensors.items():
        parameter = architecture.mlx_name(name)
        if parameter is None or len(tensor.shape) < 2 or architecture.only_carries(gguf, name):
            continue
        module, within = parameter.rpartition(".")[0], parameter.split(".", 3)[-1]
        given = within.startswith((ATTENTION, MLP)) and name.split(".")[2] not in architecture.frozen
        if given and not architecture.has_no_use_for(gguf, module):
            yield name


def frozen_by_type(architecture: Architecture, gguf: GgufFile) -> list[str]:
    """Those of the projections that get no adapter, as their types cannot be quantised again."""
    return [name for name in projections(architecture, gguf) if not is_adaptable(gguf, name)]


def is_adaptable(gguf: GgufFile, tensor: str) -> bool:
    """Whether the tensor can be quantised again."""
    return gguf.tensors[tensor].type_name in ADAPTABLE_TYPES


def in_words(gguf: GgufFile, tensors: Collection[str]) -> list[str]:
    """Tensors of blocks by kind: `ffn_down in 2 of 32 blocks (stored as IQ2_XXS)`."""
    counts: dict[tuple[str, str], int] = {}
    for name in tensors:
        kind = name.split(".")[2], gguf.tensors[name].type_name
        counts[kind] = counts.get(kind, 0) + 1
    every = {stem: _count(gguf, stem) for stem, _ in counts}
    return [
        f"{stem} in {count} of {every[stem]} blocks (stored as {type_name})"
        for (stem, type_name), count in sorted(counts.items())
    ]


def _count(gguf: GgufFile, stem: str) -> int:
    return sum(name.startswith("blk.") and name.endswith(f".{stem}.weight") for name in gguf.tensors)
