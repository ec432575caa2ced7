"""Whose hidden states a file holds is read without MLX."""

import json
from pathlib import Path

import pytest

from adapterd.formats.hidden_states import metadata_of, records_in


def write(path: Path, header: object) -> Path:
    data = json.dumps(header).encode()
    path.write_bytes(len(data).to_bytes(8, "little") + data + b"weights")
    return path


def test_the_records_of_a_file_are_those_that_were_written(tmp_path: Path) -> None:
    file = write(tmp_path / "x.safetensors", {"__metadata__": metadata_of({"b", "a"}), "states": {}})
    assert records_in(file) == frozenset({"a", "b"})


@pytest.mark.parametrize("header", [{"states": {}}, {"__metadata__": {}}, {"__metadata__": None}, [], 7])
def test_of_a_file_of_an_earlier_release_nothing_is_known(tmp_path: Path, header: object) -> None:
    assert records_in(write(tmp_path / "x.safetensors", header)) is None


@pytest.mark.parametrize("content", [b"", b"\x05", b"\xff" * 20, b"\x02\0\0\0\0\0\0\0{"])
def test_of_a_damaged_file_nothing_is_known(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    assert records_in(tmp_path / "x.safetensors") is None
    assert records_in(tmp_path / "gone.safetensors") is None
