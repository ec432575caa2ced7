"""Gradient checkpointing shows in nothing that comes of a training: adapters are trained, killed, gone on with, merged
and served in both modes, of every architecture."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from adapterd.base.architectures import ARCHITECTURES
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.config import GradientCheckpointing, TrainingSettings
from adapterd.formats.adapter_files import WEIGHTS
from adapterd.formats.encoded import read_examples
from adapterd.merging.examples import MergeExamples
from adapterd.merging.exchange.import_adapter import import_adapter
from adapterd.merging.merge import merge
from adapterd.merging.updates import read_adapter
from adapterd.training.checkpoints.checkpoint import Pace
from adapterd.training.hidden_state_cache import HiddenStateCache
from adapterd.training.progress import TrainingProgress, TrainingResult
from adapterd.training.train import train
from tests.support.tiny_gguf import llama_cpp_logits, mlx_logits, write_tiny_gguf

SETTINGS = TrainingSettings(rank=4, alpha=16.0, layers=2, epochs=5, batch_size=4, learning_rate=2e-2, patience=99)
EVERY_STEP = Pace(0.0, float("inf"), float("inf"))
KILLED_AT = 9
IDS = np.random.default_rng(1).integers(20, 500, size=24).tolist()


class KilledError(BaseException):
    """Stands in for the end of the process."""


@pytest.fixture(params=list(ARCHITECTURES))
def base_path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_tiny_gguf(tmp_path / "base.gguf", architecture=request.param, layers=3)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Longer than the windows of some architectures."""
    random = np.random.default_rng(5)
    (folder := tmp_path / "dataset").mkdir()
    for name, count in (("train", 14), ("validation", 4)):
        rows = [random.integers(20, 500, 12).tolist() + random.integers(0, 30, 8).tolist() for _ in range(count)]
        lines = [{"ids": row, "prompt_tokens": 12, "record": f"{name}-{number}"} for number, row in enumerate(rows)]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def settings(mode: str) -> TrainingSettings:
    return replace(SETTINGS, gradient_checkpointing=GradientCheckpointing(mode))


def killed(progress: TrainingProgress) -> None:
    if progress.step == KILLED_AT:
        raise KilledError


def trained(
    base: Path, dataset: Path, out: Path, mode: str, report: Callable[[TrainingProgress], object] = lambda _: None
) -> TrainingResult:
    states = HiddenStateCache(out.parent / "states", 1 << 30)
    return train(GgufFile.open(base), dataset, settings(mode), out, report, cache=states, pace=EVERY_STEP)


def stored(folder: Path) -> dict[str, Any]:
    loaded: Any = mx.load(str(folder / WEIGHTS))
    return dict(loaded)


def distance(logits: np.ndarray, expected: np.ndarray) -> float:
    """Root mean square, in standard deviations."""
    return float(np.sqrt(np.mean((logits - expected) ** 2)) / expected.std())


@pytest.mark.parametrize("mode", ["on", "off"])
def test_an_adapter_is_trained_merged_and_served(base_path: Path, dataset: Path, tmp_path: Path, mode: str) -> None:
    result = trained(base_path, dataset, tmp_path / "adapter", mode)
    assert result.best_step > 0
    train_set, held_out = (list(read_examples(dataset / f"{name}.jsonl")) for name in ("train", "validation"))
    merged = merge(
        base_path, tmp_path / "adapter", tmp_path / "candidate.gguf", examples=MergeExamples(train_set, held_out)
    )
    assert merged.tensors.matches
    assert merged.touched == len(stored(tmp_path / "adapter")) / 2
    with_adapter = mlx_logits(base_path, IDS, tmp_path / "adapter")
    left = distance(llama_cpp_logits(merged.candidate, IDS), with_adapter)
    assert left < distance(llama_cpp_logits(base_path, IDS), with_adapter) / 20


@pytest.mark.parametrize(("first", "second"), [("on", "on"), ("on", "off"), ("off", "on")])
def test_a_killed_training_goes_on_in_either_mode(
    base_path: Path, dataset: Path, tmp_path: Path, first: str, second: str
) -> None:
    undisturbed = trained(base_path, dataset, tmp_path / "undisturbed", "off")
    with pytest.raises(KilledError):
        trained(base_path, dataset, tmp_path / "adapter", first, killed)
    told: list[int] = []
    result = trained(base_path, dataset, tmp_path / "adapter", second, lambda progress: told.append(progress.step))
    assert told == list(range(KILLED_AT - 1, undisturbed.steps + 1))
    losses = [point.loss for point in undisturbed.curve[1:]]
    assert [point.loss for point in result.curve[1:]] == pytest.approx(losses, rel=1e-3)
    fallen = 0.3 if GgufFile.open(base_path).architecture == "granite" else 1.0  # granite divides its logits by 8
    assert losses[KILLED_AT] < losses[0] - fallen, "else it makes no difference where a training begins"  # type: ignore[operator]
    assert stored(tmp_path / "adapter").keys() == stored(tmp_path / "undisturbed").keys()


def test_an_adapter_that_was_kept_with_other_names_is_read_right(
    base_path: Path, dataset: Path, tmp_path: Path
) -> None:
    """As trainings with gradient checkpointing once left them: `merge` and `register` take them for what they are."""
    trained(base_path, dataset, tmp_path / "adapter", "on")
    gguf = GgufFile.open(base_path)
    expected = {update.tensor: update.delta() for update in read_adapter(tmp_path / "adapter", gguf)}
    old_names = {}
    for name, value in stored(tmp_path / "adapter").items():
        block = ".".join(name.split(".")[:3])
        old_names[name.replace(block, f"{block}.block")] = value
    mx.save_safetensors(str(tmp_path / "adapter" / WEIGHTS), old_names)
    (imported := tmp_path / "imported").mkdir()
    import_adapter(tmp_path / "adapter", gguf, imported)
    for folder in (tmp_path / "adapter", imported):
        found = {update.tensor: update.delta() for update in read_adapter(folder, gguf)}
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[tensor], expected[tensor]) for tensor in found)
