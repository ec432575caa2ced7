"""Merging a real file: matched to the base tensor by tensor, and nothing left behind when it fails."""

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx_lm.tuner.utils import load_adapters
from tiny_gguf import write_tiny_gguf

from adapterd.base.gguf_file import GgufFile
from adapterd.base.mlx_model import load_mlx_model
from adapterd.errors import InputError, StageError
from adapterd.merging import merge as merging
from adapterd.merging.merge import MergeResult, merge
from adapterd.merging.verify import compare

PROJECTIONS = {
    "self_attn.q_proj": (64, 64), "self_attn.k_proj": (64, 32), "self_attn.v_proj": (64, 32),
    "self_attn.o_proj": (64, 64), "mlp.gate_proj": (64, 96), "mlp.up_proj": (64, 96), "mlp.down_proj": (96, 64),
}  # fmt: skip
FEW_WORDS = np.random.default_rng(5).integers(30, 38, (25, 40)).tolist()
EXAMPLES, UNSEEN = FEW_WORDS[:-1], FEW_WORDS[-1]
"""Of few words, so that what the layers meet has few directions, as it has in a real model."""


def write_adapter(folder: Path, *, block: int = 1, size: float = 0.02, rank: int = 4, **other: Any) -> Path:
    """An adapter of random factors on every projection of one block of the tiny model (in, out as listed)."""
    random = np.random.default_rng(3)
    weights = {}
    for name, (inputs, outputs) in (PROJECTIONS | other).items():
        weights[f"model.layers.{block}.{name}.lora_a"] = size * random.standard_normal((inputs, rank))
        weights[f"model.layers.{block}.{name}.lora_b"] = size * random.standard_normal((rank, outputs))
    folder.mkdir(exist_ok=True)
    arrays = {name: mx.array(value.astype(np.float32)) for name, value in weights.items()}
    mx.save_safetensors(str(folder / "adapters.safetensors"), arrays)
    config = {"fine_tune_type": "lora", "num_layers": 2 - block}
    config["lora_parameters"] = {"rank": rank, "scale": 2.0, "dropout": 0.0}  # type: ignore[assignment]
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def merged(tmp_path: Path, type_name: str, examples: list[list[int]] = EXAMPLES, **adapter: Any) -> MergeResult:
    base = write_tiny_gguf(tmp_path / "base.gguf", type_name=type_name)
    return merge(base, write_adapter(tmp_path / "adapter", **adapter), tmp_path / "candidate.gguf", examples=examples)


def logits(path: Path, adapter: Path | None = None) -> np.ndarray[Any, Any]:
    """What the file says to one prompt, with or without an adapter, log-probabilities (positions, vocabulary)."""
    model = load_mlx_model(GgufFile.open(path), dtype=mx.float32)
    if adapter:
        model = load_adapters(model, str(adapter))
    model.eval()
    out = model(mx.array([UNSEEN]))[0]
    return np.array(out - mx.logsumexp(out, axis=-1, keepdims=True))


def distance(of: np.ndarray[Any, Any], to: np.ndarray[Any, Any]) -> float:
    """Kullback-Leibler divergence, mean over positions."""
    return float((np.exp(of) * (of - to)).sum(-1).mean())


@pytest.mark.parametrize("type_name", ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
def test_the_candidate_has_the_tensors_of_the_base(tmp_path: Path, type_name: str) -> None:
    result = merged(tmp_path, type_name)
    assert result.tensors.matches
    assert result.touched == len(PROJECTIONS)
    assert result.tensors.untouched == result.tensors.total - len(PROJECTIONS)
    assert result.size_bytes == (tmp_path / "base.gguf").stat().st_size
    assert result.candidate.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "candidate.partial").exists()


@pytest.mark.parametrize(("type_name", "tolerance"), [("F32", 1e-6), ("F16", 2e-3), ("BF16", 2e-2)])
def test_without_a_grid_the_tensors_are_base_plus_update(tmp_path: Path, type_name: str, tolerance: float) -> None:
    result = merged(tmp_path, type_name)
    weights: Any = mx.load(str(tmp_path / "adapter" / "adapters.safetensors"))
    name = "model.layers.1.mlp.down_proj"
    update = 2.0 * (np.array(weights[f"{name}.lora_a"]) @ np.array(weights[f"{name}.lora_b"])).T
    base, candidate = (
        GgufFile.open(path).values("blk.1.ffn_down.weight") for path in (tmp_path / "base.gguf", result.candidate)
    )
    assert np.abs(candidate - (base + update)).max() < tolerance
    assert result.with_feedback == 0


def test_a_small_adapter_survives_where_plain_rounding_loses_it(tmp_path: Path) -> None:
    result = merged(tmp_path, "Q4_0", size=0.06, block=0)
    wanted, base = logits(tmp_path / "base.gguf", tmp_path / "adapter"), logits(tmp_path / "base.gguf")
    kept = 1 - distance(wanted, logits(result.candidate)) / distance(wanted, base)
    plain = merge(tmp_path / "base.gguf", tmp_path / "adapter", tmp_path / "plain.gguf")
    kept_plainly = 1 - distance(wanted, logits(plain.candidate)) / distance(wanted, base)
    assert (result.with_feedback, plain.with_feedback) == (len(PROJECTIONS), 0)
    assert kept > kept_plainly + 0.2, (kept, kept_plainly)


def test_merging_twice_gives_the_same_file(tmp_path: Path) -> None:
    assert merged(tmp_path, "Q4_1").digest == merged(tmp_path, "Q4_1").digest


def test_progress_rises_to_one(tmp_path: Path) -> None:
    shares: list[float] = []
    base = write_tiny_gguf(tmp_path / "base.gguf", type_name="Q4_0")
    merge(base, write_adapter(tmp_path / "adapter"), tmp_path / "c.gguf", examples=EXAMPLES, report=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_few_blocks_at_a_time_give_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = write_tiny_gguf(tmp_path / "base.gguf", type_name="Q4_0")
    adapter = write_adapter(tmp_path / "adapter", block=0)
    at_once = merge(base, adapter, tmp_path / "a.gguf", examples=EXAMPLES)
    monkeypatch.setattr(merging, "HESSIAN_BYTES", 1)
    assert merge(base, adapter, tmp_path / "b.gguf", examples=EXAMPLES).digest == at_once.digest


def test_the_base_is_not_touched(tmp_path: Path) -> None:
    base = write_tiny_gguf(tmp_path / "base.gguf", type_name="Q4_0")
    before = base.read_bytes()
    merge(base, write_adapter(tmp_path / "adapter"), tmp_path / "candidate.gguf", examples=EXAMPLES)
    assert base.read_bytes() == before


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"self_attn.q_proj": (64, 96)}, "made for another base"),
        ({"self_attn.sinks": (64, 64)}, "which the base does not have"),
    ],
)
def test_an_adapter_for_another_base_is_refused(tmp_path: Path, other: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        merged(tmp_path, "Q4_0", **other)
    assert list(tmp_path.glob("candidate*")) == []


@pytest.mark.parametrize("damage", ["missing", "not safetensors", "no scale"])
def test_an_unreadable_adapter_is_refused_by_its_folder(tmp_path: Path, damage: str) -> None:
    base = write_tiny_gguf(tmp_path / "base.gguf", type_name="Q4_0")
    folder = write_adapter(tmp_path / "adapter")
    if damage == "missing":
        (folder / "adapters.safetensors").unlink()
    elif damage == "no scale":
        (folder / "adapter_config.json").write_text("{}")
    else:
        (folder / "adapters.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match=str(folder)):
        merge(base, folder, tmp_path / "candidate.gguf")


def test_too_little_disk_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "SPARE_BYTES", 1 << 60)
    with pytest.raises(StageError, match="GB free"):
        merged(tmp_path, "Q4_0")
    assert list(tmp_path.glob("candidate*")) == []


def test_a_failure_half_way_leaves_no_candidate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(merging, "compare", fail)
    with pytest.raises(OSError, match="No space"):
        merged(tmp_path, "Q4_0")
    assert list(tmp_path.glob("candidate*")) == []


def test_a_changed_byte_outside_the_touched_tensors_is_noticed(tmp_path: Path) -> None:
    result = merged(tmp_path, "Q4_0")
    base = GgufFile.open(tmp_path / "base.gguf")
    with result.candidate.open("r+b") as file:
        file.seek(base.tensors["blk.0.attn_q.weight"].offset_bytes)
        file.write(b"\xff")
    stems = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    report = compare(base, result.candidate, {f"blk.1.{stem}.weight" for stem in stems})
    assert report.untouched - report.untouched_identical == 1
    assert not report.matches
