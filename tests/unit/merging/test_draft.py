"""A clone of the base's file that is written to in place."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.errors import StageError
from adapterd.merging.draft import Draft
from adapterd.merging.verify import compare
from tests.support.tiny_gguf import write_tiny_gguf

DOWN, NORM = "blk.1.ffn_down.weight", "blk.1.ffn_norm.weight"


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    base = write_tiny_gguf(tmp_path / "base.gguf", type_name="Q4_1")
    shutil.copyfile(base, tmp_path / "draft.gguf")
    return Draft(GgufFile.open(base), tmp_path / "draft.gguf")


def same_otherwise(draft: Draft) -> bool:
    report = compare(draft.base, draft.path, draft.changed)
    return report.matches and report.untouched == report.total - len(draft.changed)


def test_a_fresh_draft_is_the_base(draft: Draft) -> None:
    grid, codes = draft.unpack(DOWN)
    base_grid, base_codes = draft.base_grid(DOWN)
    np.testing.assert_array_equal(grid.values(codes), base_grid.values(base_codes))
    np.testing.assert_array_equal(grid.values(codes), draft.base.values(DOWN))
    assert (draft.changed, draft.written_bytes, same_otherwise(draft)) == (set(), 0, True)


def test_it_knows_its_tensors(draft: Draft) -> None:
    assert (draft.type_of(DOWN), draft.has_grid(DOWN), draft.has_minimums(DOWN)) == ("Q4_1", True, True)
    assert (draft.type_of(NORM), draft.has_grid(NORM)) == ("F32", False)
    assert draft.blocks_in_a_row(DOWN) == 96 // 32
    assert not Draft(draft.base, draft.path).changed


def test_chosen_codes_are_in_the_file_on_the_bases_grid(draft: Draft) -> None:
    codes = np.flip(draft.unpack(DOWN)[1], axis=0)
    draft.choose(DOWN, codes)
    grid, found = draft.unpack(DOWN)
    np.testing.assert_array_equal(found, codes)
    np.testing.assert_array_equal(grid.scale, draft.base_grid(DOWN)[0].scale)
    np.testing.assert_array_equal(GgufFile.open(draft.path).values(DOWN), grid.values(codes))
    assert same_otherwise(draft)


def test_rescaling_goes_on_from_what_is_there_and_choosing_begins_again(draft: Draft) -> None:
    twice = [np.full((64, 3), 2, np.float32)] * 2
    before = draft.base.values(DOWN)
    draft.rescale(DOWN, twice)
    draft.rescale(DOWN, twice)
    np.testing.assert_array_equal(GgufFile.open(draft.path).values(DOWN), 4 * before)
    np.testing.assert_array_equal(draft.base_grid(DOWN)[0].scale * 4, draft.unpack(DOWN)[0].scale)
    draft.choose(DOWN, draft.base_grid(DOWN)[1])
    np.testing.assert_array_equal(GgufFile.open(draft.path).values(DOWN), before)


def test_replaced_bytes_are_counted_once(draft: Draft) -> None:
    gains = np.arange(64, dtype="<f4")
    for _ in range(2):
        draft.replace(NORM, gains.tobytes())
    np.testing.assert_array_equal(GgufFile.open(draft.path).values(NORM), gains)
    assert (draft.changed, draft.written_bytes) == ({NORM}, gains.nbytes)
    assert same_otherwise(draft)
    draft.sync()


@pytest.mark.parametrize("size_bytes", [0, 64 * 4 - 1, 64 * 4 + 1])
def test_another_number_of_bytes_is_refused(draft: Draft, size_bytes: int) -> None:
    with pytest.raises(StageError, match=f"{NORM} would change from 256 to {size_bytes} bytes"):
        draft.replace(NORM, b"x" * size_bytes)
    assert (draft.changed, same_otherwise(draft)) == (set(), True)
