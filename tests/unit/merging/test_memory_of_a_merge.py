"""The estimate of a merge's memory, beside peaks that were measured (`merge_speed` in bench/results.json)."""

from dataclasses import replace

import pytest

from adapterd.base.mlx.sizes import BlockSizes, ModelSizes
from adapterd.base_proof.needs import PROCESS_BYTES
from adapterd.merging.memory import MergeDemand

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
    block = BlockSizes(4 * values, shapes, queries=width, keys=keys, ffn=ffn, heads=heads)
    embedding = VOCABULARY * width
    return ModelSizes(width, 0, VOCABULARY, 4, 4 * embedding, (block,) * layers)


SMALL = MergeDemand(
    llama(30, 768, 1536, 12, 256), 16, TOKENS, COMPLETION, file_bytes=124_400_000, dequantized=True, measures=False
)
LARGER = replace(SMALL, sizes=llama(22, 2048, 5632, 32, 256), file_bytes=661_200_000)


@pytest.mark.parametrize(
    ("demand", "measured_mb"),
    [(replace(SMALL, distils=False), 799.2), (SMALL, 1973.8), (replace(LARGER, distils=False), 3030.8)],
    ids=["GPTQ, 0.1B", "distilled, 0.1B", "GPTQ, 1.1B"],
)
def test_the_estimate_is_near_the_peak(demand: MergeDemand, measured_mb: float) -> None:
    told_mb = (PROCESS_BYTES + demand.bytes) / 1e6
    assert 0.9 * measured_mb < told_mb < 1.25 * measured_mb


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


def test_retention_needs_both_files_at_once() -> None:
    measured = replace(LARGER, measures=True, file_bytes=8_000_000_000)
    assert measured.bytes >= 2 * measured.file_bytes
