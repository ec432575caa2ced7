"""Copies of a model with tensors in fp32."""

import sys
from functools import partial
from pathlib import Path

import pytest

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.mlx.dequantized import write_dequantized
from tests.support.tiny_gguf import write_tiny_gguf


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/smaps tells which pages of a file are in memory")
def test_pages_of_the_source_that_were_copied_are_given_back(tmp_path: Path) -> None:
    source = GgufFile.open(
        write_tiny_gguf(tmp_path / "tiny.gguf", type_name="Q8_0", hidden=256, ffn=512, layers=4, vocab=2048)
    )
    for name in source.tensors:
        source.raw(name).sum()
    read = _resident_bytes(source.path)
    assert read > 0.9 * source.path.stat().st_size
    write_dequantized(tmp_path / "copy.gguf", source, {name: partial(source.values, name) for name in source.tensors})
    assert _resident_bytes(source.path) < 0.1 * read


def _resident_bytes(path: Path) -> int:
    """Bytes of a mapped file that are in the memory of this process."""
    found, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split(" ", 1)[0] and ":" not in line.split(" ", 1)[0]:
            inside = line.endswith(str(path))
        elif inside and line.startswith("Rss:"):
            found += int(line.split()[1]) * 1024
    return found
