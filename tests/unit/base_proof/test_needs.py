"""What a training takes, held against what it may take."""

from pathlib import Path

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base_proof.needs import FOR_OTHERS_BYTES, PROCESS_BYTES, Hardware, Workload, needs
from tests.support.tiny_gguf import write_tiny_gguf

WORK = Workload(tokens=500)
SHARE = 0.9 * 0.9
"""Of what is free once the process is there: what training takes for its budget, less MLX's cache."""


def test_a_training_fits_where_its_budget_is_large_enough(tmp_path: Path) -> None:
    file = GgufFile.open(write_tiny_gguf(tmp_path / "base.gguf"))
    least = needs(file, WORK, None, Hardware(1)).training_bytes - PROCESS_BYTES
    short, enough = (
        needs(file, WORK, None, Hardware(FOR_OTHERS_BYTES + PROCESS_BYTES + round(factor * least / SHARE)))
        for factor in (0.98, 1.02)
    )
    assert "training" in short.too_large
    assert not short.fits
    assert "training" not in enough.too_large


def test_a_longer_context_takes_more_in_the_runtime_and_nothing_else(tmp_path: Path) -> None:
    file = GgufFile.open(write_tiny_gguf(tmp_path / "base.gguf", layers=2, kv_heads=2, heads=4, hidden=64))
    short, long = (needs(file, WORK, None, Hardware(1 << 40), context=context) for context in (2048, 32_768))
    keys_and_values = 2 * 2 * 2 * 16  # layers, keys and values, heads, values of a head
    added = long.evaluation_bytes - short.evaluation_bytes
    assert added == round(1.1 * 2 * keys_and_values * (32_768 - 2048))  # 16 bits each, and a tenth for buffers
    assert (long.training_bytes, long.merging_bytes) == (short.training_bytes, short.merging_bytes)
