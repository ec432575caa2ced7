"""A position says how far a file was read, and holds only while the file has done nothing but grow."""

import io
from dataclasses import replace
from pathlib import Path

import pytest

from adapterd.feedback.contents.place import Place
from adapterd.feedback.following import position as room
from adapterd.feedback.following.open_file import OpenFile
from adapterd.feedback.following.position import Position
from adapterd.feedback.listing import inbox_file
from adapterd.feedback.reader import read_open

CONTENT = b"".join(b'{"line": %d}\n' % number for number in range(100))


def opened(path: Path, content: bytes) -> OpenFile:
    path.write_bytes(content)
    return OpenFile(inbox_file(str(path), path.stat(), path.parent))


def after(path: Path, content: bytes, *, is_growing: bool = False) -> tuple[Position | None, list[int]]:
    """The position after a file was read, and the numbers of the lines that were read."""
    path.write_bytes(content)
    file = replace(inbox_file(str(path), path.stat(), path.parent), is_growing=is_growing)
    place = Place()
    with OpenFile(file) as opened:
        numbers = [piece.line for piece in read_open(opened, file, place=place)]
        return Position.reached(opened, place, is_log=False), numbers


def known(path: Path, content: bytes = CONTENT) -> Position:
    position, _ = after(path, content)
    assert position is not None
    return position


@pytest.fixture(autouse=True)
def small_digests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "HEAD_BYTES", 100)
    monkeypatch.setattr(room, "TAIL_BYTES", 50)


@pytest.mark.parametrize(
    ("content", "holds"),
    [
        (CONTENT, True),
        (CONTENT + b"more", True),
        (CONTENT[:-1], False),
        (b"", False),
        (b"x" + CONTENT[1:] + b"more", False),
        (CONTENT[:-5] + b"x" + CONTENT[-4:] + b"more", False),
        (CONTENT[:500] + b"inserted" + CONTENT[500:], False),
    ],
)
def test_it_holds_while_the_file_only_grows(tmp_path: Path, content: bytes, holds: bool) -> None:
    position = known(tmp_path / "a.jsonl")
    with opened(tmp_path / "a.jsonl", content) as file:
        assert position.is_in(file) is holds
    assert position.is_in_stream(io.BytesIO(content)) is holds


def test_a_last_line_without_an_end_may_only_be_ended(tmp_path: Path) -> None:
    position = known(tmp_path / "a.jsonl", CONTENT[:-1])
    assert (position.is_open, position.lines, position.end_bytes) == (True, 99, len(CONTENT) - 1)
    for more, holds in ((b"", True), (b"\n", True), (b"\r\nx", True), (b", more", False)):
        with opened(tmp_path / "a.jsonl", CONTENT[:-1] + more) as file:
            assert position.is_in(file) is holds


def test_it_is_before_a_line_that_is_still_being_written(tmp_path: Path) -> None:
    position, numbers = after(tmp_path / "a.jsonl", CONTENT + b'{"half', is_growing=True)
    assert position is not None
    assert (position.end_bytes, position.lines, position.is_open, numbers[-1]) == (len(CONTENT), 100, False, 100)


def test_of_a_table_it_is_between_rows_and_knows_the_columns(tmp_path: Path) -> None:
    position = known(tmp_path / "a.csv", b'sep=;\nprompt;output\np;"two\nlines"\n')
    assert (position.columns, position.delimiter, position.lines) == (("prompt", "output"), ";", 4)
    half, _ = after(tmp_path / "a.csv", b'prompt,output\np,o\nq,"half', is_growing=True)
    assert half is not None
    assert (half.end_bytes, half.lines) == (len(b"prompt,output\np,o\n"), 2)


def test_there_is_none_within_a_row_and_of_nothing(tmp_path: Path) -> None:
    assert after(tmp_path / "a.csv", b'prompt,output\np,"not closed')[0] is None
    assert after(tmp_path / "a.jsonl", b"")[0] is None


def test_it_knows_lines_that_have_moved_but_not_those_of_another_log(tmp_path: Path) -> None:
    position = known(tmp_path / "a.jsonl")
    with opened(tmp_path / "a.jsonl", CONTENT[130:]) as file:
        assert position.knows_lines_of(file)
    with opened(tmp_path / "a.jsonl", b'{"line": 1000}\n{"line": 1001}\n') as file:
        assert not position.knows_lines_of(file)


def test_it_is_the_same_after_it_was_stored(tmp_path: Path) -> None:
    position = known(tmp_path / "a.csv", b"prompt,output\np,o\n")
    assert Position.from_json(position.to_json()) == position
    assert Position.from_json("") is None
