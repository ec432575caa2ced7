"""What was taken back is cut out of our own copies."""

import gzip
import json
from pathlib import Path

import pytest

from adapterd.feedback.own_copies import Piece, cut, is_ours, unwanted_in

GOING, STAYING = {"prompt": "goes", "correction": "x"}, {"prompt": "stays", "correction": "y"}


def goes(piece: Piece) -> bool:
    return piece.raw is not None and b"goes" in piece.raw


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("feedback-0905c32d54ce47de872350a478a52cd6.jsonl", True),
        ("import-5545fbfc9dddbc64-a b.json", True),
        ("import-5545fbfc9dddbc64-table.csv.gz", True),
        ("feedback-2026.jsonl", False),
        ("import-of-today.jsonl", False),
        ("import-5545FBFC9DDDBC64-x.json", False),
    ],
)
def test_copies_are_known_by_their_names(name: str, ours: bool) -> None:
    assert is_ours(Path("/inbox") / name) is ours


def test_a_line_becomes_an_empty_one_and_the_others_keep_their_numbers(tmp_path: Path) -> None:
    file = tmp_path / "copy.jsonl"
    lines = [json.dumps(each) for each in (STAYING, GOING, STAYING)]
    file.write_text("\n".join(lines), encoding="utf-8")
    before = file.stat().st_mtime_ns
    done = cut(file, goes)
    assert file.read_text(encoding="utf-8").split("\n") == [lines[0], "", lines[2]]
    assert (done.numbers, done.is_gone, done.renumbered) == ((2,), False, False)
    assert file.stat().st_mtime_ns == before


def test_an_element_of_an_array_goes_and_those_behind_it_move_up(tmp_path: Path) -> None:
    file = tmp_path / "copy.json"
    file.write_text(json.dumps([GOING, STAYING, STAYING], indent=2), encoding="utf-8")
    done = cut(file, goes)
    assert json.loads(file.read_text(encoding="utf-8")) == [STAYING, STAYING]
    assert (done.numbers, done.renumbered) == ((1,), True)


def test_a_line_that_is_no_json_goes_as_well(tmp_path: Path) -> None:
    file = tmp_path / "copy.jsonl"
    file.write_text('{"prompt": "goes\n' + json.dumps(STAYING), encoding="utf-8")
    assert cut(file, goes).numbers == (1,)
    assert "goes" not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("content", [json.dumps(GOING), json.dumps([GOING]), json.dumps(GOING, indent=1)])
def test_a_file_with_nothing_else_goes_as_a_whole(tmp_path: Path, content: str) -> None:
    file = tmp_path / "copy.json"
    file.write_text(content, encoding="utf-8")
    assert cut(file, goes).is_gone
    assert not file.exists()


def test_nothing_is_written_where_nothing_goes(tmp_path: Path) -> None:
    file = tmp_path / "copy.jsonl"
    file.write_text(json.dumps(STAYING), encoding="utf-8")
    before = file.stat().st_ino
    assert cut(file, goes).numbers == ()
    assert file.stat().st_ino == before


def test_a_file_that_is_gone_has_nothing_to_cut(tmp_path: Path) -> None:
    assert cut(tmp_path / "gone.jsonl", goes).numbers == ()


def test_a_file_that_cannot_be_divided_goes_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "copy.txt"
    file.write_text("\n".join(json.dumps(each) for each in (STAYING, GOING)), encoding="utf-8")
    assert cut(file, goes).is_gone


def test_a_list_inside_of_an_object_goes_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "copy.json"
    file.write_text(json.dumps({"data": [STAYING, GOING]}, indent=1), encoding="utf-8")
    assert cut(file, goes).is_gone


@pytest.mark.parametrize("name", ["copy.csv", "copy.jsonl.gz"])
def test_a_table_and_a_packed_file_go_as_a_whole(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    lines = "\n".join(json.dumps(each) for each in (STAYING, GOING)).encode()
    table = b"prompt,correction\nstays,x\ngoes,y\n"
    file.write_bytes(gzip.compress(lines) if name.endswith(".gz") else table)
    assert cut(file, goes).is_gone
    assert not file.exists()


def test_a_copy_that_may_not_be_read_is_not_taken_for_one_without_it(tmp_path: Path) -> None:
    file = tmp_path / "copy.jsonl"
    file.symlink_to(file)  # for root may read every file
    with pytest.raises(OSError, match="symbolic links"):
        unwanted_in(file, goes)


def test_a_copy_that_has_gone_holds_nothing(tmp_path: Path) -> None:
    assert unwanted_in(tmp_path / "copy.jsonl", goes) == ([], 0)
