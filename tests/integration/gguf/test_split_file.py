"""A GGUF in several parts, as llama-gguf-split writes them, becomes the file that it was split from."""

from pathlib import Path

import gguf
import numpy as np
import pytest

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.split_file import join, parts_of
from adapterd.errors import InputError, NotFoundError, UnsupportedModelError
from tests.support.split_gguf import in_parts
from tests.support.tiny_gguf import llama_cpp_logits, write_tiny_gguf


@pytest.fixture
def whole_file(tmp_path: Path) -> Path:
    return write_tiny_gguf(tmp_path / "model.gguf", type_name="Q4_0", types={"ffn_down": "MXFP4", "attn_v": "IQ4_NL"})


@pytest.mark.parametrize("count", [2, 3])
def test_parts_that_are_joined_are_the_file_they_were_made_of(tmp_path: Path, whole_file: Path, count: int) -> None:
    join(parts_of(in_parts(whole_file, count)[0]), tmp_path / "joined.gguf")
    ours, theirs = GgufFile.open(tmp_path / "joined.gguf"), GgufFile.open(whole_file)
    assert list(ours.tensors) == list(theirs.tensors)
    for name, tensor in theirs.tensors.items():
        assert (ours.tensors[name].shape, ours.tensors[name].type_name) == (tensor.shape, tensor.type_name)
        assert ours.raw(name).tobytes() == theirs.raw(name).tobytes()
    assert ours.header.fields.keys() == theirs.header.fields.keys()
    known = {key: field.contents() for key, field in gguf.GGUFReader(whole_file).fields.items() if key[:5] != "GGUF."}
    found = gguf.GGUFReader(tmp_path / "joined.gguf").fields
    assert {key: found[key].contents() for key in known} == known
    ids = list(range(20, 40))
    np.testing.assert_array_equal(llama_cpp_logits(tmp_path / "joined.gguf", ids), llama_cpp_logits(whole_file, ids))


def test_the_first_part_may_have_no_tensor(tmp_path: Path, whole_file: Path) -> None:
    join(in_parts(whole_file, 2, empty_first=True), tmp_path / "joined.gguf")
    assert list(GgufFile.open(tmp_path / "joined.gguf").tensors) == list(GgufFile.open(whole_file).tensors)


def test_any_part_leads_to_all_of_them(whole_file: Path) -> None:
    parts = in_parts(whole_file, 3)
    assert [parts_of(part) for part in parts] == [parts] * 3
    assert parts_of(whole_file) == [whole_file]


def test_a_missing_part_is_named(whole_file: Path) -> None:
    parts = in_parts(whole_file, 3)
    parts[1].unlink()
    with pytest.raises(NotFoundError, match=r"one of 3 parts of a model, and model-00002-of-00003\.gguf is not beside"):
        parts_of(parts[0])


def test_a_part_by_another_name_leads_to_no_others(tmp_path: Path, whole_file: Path) -> None:
    part = in_parts(whole_file, 2)[0].rename(tmp_path / "renamed.gguf")
    with pytest.raises(InputError, match="one of 2 parts") as refused:
        parts_of(part)
    assert "llama-gguf-split --merge" in refused.value.hint


def test_parts_of_different_splits_are_refused(tmp_path: Path, whole_file: Path) -> None:
    two, three = in_parts(whole_file, 2), in_parts(whole_file, 3)
    for wrong in ([two[0], three[1]], [two[1], two[0]], [two[0], two[0]]):
        with pytest.raises(InputError, match="is not part "):
            join(wrong, tmp_path / "joined.gguf")


def test_a_tensor_in_two_parts_or_in_none_is_an_error(tmp_path: Path, whole_file: Path) -> None:
    with pytest.raises(InputError, match=r"has token_embd\.weight, which an earlier part"):
        join(in_parts(whole_file, 2, repeated=True), tmp_path / "joined.gguf")
    with pytest.raises(InputError, match="tensors, and should have 99"):
        join(in_parts(whole_file, 2, claimed=99), tmp_path / "joined.gguf")


def test_a_tensor_of_an_unknown_type_is_named(tmp_path: Path, whole_file: Path) -> None:
    parts = in_parts(whole_file, 2)
    data, name = bytearray(parts[0].read_bytes()), b"blk.0.attn_q.weight"
    place = data.index(name) + len(name) + 4 + 2 * 8
    data[place : place + 4] = (153).to_bytes(4, "little")
    parts[0].write_bytes(data)
    with pytest.raises(UnsupportedModelError, match=r"blk\.0\.attn_q\.weight .* the tensor type 153"):
        join(parts, tmp_path / "joined.gguf")
