"""Documents of a folder: what is read, under which names, and what is left out with a reason."""

import json
from pathlib import Path

import pytest

from adapterd.errors import InputError
from adapterd.teachers.documents import reading
from adapterd.teachers.documents.reading import Document, Reading, text_of_html

PAGE = """<!doctype html><html><head><title>T</title><style>p {color: red}</style></head>
<body><h1>Opening &amp; closing</h1><p>Opens at&nbsp;9.<br>Closes at 18.</p><script>alert("x")</script>
<ul><li>Monday<li>Friday</ul></body></html>"""


def read(folder: Path) -> tuple[list[Document], list[str]]:
    found = Reading(folder)
    return list(found.documents()), found.left_out


def test_all_kinds_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a.txt").write_text("A text.", "utf-8")
    (tmp_path / "b" / "c d.md").write_text("\ufeff# Heading", "utf-8")
    (tmp_path / "e.HTML").write_text(PAGE, "utf-8")
    rows = [{"id": "f1", "text": "First."}, {"content": "Second."}, {"title": 7, "body": "Third."}]
    (tmp_path / "f.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n", "utf-8")
    (tmp_path / "g.pdf").write_bytes(b"%PDF")
    (tmp_path / ".hidden.txt").write_text("hidden", "utf-8")
    found, left_out = read(tmp_path)
    assert [each.id for each in found] == ["a", "b-c-d", "e", "f1", "f-2", "7"]
    assert [each.text for each in found][:2] == ["A text.", "# Heading"]
    assert left_out == []


def test_page_is_read_as_a_person_sees_it() -> None:
    assert text_of_html(PAGE).split("\n\n") == ["Opening & closing", "Opens at 9.", "Closes at 18.", "Monday", "Friday"]
    assert text_of_html("<p>unclosed <b>bold") == "unclosed bold"
    assert text_of_html("") == ""


def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST_BYTES", 50)
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "b.txt").write_text(" \n", "utf-8")
    (tmp_path / "c.txt").write_text("x" * 51, "utf-8")
    (tmp_path / "d.jsonl").write_text('{"text": "fine"}\n{"text": 1}\n[' + "\n3\n", "utf-8")
    found, left_out = read(tmp_path)
    assert [each.text for each in found] == ["fine"]
    assert [each.partition(":")[0] for each in left_out] == [
        "a.txt", "b", "c.txt", "d.jsonl, line 2", "d.jsonl, line 3", "d.jsonl, line 4",
    ]  # fmt: skip


def test_equal_names_are_told_apart(tmp_path: Path) -> None:
    for name in ("a b.txt", "a-b.md", "a?b.txt"):
        (tmp_path / name).write_text(name, "utf-8")
    found, _ = read(tmp_path)
    assert len({each.id for each in found}) == 3
    assert all("]" not in each.id and " " not in each.id for each in found)


def test_folder_without_documents_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(b"PK")
    with pytest.raises(InputError, match="has no documents"):
        read(tmp_path)
    with pytest.raises(InputError, match="is no folder"):
        read(tmp_path / "nowhere")
