"""Which architectures can be trained and merged, and whether a file of one of them is whole."""

from collections.abc import Iterable
from itertools import pairwise

from adapterd.base.adaptable import OTHER_QUANTISATION, WRITABLE, frozen_by_type, in_words, projections
from adapterd.base.families.architecture import Architecture
from adapterd.base.families.gemma import GEMMA, GEMMA2
from adapterd.base.families.gemma3 import GEMMA3
from adapterd.base.families.gemma4 import GEMMA4
from adapterd.base.families.granite import GRANITE
from adapterd.base.families.llama import LLAMA
from adapterd.base.families.mistral3 import MISTRAL3
from adapterd.base.families.olmo2 import OLMO2
from adapterd.base.families.phi3 import PHI3
from adapterd.base.families.qwen import QWEN2, QWEN3
from adapterd.base.families.qwen35 import QWEN35
from adapterd.base.families.smollm3 import SMOLLM3
from adapterd.base.gguf.beside import IMAGE_TENSORS, SOUND_TENSORS
from adapterd.base.gguf.ggml import TensorType
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.language_part import language_tensors
from adapterd.base.hyperparameters import is_long, number
from adapterd.errors import InputError, UnsupportedModelError

_FAMILIES = (
    LLAMA,
    QWEN2,
    QWEN3,
    QWEN35,
    GEMMA,
    GEMMA2,
    GEMMA3,
    GEMMA4,
    PHI3,
    GRANITE,
    SMOLLM3,
    OLMO2,
    MISTRAL3,
)
MOST_BLOCKS = 1024
"""Some eight times as many as the deepest model has: what is looked at for each of them stays short."""
ARCHITECTURES = {entry.name: entry for entry in _FAMILIES}
"""Mistral and SmolLM files are `llama` too, Phi-4's are `phi3`. A sliding window in the metadata changes nothing but in
Gemma, as llama.cpp does not apply it to the others either."""


_OTHERWISE_NAMED = {
    "olmo3": "llama.cpp's converter writes OLMo 3 as olmo2: give such a file of the same model: --base FILE.gguf",
}
"""What to give instead of a file of Ollama's converter whose architecture has another name in llama.cpp."""


_MIXTURES = frozenset(("gptoss", "gpt-oss"))
"""Mixtures of experts whose names do not say so, as Ollama's converter and llama.cpp's name them."""
_OTHERS = "take a base of one of these families"
_DENSE = "take a dense model, of the same family where there is one: qwen3:8b in the place of qwen3:30b"


def architecture_of(gguf: GgufFile) -> Architecture:
    """The file's architecture; raises UnsupportedModelError naming those that are supported."""
    found = ARCHITECTURES.get(gguf.architecture)
    if found is None:
        raise UnsupportedModelError(
            f"{gguf.path} has the architecture {gguf.architecture!r}; supported are: {', '.join(ARCHITECTURES)}",
            hint=_OTHERWISE_NAMED.get(gguf.architecture, _DENSE if _is_mixture(gguf.architecture) else _OTHERS),
        )
    return found


def _is_mixture(architecture: str) -> bool:
    """Whether an architecture that is not known here is by its name a mixture of experts: `qwen3moe`, `gpt-oss`."""
    return architecture.endswith("moe") or architecture in _MIXTURES


def computed_as(gguf: GgufFile) -> str:
    """What beside its bytes decides what the file computes: nothing for most, the long factors where they are taken."""
    return "-long" if is_long(gguf) else ""


def check_supported(gguf: GgufFile) -> None:
    """Raise UnsupportedModelError, or InputError for a file with parts missing, unless it can be trained and merged."""
    architecture = architecture_of(gguf)
    if number(gguf, "expert_count", 0, least=0):
        raise UnsupportedModelError(f"{gguf.path} is a mixture of experts, which cannot be trained here", hint=_DENSE)
    _require_blocks(gguf, MOST_BLOCKS)
    names = [entry.name for entry in language_tensors(gguf)]
    for name in names:
        _check_tensor(architecture, gguf, name)
    _check_sizes(gguf)
    _require_blocks(gguf, len(gguf.tensors))
    for name in architecture.required_tensors(gguf):
        if name not in gguf.tensors:
            raise InputError(f"{gguf.path} lacks the tensor {name}")
    architecture.arguments(gguf)
    for name in names:
        if architecture.is_misplaced(gguf, name):
            raise InputError(f"{gguf.path} has {name}, which its metadata leave no place for")
    _check_shapes(architecture, gguf, names)
    _require_adaptable(architecture, gguf)


def _require_blocks(gguf: GgufFile, most: int) -> None:
    """Raise InputError for a file that says that it has more blocks."""
    if (blocks := number(gguf, "block_count")) > most:
        raise InputError(f"{gguf.path} claims to have {blocks} blocks ({gguf.architecture}.block_count) and has not")


def _require_adaptable(architecture: Architecture, gguf: GgufFile) -> None:
    """Raise UnsupportedModelError where no projection could take an adapter."""
    frozen = frozen_by_type(architecture, gguf)
    if frozen and len(frozen) == len(list(projections(architecture, gguf))):
        raise UnsupportedModelError(
            f"{gguf.path} has no projection that an adapter could be merged into: {'; '.join(in_words(gguf, frozen))}",
            hint=f"{OTHER_QUANTISATION}; {WRITABLE}",
        )


def _check_tensor(architecture: Architecture, gguf: GgufFile, name: str) -> None:
    """Raise UnsupportedModelError for a tensor of no use to the architecture, or of a type that cannot be read.

    What stays in the file as it is may have any type that is known.
    """
    tensor = gguf.tensors[name]
    if reads := _what_reads(name):
        raise UnsupportedModelError(
            f"{gguf.path} reads {reads} (it has {name}), which cannot be trained here",
            hint="give a file of the text model alone, as llama.cpp's converter writes it: --base FILE.gguf",
        )
    carried = architecture.only_carries(gguf, name)
    if not (architecture.has(name) or carried):
        raise UnsupportedModelError(f"{gguf.path} has a tensor {name}, which {architecture.name} models have not")
    if not tensor.has_known_type:
        raise UnsupportedModelError(
            f"{name} in {gguf.path} is stored as the tensor type {tensor.type_name}, which is not known here",
            hint=f"{OTHER_QUANTISATION}; or update llama-cpp-python, if a newer llama.cpp knows the type",
        )
    if not carried and not TensorType.named(tensor.type_name).has_values:
        raise UnsupportedModelError(
            f"{name} in {gguf.path} is stored as {tensor.type_name}, which cannot be read as weights here",
            hint=OTHER_QUANTISATION,
        )


def _check_sizes(gguf: GgufFile) -> None:
    """Raise UnsupportedModelError for a tensor that takes other bytes than its type has, as llama.cpp would.

    Forks of llama.cpp have types of their own by the same numbers.
    """
    placed = sorted(gguf.tensors.values(), key=lambda tensor: tensor.offset_bytes)
    numbers = {entry.name: entry.type_number for entry in gguf.header.tensors}
    for tensor, following in pairwise(placed):
        end = tensor.offset_bytes + tensor.size_bytes
        if tensor.has_known_type and following.offset_bytes - end not in range(gguf.header.alignment):
            raise UnsupportedModelError(
                f"{tensor.name} in {gguf.path} is stored as the tensor type {numbers[tensor.name]}, which is "
                f"{tensor.type_name} here, and does not take as many bytes as that does",
                hint=f"it was written by a llama.cpp with types of its own: {OTHER_QUANTISATION}",
            )


def _what_reads(name: str) -> str:
    """What a tensor of this name reads beside text; empty for those of a language model."""
    if name.startswith(IMAGE_TENSORS):
        return "images"
    return "sound" if name.startswith(SOUND_TENSORS) else ""


def _check_shapes(architecture: Architecture, gguf: GgufFile, names: Iterable[str]) -> None:
    """Raise InputError for a tensor that is not as large as the metadata say, before room is made for any."""
    shapes, width = architecture.shapes(architecture, gguf), number(gguf, "embedding_length")
    for name in names:
        tensor = gguf.tensors[name]
        stem, kind = name.split(".")[-2:] if "." in name else (name, "")
        usual = shapes.get(stem, (width,)) if stem.endswith("_norm") else shapes.get(stem)
        expected = shapes.get(name.removesuffix(f".{kind}"), usual)
        if expected and tensor.shape != (expected[:1] if kind == "bias" else expected):
            raise InputError(
                f"{gguf.path} has a tensor whose shape contradicts the metadata: {name} is {tensor.shape}, "
                f"not {expected}"
            )


def block_of_module(module: str) -> int:
    """The block's number in the name of an mlx-lm module: 22 for `model.layers.22.self_attn.q_proj`."""
    return int(module.split(".")[2])


def block_of_tensor(tensor: str) -> int | None:
    """The block's number in the name of a tensor: 22 for `blk.22.attn_q.weight`, None for `output.weight`."""
    prefix, _, rest = tensor.partition(".")
    return int(rest.partition(".")[0]) if prefix == "blk" else None
