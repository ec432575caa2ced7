"""The estimate of a merge's memory, beside peaks that were measured.

In what was measured there are no examples to measure retention on, and so no second attempt. The peak with GPTQ is
that of two touched blocks and 800 ids, to which the states of as many more are added as a merge is calibrated with;
that with distillation is `merge_speed` in bench/results.json, which had pages of the base's file in memory besides.
Both are of 0.1 billion parameters.
"""

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.mlx.sizes import FP32, BlockSizes, ModelSizes
from adapterd.base_proof.needs import PROCESS_BYTES
from adapterd.config import TrainingSettings
from adapterd.merging.gptq import PANEL_COLUMNS, GptqFactor
from adapterd.merging.memory import _FACTORED, _PANELS, MergeDemand
from adapterd.merging.merge import CALIBRATION_TOKENS, MIN_CALIBRATION_EXAMPLES
from adapterd.training.memory import adapter_bytes
from tests.support.tiny_gguf import write_tiny_gguf

SIZES: dict[str, Any] = {"type_name": "Q4_K", "hidden": 256, "ffn": 512, "head_size": 64}
VOCABULARY = 49_152
TOKENS, COMPLETION = 200, 50


def llama(layers: int, width: int, ffn: int, heads: int, keys: int) -> ModelSizes:
    """One of llama's shape in fp32, whose embedding is its head."""
    shapes = {
        "self_attn.q_proj": (width, width),
        "self_attn.k_proj": (keys, width),
        "self_attn.v_proj": (keys, width),
        "self_attn.o_proj": (width, width),
        "mlp.gate_proj": (ffn, width),
        "mlp.up_proj": (ffn, width),
        "mlp.down_proj": (width, ffn),
    }
    values = sum(rows * columns for rows, columns in shapes.values())
    types = dict.fromkeys(shapes, "Q4_K")
    block = BlockSizes(4 * values, shapes, queries=width, keys=keys, ffn=ffn, heads=heads, adaptable=types)
    embedding = VOCABULARY * width
    return ModelSizes(width, 0, VOCABULARY, 4, 4 * embedding, (block,) * layers)


SMALL = MergeDemand(
    llama(30, 768, 1536, 12, 256), 16, TOKENS, COMPLETION, file_bytes=124_400_000, dequantized=True, measures=False
)
LARGER = replace(SMALL, sizes=llama(22, 2048, 5632, 32, 256), file_bytes=661_200_000)


MEASURED_IDS = 800


def states_mb(ids: int) -> float:
    """What the hidden states of so many ids take: three sets of them, in fp32."""
    return 3 * ids * SMALL.sizes.width * 4 / 1e6


@pytest.mark.parametrize(
    ("demand", "measured_mb"),
    [(replace(SMALL, distils=False), 451.2 + states_mb(CALIBRATION_TOKENS - MEASURED_IDS)), (SMALL, 1973.8)],
    ids=["GPTQ", "distilled"],
)
def test_the_estimate_is_near_the_peak(demand: MergeDemand, measured_mb: float) -> None:
    told_mb = (PROCESS_BYTES + demand.bytes) / 1e6
    assert 0.9 * measured_mb < told_mb < 1.25 * measured_mb


def test_a_hessian_is_factored_in_little_more_than_one_copy_of_it() -> None:
    """numpy tells tracemalloc what it allocates; the estimate counts the Hessian apart."""
    columns = 1536
    inputs = np.random.default_rng(0).standard_normal((64, columns)).astype(np.float32)
    hessian = inputs.T @ inputs
    tracemalloc.start()
    try:
        GptqFactor.of(hessian)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    told = _FACTORED * columns**2 + _PANELS * PANEL_COLUMNS * columns
    assert taken * 0.95 < told < taken * 1.25


def test_large_models_are_distilled_block_by_block() -> None:
    """So twice as many blocks take no more than their quants."""
    deep = replace(LARGER, sizes=replace(LARGER.sizes, blocks=LARGER.sizes.blocks * 2), layers=32)
    touched = sum(block.matrix_values for block in LARGER.sizes.blocks[:16])
    assert deep.bytes - LARGER.bytes <= touched


def test_projections_without_an_adapter_are_only_loaded() -> None:
    block = SMALL.sizes.blocks[0]
    with_gate = {**block.projections, "linear_attn.in_proj_z": (768, 768)}
    gated = replace(block, projections=with_gate, weight_bytes=block.weight_bytes + 4 * 768 * 768)
    more = replace(SMALL, sizes=replace(SMALL.sizes, blocks=(gated,) * 30))
    assert more.bytes - SMALL.bytes == 16 * 4 * 768 * 768


def stored_as(demand: MergeDemand, **types: str) -> MergeDemand:
    """The same with other types of some projections, by their names within a block."""
    changed = {module: types.get(module.rpartition(".")[2], "Q4_K") for module in demand.sizes.blocks[0].projections}
    blocks = tuple(replace(block, adaptable=changed) for block in demand.sizes.blocks)
    return replace(demand, sizes=replace(demand.sizes, blocks=blocks))


@pytest.mark.parametrize("type_name", ["Q2_K", "Q3_K", "F16", "BF16", "F32"])
def test_types_without_quants_stay_in_32_bits_while_others_are_distilled(type_name: str) -> None:
    """Four bytes for each weight, in the place of a quant; nothing of them is kept for the backward pass."""
    rounded = stored_as(SMALL, down_proj=type_name)
    assert rounded.bytes - SMALL.bytes == (4 - 1 - 9) * 16 * 768 * 1536


def test_a_base_without_quants_is_neither_calibrated_nor_distilled() -> None:
    """One tensor at a time is rounded, and the examples are never run."""
    every = {module.rpartition(".")[2]: "F16" for module in SMALL.sizes.blocks[0].projections}
    plain = stored_as(SMALL, **every)
    assert plain.bytes == replace(plain, tokens=2000, completion=1000).bytes
    assert 0 < plain.bytes < SMALL.sizes.common_bytes


def test_what_gets_no_adapter_by_its_type_is_only_loaded(tmp_path: Path) -> None:
    every, fewer = (
        ModelSizes.of(
            GgufFile.open(write_tiny_gguf(tmp_path / f"{kind}.gguf", types={"blk.1.ffn_down": kind}, **SIZES)), FP32
        )
        for kind in ("Q4_K", "IQ2_XXS")
    )
    settings = TrainingSettings(rank=4)
    assert adapter_bytes(every.blocks, settings) - adapter_bytes(fewer.blocks, settings) == 4 * 4 * (256 + 512)
    assert fewer.blocks[1].weight_bytes == every.blocks[1].weight_bytes
    with_it, without = (MergeDemand(sizes, 1, 16, 4, 0, dequantized=False, measures=False) for sizes in (every, fewer))
    assert without.bytes - with_it.bytes == (4 - 1 - 9) * 256 * 512


def test_a_second_attempt_has_twice_the_examples() -> None:
    """It follows a retention that is too low, so there is none where retention is not measured."""
    tokens = max(CALIBRATION_TOKENS, MIN_CALIBRATION_EXAMPLES * TOKENS)
    assert replace(SMALL, measures=True).bytes - SMALL.bytes == 3 * tokens * 768 * 4


def test_retention_needs_both_files_at_once() -> None:
    measured = replace(LARGER, measures=True, file_bytes=8_000_000_000)
    assert measured.bytes >= 2 * measured.file_bytes
