"""How large a file's model is once MLX has it, by the file's header alone: weights, and values of a token by block."""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from adapterd.base.adaptable import is_adaptable, projections
from adapterd.base.architectures import architecture_of, block_of_tensor
from adapterd.base.families.architecture import Architecture
from adapterd.base.gguf.gguf_file import GgufFile, TensorInfo
from adapterd.base.hyperparameters import number
from adapterd.base.mlx.model import dtype_of, on_gpu
from adapterd.base.mlx.quantized_layers import BITS, GROUP

OWN_EMBEDDING = frozenset(("gemma3",))
"""Families whose embedding is of a class of its own, of which there is no quantised one."""
FP32_BYTES = 4
_GROUP_BYTES = 2 * FP32_BYTES
"""Of scale and bias of a group."""
_NORM, _CONVOLUTION = "_norm", "ssm_conv1d"


@dataclass(frozen=True)
class Precision:
    """How weights are kept: bytes of a value, and whether those stay quantised that MLX can hold exactly."""

    value_bytes: int
    quantized: bool

    @classmethod
    def here(cls) -> "Precision":
        """That of a training on this machine."""
        return cls.of(on_gpu=on_gpu())

    @classmethod
    def of(cls, *, on_gpu: bool) -> "Precision":
        """That of a training on a GPU, or on a CPU."""
        return cls(dtype_of(on_gpu=on_gpu).size, on_gpu)

    def bytes_of(self, tensor: TensorInfo) -> int:
        """What a tensor takes."""
        values = math.prod(tensor.shape)
        if self.quantized and len(tensor.shape) > 1 and tensor.type_name in BITS and not tensor.shape[-1] % GROUP:
            return values * BITS[tensor.type_name] // 8 + values // GROUP * _GROUP_BYTES
        return values * self.value_bytes


FP32 = Precision(FP32_BYTES, quantized=False)


@dataclass(frozen=True)
class BlockSizes:
    """One block: bytes of its weights, (rows, columns) of its projections by module, `self_attn.q_proj`, and of those
    that an adapter may change the types that the file has them in (`adaptable`).

    Of each token, how many values its queries have, its keys, and the states between its feed-forward matrices; `heads`
    are those of its attention. A gated delta layer has no attention, but `mixed` values before its convolution, and
    `delta` values in heads of the size `state`. `own` are the values that the block gets of the token itself, and
    `norms` is how many norms it has over all of a hidden state.
    """

    weight_bytes: int = 0
    projections: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    queries: int = 0
    keys: int = 0
    ffn: int = 0
    heads: int = 0
    mixed: int = 0
    delta: int = 0
    state: int = 0
    own: int = 0
    norms: int = 2
    adaptable: Mapping[str, str] = field(default_factory=dict)

    @property
    def matrix_values(self) -> int:
        """How many values its projections have."""
        return sum(math.prod(shape) for shape in self.projections.values())


@dataclass(frozen=True)
class ModelSizes:
    """A model: values of a token between blocks (`width`, of which `carried` are keys and values that later blocks
    read), tokens, bytes of a value and of what is outside the blocks, and the blocks from the lowest up."""

    width: int
    carried: int
    vocabulary: int
    value_bytes: int
    common_bytes: int
    blocks: tuple[BlockSizes, ...]

    @classmethod
    def of(cls, gguf: GgufFile, precision: Precision) -> "ModelSizes":
        """Of a file that `check_supported` takes; raises as that does for one that contradicts itself."""
        architecture = architecture_of(gguf)
        used = {tensor.name: tensor for tensor in _loaded(architecture, gguf)}
        plain = replace(precision, quantized=precision.quantized and architecture.name not in OWN_EMBEDDING)
        by_block: list[list[TensorInfo]] = [[] for _ in range(architecture.blocks(gguf))]
        common = 0
        for tensor in used.values():
            block = block_of_tensor(tensor.name)
            if block is None:
                kept = plain if tensor.name == "token_embd.weight" else precision
                common += kept.bytes_of(tensor)
            else:
                by_block[block].append(tensor)
        changed = {name for name in projections(architecture, gguf) if is_adaptable(gguf, name)}
        blocks = tuple(_block(architecture, gguf, tensors, precision, changed) for tensors in by_block)
        embedding, carried = used["token_embd.weight"].shape, _carried(blocks)
        return cls(embedding[1] + carried, carried, embedding[0], precision.value_bytes, common, blocks)

    def weight_bytes(self, below: int = 0) -> int:
        """Of all weights but those of the lowest `below` blocks."""
        return self.common_bytes + sum(block.weight_bytes for block in self.blocks[below:])


def _loaded(architecture: Architecture, gguf: GgufFile) -> Iterator[TensorInfo]:
    """The tensors that become parameters of the model; of one that is `read_by_row` only a text's rows are there."""
    for name, tensor in gguf.tensors.items():
        block = block_of_tensor(name)
        if architecture.mlx_name(name) is None or architecture.only_carries(gguf, name):
            continue
        if name in architecture.read_by_row:
            continue
        if block is None or name.split(".")[2] not in architecture.unused(gguf, block):
            yield tensor


def _block(
    architecture: Architecture,
    gguf: GgufFile,
    tensors: list[TensorInfo],
    precision: Precision,
    changed: Collection[str],
) -> BlockSizes:
    """`changed` are the tensors of the file that an adapter may change."""
    shapes = {tensor.name.split(".")[2]: tensor.shape for tensor in tensors if tensor.name.endswith(".weight")}
    modules = {
        architecture.block[stem]: (shape[0], shape[1])
        for stem, shape in shapes.items()
        if stem in architecture.block and len(shape) == 2 and stem != _CONVOLUTION
    }
    adaptable = {
        architecture.block[tensor.name.split(".")[2]]: tensor.type_name for tensor in tensors if tensor.name in changed
    }
    weights = sum(precision.bytes_of(tensor) for tensor in tensors)
    width = shapes["ffn_down"][0]
    norms = sum(stem.endswith(_NORM) and shape == (width,) for stem, shape in shapes.items())
    sizes = {"ffn": shapes["ffn_down"][1], "own": shapes.get("inp_gate", (0,))[0], "norms": norms}
    if "ssm_out" in shapes:
        sizes |= {
            "mixed": shapes["attn_qkv"][0],
            "delta": shapes["ssm_out"][1],
            "state": number(gguf, "ssm.state_size"),
        }
    else:
        queries = shapes["attn_output"][1]
        fused = shapes.get("attn_qkv", (queries,))[0] - queries
        sizes |= {"heads": number(gguf, "attention.head_count"), "keys": shapes.get("attn_k", (fused // 2,))[0]}
        sizes["queries"] = max(queries, shapes.get("attn_q", (queries,))[0])
    return BlockSizes(weights, modules, adaptable=adaptable, **sizes)


def _carried(blocks: tuple[BlockSizes, ...]) -> int:
    """Keys and values that blocks read which have none of their own: those of the last block with as many queries."""
    kinds = {block.queries for block in blocks if block.heads and not block.keys}
    lending = {block.queries: block.keys for block in blocks if block.keys}
    return sum(2 * lending.get(queries, 0) for queries in kinds)
