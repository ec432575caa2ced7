"""Headers as nobody should write them: one sentence each, at once, and in little memory."""

import subprocess
import sys
from contextlib import suppress
from itertools import starmap
from pathlib import Path
from struct import pack
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.base.architectures import check_supported
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.errors import AdapterdError, InputError, UnsupportedModelError
from tests.support.tiny_gguf import write_tiny_gguf

UINT8, UINT32, STRING, ARRAY = 0, 4, 8, 9
F32 = 0


def text(value: bytes) -> bytes:
    return pack("<Q", len(value)) + value


def key(name: bytes, kind: int, value: bytes) -> bytes:
    return text(name) + pack("<I", kind) + value


def tensor(name: bytes = b"x", sizes: tuple[int, ...] = (8,), kind: int = F32, offset: int = 0) -> bytes:
    return text(name) + pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)


def header(*entries: bytes, tensors: int = 0, keys: int | None = None, version: int = 3) -> bytes:
    """Keys first, then so many tensors."""
    count = len(entries) - tensors if keys is None else keys
    return b"GGUF" + pack("<IQQ", version, tensors, count) + b"".join(entries)


DEEP = b"".join(pack("<IQ", ARRAY, 1) for _ in range(5_000)) + pack("<IQB", UINT8, 1, 0)
LLAMA = key(b"general.architecture", STRING, text(b"llama"))
DAMAGED = {
    "an array of 2^62 numbers": (header(key(b"k", ARRAY, pack("<IQ", UINT8, 1 << 62))), f"{1 << 62} values of 'k'"),
    "an array of 2^62 texts": (header(key(b"k", ARRAY, pack("<IQ", STRING, 1 << 62))), f"{1 << 62} values of 'k'"),
    "2^64 - 1 wide numbers": (header(key(b"k", ARRAY, pack("<IQ", 10, (1 << 64) - 1))), "which do not fit into it"),
    "more texts than bytes": (header(key(b"k", ARRAY, pack("<IQ", STRING, 3) + text(b"a") * 2)), "3 values of 'k'"),
    "arrays nested 5,000 deep": (header(key(b"k", ARRAY, DEEP)), "'k' is an array of arrays"),
    "2^62 keys": (header(LLAMA, keys=1 << 62), f"{1 << 62} keys"),
    "2^62 tensors": (b"GGUF" + pack("<IQQ", 3, 1 << 62, 0), f"{1 << 62} tensors"),
    "a key longer than the file": (header(pack("<Q", 1 << 63) + b"k" * 40), "the file ends within its header"),
    "a text longer than the file": (header(key(b"k", STRING, pack("<Q", 1 << 40))), "the file ends within its header"),
    "texts that add up to 2^65": (
        header(key(b"k", ARRAY, pack("<IQ", STRING, 2) + pack("<QQ", (1 << 64) - 9, (1 << 64) - 1))),
        "the file ends within its header",
    ),
    "letters for a version": (b"GGUF but not really", "its version is"),
    "a key that is no UTF-8": (header(key(b"\xff\xfe", UINT8, b"\0")), "a key is not UTF-8"),
    "a value of an unknown type": (header(key(b"k", 77, b"\0" * 8)), "'k' is of the type 77"),
    "an array of an unknown type": (header(key(b"k", ARRAY, pack("<IQ", 77, 1) + b"\0" * 8)), "'k' is of the type 77"),
    "a key twice": (header(LLAMA, LLAMA), "'general.architecture' is there twice"),
    "a tensor twice": (header(tensor(), tensor(), tensors=2), "two tensors have the same name"),
    "an alignment of nothing": (header(key(b"general.alignment", UINT32, pack("<I", 0))), "general.alignment is 0"),
    "an alignment of three": (header(key(b"general.alignment", UINT32, pack("<I", 3))), "general.alignment is 3"),
    "an alignment in letters": (
        header(key(b"general.alignment", STRING, text(b"thirty-two"))), "'thirty-two', which is not a power of two"
    ),
    "2^31 dimensions": (header(text(b"x") + pack("<I", 1 << 31) + b"\0" * 64, tensors=1), f"{1 << 31} dimensions"),
    "five dimensions": (header(tensor(sizes=(1,) * 5), tensors=1), "5 dimensions"),
    "no dimension": (header(tensor(sizes=()) + b"\0" * 32, tensors=1), "0 dimensions"),
    "a size of nothing": (header(tensor(sizes=(8, 0)), tensors=1), "the tensor 'x' has no values"),
    "sizes whose product overflows": (header(tensor(sizes=(1 << 32,) * 2), tensors=1), "ends before the tensor 'x'"),
    "an offset of 2^63": (header(tensor(offset=1 << 63), tensors=1), "ends before the tensor 'x'"),
    "an offset between blocks": (header(tensor(offset=7), tensors=1), "not made of whole blocks"),
    "half a block": (header(tensor(sizes=(16,), kind=8), tensors=1), "not made of whole blocks of Q8_0"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "reason"), DAMAGED.values(), ids=DAMAGED)
def test_a_header_that_contradicts_itself_is_refused_in_a_sentence(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        GgufFile.open(path)
    assert reason in str(refused.value)
    assert "is not a GGUF file, or is damaged or cut short" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (header(version=1), "a GGUF of version 1; versions 2 and 3 are read"),
        (header(version=4), "a GGUF of version 4"),
        (b"GGUF" + pack(">IQQ", 3, 0, 0), "a GGUF for machines of another byte order"),
    ],
)
def test_a_file_that_is_read_elsewhere_is_not_called_damaged(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "other.gguf"
    path.write_bytes(content)
    with pytest.raises(UnsupportedModelError, match=reason) as refused:
        GgufFile.open(path)
    assert "damaged" not in str(refused.value)


BOUNDED = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
from adapterd.base.architectures import check_supported
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.errors import AdapterdError
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + (96 << 20),) * 2)
try:
    check_supported(GgufFile.open(Path(sys.argv[1])))
except AdapterdError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits what the process may address")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (DAMAGED["an array of 2^62 numbers"][0], "which do not fit into it"),
        (DAMAGED["arrays nested 5,000 deep"][0], "an array of arrays"),
        (header(LLAMA, key(b"llama.block_count", UINT32, pack("<I", 0xFFFFFFFF))), "llama.block_count"),
        (
            header(LLAMA, key(b"llama.block_count", UINT32, pack("<I", 1000)), tensor(), tensors=1) + b"\0" * 64,
            "has a tensor x, which llama models have not",
        ),
    ],
    ids=["array", "nested", "blocks", "stray"],
)
def test_memory_is_not_taken_by_the_numbers_in_a_header(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "huge.gguf"
    path.write_bytes(content)
    child = subprocess.run(
        [sys.executable, "-c", BOUNDED, str(path)], capture_output=True, text=True, check=False, timeout=120
    )
    assert reason in child.stdout, child.stderr


def test_a_header_too_long_for_any_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "long.gguf"
    path.write_bytes(header(key(b"k", ARRAY, pack("<IQ", UINT8, 300 << 20))))
    with path.open("r+b") as file:
        file.truncate(400 << 20)
    with pytest.raises(InputError, match="which do not fit into it"):
        GgufFile.open(path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_tiny_gguf(tmp_path_factory.mktemp("whole") / "tiny.gguf", vocab=40, hidden=32, ffn=32).read_bytes()


@given(changes=st.lists(st.tuples(st.integers(0, 4_000), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4))
def test_any_bytes_in_place_of_some_are_read_or_refused(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, bytes]]
) -> None:
    content = bytearray(whole)
    for place, written in changes:
        content[place : place + 8] = written
    path = tmp_path_factory.getbasetemp() / "odd.gguf"
    path.write_bytes(content)
    with suppress(AdapterdError):
        file = GgufFile.open(path)
        for name in file.header.fields:
            file.value(name)
        for name in file.tensors:
            file.raw(name)
        check_supported(file)


def test_metadata_are_what_gguf_reads(smollm2_path: Path) -> None:
    reader, file = gguf.GGUFReader(smollm2_path), GgufFile.open(smollm2_path)
    own = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    assert {name: file.value(name) for name in file.header.fields} == own
    assert file.text_at("tokenizer.ggml.tokens", 1234) == own["tokenizer.ggml.tokens"][1234]
    assert file.text_at("tokenizer.ggml.tokens", 1 << 20) is None
    assert file.text_at("tokenizer.ggml.token_type", 0) is None
    assert file.text_at("nothing", 0) is None


def test_tensors_are_what_gguf_reads(smollm2_path: Path) -> None:
    def mine(name: str, tensor: Any) -> bool:
        info = file.tensors[name]
        where = (info.type_name, info.offset_bytes, info.size_bytes, info.shape[::-1])
        return where == (tensor.tensor_type.name, tensor.data_offset, tensor.n_bytes, tuple(tensor.shape.tolist()))

    reader, file = gguf.GGUFReader(smollm2_path), GgufFile.open(smollm2_path)
    theirs = {each.name: each for each in reader.tensors}
    assert list(file.tensors) == list(theirs)
    assert all(starmap(mine, theirs.items()))
    for name in ("token_embd.weight", "output_norm.weight", "blk.3.ffn_down.weight"):
        each = theirs[name]
        np.testing.assert_array_equal(file.values(name), gguf.dequantize(each.data, each.tensor_type))


def test_opening_makes_nothing_of_a_vocabulary(tmp_path: Path) -> None:
    """Beside the bytes of the header, the memory that Python takes does not depend on how many tokens there are."""
    import tracemalloc

    taken, read = [], []
    for tokens in (1_000, 50_000):
        path = tmp_path / f"{tokens}.gguf"
        texts = b"".join(text(b"token%d" % number) for number in range(tokens))
        path.write_bytes(header(LLAMA, key(b"tokenizer.ggml.tokens", ARRAY, pack("<IQ", STRING, tokens) + texts)))
        read.append(path.stat().st_size)
        tracemalloc.start()
        file = GgufFile.open(path)
        taken.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert file.text_at("tokenizer.ggml.tokens", tokens - 1) == f"token{tokens - 1}"
    assert abs((taken[1] - read[1]) - (taken[0] - read[0])) < 10_000
