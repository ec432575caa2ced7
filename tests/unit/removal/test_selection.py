"""Which records and pieces are selected."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapterd.errors import InputError, NotFoundError
from adapterd.feedback.inbox import import_file, write_records
from adapterd.home import Home
from adapterd.intake.http_intake import take_posted
from adapterd.intake.ingest import ingest
from adapterd.removal.selection import Criteria, Selection, find_record, select
from adapterd.store import Store
from tests.unit.removal.conftest import MODEL


def line(prompt: str, **more: Any) -> str:
    return json.dumps({"prompt": prompt, "correction": f"About {prompt}", **more})


@pytest.fixture
def full(store: Store, home: Home, tmp_path: Path) -> Store:
    """Records from every way in, and a piece in quarantine."""
    inbox, source = home.inbox(MODEL), tmp_path / "old news.jsonl"
    (inbox / "desk.jsonl").write_text(
        line("desk", source_id="s-1", created_at="2020-05-01T00:00:00Z"), encoding="utf-8"
    )
    source.write_text(f"{line('import', source_id='s-2')}\n{line('broken')[:-1]}", encoding="utf-8")
    import_file(inbox, source)
    write_records(inbox, line("STRASSE in Łódź", correction_notes="As Zoë said").encode())
    ingest(store, home, MODEL, inbox, settle_s=0)
    take_posted(store, MODEL, [json.loads(line("post"))])
    return store


def asked(selection: Selection) -> set[str]:
    return {json.loads(row.record)["messages"][0]["content"] for row in selection.records}


@pytest.mark.parametrize(
    ("criteria", "prompts", "pieces"),
    [
        (Criteria(source="s-1"), {"desk"}, 0),
        (Criteria(origin="http"), {"post"}, 0),
        (Criteria(origin="add"), {"STRASSE in Łódź"}, 0),
        (Criteria(origin="import"), {"import"}, 1),
        (Criteria(origin="file"), {"desk"}, 0),
        (Criteria(file="desk.jsonl"), {"desk"}, 0),
        (Criteria(file="old news.jsonl"), {"import"}, 1),
        (Criteria(file="/somewhere/old news.jsonl"), {"import"}, 1),
        (Criteria(file="/somewhere/desk.jsonl"), set(), 0),
        (Criteria(before=datetime(2021, 1, 1, tzinfo=UTC)), {"desk"}, 0),
        (Criteria(matching="straße in łódź"), {"STRASSE in Łódź"}, 0),
        (Criteria(matching="zoe\u0308 SAID"), {"STRASSE in Łódź"}, 0),
        (Criteria(matching="about po"), {"post"}, 0),
        (Criteria(matching="strasse\N{NO-BREAK SPACE}\n in"), {"STRASSE in Łódź"}, 0),
        (Criteria(matching="STR\N{SOFT HYPHEN}ASSE"), {"STRASSE in Łódź"}, 0),
        (Criteria(matching="broken"), set(), 1),
        (Criteria(matching="About", origin="http"), {"post"}, 0),
        (Criteria(source="s-1", origin="http"), set(), 0),
    ],
    ids=str,
)  # fmt: skip
def test_everything_that_the_criteria_hold_for_is_selected(
    full: Store, home: Home, criteria: Criteria, prompts: set[str], pieces: int
) -> None:
    found = select(full, home, MODEL, criteria)
    assert (asked(found), len(found.pieces)) == (prompts, pieces)


@pytest.mark.parametrize("text", [" ", "\N{ZERO WIDTH SPACE}", "\N{SOFT HYPHEN}\n"])
def test_a_text_of_which_nothing_is_seen_selects_nothing(full: Store, home: Home, text: str) -> None:
    with pytest.raises(InputError, match="the text to look for is blank"):
        select(full, home, MODEL, Criteria(matching=text))


def test_a_record_is_found_by_its_row_and_by_the_beginning_of_its_hash(full: Store, home: Home) -> None:
    for row in full.feedback.all(MODEL):
        assert find_record(full, MODEL, str(row.id)) == row
        assert find_record(full, MODEL, row.content_hash[:12].upper()) == row
        assert select(full, home, MODEL, Criteria(ids=(str(row.id), row.content_hash))).records == (row,)


@pytest.mark.parametrize("given", ["999", "abc", "", "f" * 64, "%", "' OR 1"])
def test_an_id_that_there_is_not_is_named(full: Store, given: str) -> None:
    with pytest.raises(NotFoundError, match="m has no record"):
        find_record(full, MODEL, given)


def test_what_says_the_same_at_another_time_goes_as_well(store: Store, home: Home) -> None:
    first = {"prompt": "Who met?", "output": "The mayor.", "rating": 1, "created_at": "2020-01-01T00:00:00Z"}
    take_posted(store, MODEL, [first, {**first, "rating": 5}, {**first, "created_at": "2021-01-01T00:00:00Z"}])
    rows = store.feedback.all(MODEL)
    assert [row.id for row in select(store, home, MODEL, Criteria(ids=(str(rows[0].id),))).records] == [
        rows[0].id,
        rows[2].id,
    ]


def test_a_beginning_that_several_hashes_share_is_refused(full: Store) -> None:
    full.execute("UPDATE feedback SET content_hash = 'abcdef' || id || content_hash")
    with pytest.raises(InputError, match="4 records have hashes that begin with 'abcdef'"):
        find_record(full, MODEL, "abcdef")
