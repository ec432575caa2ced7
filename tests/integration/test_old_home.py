"""The home that release 3f3fd5e left is used with the code of today; tests/homes/README.md tells what is in it.

Only commands and SQLite are used here, no name of the code, so that the test stays what it is when names change.
"""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.old_home import LEFT, MADE_IN, copy_old_home

NEWS, LABELS = "news", "labels"
LIVE, PREVIOUS, COLLECTED = "1.1.0", "1.0.0", "1.1.1"
UNREAD, UNREAD_BROKEN = 2, 1
VERDICTS = ("promoted", "held")
TIMEOUT_S = 600


@dataclass(frozen=True)
class OldHome:
    """A copy of the old home in a place of its own, and a person who gives commands."""

    place: Path

    @property
    def root(self) -> Path:
        return self.place / "home"

    @property
    def config(self) -> str:
        return (self.root / "config.toml").read_text(encoding="utf-8")

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """`adapterctl ARGUMENTS`; whatever it says is no traceback."""
        environment = {**os.environ, "ADAPTERD_HOME": str(self.root), "COLUMNS": "200"}
        done = subprocess.run(
            [sys.executable, "-m", "adapterctl", *arguments],
            env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S, cwd=self.place,
        )  # fmt: skip
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return done

    def said(self, *arguments: str) -> str:
        """What a command that must succeed prints."""
        done = self.command(*arguments)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.said(*arguments, "--json"))

    def status(self, model: str) -> dict[str, Any]:
        found: dict[str, Any] = next(each for each in self.json("status")["models"] if each["name"] == model)
        return found

    def events(self) -> list[tuple[str, str]]:
        return [(event["kind"], event["text"]) for event in self.json("history", "--limit", "100000")]

    def schema(self) -> tuple[int, dict[str, list[str]]]:
        return schema_of(self.root / "state.db")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> OldHome:
    """The old home for all who only look."""
    return copied(tmp_path_factory.mktemp("seen"))


@pytest.fixture
def used(tmp_path: Path) -> OldHome:
    """One to make new versions in."""
    return copied(tmp_path)


@pytest.fixture(scope="module")
def before() -> Iterator[sqlite3.Connection]:
    """The old database as it was."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript((LEFT / "home/state.sql").read_text(encoding="utf-8"))
        yield connection


def copied(folder: Path) -> OldHome:
    """The home with the paths of its new place."""
    copy_old_home(folder / "old")
    return OldHome(folder / "old")


def schema_of(database: Path) -> tuple[int, dict[str, list[str]]]:
    """The number of the schema, and the columns of each table."""
    with closing(sqlite3.connect(database)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {
            table: sorted(row[1] for row in connection.execute(f"PRAGMA table_info({table})")) for table in tables
        }
        return connection.execute("PRAGMA user_version").fetchone()[0], columns


def count(before: sqlite3.Connection, table: str, model: str) -> int:
    number: int = before.execute(f"SELECT count(*) FROM {table} WHERE model = ?", (model,)).fetchone()[0]
    return number


def test_status_of_an_old_home_tells_what_is_live(seen: OldHome, before: sqlite3.Connection) -> None:
    whole = seen.json("status")
    assert whole["faults"] == ["the daemon is not running"]
    labels, news = sorted(whole["models"], key=lambda each: each["name"])
    assert (news["live"], news["previous"], news["served_as_recorded"]) == (LIVE, PREVIOUS, True)
    assert news["records"] == count(before, "feedback", NEWS)
    assert news["quarantined"] == count(before, "quarantine", NEWS)
    assert news["run"]["state"] == "interrupted"

    assert (labels["live"], labels["newest"], labels["records"]) == ("base", None, 1)
    assert "the labels are under discussion" in str(labels["paused"])

    text = seen.said("status")
    for word in (NEWS, LIVE, "interrupted at training", LABELS, "the labels are under discussion"):
        assert word in text


def test_history_of_an_old_home_is_complete(seen: OldHome, before: sqlite3.Connection) -> None:
    old = before.execute("SELECT kind, text FROM events ORDER BY id").fetchall()
    assert len({kind for kind, _ in old}) > 20
    assert [(kind, text.replace(str(seen.place), MADE_IN)) for kind, text in seen.events()[: len(old)]] == old


@pytest.mark.parametrize("version", [PREVIOUS, LIVE, COLLECTED])
def test_every_old_version_can_be_shown(seen: OldHome, before: sqlite3.Connection, version: str) -> None:
    [(state, digest, metrics)] = before.execute(
        "SELECT state, digest, metrics FROM versions WHERE model = ? AND version = ?", (NEWS, version)
    )
    found = seen.json("show", version, "--model", NEWS)
    assert (found["state"], found["digest"], found["live"]) == (state, digest, version == LIVE)
    assert found["metrics"]["scores"] == json.loads(metrics)["scores"]
    assert found["lineage"]["run"] == found["run_id"]
    text = seen.said("show", version, "--model", NEWS)
    made = "registered from" if version == COLLECTED else "trained on"
    for word in (f"{NEWS} {version}", digest, "json_valid", made):
        assert word in text


def test_doctor_finds_no_fault_in_an_old_home(seen: OldHome) -> None:
    assert [finding for finding in seen.json("doctor") if finding["level"] == "fault"] == []


def test_feedback_of_an_old_home_is_complete(seen: OldHome, before: sqlite3.Connection) -> None:
    for model in (NEWS, LABELS):
        listed = seen.json("feedback", "list", "--limit", "100000", "--model", model)
        assert len(listed) == count(before, "feedback", model)
        assert len(seen.json("feedback", "quarantine", "--model", model)) == count(before, "quarantine", model)
    assert "cut off" in seen.said("feedback", "quarantine", "--model", NEWS)


def test_frozen_sets_of_an_old_home_are_the_same(seen: OldHome, before: sqlite3.Connection) -> None:
    old = before.execute("SELECT number, content_hash, cases FROM evaluation_sets WHERE model = ?", (NEWS,)).fetchall()
    assert len(old) == 2
    wanted = [(number, digest, len(json.loads(cases))) for number, digest, cases in old]
    assert [(each["number"], each["hash"], each["cases"]) for each in seen.json("eval", "list", NEWS)] == wanted


def test_triage_of_old_feedback(seen: OldHome) -> None:
    assert "missed_entity" in seen.said("triage", NEWS)


@pytest.mark.parametrize("version", [PREVIOUS, COLLECTED])
def test_report_of_an_old_version_is_written(seen: OldHome, version: str) -> None:
    written = Path(seen.json("report", version, "--model", NEWS)["report"])
    text = written.read_text(encoding="utf-8")
    assert "<html" in text
    assert version in text


def test_old_versions_can_be_compared(seen: OldHome) -> None:
    assert seen.json("compare", PREVIOUS, LIVE, "--model", NEWS)["metrics"]


def test_gc_of_an_old_home_would_take_nothing_that_is_needed(seen: OldHome) -> None:
    items = [item["what"] for item in seen.json("gc", "--dry-run")["items"]]
    assert not {f"{NEWS}:{version}" for version in (LIVE, PREVIOUS, "base")} & set(items), items


def test_log_of_an_old_home_can_be_read(seen: OldHome) -> None:
    assert "was pinned to" in seen.said("logs", "--last", "1000")


def test_old_database_gets_the_schema_of_a_new_one(seen: OldHome, before: sqlite3.Connection, tmp_path: Path) -> None:
    new = OldHome(tmp_path)
    assert new.command("doctor").returncode in (0, 1)
    seen.said("status")
    assert seen.schema() == new.schema()
    assert seen.schema()[0] >= before.execute("PRAGMA user_version").fetchone()[0]


def test_configuration_of_an_old_home_is_left_as_a_person_wrote_it(seen: OldHome) -> None:
    wrote = (LEFT / "home/config.toml").read_text(encoding="utf-8").replace(MADE_IN, str(seen.place))
    assert "# Anna" in wrote
    seen.said("status")
    assert seen.config == wrote


def test_run_half_way_ends_in_a_verdict_and_the_way_back_is_open(used: OldHome, before: sqlite3.Connection) -> None:
    [(half_way,)] = before.execute("SELECT id FROM runs WHERE state = 'running'")
    config = used.config
    sets = used.json("eval", "list", NEWS)

    done = used.command("retrain", NEWS)
    assert done.returncode == 0, (done.stdout, done.stderr)
    found = used.status(NEWS)
    assert found["run"]["state"] in VERDICTS
    if found["run"]["id"] != half_way:
        [given_up] = [text for kind, text in used.events() if kind == "run.abandoned" and half_way in text]
        assert given_up in done.stderr + done.stdout
        assert "it is of an earlier release" in given_up, "nobody changed the settings or the base"
        card = used.json("show", found["newest"], "--model", NEWS)["data_card"]
        assert (card["pretty_name"], card["task_categories"]) == (f"{NEWS} {found['newest']}", ["text-generation"])
    assert found["records"] == count(before, "feedback", NEWS) + UNREAD
    assert found["quarantined"] == count(before, "quarantine", NEWS) + UNREAD_BROKEN
    assert used.json("eval", "list", NEWS)[: len(sets)] == sets
    assert used.json("show", found["newest"], "--model", NEWS)["lineage"]["run"] == found["run"]["id"]

    if found["live"] != LIVE:
        assert used.json("rollback", NEWS)["live"] == LIVE
    assert used.json("rollback", NEWS)["live"] == PREVIOUS
    assert used.json("show", LIVE, "--model", NEWS)["state"] == "withdrawn"
    assert used.status(NEWS)["served_as_recorded"] is True
    assert used.said("run", "Who buys whom?", "--model", NEWS)
    assert used.json("promote", LIVE, "--force", "--yes", "--model", NEWS)["live"] == LIVE
    assert used.config == config
