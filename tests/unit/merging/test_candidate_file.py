"""A clone of the base's file that is written to in place."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.errors import StageError
from adapterd.merging.candidate_file import CandidateFile
from adapterd.merging.verify import compare_tensors
from tests.support.tiny_gguf import write_tiny_gguf

DOWN, NORM = "blk.1.ffn_down.weight", "blk.1.ffn_norm.weight"


@pytest.fixture
def candidate(tmp_path: Path) -> CandidateFile:
    base = write_tiny_gguf(tmp_path / "base.gguf", type_name="Q4_1")
    shutil.copyfile(base, tmp_path / "candidate.gguf")
    return CandidateFile(GgufFile.open(base), tmp_path / "candidate.gguf")


def same_otherwise(candidate: CandidateFile) -> bool:
    report = compare_tensors(candidate.base, candidate.path, candidate.changed)
    return report.matches and report.untouched == report.total - len(candidate.changed)


def test_fresh_candidate_file_is_the_base(candidate: CandidateFile) -> None:
    scales, quants = candidate.unpack(DOWN)
    base_scales, base_quants = candidate.unpack_base(DOWN)
    np.testing.assert_array_equal(scales.dequantize(quants), base_scales.dequantize(base_quants))
    np.testing.assert_array_equal(scales.dequantize(quants), candidate.base.values(DOWN))
    assert (candidate.changed, candidate.written_bytes, same_otherwise(candidate)) == (set(), 0, True)


def test_candidate_file_knows_the_types_of_its_tensors(candidate: CandidateFile) -> None:
    assert (candidate.type_of(DOWN), candidate.has_quants(DOWN), candidate.has_minimums(DOWN)) == ("Q4_1", True, True)
    assert (candidate.type_of(NORM), candidate.has_quants(NORM)) == ("F32", False)
    assert candidate.super_blocks_per_row(DOWN) == 96 // 32
    assert not CandidateFile(candidate.base, candidate.path).changed


def test_written_quants_are_in_the_file_with_the_scales_of_the_base(candidate: CandidateFile) -> None:
    quants = np.flip(candidate.unpack(DOWN)[1], axis=0)
    candidate.write_quants(DOWN, quants)
    scales, found = candidate.unpack(DOWN)
    np.testing.assert_array_equal(found, quants)
    np.testing.assert_array_equal(scales.scale, candidate.unpack_base(DOWN)[0].scale)
    np.testing.assert_array_equal(GgufFile.open(candidate.path).values(DOWN), scales.dequantize(quants))
    assert same_otherwise(candidate)


def test_rescale_accumulates_and_write_quants_restores_the_scales(candidate: CandidateFile) -> None:
    twice = [np.full((64, 3), 2, np.float32)] * 2
    before = candidate.base.values(DOWN)
    candidate.rescale(DOWN, twice)
    candidate.rescale(DOWN, twice)
    np.testing.assert_array_equal(GgufFile.open(candidate.path).values(DOWN), 4 * before)
    np.testing.assert_array_equal(candidate.unpack_base(DOWN)[0].scale * 4, candidate.unpack(DOWN)[0].scale)
    candidate.write_quants(DOWN, candidate.unpack_base(DOWN)[1])
    np.testing.assert_array_equal(GgufFile.open(candidate.path).values(DOWN), before)


def test_written_bytes_are_counted_once(candidate: CandidateFile) -> None:
    gains = np.arange(64, dtype="<f4")
    for _ in range(2):
        candidate.write(NORM, gains.tobytes())
    np.testing.assert_array_equal(GgufFile.open(candidate.path).values(NORM), gains)
    assert (candidate.changed, candidate.written_bytes) == ({NORM}, gains.nbytes)
    assert same_otherwise(candidate)
    candidate.sync()


@pytest.mark.parametrize("size_bytes", [0, 64 * 4 - 1, 64 * 4 + 1])
def test_write_of_another_number_of_bytes_is_refused(candidate: CandidateFile, size_bytes: int) -> None:
    with pytest.raises(StageError, match=f"{NORM} would change from 256 to {size_bytes} bytes"):
        candidate.write(NORM, b"x" * size_bytes)
    assert (candidate.changed, same_otherwise(candidate)) == (set(), True)
