"""An adapter as llama.cpp reads it: ours, so that base + adapter can be asked there without merging anything, and
others', which convert_lora_to_gguf or a program of llama.cpp has made for Ollama's ADAPTER or `--lora`."""

import math
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import gguf

from adapterd.base.gguf.ggml import FloatArray
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.errors import InputError

_FACTORS = {"lora_a": "a", "lora_b": "b"}
TYPES = ("F32", "F16", "BF16", "Q8_0")
"""Those of convert_lora_to_gguf."""
_ACTIVATED = "adapter.alora.invocation_tokens"


@dataclass(frozen=True)
class LoraGguf:
    """An open GGUF of plain LoRA; `alpha` is 0 where the factors have their scale in them."""

    architecture: str
    alpha: float
    _file: GgufFile

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open for reading; raises InputError or UnsupportedModelError for what is no GGUF of plain LoRA."""
        file = GgufFile.open(path)
        kind = file.value(gguf.Keys.General.TYPE, "model")
        if kind != gguf.GGUFType.ADAPTER:
            raise InputError(
                f"the adapter is a GGUF of a whole {_shown(kind)}, not of an adapter",
                hint="give it as a base: adapterctl init NAME --base FILE.gguf" if kind == gguf.GGUFType.MODEL else "",
            )
        adapter = file.value(gguf.Keys.Adapter.TYPE)
        if adapter != "lora" or file.value(_ACTIVATED) is not None:
            what = "works only after certain tokens" if adapter == "lora" else f"is of the type {_shown(adapter)}"
            raise InputError(f"the adapter {what}; only plain LoRA can be merged")
        alpha = file.value(gguf.Keys.Adapter.LORA_ALPHA, 0.0)
        if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not math.isfinite(alpha):
            raise InputError(f"the adapter's {gguf.Keys.Adapter.LORA_ALPHA} is {_shown(alpha)}, which is not a number")
        return cls(file.architecture, float(alpha), file)

    def factors(self) -> Mapping[str, tuple[str, str] | None]:
        """(tensor of the base, "a" or "b") by the name of each tensor; None for one that is no factor.

        `blk.3.attn_q.weight.lora_a` → `blk.3.attn_q.weight`, `a`: a is (rank, in), b (out, rank), rows as in the base.
        """
        split = {name: name.rpartition(".") for name in self._file.tensors}
        return {
            name: (tensor, _FACTORS[end]) if tensor and end in _FACTORS else None
            for name, (tensor, _, end) in split.items()
        }

    def values(self, name: str) -> FloatArray:
        """A factor; raises InputError for a type that converters do not write, which may be many times larger here."""
        if (kind := self._file.tensors[name].type_name) not in TYPES:
            raise InputError(f"the adapter's {name} is stored as {kind}", hint=f"write it as one of {', '.join(TYPES)}")
        return self._file.values(name)

    def scale(self, rank: int) -> float:
        """What llama.cpp multiplies an update of this rank with."""
        return self.alpha / rank if self.alpha else 1.0


def _shown(value: Any) -> str:
    return f"{value!r:.80}"


def write_lora(path: Path, architecture: str, factors: Iterable[tuple[str, FloatArray, FloatArray]]) -> None:
    """Write (tensor of the base, a (rank, in), b (out, rank)) for each update b · a; its scale is to be in b."""
    with closing(gguf.GGUFWriter(path, architecture)) as writer:
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, 0.0)  # zero: no scaling beyond what is in the factors
        for tensor, a, b in factors:
            writer.add_tensor(f"{tensor}.lora_a", a)
            writer.add_tensor(f"{tensor}.lora_b", b)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
