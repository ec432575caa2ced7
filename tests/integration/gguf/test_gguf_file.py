from pathlib import Path

import numpy as np
import pytest

from adapterd.base.gguf.ggml import TensorType
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.errors import InputError, UnsupportedModelError
from tests.support.tiny_gguf import write_tiny_gguf


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_tiny_gguf(tmp_path / "tiny.gguf", type_name="Q8_0")


def test_metadata_is_read_by_key(tiny: Path) -> None:
    file = GgufFile.open(tiny)
    assert file.architecture == "llama"
    assert file.value("llama.block_count") == 2
    assert file.value("llama.nothing", 7) == 7
    with pytest.raises(InputError, match=r"has no metadata key llama\.nothing"):
        file.required("llama.nothing")


def test_tensors_have_their_place_in_the_file(tiny: Path) -> None:
    file = GgufFile.open(tiny)
    up = file.tensors["blk.1.ffn_up.weight"]
    assert (up.shape, up.type_name, up.size_bytes) == ((96, 64), "Q8_0", 96 * 64 // 32 * 34)
    there = tiny.read_bytes()[up.offset_bytes : up.offset_bytes + up.size_bytes]
    assert file.raw(up.name).tobytes() == there


@pytest.mark.parametrize("type_name", ["F32", "F16", "BF16", "Q8_0"])
def test_values_are_fp32_in_the_shape_of_the_tensor(tmp_path: Path, type_name: str) -> None:
    file = GgufFile.open(write_tiny_gguf(tmp_path / "tiny.gguf", type_name=type_name))
    exact = GgufFile.open(write_tiny_gguf(tmp_path / "exact.gguf"))
    values = file.values("blk.0.ffn_up.weight")
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, exact.values("blk.0.ffn_up.weight"), atol=4e-3)


def test_an_unknown_tensor_is_refused(tiny: Path) -> None:
    with pytest.raises(InputError, match="has no tensor blk"):
        GgufFile.open(tiny).values("blk.9.attn_q.weight")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there"):
        GgufFile.open(tmp_path / "none.gguf")


@pytest.mark.parametrize("content", [b"", b"GGUF", b"not a model at all", b"GGUF\x03\x00\x00\x00" + b"\xff" * 64])
def test_file_that_is_no_gguf_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"is not a GGUF file, or is damaged|cannot be read"):
        GgufFile.open(path)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.99])
def test_a_file_cut_short_is_refused(tiny: Path, share: float) -> None:
    data = tiny.read_bytes()
    tiny.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match="cut short"):
        GgufFile.open(tiny)


def test_a_row_has_to_be_whole_blocks() -> None:
    assert TensorType.named("Q4_K").row_bytes(512) == 288
    with pytest.raises(UnsupportedModelError, match="576 values cannot be Q4_K, which needs multiples of 256"):
        TensorType.named("Q4_K").row_bytes(576)
