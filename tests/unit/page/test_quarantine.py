"""What fields mean is said on the page, and the files are read again with it."""

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from adapterd import config
from adapterd.feedback.formats import reading_options
from adapterd.home import Home
from adapterd.intake.ingest import ingest
from adapterd.store import Store
from tests.unit.page.conftest import OWN

RECORD = {"prompt": "Who met?", "response": "The mayor."}


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def read_in(home: Home, inbox: Path) -> "tuple[int, int]":
    """Read the folder as the settings say; how many records are in force, and how many pieces in quarantine."""
    options = reading_options(config.load(home).models["m"].feedback)
    with Store(home.database) as store:
        ingest(store, home, "m", inbox, options=options, clock=lambda: 4e9)
        return store.feedback.count("m"), len(store.feedback.quarantined("m"))


def written(inbox: Path, **more: Any) -> None:
    lines = [json.dumps({**RECORD, "prompt": f"Who met {number}?", **more}) for number in range(1, 4)]
    (inbox / "a.jsonl").write_text("\n".join(lines))


def mapped(inside: TestClient, *pairs: "tuple[str, str]", scale: str = "") -> int:
    fields = {"field": [field for field, _ in pairs], "means": [means for _, means in pairs], "scale": scale}
    return inside.post("/feedback/m/fields", data=fields, headers=OWN).status_code


def test_a_field_is_mapped_and_its_records_are_taken(inside: TestClient, page_home: Home, inbox: Path) -> None:
    written(inbox, score=7)
    assert read_in(page_home, inbox) == (0, 3)
    page = inside.get("/feedback/m/quarantine").text
    assert "3 pieces" in page
    assert 'value="score"' in page
    assert "<option selected>rating" in page
    assert mapped(inside, ("score", "rating"), scale="1..10") == 303
    assert read_in(page_home, inbox) == (3, 0)


def test_a_field_that_means_nothing_is_kept_aside(inside: TestClient, page_home: Home, inbox: Path) -> None:
    written(inbox, rating=5, mood="rather sad", looks_good=True)
    assert read_in(page_home, inbox) == (0, 3)
    assert mapped(inside, ("mood", "ignore"), ("looks_good", "ignore"), ("", "rating"), ("other", "")) == 303
    assert config.load(page_home).models["m"].feedback.ignore == {"mood", "looks_good"}
    assert read_in(page_home, inbox) == (3, 0)


@pytest.mark.parametrize(
    ("pairs", "scale", "said"),
    [
        ([], "", "nothing is said"),
        ([("score", "")], "", "nothing is said"),
        ([("score", "no field of ours")], "", "none of our fields"),
        ([("score", "rating"), ("stars", "rating")], "", "rating is score"),
        ([("score", "rating")], "bad..good", "scale"),
        ([], "10", "scale"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_kept(
    inside: TestClient, page_home: Home, pairs: "list[tuple[str, str]]", scale: str, said: str
) -> None:
    before = page_home.config_file.read_bytes()
    fields = {"field": [field for field, _ in pairs], "means": [means for _, means in pairs], "scale": scale}
    answer = inside.post("/feedback/m/fields", data=fields, headers=OWN)
    assert answer.status_code == 409
    assert said in answer.text
    assert page_home.config_file.read_bytes() == before


def test_names_of_fields_are_data(inside: TestClient, page_home: Home, inbox: Path) -> None:
    written(inbox, **{'"><script>alert(1)</script>': 7})
    assert read_in(page_home, inbox) == (0, 3)
    assert "<script>alert" not in inside.get("/feedback/m/quarantine").text


@pytest.mark.parametrize("name", ['sc"ore', "a.b", "grade[0]", "\u202escore", "it's so", "7", "true"])
def test_names_of_fields_are_kept_as_they_are(inside: TestClient, page_home: Home, name: str) -> None:
    assert mapped(inside, (name, "rating")) == 303
    assert config.load(page_home).models["m"].feedback.fields == {"rating": name}
    assert inside.get("/feedback/m/quarantine").status_code == 200
