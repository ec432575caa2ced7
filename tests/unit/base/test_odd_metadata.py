"""Metadata of another kind than expected: a sentence that names the key, and no crash."""

from contextlib import closing
from functools import partial
from pathlib import Path
from struct import pack
from typing import Any

import gguf
import numpy as np
import pytest

from adapterd.base.architectures import check_supported
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.mlx.dequantized import write_dequantized
from adapterd.errors import AdapterdError, InputError, UnsupportedModelError
from tests.support.tiny_gguf import mlx_logits, write_tiny_gguf


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(AdapterdError) as refused:
        check_supported(GgufFile.open(write_tiny_gguf(path / "tiny.gguf", **options)))
    assert type(refused.value) in (InputError, UnsupportedModelError)
    return str(refused.value)


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3"])
@pytest.mark.parametrize("value", [[2.0, 4.0], "four", float("nan")])
def test_a_factor_that_is_no_number_is_named(tmp_path: Path, architecture: str, value: Any) -> None:
    key = f"{architecture}.rope.scaling.factor"
    assert f"as {key}, which has to be a number" in refusal(tmp_path, architecture=architecture, metadata={key: value})


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("llama.block_count", "two", "'two' as llama.block_count, which has to be a whole number"),
        ("llama.block_count", [2, 2], "a list of 2 values as llama.block_count"),
        ("llama.block_count", 0, "0 as llama.block_count, which has to be a whole number from 1 on"),
        ("llama.block_count", 0xFFFFFFFF, "4294967295 as llama.block_count"),
        ("llama.block_count", 1_000_000, "claims to have 1000000 blocks (llama.block_count)"),
        ("llama.block_count", 2.0, "2.0 as llama.block_count"),
        ("llama.attention.head_count", 0, "0 as llama.attention.head_count"),
        ("llama.attention.head_count", [4, 2], "layers that differ in llama.attention.head_count"),
        ("llama.attention.head_count", True, "True as llama.attention.head_count"),
        ("llama.attention.layer_norm_rms_epsilon", [1e-5], "a list of 1 values as llama.attention.layer_norm"),
        ("llama.rope.freq_base", "10000", "'10000' as llama.rope.freq_base"),
        ("llama.rope.scaling.type", 3, "3 as llama.rope.scaling.type, which has to be a text"),
        ("llama.attention.head_count_kv", 1, "metadata: blk.0.attn_k.weight is (32, 64), not (16, 64)"),
        ("llama.feed_forward_length", 97, "contradicts the metadata: blk.0.ffn_gate.weight is (96, 64), not (97, 64)"),
    ],
)
def test_a_value_of_another_kind_is_refused_by_its_key(tmp_path: Path, key: str, value: Any, said: str) -> None:
    assert said in refusal(tmp_path, metadata={key: value})


@pytest.mark.parametrize("key", ["attention.head_count", "attention.head_count_kv", "feed_forward_length"])
def test_a_number_for_each_layer_counts_as_one_where_llama_cpp_takes_a_list(tmp_path: Path, key: str) -> None:
    value = {"attention.head_count": 4, "attention.head_count_kv": 2, "feed_forward_length": 96}[key]
    path = write_tiny_gguf(tmp_path / "tiny.gguf", metadata={f"llama.{key}": [value, value]})
    check_supported(GgufFile.open(path))


@pytest.mark.parametrize("value", [pack("<IIQ", 9, 4, 0), pack("<II", 4, 7)], ids=["list", "number"])
def test_an_architecture_that_is_no_text_is_refused(tmp_path: Path, value: bytes) -> None:
    path, key = tmp_path / "odd.gguf", b"general.architecture"
    path.write_bytes(b"GGUF" + pack("<IQQQ", 3, 0, 1, len(key)) + key + value)
    with pytest.raises(InputError, match=r"general\.architecture that is not a text"):
        check_supported(GgufFile.open(path))


@pytest.mark.parametrize("number", [99, 153, 0xFFFFFFFF])
def test_a_tensor_type_that_is_newer_than_the_library_is_named(tmp_path: Path, number: int) -> None:
    name = b"blk.0.ffn_up.weight"
    path = write_tiny_gguf(tmp_path / "new.gguf", type_name="Q8_0")
    data = bytearray(path.read_bytes())
    place = data.find(pack("<Q", len(name)) + name) + 8 + len(name) + 4 + 16
    assert data[place : place + 4] == pack("<I", 8)
    data[place : place + 4] = pack("<I", number)
    path.write_bytes(data)
    with pytest.raises(UnsupportedModelError) as refused:
        check_supported(GgufFile.open(path))
    assert f"{name.decode()} in {path} is stored as the tensor type {number}, which is not known here" in str(
        refused.value
    )
    with pytest.raises(
        UnsupportedModelError, match=f"{name.decode()} is stored as the tensor type {number}, which is not known"
    ):
        GgufFile.open(path).values(name.decode())


def with_empty_array(path: Path, inner: int) -> Path:
    """A tiny model that has `general.tags = []`, of this type."""
    source = GgufFile.open(write_tiny_gguf(path.with_name("plain.gguf"), type_name="Q4_0"))
    data, end = source.path.read_bytes(), source.header.keys_end
    tags = b"general.tags"
    added = pack("<Q", len(tags)) + tags + pack("<IIQ", 9, inner, 0)
    tensors, keys = len(source.tensors), len(source.header.fields)
    entries_end = end + sum(
        24 + len(entry.name.encode()) + 8 * len(entry.dimensions) for entry in source.header.tensors
    )
    head = b"GGUF" + pack("<IQQ", 3, tensors, keys + 1) + data[24:end] + added + data[end:entries_end]
    path.write_bytes(head + bytes(-len(head) % 32) + data[source.header.data_start :])
    return path


@pytest.mark.parametrize("inner", [0, 4, 8, 12])
def test_an_empty_array_is_read_and_copied(tmp_path: Path, inner: int) -> None:
    file = GgufFile.open(with_empty_array(tmp_path / "empty.gguf", inner))
    check_supported(file)
    assert file.value("general.tags") == []
    copy = tmp_path / "copy.gguf"
    write_dequantized(copy, file, {"blk.0.ffn_up.weight": lambda: file.values("blk.0.ffn_up.weight")})
    assert GgufFile.open(copy).metadata_bytes == file.metadata_bytes
    ids = list(range(20, 30))
    np.testing.assert_allclose(mlx_logits(copy, ids), mlx_logits(file.path, ids), atol=1e-5)


def test_a_dequantised_copy_is_a_file_that_gguf_reads(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", type_name="Q4_1", metadata={"general.alignment": 64})
    file = GgufFile.open(path)
    chosen = ("blk.1.attn_q.weight", "token_embd.weight")
    copy = tmp_path / "copy.gguf"
    write_dequantized(copy, file, {name: partial(file.values, name) for name in chosen})
    theirs = {tensor.name: tensor for tensor in gguf.GGUFReader(copy).tensors}
    assert list(theirs) == list(file.tensors)
    for name, info in file.tensors.items():
        assert theirs[name].tensor_type.name == ("F32" if name in chosen else info.type_name)
        assert theirs[name].data_offset % 64 == 0
        np.testing.assert_array_equal(gguf.dequantize(theirs[name].data, theirs[name].tensor_type), file.values(name))


def test_metadata_that_only_some_writers_leave_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "other.gguf"
    with closing(gguf.GGUFWriter(path, "llama")) as writer:
        writer.add_array("general.languages", ["en", "de"])
        writer.add_bool("general.odd", True)
        writer.add_float64("general.wide", 0.5)
        writer.add_int64("general.long", -(1 << 40))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    file = GgufFile.open(path)
    found = [file.value(f"general.{name}") for name in ("languages", "odd", "wide", "long")]
    assert found == [["en", "de"], True, 0.5, -(1 << 40)]
