"""Lists of records inside an object, in a document or on a line."""

import json
from pathlib import Path

import pytest

from adapterd.feedback.contents import envelopes
from adapterd.feedback.contents.pieces import ParsedPiece, Piece, RejectedPiece
from adapterd.feedback.listing import inbox_file
from adapterd.feedback.reader import read_file

TWO = [{"prompt": "a"}, {"prompt": "b"}]


def pieces(folder: Path, content: str, name: str = "a.json") -> list[Piece]:
    path = folder / name
    path.write_text(content)
    return list(read_file(inbox_file(str(path), path.stat())))


@pytest.mark.parametrize("name", sorted(envelopes.NAMES))
@pytest.mark.parametrize("indent", [None, 1])
def test_a_list_of_records_in_an_object_is_read_element_by_element(
    tmp_path: Path, name: str, indent: int | None
) -> None:
    content = json.dumps({"object": "list", name: TWO, "has_more": False}, indent=indent)
    found = pieces(tmp_path, content)
    assert [(piece.line, piece.value) for piece in found if isinstance(piece, ParsedPiece)] == [
        (1, TWO[0]),
        (2, TWO[1]),
    ]


def test_pages_of_records_one_on_each_line_are_all_read(tmp_path: Path) -> None:
    page = json.dumps({"data": TWO, "page": 1})
    for name in ("a.jsonl", "a.json"):
        found = pieces(tmp_path, f"{page}\n{page}\n", name)
        assert [piece.line for piece in found if isinstance(piece, ParsedPiece)] == [1, 1, 2, 2]


def test_a_faulty_element_spoils_itself_only(tmp_path: Path) -> None:
    good, bad, last = pieces(tmp_path, '{"data": [{"a": 1},\n{"a": 1, "a": 2}, {"a": 3}]}')
    assert isinstance(good, ParsedPiece)
    assert isinstance(last, ParsedPiece)
    assert bad == RejectedPiece(2, "the element has the key 'a' twice", b'{"a": 1, "a": 2}')


@pytest.mark.parametrize(
    "value",
    [
        {"prompt": "a", "items": [{"a": 1}]},
        {"messages": [{"role": "user"}], "data": TWO},
        {"data": {"text": "a"}},
        {"examples": ["a", "b"]},
        {"data": TWO, "items": TWO},
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_an_object_that_is_a_record_or_no_plain_list_is_one_piece(
    tmp_path: Path, value: dict[str, object], indent: int | None
) -> None:
    (found,) = pieces(tmp_path, json.dumps(value, indent=indent))
    assert isinstance(found, ParsedPiece)
    assert found.value == value


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_what_is_said_of_the_whole_list_refuses_it(tmp_path: Path, name: str) -> None:
    (found,) = pieces(tmp_path, json.dumps({"data": TWO, "label": False}), name)
    assert isinstance(found, RejectedPiece)
    assert found.reason.startswith("it has the list data and beside it 'label', which could be said of all records")


def test_rows_of_the_datasets_server_are_their_records(tmp_path: Path) -> None:
    rows = [{"row_idx": 0, "row": TWO[0], "truncated_cells": []}, {"row_idx": 1, "row": {}, "truncated_cells": ["a"]}]
    whole, cut = pieces(tmp_path, json.dumps({"features": [], "rows": rows, "num_rows_total": 2}))
    assert isinstance(whole, ParsedPiece)
    assert whole.value == TWO[0]
    assert isinstance(cut, RejectedPiece)
    assert cut.reason == "truncated_cells says that the row is not whole"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"data": [{"a": 1}', "the file is not JSON: expecting ',' or ']'"),
        ('{\n"data": [{"a": 1}]', "the file is not JSON: expecting ',' delimiter"),
        ('{\n"data" [', "the file is not JSON: expecting ':' delimiter"),
        ("{\n", "the file is not JSON: expecting property name"),
        ('{\n"data": []} x', "the file is not JSON: something follows"),
    ],
)
def test_a_document_that_breaks_off_is_a_fault(tmp_path: Path, content: str, said: str) -> None:
    (found,) = pieces(tmp_path, content)
    assert isinstance(found, RejectedPiece)
    assert found.reason.startswith(said)
