"""How much memory a step takes: an estimate that holds, and a step that is made to fit."""

import logging
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
import pytest

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.mlx.blocks import Blocks
from adapterd.base.mlx.model import BlockwiseModel, load_mlx_model
from adapterd.base.mlx.sizes import FP32, BlockSizes, ModelSizes
from adapterd.base.mlx.streams import WIDTH
from adapterd.config import GradientCheckpointing, TrainingSettings
from adapterd.errors import NoSpaceError
from adapterd.formats.encoded import EncodedExample
from adapterd.training.adapter_layers import attach_adapter
from adapterd.training.data import CompletionBatch
from adapterd.training.memory import (
    KEPT_BYTES,
    MemoryDemand,
    MemoryFit,
    budget_bytes,
    fit,
    frozen_parts,
    is_out_of_memory,
    preparing_bytes,
)
from tests.support.tiny_gguf import write_tiny_gguf

BLOCK = BlockSizes(queries=5120, keys=1024, ffn=13_824, heads=40)
DEMAND = MemoryDemand(
    fixed_bytes=8_000_000_000, value_bytes=2, width=5120, vocabulary=152_064, blocks=(BLOCK,) * 16,
    longest=1000, completion=200, rows=4,
)  # fmt: skip
"""A model of 14 billion parameters at four bits."""


def examples(rows: int, length: int) -> list[EncodedExample]:
    ids = np.random.default_rng(0).integers(10, 500, (rows, length)).tolist()
    return [EncodedExample(tuple(row), length // 2, str(number)) for number, row in enumerate(ids)]


def sizes(path: Path) -> ModelSizes:
    return ModelSizes.of(GgufFile.open(path), FP32)


def peak_bytes(model: nn.Module, batch: Sequence[EncodedExample], *, recompute: bool) -> int:
    """What a step takes, weights included."""
    parts = CompletionBatch.of(batch)
    optimizer = optim.Adam(1e-4)
    with Blocks.only(model, 0, gradient_checkpointing=recompute) as blocks:
        step = nn.value_and_grad(
            model,
            lambda model: parts.loss(
                model, lambda _, batch: blocks.run(batch.inputs, None, batch.start), TrainingSettings()
            ),
        )
        mx.clear_cache()
        before = mx.get_active_memory()
        mx.reset_peak_memory()
        loss, gradients = step(model)
        optimizer.update(model, gradients)
        mx.eval(loss, model.trainable_parameters(), optimizer.state)
        peak: int = mx.get_peak_memory()
    weights: int = sum(value.nbytes for _, value in nn.utils.tree_flatten(model.parameters()))
    return peak - before + weights


def peak_bytes_of_file(
    path: Path, settings: TrainingSettings, batch: Sequence[EncodedExample], *, recompute: bool
) -> int:
    """What a step of the model in a file takes, with an untrained adapter."""
    model = load_mlx_model(GgufFile.open(path), dtype=mx.float32)
    attach_adapter(model, settings)
    return peak_bytes(model, batch, recompute=recompute)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize(("rows", "length"), [(1, 400), (4, 100)])
def test_the_estimate_is_above_the_peak_and_close_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recompute: bool, rows: int, length: int
) -> None:
    monkeypatch.delenv(WIDTH[0], raising=False)  # MLX reads it once, and a training before this test has set it
    path = write_tiny_gguf(tmp_path / "tiny.gguf", hidden=256, ffn=768, heads=4, kv_heads=2, layers=6)
    settings, given = TrainingSettings(layers=6, batch_size=rows), examples(rows, length)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        taken = fresh.submit(peak_bytes_of_file, path, settings, given, recompute=recompute).result()
    told = MemoryDemand.of(sizes(path), given, settings).bytes(recompute=recompute, batch_tokens=rows * length)
    assert taken * 0.95 < told < taken * 1.4


@pytest.mark.parametrize("architecture", ["gemma3", "gemma4", "qwen35"])
def test_the_estimate_knows_what_other_families_keep(tmp_path: Path, architecture: str) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", architecture=architecture, hidden=256, ffn=512, layers=4)
    settings, given = TrainingSettings(), examples(1, 200)
    taken = peak_bytes_of_file(path, settings, given, recompute=False)
    told = MemoryDemand.of(sizes(path), given, settings).bytes(recompute=False, batch_tokens=200)
    assert taken * 0.8 < told < taken * 1.3


def test_blocks_that_are_not_in_memory_are_not_counted(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", layers=6)
    settings, given = TrainingSettings(layers=2), examples(1, 20)
    model = BlockwiseModel(GgufFile.open(path), dtype=mx.float32).keep(4)
    attach_adapter(model, settings)
    one = sum(value.nbytes for _, value in nn.utils.tree_flatten(model.layers[0].parameters()))
    whole, top = (MemoryDemand.of(sizes(path), given, settings, below=below).fixed_bytes for below in (0, 4))
    assert whole - top == 4 * one > 0


def test_frozen_blocks_are_loaded_as_many_at_a_time_as_fit() -> None:
    blocks = [BlockSizes(weight_bytes=100)] * 5
    assert frozen_parts(blocks, 1000) == [range(5)]
    assert frozen_parts(blocks, 400) == [range(2), range(2, 4), range(4, 5)]
    assert frozen_parts(blocks, 1) == [range(index, index + 1) for index in range(5)]
    assert frozen_parts([], 400) == [range(0)]
    sizes = ModelSizes(8, 0, 10, 4, 1000, tuple(blocks))
    kept = 2 * 3 * 8 * 4
    assert [preparing_bytes(sizes, 4, budget, 3) for budget in (1000, 400, 1)] == [1400, 1200 + kept, 1100 + kept]
    assert preparing_bytes(sizes, 4, 400, 1 << 40) == 1200 + 2 * KEPT_BYTES


def test_a_step_that_fits_is_left_as_it_is() -> None:
    fitted = fit(DEMAND, 2048, 1 << 40)
    assert (fitted.recompute, fitted.batch_tokens) == (False, 2048)


def test_gradient_checkpointing_then_smaller_micro_batches_save_memory(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    whole = fit(DEMAND, 4000, 1 << 40)
    again = fit(DEMAND, 4000, whole.bytes - 1)
    assert (again.recompute, again.batch_tokens) == (True, 4000)
    less = fit(DEMAND, 4000, again.bytes - 1)
    assert (less.recompute, less.batch_tokens) == (True, 2000)
    one = fit(DEMAND, 4000, less.bytes - 1)
    assert (one.recompute, one.batch_tokens) == (True, 1000)
    assert whole.bytes > again.bytes > less.bytes > one.bytes > DEMAND.fixed_bytes
    assert "gradient checkpointing" in caplog.text


def test_gradient_checkpointing_can_be_forced_or_forbidden(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    on, off = GradientCheckpointing.ON, GradientCheckpointing.OFF
    forced, forbidden = (replace(DEMAND, checkpointing=each) for each in (on, off))
    assert fit(forced, 4000, 1 << 40) == MemoryFit(True, 4000, DEMAND.bytes(recompute=True, batch_tokens=4000))
    assert fit(forbidden, 4000, 1 << 40) == MemoryFit(False, 4000, DEMAND.bytes(recompute=False, batch_tokens=4000))
    assert caplog.messages == []
    less = fit(forbidden, 4000, DEMAND.bytes(recompute=False, batch_tokens=4000) - 1)
    assert (less.recompute, less.batch_tokens) == (False, 2000)
    assert caplog.messages == ["memory is short: 2000 ids at a time"]
    assert (less.smaller(off), less.smaller(on)) == (
        MemoryFit(False, 1000, less.bytes),
        MemoryFit(True, 1000, less.bytes),
    )


def test_the_error_names_gradient_checkpointing_where_it_is_off() -> None:
    enough = DEMAND.bytes(recompute=True, batch_tokens=1)
    assert fit(DEMAND, 4000, enough).recompute
    with pytest.raises(NoSpaceError) as error:
        fit(replace(DEMAND, checkpointing=GradientCheckpointing.OFF), 4000, enough)
    assert error.value.hint.startswith('set training.gradient_checkpointing = "auto"')


def test_a_training_that_can_never_fit_is_refused_before_it_begins() -> None:
    with pytest.raises(NoSpaceError, match=r"needs about 9\.\d GB of memory, 8\.0 GB can be had") as error:
        fit(DEMAND, 2048, 8_000_000_000)
    assert "training.layers" in error.value.hint


def test_the_estimate_counts_no_more_rows_than_a_batch_has() -> None:
    assert DEMAND.bytes(recompute=False, batch_tokens=1 << 20) == DEMAND.bytes(recompute=False, batch_tokens=4000)
    two = replace(DEMAND, rows=2)
    assert two.bytes(recompute=False, batch_tokens=4000) < DEMAND.bytes(recompute=False, batch_tokens=4000)


def test_a_micro_batch_of_pairs_has_at_least_two_rows() -> None:
    pairs = replace(DEMAND, rows=8, least=2)
    assert pairs.bytes(recompute=True, batch_tokens=1) == replace(DEMAND, rows=2).bytes(
        recompute=True, batch_tokens=2000
    )


def test_a_smaller_step() -> None:
    assert MemoryFit(False, 2048, 7).smaller() == MemoryFit(True, 1024, 7)
    assert MemoryFit(True, 1, 7).smaller().batch_tokens == 1


def test_the_budget_is_what_the_machine_has() -> None:
    assert 0 < budget_bytes() < 1 << 45


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (MemoryError(), True),
        (RuntimeError("[malloc] Unable to allocate 70368744177664 bytes."), True),
        (RuntimeError("[METAL] Command buffer execution failed: Insufficient Memory (00000008)"), True),
        (RuntimeError("[matmul] Last dimension of first input"), False),
        (ValueError("malloc"), False),
    ],
)
def test_out_of_memory_errors_are_recognised(error: Exception, short: bool) -> None:
    assert is_out_of_memory(error) is short
