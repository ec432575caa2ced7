"""Files as they come: every piece of them is a value or a fault, and none is lost."""

import json
import os
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.errors import InputError
from adapterd.feedback import reader, strict_json
from adapterd.feedback.contents import documents, json_lines, large_arrays, pieces
from adapterd.feedback.listing import InboxFile, inbox_file
from adapterd.feedback.reader import ParsedPiece, RejectedPiece

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: bytes, name: str = "feedback.jsonl") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def read_file(path: Path) -> Iterator[ParsedPiece | RejectedPiece]:
    return reader.read_file(inbox_file(str(path), path.stat()))


def values(path: Path) -> list[tuple[int, object]]:
    found = list(read_file(path))
    assert all(isinstance(piece, ParsedPiece) for piece in found), found
    return [(piece.line, piece.value) for piece in found if isinstance(piece, ParsedPiece)]


def only_fault(path: Path) -> RejectedPiece:
    (piece,) = read_file(path)
    assert isinstance(piece, RejectedPiece)
    return piece


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.JSONL", "a.json"])
def test_json_lines_give_a_value_per_line(write: Write, name: str) -> None:
    assert values(write(b'{"a": 1}\n{"a": 2}\n', name)) == [(1, {"a": 1}), (2, {"a": 2})]


def test_the_last_line_needs_no_newline(write: Write) -> None:
    assert values(write(b'{"a": 1}\n{"a": 2}')) == [(1, {"a": 1}), (2, {"a": 2})]


def test_blank_lines_are_no_pieces_but_count_as_lines_of_the_file(write: Write) -> None:
    assert values(write(b'\n  \t\r\n{"a": 1}\n\n{"a": 2}\n\n')) == [(3, {"a": 1}), (5, {"a": 2})]


def test_windows_line_ends_and_byte_order_mark_are_taken(write: Write) -> None:
    assert values(write(b'\xef\xbb\xbf{"a": 1}\r\n{"a": 2}\r\n')) == [(1, {"a": 1}), (2, {"a": 2})]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize("content", [b"", b"\n\n", b" \r\n", b"\xef\xbb\xbf"])
def test_an_empty_file_has_no_pieces(write: Write, name: str, content: bytes) -> None:
    assert list(read_file(write(content, name))) == []


def test_a_good_line_brings_its_bytes_along(write: Write) -> None:
    (piece,) = read_file(write(b'  {"a":   "\xc3\xa9"}\r\n'))
    assert piece.raw == b'{"a":   "\xc3\xa9"}'


def test_a_document_is_one_object(write: Write) -> None:
    assert values(write(b'\xef\xbb\xbf{\r\n  "a": 1\r\n}\r\n', "a.json")) == [(1, {"a": 1})]


def test_a_document_is_an_array_whose_elements_are_counted_from_1(write: Write) -> None:
    assert values(write(b'[\n {"a": 1},\n 2 , "x"]\n', "a.json")) == [(1, {"a": 1}), (2, 2), (3, "x")]


def test_an_empty_array_has_no_pieces(write: Write) -> None:
    assert values(write(b" [ \n] ", "a.json")) == []


def test_an_element_brings_its_own_bytes_along(write: Write) -> None:
    assert [piece.raw for piece in read_file(write(b'[ {"a":  1} ,2]', "a.json"))] == [b'{"a":  1}', b"2"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": }', "the line is not JSON: expecting value at column 7"),
        (b'{"a": 1', "the line is not JSON: expecting ',' delimiter at column 8"),
        (b'{"a": "1', "the line is not JSON: unterminated string starting at column 7"),
        (b'{"a": 1} {"a": 2}', "the line is not JSON: something follows after the end of the value at column 10"),
        (b'{"a": 1, "a": 2}', "the line has the key 'a' twice"),
        (b'{"b": {"a": 1, "a": 2}}', "the line has the key 'a' twice"),
        (b'{"a": NaN}', "the line has NaN, which is not JSON"),
        (b'{"a": -Infinity}', "the line has -Infinity, which is not JSON"),
        (b'{"a": "\xff"}', "the line is not UTF-8 at its byte 8"),
        (b'{"a": "\xed\xa0\x80"}', "the line is not UTF-8 at its byte 8"),
        (b"[" * 100_000, "the line is not JSON that can be used: it is nested too deeply"),
        (b"9" * 5000, "the line is not JSON that can be used: a number in it has thousands of digits"),
        (b"hello", "the line is not JSON: expecting value at column 1"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_broken_line_is_reported_and_the_lines_around_it_are_read(write: Write, line: bytes, reason: str) -> None:
    before, broken, after = read_file(write(b'{"a": 1}\n' + line + b'\n{"a": 3}\n'))
    assert broken == RejectedPiece(2, reason, line)
    assert (before, after) == (ParsedPiece(1, {"a": 1}, b'{"a": 1}'), ParsedPiece(3, {"a": 3}, b'{"a": 3}'))


def test_a_nul_byte_far_into_the_file_spoils_its_line_only(write: Write) -> None:
    good = b'{"a": 1}\n' * 1000
    *rest, last = read_file(write(good + b'{"a": "\0\0\0'))
    assert len(rest) == 1000
    assert isinstance(last, RejectedPiece)
    assert last.reason == "the line is not JSON: invalid control character at column 8"


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize(
    "content",
    [
        '{"a": 1}\n'.encode("utf-16"),
        '\ufeff{"a": 1}\n'.encode("utf-16-be"),
        '{"a": 1}\n'.encode("utf-16-le"),
        '{"a": 1}\n'.encode("utf-32"),
        b"\x89PNG\r\n\x1a\n\0\0\0",
        bytes(1000),
    ],
)
def test_a_file_that_is_not_text_is_one_fault(write: Write, name: str, content: bytes) -> None:
    reason = "the file is not text in UTF-8: it has NUL bytes or is UTF-16"
    assert list(read_file(write(content, name))) == [RejectedPiece(0, reason, None)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{\n "a": \n}', "the file is not JSON: expecting value at line 3, column 1"),
        (b'{\n "a": 1}]', "the file is not JSON: something follows after the end of the value at line 2, column 9"),
        (b'{\n "a": 1, "a": 2}', "the file has the key 'a' twice"),
        (b'{\n "a": NaN}', "the file has NaN, which is not JSON"),
        (b'{\n "a": "\xff"}', "the file is not UTF-8 at its byte 10"),
        (b'\xef\xbb\xbf{\n "a": "\xff"}', "the file is not UTF-8 at its byte 13"),
        (b"[" * 100_000, "the file is not JSON that can be used: it is nested too deeply"),
        (b"[1,]"[:3], "the file is not JSON: expecting value at column 4"),
    ],
)
def test_a_broken_document_is_one_fault(write: Write, content: bytes, reason: str) -> None:
    found = list(read_file(write(content, "a.json")))
    assert found[-1] == RejectedPiece(0, reason, None)
    assert len(found) <= 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'[{"a": 1}, {"a": 2}, {"a', "the file is not JSON: unterminated string starting at column 23"),
        (b'[{"a": 1}, {"a": 2} {"a": 3}]', "the file is not JSON: expecting ',' or ']' at column 21"),
        (b'[{"a": 1}, {"a": 2}', "the file is not JSON: expecting ',' or ']' at column 20"),
        (b'[{"a": 1}, {"a": 2}] x', "the file is not JSON: something follows after the end of the value at column 22"),
    ],
)
def test_elements_before_the_break_of_an_array_are_read(write: Write, content: bytes, reason: str) -> None:
    one, two, fault = read_file(write(content, "a.json"))
    assert (one, two) == (ParsedPiece(1, {"a": 1}, b'{"a": 1}'), ParsedPiece(2, {"a": 2}, b'{"a": 2}'))
    assert fault == RejectedPiece(0, reason, None)


def test_an_element_with_a_key_twice_spoils_itself_only(write: Write) -> None:
    assert list(read_file(write(b'[1, {"a": 1, "a": 2}, {"b": NaN}, 4]', "a.json"))) == [
        ParsedPiece(1, 1, b"1"),
        RejectedPiece(2, "the element has the key 'a' twice", b'{"a": 1, "a": 2}'),
        RejectedPiece(3, "the element has NaN, which is not JSON", b'{"b": NaN}'),
        ParsedPiece(4, 4, b"4"),
    ]


def test_a_document_over_the_limit_is_one_fault_that_says_what_to_do(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MAX_DOCUMENT_BYTES", 2 << 20)
    path = write(b'{"a":\n[' + b'"x",' * (1 << 19) + b'"x"]}', "a.json")
    reason = "the file is larger than 2 MiB; a list and JSON Lines may be of any size"
    assert only_fault(path) == RejectedPiece(0, reason, None)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every document count as large, and be read in small chunks."""
    monkeypatch.setattr(documents, "MAX_DOCUMENT_BYTES", 8)
    monkeypatch.setattr(large_arrays, "_CHUNK_BYTES", 7)


@pytest.mark.usefixtures("small_chunks")
def test_an_array_over_that_limit_is_read_element_by_element(write: Write) -> None:
    content = '\ufeff[{"a": "é"},\n 12345678901 , {"b": [1, 2]}, "x" ]\n'.encode()
    assert values(write(content, "a.json")) == [(1, {"a": "é"}), (2, 12345678901), (3, {"b": [1, 2]}), (4, "x")]
    assert values(write(b" [ ] ", "a.json")) == []


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(
    ("content", "count", "reason"),
    [
        (b'[{"a": 1}, {"a": 2}, {"a', 2, "the file breaks off in its element 3, or is not JSON there"),
        (b'[{"a": 1}, {"a": 2} {"a": 3}]', 2, "the file is not JSON: expecting ',' after its last element"),
        (b'[{"a": 1}, {"a": 2}', 2, "the file is not JSON: expecting ',' after its last element"),
        (b'[{"a": 1}, {"a": 2}] x', 2, "the file is not JSON: something follows after the end of the value"),
        (b'[{"a": 1}, }]', 1, "the file breaks off in its element 2, or is not JSON there"),
    ],
)
def test_elements_before_the_break_of_a_large_array_are_read(
    write: Write, content: bytes, count: int, reason: str
) -> None:
    *found, fault = read_file(write(content, "a.json"))
    assert [piece.line for piece in found if isinstance(piece, ParsedPiece)] == list(range(1, count + 1))
    assert fault == RejectedPiece(0, reason, None)


@pytest.mark.usefixtures("small_chunks")
def test_a_faulty_element_of_a_large_array_spoils_itself_only(write: Write) -> None:
    good, bad, last = read_file(write(b'[1, {"a": 1, "a": 2}, 3]', "a.json"))
    assert (good, last) == (ParsedPiece(1, 1, b"1"), ParsedPiece(3, 3, b"3"))
    assert bad == RejectedPiece(2, "the element has the key 'a' twice", b'{"a": 1, "a": 2}')


def test_an_element_of_a_large_array_has_the_length_of_a_line_at_most(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MAX_DOCUMENT_BYTES", 1)
    monkeypatch.setattr(large_arrays, "_CHUNK_BYTES", 64)
    monkeypatch.setattr(pieces, "MAX_LINE_BYTES", 100)
    good, fault = read_file(write(b'[1, "' + b"x" * 1000 + b'"]', "a.json"))
    assert good == ParsedPiece(1, 1, b"1")
    assert fault == RejectedPiece(0, "the file has an element, 2, that is longer than 0 MiB or no JSON", None)


def test_json_lines_in_a_json_file_may_be_over_that_limit(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_DOCUMENT_BYTES", 100)
    assert len(values(write(b'{"a": 1}\n' * 100, "a.json"))) == 100


def test_a_document_of_one_line_may_be_longer_than_a_line(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "MAX_LINE_BYTES", 50)
    assert values(write(b'{"a": 1}' + b" " * 100, "a.json")) == [(1, {"a": 1})]


def test_a_line_of_the_longest_length_is_read(write: Write) -> None:
    line = b'"' + b"x" * (pieces.MAX_LINE_BYTES - 2) + b'"'
    assert [number for number, _ in values(write(line + b"\n" + line))] == [1, 2]


def test_a_longer_line_is_a_fault_and_the_next_line_is_read(write: Write) -> None:
    line = b'"' + b"x" * (pieces.MAX_LINE_BYTES - 1) + b'"'
    too_long, after, at_the_end = read_file(write(line + b"\n1\n" + line))
    assert too_long == RejectedPiece(1, "the line is longer than 4 MiB", None)
    assert after == ParsedPiece(2, 1, b"1")
    assert at_the_end == RejectedPiece(3, "the line is longer than 4 MiB", None)


def test_a_large_file_is_read_with_little_memory(write: Write) -> None:
    line = json.dumps({"prompt": "x" * 2000}).encode() + b"\n"
    path = write(line * 10_000 + b"y" * (20 << 20))
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_file(path))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 10_001
    assert peak_bytes < 3 * pieces.MAX_LINE_BYTES


def test_a_file_that_has_gone_raises(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.jsonl cannot be read: No such file"):
        list(reader.read_file(InboxFile(tmp_path / "gone.jsonl", 1, 1)))


def test_a_file_that_may_not_be_read_raises(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    file = inbox_file(str(path := write(b"{}")), path.stat())
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        list(reader.read_file(file))


def test_no_more_lines_are_read_than_were_there_when_the_file_was_listed(write: Write) -> None:
    path = write(b"1\n2\n")
    file = inbox_file(str(path), path.stat())
    path.write_bytes(b"1\n2\n3\n")
    assert [piece.line for piece in reader.read_file(file)] == [1, 2]


def test_a_line_that_was_cut_when_the_file_was_listed_is_read_to_its_end(write: Write) -> None:
    path = write(b"1\n22")
    file = inbox_file(str(path), path.stat())
    path.write_bytes(b"1\n2222\n3\n")
    assert list(reader.read_file(file))[1:] == [ParsedPiece(2, 2222, b"2222")]


def test_a_line_without_an_end_is_left_in_a_file_that_is_growing(write: Write) -> None:
    path = write(b'{"a": 1}\n{"a": 2')
    file = replace(inbox_file(str(path), path.stat()), is_growing=True)
    assert list(reader.read_file(file)) == [ParsedPiece(1, {"a": 1}, b'{"a": 1}')]


def test_a_line_that_grows_for_ever_is_given_up(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "MAX_LINE_BYTES", 100)
    path = write(b"x" * 1000)

    class Endless:
        """A file of which every reading finds more."""

        def readline(self, limit: int) -> bytes:
            return b"x" * limit

    file = inbox_file(str(path), path.stat())
    lines = json_lines.read_lines(Endless(), file.size_bytes, is_whole=lambda: True)  # type: ignore[arg-type]
    assert list(lines) == [RejectedPiece(1, "the line is longer than 0 MiB", None)]


def test_a_sparse_file_of_ten_gigabytes_is_one_fault(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.touch()
    os.truncate(path, 10 << 30)
    assert only_fault(path) == RejectedPiece(0, "the file is not text in UTF-8: it has NUL bytes or is UTF-16", None)


@settings(deadline=None)
@given(content=st.binary(), name=st.sampled_from(["a.json", "a.jsonl", "a.csv", "a.tsv", "a.jsonl.gz"]))
def test_any_bytes_are_read_without_an_exception(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    for piece in read_file(path):
        assert isinstance(piece, ParsedPiece) or piece.reason


lines = st.lists(
    st.sampled_from([b'{"a": 1}', b"{", b'{"a": 1, "a": 1}', b"\xff", b"", b"[1, 2]", b"  "])
    | st.binary(min_size=1).filter(lambda raw: b"\n" not in raw and b"\0" not in raw),
    max_size=20,
)


@settings(deadline=None)
@given(lines)
def test_every_line_that_is_not_blank_is_one_piece(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    path = tmp_path_factory.getbasetemp() / "lines.jsonl"
    path.write_bytes(b"{}\n" + b"\n".join(lines))
    filled = [
        number for number, line in enumerate(lines, start=2) if line.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n")
    ]
    assert [piece.line for piece in read_file(path)] == [1, *filled]


texts = st.text(max_size=10)
objects = st.dictionaries(texts, st.recursive(st.none() | st.integers() | texts, st.lists, max_leaves=5), max_size=4)


@settings(deadline=None)
@given(st.lists(objects, max_size=6), st.sampled_from([None, 2]), st.booleans())
def test_an_array_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, items: list[object], indent: int | None, ascii_only: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "array.json"
    path.write_text(json.dumps(items, indent=indent, ensure_ascii=ascii_only), encoding="utf-8", newline="")
    assert values(path) == list(enumerate(items, start=1))


class Counted(str):
    """A key that counts how often keys are compared."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return str.__eq__(self, other)


def comparisons(keys: int) -> int:
    """How often keys are compared to find that the last of so many is there twice."""
    names = [Counted(f"key {number}") for number in range(keys)]
    Counted.compared = 0
    with pytest.raises(InputError, match=rf"has the key 'key {keys - 1}' twice"):
        strict_json._object([(name, None) for name in [*names, Counted(names[-1])]])
    return Counted.compared


def test_a_repeated_key_is_found_in_linear_time() -> None:
    """It is found by hashing: each key meets few others, however many there are."""
    assert comparisons(4000) <= 8 * max(comparisons(1000), 100)
