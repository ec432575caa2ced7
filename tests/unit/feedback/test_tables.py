"""Tables with a header: every row is a record or a fault."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.feedback.contents import pieces as pieces_module
from adapterd.feedback.contents.pieces import ParsedPiece, Piece, RejectedPiece
from adapterd.feedback.listing import inbox_file
from adapterd.feedback.reader import read_file
from tests.support.readings import examples


def pieces(folder: Path, content: bytes, name: str = "a.csv", *, is_growing: bool = False) -> list[Piece]:
    path = folder / name
    path.write_bytes(content)
    return list(read_file(replace(inbox_file(str(path), path.stat()), is_growing=is_growing)))


def rows(folder: Path, content: bytes, name: str = "a.csv") -> list[object]:
    found = pieces(folder, content, name)
    assert all(isinstance(piece, ParsedPiece) for piece in found), found
    return [piece.value for piece in found if isinstance(piece, ParsedPiece)]


def reason(folder: Path, content: bytes, name: str = "a.csv") -> str:
    (found,) = pieces(folder, content, name)
    assert isinstance(found, RejectedPiece)
    return found.reason


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"prompt,output\nWho?,We; and you\n"),
        ("a.csv", b"\xef\xbb\xbfprompt,output\r\nWho?,We; and you\r\n"),
        ("a.csv", b"prompt;output\nWho?;We; and you\n".replace(b"We; and you", b'"We; and you"')),
        ("a.csv", b"prompt\toutput\nWho?\tWe; and you\n"),
        ("a.csv", b"prompt|output\nWho?|We; and you\n"),
        ("a.csv", b'sep=;\r\nprompt;output\r\nWho?;"We; and you"\r\n'),
        ("a.csv", b"\xef\xbb\xbfSEP=,\nprompt,output\nWho?,We; and you\n"),
        ("a.tsv", b"prompt\toutput\nWho?\tWe; and you"),
        ("a.csv", b"\n\nprompt,output\n\nWho?,We; and you\n,\n\n"),
        ("a.csv", b' prompt , output \nWho?,"We; and you"\n'),
    ],
)
def test_a_row_is_a_record_of_its_cells(tmp_path: Path, name: str, content: bytes) -> None:
    assert rows(tmp_path, content, name) == [{"prompt": "Who?", "output": "We; and you"}]


def test_cells_that_are_blank_are_null(tmp_path: Path) -> None:
    assert rows(tmp_path, b'a,b,c\n,"  ",x\n') == [{"a": None, "b": None, "c": "x"}]


@pytest.mark.parametrize("column", ["rating", "thumbs", "label", "correction", "score", "verdict"])
def test_an_answer_is_not_judged_where_the_cell_for_it_is_blank(tmp_path: Path, column: str) -> None:
    (row,) = rows(tmp_path, f"question,answer,{column}\nWho?,We\n".replace("We\n", "We,\n").encode())
    assert examples(row) == []


def test_a_piece_has_the_line_where_its_row_begins_and_the_bytes_of_it(tmp_path: Path) -> None:
    first, second = pieces(tmp_path, b'a,b\n"one\ntwo",3\nx,"say ""yes"""\n')
    assert first == ParsedPiece(2, {"a": "one\ntwo", "b": "3"}, b'"one\ntwo",3')
    assert second == ParsedPiece(4, {"a": "x", "b": 'say "yes"'}, b'x,"say ""yes"""')


def test_the_index_of_a_data_frame_is_left_out(tmp_path: Path) -> None:
    assert rows(tmp_path, b",a\n0,x\n1,y\n") == [{"a": "x"}, {"a": "y"}]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (b"1,2,3", "the row has 3 cells and the header 2"),
        (b"1", "the row has 1 cells and the header 2"),
        (b'"1"x,2', "the row is not CSV: text follows after a closing quotation mark"),
        (b"\xe4,2", "the row is not UTF-8; save the table as CSV in UTF-8"),
        (b"\"[{'role': 'user', 'content': 'Who?'}]\",2", "'a' has turns as Python prints them"),
    ],
)
def test_a_faulty_row_is_a_fault_and_the_rows_around_it_are_read(tmp_path: Path, row: bytes, said: str) -> None:
    before, fault, after = pieces(tmp_path, b"a,b\nx,y\n" + row + b"\nx,z\n")
    assert isinstance(before, ParsedPiece)
    assert isinstance(after, ParsedPiece)
    assert isinstance(fault, RejectedPiece)
    assert (fault.line, fault.raw) == (3, row)
    assert fault.reason.startswith(said)


def test_a_quotation_mark_that_is_not_closed_is_a_fault(tmp_path: Path) -> None:
    good, fault = pieces(tmp_path, b'a,b\n1,2\n"3,4\n5,6\n')
    assert isinstance(good, ParsedPiece)
    assert fault == RejectedPiece(3, "the row is not CSV: a quotation mark is not closed", b'"3,4\n5,6')


def test_a_cell_in_a_column_without_a_name_is_refused(tmp_path: Path) -> None:
    assert reason(tmp_path, b"a,\n1,note\n") == "the row has a cell in a column that has no name in the header"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"prompt,rating,rating\nx,1,5\n", "the table names the column 'rating' twice"),
        (b"a;b,c\n1;2,3\n", "the table may be separated by ',' or ';'"),
        (b"\xe4,b\n1,2\n", "the table has a header that is not UTF-8"),
        (b'"a,b\n1,2\n', "the table has a header that cannot be read"),
        (b"a," * 2000 + b"\n", "the table has 2,001 columns"),
        ("a,b\n".encode("utf-16"), "the file is not text in UTF-8"),
        (b"PK\x03\x04...", "the file is a zip archive or a spreadsheet"),
    ],
)
def test_a_table_without_a_clear_header_is_one_fault(tmp_path: Path, content: bytes, said: str) -> None:
    assert reason(tmp_path, content).startswith(said)


def test_of_two_delimiters_the_one_that_fits_all_rows_is_taken(tmp_path: Path) -> None:
    assert rows(tmp_path, b'"prompt, asked";output\nWho, when?;We\nWhere?;Here\n') == [
        {"prompt, asked": "Who, when?", "output": "We"},
        {"prompt, asked": "Where?", "output": "Here"},
    ]


def test_a_table_of_one_column_has_no_delimiter(tmp_path: Path) -> None:
    assert rows(tmp_path, b"prompt\nWho?\n") == [{"prompt": "Who?"}]


@pytest.mark.parametrize("content", [b"", b"a,b\n", b"\n\n", b"\xef\xbb\xbf", b"sep=;\n"])
def test_a_table_without_rows_has_no_pieces(tmp_path: Path, content: bytes) -> None:
    assert pieces(tmp_path, content) == []


def test_turns_and_other_json_are_decoded_but_not_answers(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Who?"}]
    cells = ['[{"role": "user", "content": "Who?"}]', '[{"role": "user", "content": "Who?"}]', '{"who": 1}', '{"r": 1}']
    written = io.StringIO()
    csv.writer(written).writerows([["messages", "chosen", "output", "meta"], cells])
    assert rows(tmp_path, written.getvalue().encode()) == [
        {"messages": turns, "chosen": turns, "output": '{"who": 1}', "meta": {"r": 1}}
    ]


@pytest.mark.parametrize("row", [b"x" * 300 + b",y\n", b'"' + b"x\n" * 150 + b'",y\n'])
def test_a_row_that_is_too_long_is_a_fault_and_ends_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: bytes
) -> None:
    monkeypatch.setattr(pieces_module, "MAX_LINE_BYTES", 200)
    good, fault = pieces(tmp_path, b"a,b\n1,2\n" + row + b"3,4\n")
    assert good == ParsedPiece(2, {"a": "1", "b": "2"}, b"1,2")
    assert isinstance(fault, RejectedPiece)
    assert (fault.line, fault.raw) == (3, None)
    assert fault.reason.endswith("is a quotation mark not closed? The rest of the table is not read")


@pytest.mark.parametrize("half", [b"5,6", b'"5\n6', b"5"])
def test_a_last_row_that_may_be_half_there_is_left_in_a_file_that_is_growing(tmp_path: Path, half: bytes) -> None:
    found = pieces(tmp_path, b"a,b\n3,4\n" + half, is_growing=True)
    assert found == [ParsedPiece(2, {"a": "3", "b": "4"}, b"3,4")]


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(cells, cells, cells), max_size=6),
    st.sampled_from([(",", "a.csv"), (";", "a.csv"), ("\t", "a.tsv")]),
)
def test_what_the_csv_module_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, table: list[tuple[str, str, str]], dialect: tuple[str, str]
) -> None:
    delimiter, name = dialect
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter).writerows([("output", "notes", "text"), *table])
    expected = [dict(zip(("output", "notes", "text"), row, strict=True)) for row in table]
    filled = [{name: cell if cell.strip() else None for name, cell in row.items()} for row in expected]
    assert rows(tmp_path_factory.getbasetemp(), written.getvalue().encode(), name) == [
        row for row in filled if any(row.values())
    ]
