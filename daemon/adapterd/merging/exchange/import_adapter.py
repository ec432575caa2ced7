"""An adapter made elsewhere becomes one of ours: checked against the base, its rows in the order of the GGUF.

PEFT and stock mlx-lm train on Hugging Face's weights. A llama GGUF has the rows of queries and keys in another order
(interleaved for rotary positions), so the factors that make these rows are put into that order, too.
"""

import json
import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from adapterd.base.architectures import architecture_of, block_of_module
from adapterd.base.gguf.ggml import FloatArray
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.lora_gguf import LoraGguf
from adapterd.base.mlx.weights import plain_names
from adapterd.base.row_order import reordered_heads, to_gguf
from adapterd.errors import InputError
from adapterd.formats.adapter_files import (
    CONFIG,
    GGUF_ORDER,
    ROW_ORDER,
    WEIGHTS,
    AdapterFiles,
    AdapterFormat,
    find_adapter,
    read_config,
)
from adapterd.merging.exchange import peft
from adapterd.merging.exchange.module_names import in_the_base
from adapterd.merging.updates import require_adaptable
from adapterd.system.files import atomic_path, write_atomic

_FLOATS = (mx.float32, mx.float16, mx.bfloat16)
_GGUF_ORDERED = (AdapterFormat.ADAPTERD, AdapterFormat.GGUF)
_ANOTHER_BASE = "made for another base?"
MOST_FILLED_BYTES, MOST_FILLED_FOLD = 1 << 30, 4
"""What ranks of different sizes may be filled up to: so many bytes, or so many times what the adapter has."""


@dataclass(frozen=True)
class ImportedAdapter:
    """What was imported: how many modules it changes, in how many blocks counted from the top, with which rank at
    most; `reordered` modules had their rows put into the order of the GGUF, `unused` ones were left out, as
    their blocks read the keys and values of others."""

    format: str
    modules: int
    layers: int
    rank: int
    reordered: int
    unused: int = 0


@dataclass(frozen=True)
class _Factors:
    """The update of one module, scale · (a · b)ᵀ; a is (in, rank), b is (rank, out)."""

    module: str
    a: FloatArray
    b: FloatArray
    scale: float

    @property
    def rank(self) -> int:
        rank: int = self.b.shape[0]
        return rank


def import_adapter(source: Path, base: GgufFile, out: Path) -> ImportedAdapter:
    """Write the adapter in the folder `source` (mlx-lm's, PEFT's or ours), or in a GGUF, as one of ours into the folder
    `out`.

    Raises NotFoundError or InputError, with a sentence about what is wrong: files that are missing or damaged, what
    is not plain LoRA on linear projections of the blocks, shapes that are not the base's, weights that are no numbers.
    """
    files = find_adapter(source)
    architecture, unused = architecture_of(base), list[str]()
    if not (factors := _read(files, base, unused)):
        raise InputError(f"the adapter changes only {unused[0]} and its like, which the base has no use for")
    _require_once(factors)
    heads = {} if files.format in _GGUF_ORDERED else reordered_heads(architecture, base)
    factors = [_in_gguf_order(each, heads) for each in factors]
    lowest = min(block_of_module(each.module) for each in factors)
    _require_similar_ranks(factors)
    imported = ImportedAdapter(
        format=str(files.format),
        modules=len(factors),
        layers=architecture.blocks(base) - lowest,
        rank=max(each.rank for each in factors),
        reordered=sum(_relative(each.module) in heads for each in factors),
        unused=len(unused),
    )
    _write(_of_one_kind(factors, imported.rank), imported, out)
    return imported


def _read(files: AdapterFiles, base: GgufFile, unused: list[str]) -> list[_Factors]:
    """Raises InputError for what is not plain LoRA, or does not fit the base; modules without use go to `unused`."""
    if files.config is None:
        return _gguf(LoraGguf.open(files.weights), base, unused)
    read = _peft if files.format is AdapterFormat.PEFT else _mlx_lm
    return read(read_config(files.config), _stored(files.weights), base, unused)


def _stored(path: Path) -> dict[str, mx.array]:
    """The tensors by name, not read yet; raises InputError for a damaged file, and for what is not floating point."""
    try:
        stored: Any = mx.load(str(path), format="safetensors")
    except (RuntimeError, ValueError) as exc:
        raise InputError(f"the adapter's {path.name} is not a safetensors file, or is damaged or cut short") from exc
    if not stored:
        raise InputError(f"the adapter's {path.name} holds no weights")
    for name, value in stored.items():
        if value.dtype not in _FLOATS:
            kind = str(value.dtype).rpartition(".")[2]
            raise InputError(
                f"the adapter's {name} is stored as {kind}", hint="save it as float32, float16 or bfloat16"
            )
    return dict(stored)


def _mlx_lm(
    config: Mapping[str, Any], stored: Mapping[str, mx.array], base: GgufFile, unused: list[str]
) -> list[_Factors]:
    kind = config.get("fine_tune_type", "lora")
    if kind != "lora" or config.get("use_dora"):
        raise InputError(
            f"the adapter is of mlx-lm's type {kind if kind != 'lora' else 'dora'!r:.80}", hint=peft.PLAIN_ONLY
        )
    parameters = config.get("lora_parameters")
    scale = parameters.get("scale") if isinstance(parameters, dict) else None
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not math.isfinite(scale):
        raise InputError(f"the adapter's lora_parameters.scale is {scale!r:.80}, which is not a number")
    stored = plain_names(stored)
    names = {tensor: _parse_mlx_name(tensor) for tensor in stored}
    pairs = _used(_pairs(names, stored), base, unused)
    return [
        _fitting(part, a, rows, float(scale), base) for module, a, b in pairs for part, rows in _parts(module, b, base)
    ]


def _peft(
    config: Mapping[str, Any], stored: Mapping[str, mx.array], base: GgufFile, unused: list[str]
) -> list[_Factors]:
    peft.require_plain_lora(config)
    names = {tensor: peft.parse_name(tensor) for tensor in stored}
    peft.require_one_adapter(stored)
    turned = {tensor: value.T for tensor, value in stored.items()}
    scales = peft.Scales(config)
    fitting = []
    for module, a, b in _used(_pairs(names, turned), base, unused):
        for part, rows in _parts(module, b, base):
            factors = _fitting(part, a, rows, 1.0, base)
            fitting.append(replace(factors, scale=scales.of(module, factors.module, factors.rank)))
    return fitting


def _gguf(lora: LoraGguf, base: GgufFile, unused: list[str]) -> list[_Factors]:
    """llama.cpp's factors are named by the base's tensors, and have their rows in the order of those."""
    if lora.architecture != base.architecture:
        raise InputError(
            f"the adapter is for the architecture {lora.architecture!r:.80}, the base's is {base.architecture!r}"
        )
    if not lora.factors():
        raise InputError("the adapter holds no weights")
    names = {tensor: (_module(*name, base), name[1]) if name else None for tensor, name in lora.factors().items()}
    stored = {tensor: mx.array(lora.values(tensor).T) for tensor, name in names.items() if name}
    return [
        _fitting(module, a, b, lora.scale(b.shape[0] or 1), base)
        for module, a, b in _used(_pairs(names, stored), base, unused)
    ]


def _module(tensor: str, _factor: str, base: GgufFile) -> str:
    """The module of a tensor of the base; raises InputError if there is no such tensor."""
    architecture = architecture_of(base)
    with suppress(KeyError):
        module = architecture.module(tensor)
        if architecture.gguf_name(module) == tensor:  # and not a bias of its module
            return module
    raise InputError(f"the adapter changes {tensor!r:.80}, and the base has no such matrix: {_ANOTHER_BASE}")


def _parse_mlx_name(tensor: str) -> tuple[str, str] | None:
    """`model.layers.3.self_attn.q_proj.lora_a` → (`model.layers.3.self_attn.q_proj`, `a`)"""
    module, _, factor = tensor.rpartition(".lora_")
    return (module, factor) if module and factor in ("a", "b") else None


def _pairs(
    names: Mapping[str, tuple[str, str] | None], stored: Mapping[str, mx.array]
) -> Iterable[tuple[str, mx.array, mx.array]]:
    """(module, a, b) by module; raises InputError for a tensor that is no factor, or is alone, or there twice."""
    found: dict[str, dict[str, mx.array]] = {}
    places: dict[str, str] = {}
    for tensor, name in sorted(names.items()):
        if name is None:
            raise InputError(
                f"the adapter holds {tensor}, which is not a factor of LoRA on a linear projection",
                hint=peft.PLAIN_ONLY,
            )
        module, factor = name
        if places.setdefault(in_the_base(module), module) != module:
            raise InputError(f"the adapter holds {places[in_the_base(module)]} and {module}, which are the same module")
        if factor in found.setdefault(module, {}):
            raise InputError(f"the adapter holds two tensors for factor {factor} of {module}")
        found[module][factor] = stored[tensor]
    for module, pair in found.items():
        if len(pair) < 2:
            raise InputError(f"the adapter has only one of the two factors of {module}")
        yield module, pair["a"], pair["b"]


def _used(
    pairs: Iterable[tuple[str, mx.array, mx.array]], base: GgufFile, unused: list[str]
) -> Iterable[tuple[str, mx.array, mx.array]]:
    """Those that change what the base computes; the modules of the others go to `unused`."""
    architecture = architecture_of(base)
    for module, a, b in pairs:
        if architecture.has_no_use_for(base, in_the_base(module)):
            unused.append(module)
        else:
            yield module, a, b


def _parts(module: str, b: mx.array, base: GgufFile) -> Iterable[tuple[str, mx.array]]:
    """The modules in the base that this one stands for, each with its share of the rows."""
    names = architecture_of(base).parts(in_the_base(module))
    if b.ndim != 2 or b.shape[1] % len(names):
        return [(names[0], b)]  # whose shape is then told of
    return zip(names, mx.split(b, len(names), axis=1), strict=True)


def _fitting(module: str, a: mx.array, b: mx.array, scale: float, base: GgufFile) -> _Factors:
    """The factors as numbers, if they fit the base; raises InputError naming the module and both shapes."""
    expected = _shape_in_base(module, base)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise InputError(f"the adapter's factors of {module} do not fit each other: {a.shape} and {b.shape}")
    if (b.shape[1], a.shape[0]) != expected:
        raise InputError(
            f"the adapter's {module} is {(b.shape[1], a.shape[0])}, the base's {expected}: {_ANOTHER_BASE}"
        )
    if a.shape[1] == 0:
        raise InputError(f"the adapter's {module} has rank 0, so it changes nothing")
    factors = _Factors(module, _numbers(a), _numbers(b), scale)
    if not (np.isfinite(factors.a).all() and np.isfinite(factors.b).all()):
        raise InputError(
            f"the adapter's {module} has weights that are not finite numbers",
            hint="its training has failed; take an earlier checkpoint",
        )
    return factors


def _shape_in_base(module: str, base: GgufFile) -> tuple[int, ...]:
    """(out, in) of a linear projection in a block; raises InputError for any other module."""
    architecture = architecture_of(base)
    try:
        tensor = architecture.gguf_name(module)
    except KeyError:
        raise InputError(f"the adapter changes {module}, which the base does not have: {_ANOTHER_BASE}") from None
    if not tensor.startswith("blk.") or "_norm." in tensor:
        raise InputError(
            f"the adapter changes {module}, which is not a linear projection in a block", hint=peft.PLAIN_ONLY
        )
    if tensor.split(".")[2] in architecture.frozen:
        raise InputError(
            f"the adapter changes {module}, and projections of {architecture.frozen_in} get no adapter here yet",
            hint="train it again on the projections of attention and of the feed-forward layers alone",
        )
    if tensor not in base.tensors or architecture.only_carries(base, tensor):
        raise InputError(f"the adapter changes {module}, which the base does not have: {_ANOTHER_BASE}")
    require_adaptable(base, tensor, module)
    return base.tensors[tensor].shape


def _numbers(factor: mx.array) -> FloatArray:
    values: FloatArray = np.array(factor.astype(mx.float32))
    return values


def _relative(module: str) -> str:
    """`model.layers.3.self_attn.q_proj` → `self_attn.q_proj`"""
    return module.split(".", 3)[3]


def _in_gguf_order(factors: _Factors, heads: Mapping[str, int]) -> _Factors:
    """With the columns of `b`, which make the rows, in the order of the GGUF."""
    count = heads.get(_relative(factors.module))
    return factors if count is None else replace(factors, b=to_gguf(factors.b, count))


def _require_once(factors: list[_Factors]) -> None:
    """Raise InputError for a module that two others stand for."""
    seen = set[str]()
    for each in factors:
        if each.module in seen:
            raise InputError(f"the adapter changes {each.module} twice, once by the name of a module that holds it")
        seen.add(each.module)


def _require_similar_ranks(factors: list[_Factors]) -> None:
    """All modules get the largest rank: raise InputError where that would make very much of little."""
    values, largest = [each.a.size + each.b.size for each in factors], max(factors, key=lambda each: each.rank)
    filled = sum(size // each.rank * largest.rank for size, each in zip(values, factors, strict=True))
    if filled * 4 > MOST_FILLED_BYTES and filled > MOST_FILLED_FOLD * sum(values):
        raise InputError(
            f"the adapter's {largest.module} has rank {largest.rank}, far more than others, which would be "
            f"filled up to {filled * 4 / 1e9:.0f} GB",
            hint="train it again with ranks that are closer to each other",
        )


def _of_one_kind(factors: list[_Factors], rank: int) -> list[_Factors]:
    """All modules with one scale and one rank, as mlx-lm wants them: the rest of a scale goes into `b`, and smaller
    ranks are filled up with zeros, which changes nothing."""
    scales = {each.scale for each in factors}
    scale = scales.pop() if len(scales) == 1 else 1.0
    return [_of_kind(each, scale, rank) for each in factors]


def _of_kind(factors: _Factors, scale: float, rank: int) -> _Factors:
    missing = rank - factors.rank
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(factors.b * np.float64(factors.scale).astype(np.float32)).all()
        b = factors.b if factors.scale == scale else (factors.b * np.float64(factors.scale / scale)).astype(np.float32)
    if not finite:
        raise InputError(f"the adapter's {factors.module} is too large with its scale of {factors.scale:g}")
    return _Factors(factors.module, np.pad(factors.a, ((0, 0), (0, missing))), np.pad(b, ((0, missing), (0, 0))), scale)


def _write(factors: list[_Factors], imported: ImportedAdapter, out: Path) -> None:
    weights = {f"{each.module}.lora_a": mx.array(each.a) for each in factors}
    weights |= {f"{each.module}.lora_b": mx.array(each.b) for each in factors}
    with atomic_path(out / WEIGHTS) as partial, partial.open("wb") as file:
        mx.save_safetensors(file, weights)
    config = {
        "fine_tune_type": "lora",
        "num_layers": imported.layers,
        "lora_parameters": {
            "rank": imported.rank,
            "scale": factors[0].scale,
            "dropout": 0.0,
            "keys": sorted({_relative(each.module) for each in factors}),
        },
        ROW_ORDER: GGUF_ORDER,
    }
    write_atomic(out / CONFIG, json.dumps(config, indent=2) + "\n")
