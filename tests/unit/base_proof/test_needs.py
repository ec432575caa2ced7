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
