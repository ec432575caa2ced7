"""A database of an earlier release is brought up to date, and everything in it is still there."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapterd.chat import Message, Role
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.store.origin import origin_of
from adapterd.store.runs import Run, RunState
from adapterd.store.schedule_state import DueReason, ScheduleState
from adapterd.store.schema.migrations import MIGRATIONS, statements
from adapterd.store.versions import Deployment, Version, VersionState

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FILLED = {
    1: """
        INSERT INTO feedback VALUES (1, 'm', 'c', 'p', NULL, NULL, NULL, '[]', '{}', 'f', 1, '{at}', '{at}');
        INSERT INTO quarantine VALUES (1, 'm', 'f', 2, 'why', '…', 'k', '{at}');
        INSERT INTO runs VALUES ('r1', 'm', 'failed', 'by hand', 'ff', 1, '1.0.0', 'e', 'h', '{at}', '{at}');
        INSERT INTO stages VALUES ('r1', 'dataset', 'done', 'k', '{}', NULL, NULL, '{at}', '{at}');
        INSERT INTO versions VALUES ('m', '1.0.0', 'r1', 'd', 'b', 'promoted', 'better', '{}', '{at}');
        INSERT INTO deployments VALUES (1, 'm', 'promote', '1.0.0', 'd', 'base', 'b', '{at}');
        INSERT INTO intents VALUES (1, 'm', 'promote', '1.0.0', '', 'begun', '{at}', NULL);
        INSERT INTO run_requests VALUES (1, 'm', 'asked', '{at}', NULL, NULL);
        INSERT INTO next_runs VALUES ('m', '{at}');
        INSERT INTO events VALUES (1, '{at}', 'm', 'kept', 't', '{}');
    """,
    2: "UPDATE runs SET given = '/adapters/m';",
    3: "UPDATE outlooks SET due = 'scheduled, 60 new records', due_since = '{at}', why_not = 'on battery';",
    4: "",
}
Maker = Callable[[int], Path]


@pytest.fixture
def made_by(tmp_path: Path) -> Maker:
    """Makes the database of a release that knew so many steps, with a row in every table."""

    def make(steps: int) -> Path:
        path = tmp_path / "state.db"
        with closing(sqlite3.connect(path)) as connection:
            for number, script in enumerate(MIGRATIONS[:steps], start=1):
                connection.executescript(script)
                connection.executescript(FILLED[number].replace("{at}", AT.isoformat()))
            connection.execute(f"PRAGMA user_version = {steps}")
        return path

    return make


@pytest.mark.parametrize(("steps", "given"), [(1, None), (2, "/adapters/m")])
def test_a_run_of_an_earlier_release_has_never_been_retried_nor_cancelled(
    made_by: Maker, steps: int, given: str | None
) -> None:
    with Store(made_by(steps)) as store:
        assert store.runs.latest("m") == Run(
            id="r1", model="m", state=RunState.FAILED, reason="by hand", fingerprint="ff", last_feedback_id=1,
            version="1.0.0", error="e", hint="h", created_at=AT, finished_at=AT, adapter_source=given,
            attempts=0, retry_at=None, cancelled=None,
        )  # fmt: skip
        assert [stage.name for stage in store.runs.stages("r1")] == ["dataset"]


@pytest.mark.parametrize("steps", [1, 2])
def test_a_version_of_an_earlier_release_is_neither_pinned_nor_labelled(made_by: Maker, steps: int) -> None:
    with Store(made_by(steps)) as store:
        assert store.versions.all("m") == [
            Version("m", "1.0.0", "r1", "d", "b", VersionState.PROMOTED, "better", {}, AT, pinned=False, label=None)
        ]
        assert store.versions.deployment("m") == Deployment("m", "promote", "1.0.0", "d", "base", "b", AT)


@pytest.mark.parametrize("steps", [1, 2])
def test_feedback_history_and_what_was_begun_are_still_there(made_by: Maker, steps: int) -> None:
    with Store(made_by(steps)) as store:
        assert store.feedback.count("m") == 1
        assert [each.reason for each in store.feedback.quarantined("m")] == ["why"]
        assert [event.kind for event in store.events.latest()] == ["kept"]
        assert [intent.target for intent in store.versions.begun_intents("m")] == ["1.0.0"]
        assert store.runs.waiting_requests() == [(1, "m", "asked")]


@pytest.mark.parametrize(
    ("file", "origin", "document"),
    [
        ("http", "http", ""),
        ("/in/a.jsonl", "file", "/in/a.jsonl"),
        ("/in/sub/import-0123456789abcdef-my-export.jsonl", "import", "import:my-export.jsonl"),
        (
            "/in/feedback-0123456789abcdef0123456789abcdef.jsonl",
            "add",
            "/in/feedback-0123456789abcdef0123456789abcdef.jsonl",
        ),
        ("/in/feedback-of-today.jsonl", "file", "/in/feedback-of-today.jsonl"),
        ("/in/import-me.jsonl", "file", "/in/import-me.jsonl"),
    ],
)
def test_the_origin_of_old_feedback_follows_from_its_file(
    made_by: Maker, file: str, origin: str, document: str
) -> None:
    path = made_by(4)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE feedback SET file = ?", (file,))
    with Store(path) as store:
        (row,) = store.rows("SELECT origin, document FROM feedback")
        assert tuple(row) == (origin, document) == (origin_of(file).kind, origin_of(file).document)


@pytest.mark.parametrize("steps", [1, 2])
def test_a_time_that_was_noted_is_still_made_up_for(made_by: Maker, steps: int) -> None:
    with Store(made_by(steps)) as store:
        assert store.schedule_state.get("m") == ScheduleState(scheduled_at=AT)


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_the_schema_is_that_of_a_new_file(made_by: Maker, tmp_path: Path, steps: int) -> None:
    def columns(store: Store) -> set[tuple[str, ...]]:
        return {
            (table["name"], *sorted(column["name"] for column in store.rows(f"PRAGMA table_info({table['name']})")))
            for table in store.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
        }

    with Store(made_by(steps)) as old, Store(tmp_path / "new.db") as new:
        assert columns(old) == columns(new)


@pytest.mark.parametrize("steps", [1, 2])
def test_new_columns_and_tables_can_be_used_at_once(made_by: Maker, steps: int) -> None:
    with Store(made_by(steps)) as store:
        store.runs.retry_later("r1", AT)
        store.runs.request_cancel("r1", "enough")
        store.versions.pin("m", "1.0.0", pinned=True)
        store.schedule_state.pause(None, "holiday")
        run, version = store.runs.get("r1"), store.versions.get("m", "1.0.0")
        assert (run.attempts, run.retry_at, run.cancelled) == (1, AT, "enough")
        assert version is not None
        assert version.pinned


@pytest.mark.parametrize("steps", [3, 4])
def test_a_run_that_was_due_is_still_due_for_the_same_reason(made_by: Maker, steps: int) -> None:
    with Store(made_by(steps)) as store:
        assert store.schedule_state.get("m") == ScheduleState(
            AT, DueReason.NEW_FEEDBACK, "scheduled, 60 new records", AT, blocked_by="on battery"
        )
        run = store.runs.latest("m")
        assert run is not None
        assert run.adapter_source == "/adapters/m"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("scheduled, 60 new records, the oldest 7.0 days old", DueReason.NEW_FEEDBACK),
        ("continued after an interruption", DueReason.INTERRUPTED),
        ("tried again after: Ollama does not answer", DueReason.RETRY),
        ("qwen3:4b changed", DueReason.BASE_CHANGED),
    ],
)
def test_the_reason_of_a_run_that_was_due_follows_from_its_sentence(
    made_by: Maker, text: str, reason: DueReason
) -> None:
    path = made_by(4)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE outlooks SET due = ?", (text,))
    with Store(path) as store:
        state = store.schedule_state.get("m")
    assert (state.due_reason, state.due_text) == (reason, text)


def test_a_script_is_split_where_statements_end_and_not_at_every_semicolon() -> None:
    trigger = """CREATE TRIGGER t AFTER INSERT ON a BEGIN
        DELETE FROM a WHERE b = ';'; -- one; two
        DELETE FROM c;
    END;"""
    script = f"CREATE TABLE a (b TEXT DEFAULT 'x;y'); /* and; */ {trigger} SELECT 1"
    assert list(statements(script)) == [
        "CREATE TABLE a (b TEXT DEFAULT 'x;y');",
        f"/* and; */ {trigger}",
        "SELECT 1;",
    ]


def test_prompts_of_an_earlier_release_are_hashed_anew(tmp_path: Path) -> None:
    """Before, case and white space made no difference."""
    record = FeedbackRecord((Message(Role.USER, "Expand: US"),), correction="United States", created_at=AT)
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(MIGRATIONS[0])
        for number, text in enumerate((record.to_json(), "{", '{"messages": 1}'), start=1):
            connection.execute(
                """INSERT INTO feedback (id, model, content_hash, prompt_hash, failure_tags, record, file, line,
                                         created_at, received_at)
                   VALUES (?1, 'm', ?1, 'old', '[]', ?2, 'f', 1, ?3, ?3)""",
                (number, text, AT.isoformat()),
            )
        connection.execute("PRAGMA user_version = 1")
    with Store(path) as store:
        hashes = [row["prompt_hash"] for row in store.rows("SELECT prompt_hash FROM feedback ORDER BY id")]
    assert hashes == [record.prompt_hash, "old", "old"]


def test_sets_of_earlier_releases_that_were_chosen_by_hand_are_known_by_their_events(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as connection:
        steps = next(number for number, script in enumerate(MIGRATIONS) if "ADD COLUMN by_hand" in script)
        connection.create_function("prompt_hash_of", 2, lambda *_: "")
        for script in MIGRATIONS[:steps]:
            connection.executescript(script)
        for number, how in ((1, "frozen with 8 cases"), (2, "frozen by hand with 9 cases (temporal)"), (12, "frozen")):
            connection.execute("INSERT INTO evaluation_sets VALUES ('m', ?, 'h', '[]', ?)", (number, AT.isoformat()))
            connection.execute(
                "INSERT INTO events (at, model, kind, text, detail) VALUES (?, 'm', 'evaluation.frozen', ?, '{}')",
                (AT.isoformat(), f"m: evaluation set {number} {how}"),
            )
        connection.execute(f"PRAGMA user_version = {steps}")
        connection.commit()
    with Store(path) as store:
        assert [(each.number, each.by_hand) for each in store.evaluation_sets.all("m")] == [
            (1, False), (2, True), (12, False),
        ]  # fmt: skip
