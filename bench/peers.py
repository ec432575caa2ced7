"""The peers' side of a merge: the same model as a Hugging Face folder, an adapter, and their three stages."""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from adapterd.base.architectures import architecture_of
from adapterd.base.gguf.ggml import FloatArray
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.hyperparameters import Heads
from bench.cost import Cost, cost_of
from bench.models import ROOT, Kind, cache_folder, run_tool, tools

RANK, SCALE, UPDATE_STD = 16, 2.0, 0.005
_CONTROL, _USER_DEFINED = 3, 4


def hugging_face_folder(f16: Path) -> Path:
    """What the F16 file would have been converted from: fp16 safetensors, configuration and tokenizer."""
    folder = cache_folder() / f"{f16.stem}-hf"
    if not folder.exists():
        base = GgufFile.open(f16)
        with _atomic_folder(folder) as partial:
            mx.save_safetensors(str(partial / "model.safetensors"), dict(_weights(base)), {"format": "pt"})
            _write_json(partial / "config.json", _configuration(base))
            _write_tokenizer(partial, base)
    return folder


def float32_folder(model: Path) -> Path:
    """The same with its weights in fp32: without a GPU, mlx trains fp16 many times slower."""
    folder = model.with_name(f"{model.name}-float32")
    if not folder.exists():
        with _atomic_folder(folder) as partial:
            shutil.copytree(model, partial, dirs_exist_ok=True)
            weights = mx.load(str(model / "model.safetensors"))
            assert isinstance(weights, dict)
            wide = {name: value.astype(mx.float32) for name, value in weights.items()}
            mx.save_safetensors(str(partial / "model.safetensors"), wide, {"format": "pt"})
            configuration = json.loads((model / "config.json").read_text(encoding="utf-8"))
            _write_json(partial / "config.json", {**configuration, "torch_dtype": "float32"})
    return folder


def random_adapter(f16: Path, layers: int) -> Path:
    """An mlx-lm adapter of rank 16 on all seven projections of the top layers, its update far below a 4-bit step.

    Both sides merge these numbers, though queries and keys of the two have their rows in another order: only time is
    measured with it.
    """
    folder = cache_folder() / f"{f16.stem}-adapter-{layers}"
    if not folder.exists():
        with _atomic_folder(folder) as partial:
            factors = dict(_factors(GgufFile.open(f16), layers))
            mx.save_safetensors(str(partial / "adapters.safetensors"), factors)
            parameters = {"rank": RANK, "alpha": RANK * SCALE, "scale": SCALE, "dropout": 0.0}
            configuration = {"fine_tune_type": "lora", "num_layers": layers, "lora_parameters": parameters}
            _write_json(partial / "adapter_config.json", configuration)
    return folder


def merge_as_peers(
    model: Path, adapter: Path, kind: Kind, work: Path, environment: Mapping[str, str]
) -> dict[str, Cost]:
    """Fuse into the fp16 weights, convert to GGUF, quantise: the cost of each stage. The result is `work/merged.gguf`.

    Raises RuntimeError where a stage fails, or the converter's torch and transformers cannot be had.
    """
    run_tool(ROOT / "scripts" / "ensure-llama-tools", "--converter")
    fused, f16, merged = work / "fused", work / "fused-F16.gguf", work / "merged.gguf"
    mlx_lm = [sys.executable, "-m", "mlx_lm"]
    stages: dict[str, list[object]] = {
        "fuse": [*mlx_lm, "fuse", "--model", model, "--adapter-path", adapter, "--save-path", fused],
        "convert": [tools() / "convert-hf-to-gguf", fused, "--outfile", f16, "--outtype", "f16"],
        "quantize": [tools() / "llama-quantize", f16, merged, kind],
    }
    offline = {**environment, "HF_HUB_OFFLINE": "1"}
    return {name: cost_of(command, offline) for name, command in stages.items()}


def _weights(base: GgufFile) -> Iterator[tuple[str, mx.array]]:
    """Each parameter under Hugging Face's name, which is mlx-lm's too, fp16."""
    architecture, heads = architecture_of(base), Heads.of(base)
    counts = {"attn_q": heads.query, "attn_k": heads.key_value}
    for tensor in base.tensors:
        values = base.values(tensor)
        stem = tensor.split(".")[-2]
        if stem in counts:
            values = _halves_apart(values, counts[stem])
        yield str(architecture.mlx_name(tensor)), mx.array(values.astype(np.float16))


def _halves_apart(values: FloatArray, heads: int) -> FloatArray:
    """Undo llama.cpp's order of query and key rows, which has the two halves of a head interleaved."""
    rows, columns = values.shape
    return values.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _configuration(base: GgufFile) -> dict[str, Any]:
    arguments = architecture_of(base).arguments(base)
    del arguments["rope_traditional"]
    ids = {f"{name}_token_id": base.required(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos")}
    return {**arguments, **ids, "architectures": ["LlamaForCausalLM"], "torch_dtype": "float16", "hidden_act": "silu"}


def _write_tokenizer(folder: Path, base: GgufFile) -> None:
    """SmolLM2's tokenizer as its own files have it: byte-level pairs, digits one by one."""
    tokens: list[str] = base.required("tokenizer.ggml.tokens")
    kinds: list[int] = base.required("tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ")) for merge in base.required("tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
    digits, bytes_ = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, bytes_])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([_added(t) for t, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL])
    tokenizer.add_tokens([_added(t) for t, kind in zip(tokens, kinds, strict=True) if kind == _USER_DEFINED])
    tokenizer.save(str(folder / "tokenizer.json"))
    ends = {f"{name}_token": tokens[base.required(f"tokenizer.ggml.{name}_token_id")] for name in ("bos", "eos")}
    configuration = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "chat_template": base.value("tokenizer.chat_template"),
    }
    _write_json(folder / "tokenizer_config.json", {**configuration, **ends})


def _added(token: str) -> AddedToken:
    return AddedToken(token, normalized=False)


def _factors(base: GgufFile, layers: int) -> Iterator[tuple[str, mx.array]]:
    architecture, random = architecture_of(base), np.random.default_rng(0)
    lowest = int(base.required("llama.block_count")) - layers
    for name, tensor in base.tensors.items():
        if len(tensor.shape) == 2 and name.startswith("blk.") and int(name.split(".")[1]) >= lowest:
            rows, columns = tensor.shape
            module = str(architecture.mlx_name(name)).removesuffix(".weight")
            a = random.uniform(-1, 1, (columns, RANK)) / columns**0.5
            b = random.standard_normal((RANK, rows)) * UPDATE_STD
            yield f"{module}.lora_a", mx.array(a.astype(np.float32))
            yield f"{module}.lora_b", mx.array(b.astype(np.float32))


@contextmanager
def _atomic_folder(target: Path) -> Iterator[Path]:
    """A temporary folder that becomes `target` when the block ends without an exception."""
    partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        yield partial
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
