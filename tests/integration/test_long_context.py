"""Phi with two sets of rotary factors: trained, merged and measured as it is served, on either side of 512 tokens."""

import json
from pathlib import Path

import numpy as np
import pytest

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.config import TrainingSettings
from adapterd.formats.encoded import read_examples
from adapterd.merging.examples import MergeExamples
from adapterd.merging.merge import merge
from adapterd.training.hidden_state_cache import HiddenStateCache
from adapterd.training.train import train
from tests.support.tiny_gguf import llama_cpp_logits, mlx_logits, write_tiny_gguf

SETTINGS = TrainingSettings(rank=4, alpha=8.0, layers=1, epochs=2, batch_size=4, learning_rate=0.01)


@pytest.fixture(scope="module")
def phi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    metadata = {"phi3.rope.scaling.original_context_length": 512, "phi3.context_length": 4096}
    factors = {"rope_factors_short.weight": np.linspace(1, 1.2, 8), "rope_factors_long.weight": np.linspace(1, 40, 8)}
    folder = tmp_path_factory.mktemp("phi")
    return write_tiny_gguf(folder / "phi.gguf", architecture="phi3", metadata=metadata, tensors=factors)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rows = tmp_path_factory.mktemp("data"), np.random.default_rng(5).integers(30, 60, (12, 40)).tolist()
    lines = [json.dumps({"ids": ids, "prompt_tokens": 30, "record": str(n)}) + "\n" for n, ids in enumerate(rows)]
    (folder / "train.jsonl").write_text("".join(lines[:9]))
    (folder / "validation.jsonl").write_text("".join(lines[9:]))
    return folder


@pytest.mark.parametrize("context", [512, 1024])
def test_the_adapter_is_what_the_served_context_shows(phi: Path, dataset: Path, tmp_path: Path, context: int) -> None:
    base, states = GgufFile.open(phi, context_tokens=context), HiddenStateCache(phi.parent / "states", 1 << 30)
    train(base, dataset, SETTINGS, tmp_path / "adapter", lambda _: None, base_digest="sha256:phi", cache=states)
    train_set, held_out = (list(read_examples(dataset / f"{name}.jsonl")) for name in ("train", "validation"))
    merged = merge(
        phi, tmp_path / "adapter", tmp_path / "candidate.gguf", examples=MergeExamples(train_set, held_out),
        context_tokens=context,
    )  # fmt: skip
    assert merged.retention is not None
    assert merged.retention.kept is not None
    assert merged.retention.kept > 0.99, "an fp32 file keeps all of it, if it is measured as it was trained"
    ids = list(held_out[0].ids)
    served = llama_cpp_logits(merged.candidate, ids, context)
    trained = mlx_logits(phi, ids, tmp_path / "adapter", context)
    other = mlx_logits(phi, ids, tmp_path / "adapter", 1536 - context)
    assert np.abs(trained - served).max() < 1e-3 * served.std()
    assert np.abs(other - served).max() > 0.1 * served.std()


def test_states_below_the_adapter_are_not_shared_by_both_sides(phi: Path, dataset: Path, tmp_path: Path) -> None:
    losses = {}
    for name, context, folder in (("short", 512, "a"), ("long", 1024, "a"), ("long alone", 1024, "b")):
        result = train(
            GgufFile.open(phi, context_tokens=context), dataset, SETTINGS, tmp_path / name, lambda _: None,
            base_digest="sha256:phi", cache=HiddenStateCache(tmp_path / folder, 1 << 30),
        )  # fmt: skip
        losses[name] = result.first_validation_loss
    assert losses["long"] == losses["long alone"]
    assert losses["long"] != losses["short"]
