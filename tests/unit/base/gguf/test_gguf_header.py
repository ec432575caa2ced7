"""The header of a GGUF that somebody made: nothing is believed before it is checked against the file's size."""

import io
import os
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from adapterd.base.architectures import check_supported
from adapterd.base.gguf import gguf_header
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.errors import InputError
from tests.support.tiny_gguf import write_tiny_gguf

ARRAY, STRING, UINT8, UINT32 = 9, 8, 0, 4


def text(content: str) -> bytes:
    return struct.pack("<Q", len(content.encode())) + content.encode()


def key(name: str, kind: int, value: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + value


def array(kind: int, count: int, values: bytes = b"") -> bytes:
    return struct.pack("<IQ", kind, count) + values


def header(*keys: bytes, tensors: tuple[bytes, ...] = (), counts: tuple[int, int] | None = None) -> bytes:
    claimed = counts or (len(tensors), len(keys))
    return b"GGUF" + struct.pack("<IQQ", 3, *claimed) + b"".join(keys) + b"".join(tensors)


def tensor(name: str, *sizes: int, kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)


HOSTILE: dict[str, tuple[str, bytes]] = {
    "an array of 2^62 values in 94 bytes": (
        "claims to have 4611686018427387904 values of 'a'", header(key("a", ARRAY, array(UINT8, 1 << 62)))
    ),
    "texts that are not there": ("values of 'a'", header(key("a", ARRAY, array(STRING, 1 << 40)))),
    "arrays in arrays": ("array of arrays", header(key("a", ARRAY, array(ARRAY, 1, array(ARRAY, 1) * 5_000)))),
    "tensors that are not there": ("claims to have 1099511627776 tensors", header(counts=(1 << 40, 0))),
    "keys that are not there": ("claims to have 9223372036854775807 keys", header(counts=(0, (1 << 63) - 1))),
    "a text beyond the end": ("ends within its header", header(key("a", STRING, struct.pack("<Q", 1 << 63)))),
    "a tensor beyond the end": (
        "the file ends before the tensor 'a' does", header(tensors=(tensor("a", 1 << 31, 1 << 31),))
    ),
    "sizes that overflow": ("the file ends before", header(tensors=(tensor("a", 1 << 62, 1 << 62, 1 << 62),))),
    "a long name of a tensor": ("a tensor's name has 65 bytes", header(tensors=(tensor("a" * 65, 1),))),
    "a long key": ("a key has 65537 bytes", header(key("a" * 65_537, UINT32, b"\0" * 4))),
    "the same key twice": ("is there twice", header(key("a", UINT32, b"\0" * 4), key("a", UINT32, b"\0" * 4))),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_header_that_lies_is_refused_within_little_memory(tmp_path: Path, what: str) -> None:
    said, data = HOSTILE[what]
    (path := tmp_path / "x.gguf").write_bytes(data)
    tracemalloc.start()
    with pytest.raises(InputError, match=said):
        GgufFile.open(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < len(data) * 3 + (1 << 20)


def test_a_list_that_is_too_long_for_what_is_asked_is_refused(tmp_path: Path) -> None:
    count = gguf_header.MAX_VALUES + 1
    (path := tmp_path / "x.gguf").write_bytes(
        header(key("llama.block_count", ARRAY, array(UINT8, count, bytes(count))))
    )
    with pytest.raises(InputError, match=f"'llama.block_count' has {count} values"):
        GgufFile.open(path).value("llama.block_count")


def test_a_text_that_is_too_long_for_a_terminal_is_refused(tmp_path: Path) -> None:
    value = text("x" * (gguf_header.MAX_TEXT_BYTES + 1))
    (path := tmp_path / "x.gguf").write_bytes(header(key("general.architecture", STRING, value)))
    with pytest.raises(InputError, match=f"has {gguf_header.MAX_TEXT_BYTES + 1} bytes"):
        check_supported(GgufFile.open(path))


def test_a_header_is_read_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tiny_gguf(tmp_path / "x.gguf")
    whole = GgufFile.open(path)
    monkeypatch.setattr(gguf_header, "_FIRST_BYTES", 30)
    again = GgufFile.open(path)
    assert (again.header, again.tensors) == (whole.header, whole.tensors)
    assert again.value("llama.block_count") == 2


def test_of_a_large_file_the_beginning_is_read(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "x.gguf")
    os.truncate(path, 3 << 30)
    tracemalloc.start()
    GgufFile.open(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


def cut(path: Path) -> None:
    os.truncate(path, 100)


def gone(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"another")


@pytest.mark.parametrize("do", [cut, gone])
def test_what_the_header_says_stays_whatever_becomes_of_the_file(tmp_path: Path, do: Callable[[Path], None]) -> None:
    """A mapping of a file that was cut short would end the process (SIGBUS)."""
    path = write_tiny_gguf(tmp_path / "x.gguf")
    file = GgufFile.open(path)
    do(path)
    assert file.value("llama.block_count") == 2
    assert file.text_at("tokenizer.ggml.tokens", 0) == "<|endoftext|>"
    check_supported(file)
    assert len(file.metadata_bytes) == file.header.keys_end


class Cut(io.BufferedReader):
    """A file that is cut short at the first reading."""

    def read(self, size: int | None = -1) -> bytes:
        os.truncate(self.fileno(), 40)
        return super().read(size)


def test_a_file_that_is_cut_while_its_header_is_read_is_told(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "x.gguf")
    with Cut(io.FileIO(path, "r+")) as stream, pytest.raises(InputError, match="damaged or cut short: "):
        gguf_header.read_header(path, stream)
