"""Documents of a folder: what is read, under which names, and what is left out with a reason."""

import json
from pathlib import Path

import pytest

from adapterd.errors import InputError
from adapterd.teachers.documents import reading
from adapterd.teachers.documents.pages import text_of_html
from adapterd.teachers.documents.reading import Document, Reading

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


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<head><title>T</title><style>p</style><body>No end of the head.", "No end of the head."),
        ("<head><title>T</title><p>So is the body.", "So is the body."),
        ("One<![foo bar]>, <![ two]> <!x>and 3 < 4 <5> </6>", "One, and 3 < 4 <5>"),
        ("<p title='a > b' id=it's>One</p><P>two &#xd800; &lt;b&gt;</P>", "One\n\ntwo \ufffd <b>"),
        ("<template><p>no</p></template>yes<svg><style/></style></svg>!", "yes!"),
        ("a<!-- <p>no</p> -->b<script>'</p>'</SCRIPT >c<!-- no", "abc"),
        ('<a href="never closed>and there <a href=never', "and there"),
    ],
)  # fmt: skip
def test_odd_markup_is_read_as_a_browser_reads_it(page: str, text: str) -> None:
    assert text_of_html(page) == text


def test_how_far_it_is_is_told_of_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the size of files, and within a file by its texts."""
    for name, size in (("a.txt", 20), ("b.txt", 60)):
        (tmp_path / name).write_text("x" * size, "utf-8")
    rows = "\n".join(json.dumps({"id": each, "text": each * 10}) for each in "cd")
    (tmp_path / "c.jsonl").write_text(rows + "\n" * (120 - len(rows)), "utf-8")
    shares = list[float]()
    for least in (201, 200):
        monkeypatch.setattr(reading, "MUCH_BYTES", least)
        documents = Reading(tmp_path, on_read=shares.append).documents()
        assert shares == []
        assert next(documents).id == "a"
        first = list(shares)
        assert len(list(documents)) == 3
    assert first == [0.0]  # the first is still worked on
    assert shares == [0.0, 0.1, 0.1, 0.4, 0.4, 0.45, 0.5, 1.0]


@pytest.mark.parametrize("piece", ["<!--", "<a ", "<a b='", '<a b="', "<a/", "<script ", "<![CDATA[", "<", "= '"])
def test_page_that_never_ends_is_read_at_once(piece: str) -> None:
    text_of_html(piece * 300_000)  # by a parser that looks back: hours


def test_links_out_of_the_folder_are_named_and_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "key.txt").write_text("secret", "utf-8")
    (folder / "a.txt").write_text("A text.", "utf-8")
    (folder / "b.txt").symlink_to("a.txt")
    (folder / "c.txt").symlink_to("../key.txt")
    (folder / "d.txt").symlink_to("d.txt")
    found, left_out = read(folder)
    assert [each.text for each in found] == ["A text.", "A text."]
    assert left_out == ["c.txt: is a link out of the folder"]


def test_half_a_surrogate_pair_is_no_part_of_a_text(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "\ud83d", "text": "One \ud83d two"}), "utf-8")
    assert read(tmp_path) == ([Document("document", "One \ufffd two")], [])


def test_thousands_of_equal_names_are_told_apart_at_once(tmp_path: Path) -> None:
    lines = "".join(json.dumps({"title": "Untitled", "text": f"Text {number}."}) + "\n" for number in range(20_000))
    (tmp_path / "a.jsonl").write_text(lines, "utf-8")
    found, _ = read(tmp_path)
    assert [each.id for each in found][:2] == ["Untitled", "Untitled-2"]
    assert len({each.id for each in found}) == 20_000


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
