"""The connection: schema, transactions, two writers, and errors as sentences."""

import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from adapterd.errors import DamagedStoreError, NewerStoreError, StoreError
from adapterd.store import Store, database
from adapterd.store.schema.migrations import MIGRATIONS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def two_stores(path: Path) -> Iterator[tuple[Store, Store]]:
    with Store(path) as one, Store(path) as other:
        yield one, other


def kinds(store: Store) -> list[str]:
    return [event.kind for event in reversed(store.events.latest())]


def user_version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        return version


def set_user_version(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")


def test_a_new_file_gets_the_whole_schema(path: Path) -> None:
    with Store(path) as store:
        tables = {row["name"] for row in store.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables - {"sqlite_sequence"} == {
        "feedback", "feedback_files", "feedback_reading", "quarantine", "evaluation_sets", "runs", "stages", "versions",
        "deployments", "intents", "run_requests", "schedule_states", "pauses", "events", "screenings", "prompts",
        "prompt_keys", "removals", "removing", "removed_statements", "versions_of_removed", "reduced_evaluation_sets",
        "releases", "comparisons", "evidence", "error_budgets", "rubric_scores", "reviews", "choices",
        "case_facts", "rubric_marks", "unreadable", "teacher_requests", "synthetic_examples",
        "judges", "judge_verdicts", "judge_looks",
        "http_tokens", "http_posts", "http_refusals", "http_places",
    }  # fmt: skip
    assert user_version(path) == len(MIGRATIONS)


def test_a_new_file_is_its_owners_only(path: Path) -> None:
    with Store(path) as store:
        store.events.add("k", "t")
        modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {0o600}


def test_opening_again_changes_nothing(path: Path) -> None:
    with Store(path) as store:
        store.events.add("kept", "t")
        schema = [row["sql"] for row in store.rows("SELECT sql FROM sqlite_master ORDER BY name")]
    with Store(path) as store:
        assert kinds(store) == ["kept"]
        assert [row["sql"] for row in store.rows("SELECT sql FROM sqlite_master ORDER BY name")] == schema


def test_an_older_file_gets_the_steps_that_it_lacks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(path) as store:
        store.events.add("kept", "t")
    monkeypatch.setattr(database, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE one (a); CREATE TABLE two (a);"))
    with Store(path) as store:
        assert kinds(store) == ["kept"]
        assert store.rows("SELECT * FROM one") == store.rows("SELECT * FROM two") == []
    assert user_version(path) == len(MIGRATIONS) + 1


def test_a_step_that_fails_is_undone_and_leaves_the_file_usable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(path):
        pass
    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE one (a); CREATE TABLE events (a);"))
        with pytest.raises(StoreError, match="table events already exists") as caught:
            Store(path)
    assert user_version(path) == len(MIGRATIONS)
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.01)
    with Store(path) as store:
        assert store.row("SELECT 1 FROM sqlite_master WHERE name = 'one'") is None
        store.events.add("not locked", "t")
    assert caught.value  # whoever keeps the error does not keep the file locked


def test_a_file_of_a_newer_release_is_refused(path: Path) -> None:
    with Store(path):
        pass
    set_user_version(path, 99)
    with pytest.raises(StoreError, match=r"newer release of adapterd \(schema 99, this release knows") as caught:
        Store(path)
    assert "install that release again" in caught.value.hint
    assert user_version(path) == 99


def test_a_damaged_file_is_a_store_error(path: Path) -> None:
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match="is damaged: file is not a database") as caught:
        Store(path)
    assert str(path) in str(caught.value)
    assert "doctor" in caught.value.hint
    assert isinstance(caught.value.__cause__, sqlite3.DatabaseError)


def test_a_damaged_page_is_a_store_error(path: Path) -> None:
    with Store(path) as store:
        for number in range(500):
            store.events.add("k", "t" * 100, model=str(number))
    data = bytearray(path.read_bytes())
    data[8192:] = b"\xff" * len(data[8192:])
    path.write_bytes(data)
    with pytest.raises(StoreError, match="malformed"), Store(path) as store:
        store.events.latest()


def test_a_folder_that_is_missing_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file or directory"):
        Store(tmp_path / "gone" / "state.db")


def test_a_folder_in_place_of_the_file_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open"):
        Store(tmp_path)


def test_the_use_of_a_closed_store_is_a_store_error(path: Path) -> None:
    with Store(path) as store:
        pass
    with pytest.raises(StoreError, match="closed database"):
        store.events.latest()


def test_a_broken_rule_of_the_schema_is_a_store_error(path: Path) -> None:
    with Store(path) as store, pytest.raises(StoreError, match="FOREIGN KEY"):
        store.runs.start_stage("no such run", "dataset", "key")


def test_times_are_stored_in_utc(path: Path) -> None:
    moment = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    with Store(path, clock=lambda: moment) as store:
        assert store.now() == "2026-02-28T23:30:00.000+00:00"


def test_the_clock_of_its_own_is_aware() -> None:
    assert database.utc_now().tzinfo is UTC


def test_a_transaction_is_seen_by_others_only_when_it_ends(two_stores: tuple[Store, Store]) -> None:
    one, other = two_stores
    with one.transaction():
        one.events.add("first", "t")
        one.events.add("second", "t")
        assert kinds(other) == []
    assert kinds(other) == ["first", "second"]


class Stop(BaseException):
    """Something that no `except Exception` catches."""


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, Stop])
def test_a_transaction_that_raises_is_undone_as_a_whole(path: Path, stop: type[BaseException]) -> None:
    with Store(path) as store:
        with pytest.raises(stop), store.transaction():
            _add_and_raise(store, stop)
        assert kinds(store) == []
        store.events.add("after", "t")
        assert kinds(store) == ["after"]


def _add_and_raise(store: Store, stop: type[BaseException]) -> None:
    store.events.add("undone", "t")
    raise stop


def test_blocks_nest_and_the_outermost_one_commits(two_stores: tuple[Store, Store]) -> None:
    one, other = two_stores
    with one.transaction():
        with one.transaction():
            one.events.add("inner", "t")
        assert kinds(other) == []
        one.events.add("outer", "t")
    assert kinds(other) == ["inner", "outer"]


def test_an_inner_block_that_fails_takes_only_its_own_writes_back(path: Path) -> None:
    def fail_inside(store: Store) -> None:
        with store.transaction():
            store.events.add("inner", "t")
            with store.transaction():
                store.events.add("innermost", "t")
            raise ValueError("the inner block")

    with Store(path) as store:
        with store.transaction():
            store.events.add("before", "t")
            with pytest.raises(ValueError, match="the inner block"):
                fail_inside(store)
            store.events.add("after", "t")
        assert kinds(store) == ["before", "after"]


def test_an_error_after_an_inner_block_undoes_that_too(path: Path) -> None:
    def inner_then_error(store: Store) -> None:
        with store.transaction():
            store.events.add("inner", "t")
        raise ValueError("the outer block")

    with Store(path) as store:
        with pytest.raises(ValueError, match="the outer block"), store.transaction():
            inner_then_error(store)
        assert kinds(store) == []


def test_an_error_of_the_caller_in_a_transaction_stays_what_it_is(path: Path) -> None:
    with Store(path) as store, pytest.raises(FileNotFoundError), store.transaction():
        (path.parent / "gone").read_text()


def test_a_statement_that_fails_undoes_its_transaction(path: Path) -> None:
    def add_and_break(store: Store) -> None:
        with store.transaction():
            store.events.add("undone", "t")
            store.execute("INSERT INTO nowhere VALUES (1)")

    with Store(path) as store:
        with pytest.raises(StoreError, match="no such table: nowhere"):
            add_and_break(store)
        assert kinds(store) == []


def test_the_reason_is_told_even_if_sqlite_rolled_back_by_itself(path: Path) -> None:
    with Store(path) as store:
        store.execute("CREATE TABLE strict (a UNIQUE ON CONFLICT ROLLBACK)")
        store.execute("INSERT INTO strict VALUES (1)")
        with pytest.raises(StoreError, match="UNIQUE constraint failed"), store.transaction():
            store.execute("INSERT INTO strict VALUES (1)")
        with store.transaction():
            store.events.add("after", "t")
        assert kinds(store) == ["after"]


def test_a_commit_that_fails_leaves_the_store_usable(path: Path) -> None:
    with Store(path) as store:
        store.execute("CREATE TABLE later (run REFERENCES runs (id) DEFERRABLE INITIALLY DEFERRED)")
        with pytest.raises(StoreError, match="FOREIGN KEY"), store.transaction():
            store.execute("INSERT INTO later VALUES ('no such run')")
        with store.transaction():
            store.events.add("after", "t")
        assert kinds(store) == ["after"]
        assert store.rows("SELECT * FROM later") == []


def test_a_writer_that_waits_too_long_gets_a_store_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.01)
    with Store(path) as one, Store(path) as other, one.transaction():
        with pytest.raises(StoreError, match="locked"), other.transaction():
            pass
        with pytest.raises(StoreError, match="locked"):
            other.events.add("k", "t")


def test_a_writer_does_not_wait_for_readers(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.01)
    with Store(path) as one, Store(path) as other:
        for _ in range(2):
            one.events.add("k", "t")
        reading = other.execute("SELECT * FROM events")
        next(reading)
        one.events.add("k", "t")
        assert len(list(reading)) == 1


def test_readers_do_not_wait_for_a_writer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.01)
    with Store(path) as one, Store(path) as other, one.transaction():
        one.events.add("k", "t")
        assert kinds(other) == []


def in_threads(count: int, work: Callable[[int], object]) -> list[BaseException]:
    """Call `work(number)` in so many threads at the same moment; returns what they raised."""
    raised: list[BaseException] = []
    barrier = threading.Barrier(count)

    def run(number: int) -> None:
        barrier.wait()
        try:
            work(number)
        except BaseException as exc:
            raised.append(exc)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_writers_at_the_same_time_lose_nothing(path: Path) -> None:
    def write(number: int) -> None:
        with Store(path) as store:
            for _ in range(20):
                with store.transaction():
                    store.events.add("k", "t", model=str(number))
                    store.events.add("k", "t", model=str(number))

    assert in_threads(4, write) == []
    with Store(path) as store:
        assert [len(store.events.latest(model=str(number), limit=100)) for number in range(4)] == [40] * 4


def test_a_new_file_can_be_opened_by_several_at_once(tmp_path: Path) -> None:
    def use(number: int) -> None:
        with Store(tmp_path / "fresh.db") as store:
            store.events.add("k", str(number))

    assert in_threads(8, use) == []
    with Store(tmp_path / "fresh.db") as store:
        assert sorted(event.text for event in store.events.latest()) == [str(number) for number in range(8)]


def test_a_database_of_a_newer_release_names_both(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(database, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE novelties (a);"))
        newer.setattr(database, "__version__", "9.0.0")
        Store(path).close()
    with pytest.raises(NewerStoreError, match=r"written by adapterd 9\.0\.0 .*this is adapterd \d") as caught:
        Store(path)
    assert "install adapterd 9.0.0 again" in caught.value.hint
    assert not caught.value.transient


def test_an_open_database_tells_that_another_release_has_migrated_it(path: Path) -> None:
    with Store(path) as store:
        assert not store.is_newer()
        set_user_version(path, 99)
        assert store.is_newer()


@pytest.mark.parametrize("there", ["models/news/1.0.0/lineage.json", "runs/r1/results.json"])
@pytest.mark.parametrize("how", ["empty", "gone"])
def test_an_empty_database_beside_versions_is_not_taken_for_a_new_one(path: Path, there: str, how: str) -> None:
    (path.parent / there).parent.mkdir(parents=True)
    (path.parent / there).write_text("{}")
    if how == "empty":
        path.touch()
    with pytest.raises(DamagedStoreError, match=f"is {how}, but .* has versions") as caught:
        Store(path)
    for way_out in ("adapterctl rollback", "adapterctl restore", "adapterctl doctor --repair"):
        assert way_out in caught.value.hint
    assert not path.exists() or path.stat().st_size == 0
    Store(path, anew=True).close()
    Store(path).close()


def test_a_copy_is_what_is_committed_and_nothing_else(path: Path) -> None:
    with Store(path) as store, Store(path) as other:
        store.events.add("kept", "t")
        store.events.add("gone", "a text that was deleted")
        store.execute("DELETE FROM events WHERE kind = 'gone'")
        with other.transaction():
            other.events.add("later", "t")
            store.copy_to(path.with_name("copy.db"))
    copy = path.with_name("copy.db")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert b"a text that was deleted" not in copy.read_bytes()
    assert not copy.with_name("copy.db-wal").exists()
    with Store(copy) as copied:
        assert kinds(copied) == ["kept"]


def test_more_pages_are_in_memory_while_many_change_and_not_afterwards(tmp_path: Path) -> None:
    def cache_kib(store: Store) -> int:
        found: int = store.execute("PRAGMA cache_size").fetchone()[0]
        return -found  # in KiB, as a negative number

    with Store(tmp_path / "state.db") as store:
        usual = cache_kib(store)
        with store.larger_cache():
            assert cache_kib(store) > usual
        assert cache_kib(store) == usual
