"""`adapterctl feedback show` and `remove`."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import click
import pytest

from adapterd.errors import NotFoundError
from adapterd.home import Home
from adapterd.intake.http_intake import take_posted
from adapterd.store import Store
from tests.unit.cli.conftest import Command

MODEL = "news"
CONFIG = f"""
[models.{MODEL}]
base = "tiny:1"
base_digest = "sha256:00"
"""
RECORD = {
    "prompt": "Who met?", "output": "The mayor.", "rating": 2, "correction": "The council.",
    "correction_notes": "It was all of them.", "source_id": "article-7",
}  # fmt: skip


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    """Two records of one model."""
    home.config_file.write_text(CONFIG, encoding="utf-8")
    home.inbox(MODEL).mkdir(parents=True)
    with Store(home.database) as opened:
        take_posted(opened, MODEL, [RECORD, {"prompt": "Who else?", "correction": "Nobody."}])
        yield opened


def asked(store: Store) -> list[str]:
    return [json.loads(row.record)["messages"][0]["content"] for row in store.feedback.all(MODEL)]


def test_show_tells_all_of_a_record(adapterctl: Command, store: Store) -> None:
    row = store.feedback.all(MODEL)[0]
    said = adapterctl("feedback", "show", row.content_hash[:10]).stdout
    for text in (
        row.content_hash,
        "Who met?",
        "The mayor.",
        "The council.",
        "It was all of them.",
        "article-7",
        "http:1",
    ):
        assert text in said
    assert "teaches" in said


def test_show_as_json_has_the_whole_record(as_json: Callable[..., Any], store: Store) -> None:
    found = as_json("feedback", "show", "1")
    assert found["record"]["correction"] == "The council."
    assert (found["origin"], found["evaluation_sets"], found["versions"]) == ("http", [], {})


def test_remove_asks_first(home: Home, store: Store) -> None:
    from click.testing import CliRunner

    from adapterctl.main import cli

    said = CliRunner().invoke(cli, ["feedback", "remove", "1"], input="n\n", standalone_mode=False)
    assert isinstance(said.exception, click.Abort)
    assert "1 record of news would be removed" in said.output
    assert asked(store) == ["Who met?", "Who else?"]


def test_a_dry_run_removes_nothing(as_json: Callable[..., Any], store: Store) -> None:
    found = as_json("feedback", "remove", "--source", "article-7", "--dry-run")
    assert (found["records"], found["removed"], found["ids"]) == (1, False, [1])
    assert asked(store) == ["Who met?", "Who else?"]


def test_remove_takes_the_record_out_and_says_so(adapterctl: Command, store: Store) -> None:
    said = adapterctl("feedback", "remove", "1", "--yes")
    assert said.stdout == "1 record of news removed\n"
    assert asked(store) == ["Who else?"]
    assert store.removals.unfinished() == []


def test_nothing_that_is_selected_is_said(adapterctl: Command, store: Store) -> None:
    said = adapterctl("feedback", "remove", "--matching", "nowhere", "--yes").stdout
    assert said == "nothing of news is selected; nothing is removed\n"


def test_criteria_are_needed(adapterctl: Command, store: Store) -> None:
    with pytest.raises(click.UsageError, match="give the ids of records, or one of"):
        adapterctl("feedback", "remove", "--yes")


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_a_blank_text_selects_nothing(adapterctl: Command, store: Store, text: str) -> None:
    with pytest.raises(click.UsageError, match="the text of --matching is blank"):
        adapterctl("feedback", "remove", "--matching", text, "--yes")
    assert len(asked(store)) == 2


@pytest.mark.parametrize("zone", ["UTC-14", "UTC+12"])
@pytest.mark.parametrize("before", ["0001-01-01", "9999-12-31T23:59:59"])
def test_dates_at_the_ends_of_the_calendar_are_told_from_faults(
    adapterctl: Command, store: Store, monkeypatch: pytest.MonkeyPatch, before: str, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        adapterctl("feedback", "remove", "--before", before, "--dry-run")
    except click.UsageError as exc:
        assert "is no time that a record can have" in exc.message  # noqa: PT017 - one of the four is a time
    finally:
        monkeypatch.undo()
        time.tzset()


def test_an_unknown_record_is_named(adapterctl: Command, store: Store) -> None:
    with pytest.raises(NotFoundError, match="news has no record '77'"):
        adapterctl("feedback", "remove", "77", "--yes")


def test_a_file_of_an_application_is_named_with_its_lines(adapterctl: Command, store: Store, home: Home) -> None:
    file = home.inbox(MODEL) / "desk.jsonl"
    file.write_text(f"\n{json.dumps({'prompt': 'Theirs?', 'correction': 'Yes.'})}\n", encoding="utf-8")
    from adapterd.intake.ingest import ingest

    ingest(store, home, MODEL, home.inbox(MODEL), settle_s=0)
    said = adapterctl("feedback", "remove", "--matching", "theirs", "--yes").stdout
    assert f"{file} is your application's file: its lines (2) stay and are not taken again" in said
