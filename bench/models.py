"""Real models for every quantisation, made once from the small model that the demo uses and kept beside the builds.

SmolLM2-135M is 576 wide, which K-quants cannot hold: their blocks are 256 values long. The *wide* model is the same one
at 768, padded with zeros so that it computes the same; llama-quantize gives it every type without falling back.
"""

import hashlib
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import gguf
import mlx.core as mx
import numpy as np

from adapterd.base.gguf.ggml import FloatArray
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.demo.environment import small_model
from adapterd.system.files import atomic_path, sha256_file

ROOT = Path(__file__).parent.parent
Kind = Literal["F16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_0", "Q5_1", "Q4_K_M", "Q4_0", "Q4_1", "IQ4_NL", "IQ4_XS"]

QUANTIZE, IMATRIX = "llama-quantize", "llama-imatrix"
NARROW, WIDE = 576, 768
WIDER = {NARROW: WIDE, 192: 256}
"""What each size of a tensor becomes: the width and the 9 query heads of 64, the 3 key/value heads of 64."""
RMS_EPSILON = "llama.attention.layer_norm_rms_epsilon"
IMATRIX_CONTEXT = 256
_NOT_COPIED = frozenset(("general.architecture", "general.file_type", "general.quantization_version"))
_F16 = int(gguf.LlamaFileType.MOSTLY_F16)

Tensors = Iterable[tuple[str, FloatArray]]


@cache
def tools(*names: str) -> Path:
    """The folder of llama-quantize and llama-imatrix, built on first use; raises RuntimeError if they cannot be had.

    If some of them are named, only these.
    """
    return Path(run_tool(ROOT / "scripts" / "ensure-llama-tools", *names).strip())


def run_tool(*command: object) -> str:
    """What a tool prints; raises RuntimeError with the end of its messages if it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{Path(str(command[0])).name} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def cache_folder() -> Path:
    """Where everything that the benches make is kept: beside the builds, outside the checkout."""
    folder = tools(QUANTIZE).parents[1] / "bench-models"
    folder.mkdir(exist_ok=True)
    return folder


def narrow_f16() -> Path:
    """SmolLM2-135M-Instruct, dequantised from the Q4_1 that the demo uses to F16, with all of its metadata."""
    path = cache_folder() / "smollm2-135m-F16.gguf"
    if not path.exists():
        base = GgufFile.open(small_model())
        write_f16(path, {}, ((name, base.values(name)) for name in base.tensors))
    return path


def wide_f16() -> Path:
    """The same at width 768, with 12 query heads and 4 key/value heads: the same function to the last bits."""
    path = cache_folder() / "smollm2-135m-wide-F16.gguf"
    if not path.exists():
        base = GgufFile.open(small_model())
        metadata = {
            "llama.embedding_length": WIDE,
            "llama.attention.head_count": WIDE // 64,
            "llama.attention.head_count_kv": WIDER[192] // 64,
            RMS_EPSILON: base.required(RMS_EPSILON) * NARROW / WIDE,
        }
        write_f16(path, metadata, ((name, _widened(base.values(name))) for name in base.tensors))
    return path


def widen_adapter(narrow: Path, wide: Path) -> Path:
    """An mlx-lm adapter of the narrow model as one of the wide model, which it changes in the same way.

    The wide model's layers meet and give what the narrow one's do, and zeros behind it; so zeros fill the factors up.
    """
    wide.mkdir()
    stored: Any = mx.load(str(narrow / "adapters.safetensors"))
    weights = {name: mx.array(_padded(np.array(factor.astype(mx.float32)))) for name, factor in stored.items()}
    mx.save_safetensors(str(wide / "adapters.safetensors"), weights)
    shutil.copyfile(narrow / "adapter_config.json", wide / "adapter_config.json")
    return wide


def random_f16(*, layers: int, width: int, ffn: int, heads: int, kv_heads: int) -> Path:
    """A llama of this shape with random weights and SmolLM2's tokenizer, F16; the embedding is the head, too."""
    path = cache_folder() / f"random-{layers}x{width}-{ffn}-{heads}-{kv_heads}-F16.gguf"
    if not path.exists():
        metadata = {
            "general.name": "Random",
            "llama.block_count": layers,
            "llama.embedding_length": width,
            "llama.feed_forward_length": ffn,
            "llama.attention.head_count": heads,
            "llama.attention.head_count_kv": kv_heads,
            "llama.rope.dimension_count": width // heads,
        }
        write_f16(path, metadata, _random_tensors(layers, width, ffn, width * kv_heads // heads))
    return path


def quantised(kind: Kind, *, wide: bool, importance: Path | None = None) -> Path:
    """SmolLM2 in this quantisation by llama-quantize, weighed by an importance matrix if one is given.

    The narrow Q4_1 without one is the original file, as people get it.
    """
    if kind == "Q4_1" and not wide and importance is None:
        return small_model()
    return quantised_file(wide_f16() if wide else narrow_f16(), kind, importance=importance)


def quantised_file(f16: Path, kind: Kind, *, importance: Path | None = None) -> Path:
    """An F16 file of the cache in another type, beside it."""
    if kind == "F16":
        return f16
    mark = f"-imatrix-{sha256_file(importance)[:12]}" if importance else ""
    path = cache_folder() / f"{f16.stem.removesuffix('-F16')}-{kind}{mark}.gguf"
    if not path.exists():
        weighed = ["--imatrix", importance] if importance else []
        with atomic_path(path) as partial:
            run_tool(tools(QUANTIZE) / QUANTIZE, *weighed, f16, partial, kind)
    return path


def importance_matrix(model: Path, texts: Sequence[str]) -> Path:
    """How much each column of the model's matrices matters for these texts, by llama-imatrix.

    Special tokens in the texts count as such. Raises RuntimeError for fewer than 512 tokens in all.
    """
    text = "\n".join(texts)
    digest = hashlib.sha256(f"{sha256_file(model)}\n{text}".encode()).hexdigest()
    path = cache_folder() / f"{model.stem}-{digest[:12]}.imatrix.gguf"
    if not path.exists():
        with atomic_path(path) as partial, atomic_path(path.with_suffix(".txt")) as source:
            source.write_text(text, encoding="utf-8")
            run_tool(
                tools(IMATRIX) / IMATRIX, "-m", model, "-f", source, "-o", partial, "--output-format", "gguf",
                "-c", IMATRIX_CONTEXT, "-b", IMATRIX_CONTEXT, "--no-ppl", "--parse-special",
            )  # fmt: skip
    return path


def write_f16(path: Path, metadata: Mapping[str, Any], tensors: Tensors) -> None:
    """Write a GGUF with SmolLM2's metadata, less what `metadata` has instead; matrices F16, vectors F32."""
    writer = gguf.GGUFWriter(None, "llama")
    for field in gguf.GGUFReader(small_model()).fields.values():
        if not field.name.startswith("GGUF.") and field.name not in _NOT_COPIED:
            value = metadata.get(field.name, field.contents())
            writer.add_key_value(field.name, value, field.types[0], field.types[-1] if len(field.types) > 1 else None)
    writer.add_file_type(_F16)
    for name, values in tensors:
        writer.add_tensor(name, values.astype(np.float16 if values.ndim > 1 else np.float32))
    with atomic_path(path) as partial:
        writer.write_header_to_file(partial)
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def _widened(values: FloatArray) -> FloatArray:
    """A tensor with zeros for what the narrow model has not.

    The zeros make the mean square of a hidden state smaller by 576/768; gains and epsilon make up for it.
    """
    wider = _padded(values)
    return wider * np.float32((NARROW / WIDE) ** 0.5) if values.ndim == 1 else wider


def _padded(values: FloatArray) -> FloatArray:
    return np.pad(values, [(0, WIDER.get(size, size) - size) for size in values.shape])


def _random_tensors(layers: int, width: int, ffn: int, kv_width: int) -> Iterator[tuple[str, FloatArray]]:
    random = np.random.default_rng(0)

    def matrix(rows: int, columns: int) -> FloatArray:
        return random.standard_normal((rows, columns), np.float32) * np.float32(0.02)

    shapes = {
        "attn_q": (width, width),
        "attn_k": (kv_width, width),
        "attn_v": (kv_width, width),
        "attn_output": (width, width),
        "ffn_gate": (ffn, width),
        "ffn_up": (ffn, width),
        "ffn_down": (width, ffn),
    }
    yield "token_embd.weight", matrix(49152, width)
    for layer in range(layers):
        yield f"blk.{layer}.attn_norm.weight", _ones(width)
        yield f"blk.{layer}.ffn_norm.weight", _ones(width)
        yield from ((f"blk.{layer}.{name}.weight", matrix(*shape)) for name, shape in shapes.items())
    yield "output_norm.weight", _ones(width)


def _ones(size: int) -> FloatArray:
    return np.ones(size, np.float32)
