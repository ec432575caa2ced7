"""An adapter as numbers: for each touched tensor of the GGUF the low-rank update that is to be added to it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapterd.base.adaptable import OTHER_QUANTISATION, is_adaptable
from adapterd.base.architectures import architecture_of
from adapterd.base.families.architecture import Architecture
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.errors import InputError
from adapterd.formats.adapter_files import CONFIG, WEIGHTS

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Update:
    """`delta()` = scale · (a · b)ᵀ for the tensor of that name; a is (in, rank), b is (rank, out)."""

    tensor: str
    a: "np.ndarray[Any, Any]"
    b: "np.ndarray[Any, Any]"
    scale: float

    def delta(self) -> "np.ndarray[Any, Any]":
        """The update in the tensor's own shape (out, in), float32."""
        product: np.ndarray[Any, Any] = (self.scale * self.b.T) @ self.a.T
        return product

    def in_llama_cpp(self) -> "tuple[str, np.ndarray[Any, Any], np.ndarray[Any, Any]]":
        """The tensor and its factors in llama.cpp's layout: a (rank, in), and b (out, rank) multiplied by the scale."""
        import numpy as np

        return self.tensor, np.ascontiguousarray(self.a.T), np.ascontiguousarray(self.scale * self.b.T)


def read_adapter(folder: Path, base: GgufFile) -> list[Update]:
    """The updates of an mlx-lm adapter in the order of the base's tensors, without those of what the base does not use.

    Raises InputError if a file is missing or damaged, or if the adapter does not fit the base.
    """
    import mlx.core as mx
    import numpy as np

    from adapterd.base.mlx.weights import plain_names

    try:
        scale = float(json.loads((folder / CONFIG).read_text(encoding="utf-8"))["lora_parameters"]["scale"])
        stored: Any = mx.load(str(folder / WEIGHTS))
        weights = {name: np.array(value.astype(mx.float32)) for name, value in plain_names(stored).items()}
    except (OSError, ValueError, KeyError, RuntimeError) as exc:
        raise InputError(f"{folder} does not hold a readable mlx-lm adapter: {exc}") from exc
    architecture = architecture_of(base)
    modules = sorted({_module(name) for name in weights})
    modules = [module for module in modules if not architecture.has_no_use_for(base, module)]
    updates = [_update(module, weights, scale, base, architecture) for module in modules]
    order = {name: position for position, name in enumerate(base.tensors)}
    return sorted(updates, key=lambda update: order[update.tensor])


def require_adaptable(base: GgufFile, tensor: str, module: str) -> None:
    """Raise InputError for a module of the adapter whose tensor cannot be quantised again."""
    if not is_adaptable(base, tensor):
        raise InputError(
            f"the adapter changes {module}, which the base stores as {base.tensors[tensor].type_name}, and that cannot "
            "be quantised again",
            hint=f"train it again without that module, or {OTHER_QUANTISATION} as the base",
        )


def _module(name: str) -> str:
    """`model.layers.3.self_attn.q_proj.lora_a` → `model.layers.3.self_attn.q_proj`"""
    module, _, factor = name.rpartition(".")
    if factor not in ("lora_a", "lora_b"):
        raise InputError(f"the adapter holds {name}, which is not a factor of LoRA on a linear projection")
    return module


def _update(module: str, weights: dict[str, Any], scale: float, base: GgufFile, architecture: Architecture) -> Update:
    try:
        tensor = architecture.gguf_name(module)
        shape_of_base = base.tensors[tensor].shape
    except KeyError as exc:
        raise InputError(f"the adapter changes {module}, which the base does not have") from exc
    require_adaptable(base, tensor, module)
    try:
        a, b = weights[f"{module}.lora_a"], weights[f"{module}.lora_b"]
    except KeyError as exc:
        raise InputError(f"the adapter has no {exc} beside its counterpart") from exc
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise InputError(f"the adapter's factors of {module} do not fit each other: {a.shape} and {b.shape}")
    shape = (b.shape[1], a.shape[0])
    if shape != shape_of_base:
        raise InputError(f"the adapter's {module} is {shape}, the base's {shape_of_base}: made for another base?")
    return Update(tensor, a, b, scale)
