"""Files packed with gzip: what is whole in them is read, and no small file becomes a large one."""

import gzip
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.feedback.contents import unpacking
from adapterd.feedback.contents.pieces import ParsedPiece, Piece, RejectedPiece
from adapterd.feedback.listing import inbox_file
from adapterd.feedback.reader import read_file

LINES = b"".join(b'{"a": %d, "b": "%x"}\n' % (number, number**9) for number in range(2000))


def pieces(path: Path, packed: bytes) -> list[Piece]:
    path.write_bytes(packed)
    return list(read_file(inbox_file(str(path), path.stat())))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl.gz", b'{"a": "1"}\n{"a": "2"}\n'),
        ("a.NDJSON.GZ", b'{"a": "1"}\n{"a": "2"}'),
        ("a.json.gz", b'[{"a": "1"}, {"a": "2"}]'),
        ("b.json.gz", b'{"a": "1"}\n{"a": "2"}\n'),
        ("c.json.gz", b'{"data": [{"a": "1"}, {"a": "2"}]}'),
        ("a.csv.gz", b"a\n1\n2\n"),
        ("a.tsv.gz", b"a\n1\n2\n"),
    ],
)
def test_a_packed_file_is_read_as_what_is_packed_in_it(tmp_path: Path, name: str, content: bytes) -> None:
    found = pieces(tmp_path / name, gzip.compress(content))
    assert [piece.value for piece in found if isinstance(piece, ParsedPiece)] == [{"a": "1"}, {"a": "2"}]
    assert len(found) == 2


def test_members_one_behind_the_other_are_one_file(tmp_path: Path) -> None:
    found = pieces(tmp_path / "a.jsonl.gz", gzip.compress(b"1\n2") + gzip.compress(b"2\n3\n") + bytes(512))
    assert [piece.value for piece in found if isinstance(piece, ParsedPiece)] == [1, 22, 3]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, len(gzip.compress(LINES)) - 1))
def test_the_whole_lines_before_a_cut_are_read_and_the_cut_is_said(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    packed = gzip.compress(LINES)[:cut]
    there = zlib.decompressobj(31).decompress(packed).count(b"\n")
    *lines, fault = pieces(tmp_path_factory.getbasetemp() / "cut.jsonl.gz", packed)
    assert [piece.line for piece in lines if isinstance(piece, ParsedPiece)] == list(range(1, there + 1))
    assert fault == RejectedPiece(0, "the gzip file is cut off: its end is missing", None)


def test_the_elements_before_a_cut_are_read(tmp_path: Path) -> None:
    content = b"[" + LINES.replace(b"\n", b",")[:-1] + b"]"
    *elements, fault = pieces(tmp_path / "a.json.gz", gzip.compress(content)[:-2000])
    assert len(elements) > 500
    assert all(isinstance(piece, ParsedPiece) for piece in elements)
    assert fault.line == 0


def test_a_damaged_file_is_said_to_be(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(LINES))
    packed[-6] ^= 0xFF
    *lines, fault = pieces(tmp_path / "a.jsonl.gz", bytes(packed))
    assert len(lines) >= 1000
    assert fault == RejectedPiece(0, "the gzip file is damaged", None)


def test_a_file_that_is_packed_in_name_only_is_said_to_be(tmp_path: Path) -> None:
    assert pieces(tmp_path / "a.jsonl.gz", b'{"a": 1}\n') == [
        RejectedPiece(0, "the file is not gzip, whatever its name", None)
    ]


def test_a_packed_file_without_the_ending_is_told_its_name(tmp_path: Path) -> None:
    (found,) = pieces(tmp_path / "a.jsonl", gzip.compress(b'{"a": 1}\n'))
    assert found == RejectedPiece(0, "the file is packed with gzip: name it so that it ends in .gz", None)


def test_a_file_that_grows_beyond_measure_is_given_up_with_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "FREE_BYTES", 1 << 20)
    packed = gzip.compress(b'{"a": 1}\n' + b" " * (30 << 20))
    tracemalloc.start()
    try:
        good, *_, fault = pieces(tmp_path / "a.jsonl.gz", packed)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(good, ParsedPiece)
    assert fault.line == 0
    assert isinstance(fault, RejectedPiece)
    assert fault.reason == "the file unpacks to more than 200 times its size; unpack it to have it read"
    assert peak_bytes < 16 << 20


@settings(max_examples=50, deadline=None)
@given(st.binary(), st.integers(0, 200), st.binary(max_size=3))
def test_any_damage_gives_pieces_and_no_exception(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, at: int, damage: bytes
) -> None:
    packed = gzip.compress(content)
    for piece in pieces(tmp_path_factory.getbasetemp() / "any.jsonl.gz", packed[:at] + damage + packed[at:]):
        assert isinstance(piece, ParsedPiece) or piece.reason
