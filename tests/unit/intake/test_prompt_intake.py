"""Prompts without answers: from files and queries, each once, and what is named by its key only."""

import gzip
import hashlib
import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapterd.chat import Message, Role
from adapterd.config import Settings
from adapterd.errors import InputError
from adapterd.home import Home
from adapterd.intake.prompt_intake import PromptReport, import_prompts
from adapterd.record import FeedbackRecord
from adapterd.removal.remove import remove
from adapterd.removal.selection import Criteria, select
from adapterd.store import Store
from adapterd.store.feedback import NewFeedback
from adapterd.store.prompt_pool.prompts import PoolCounts

MODEL = "news"
AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state.db") as opened:
        yield opened


def take(store: Store, *rows: Any) -> PromptReport:
    """The report on a file of JSON lines."""
    file = store.path.with_name("prompts.jsonl")
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return import_prompts(store, MODEL, str(file))


def last_messages(store: Store) -> list[str]:
    """What is asked, the oldest first."""
    return [each.messages[-1]["content"] for each in reversed(store.prompts.newest(MODEL, 100))]


def give(store: Store, prompt: str, rating: int = 5) -> FeedbackRecord:
    record = FeedbackRecord((Message(Role.USER, prompt),), output="An answer.", rating=rating, created_at=AT)
    store.feedback.add(MODEL, NewFeedback.of(record, "a.jsonl", 1))
    return record


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Who met?"},
        {"prompt": "Who met?", "output": "The mayor.", "rating": 1, "anything": {"else": True}},
        {"prompt": [{"role": "user", "content": "Who met?"}]},
        {"messages": [{"role": "user", "content": "Who met?"}]},
        {"messages": [{"role": "user", "content": "Who met?"}, {"role": "assistant", "content": "The mayor."}]},
        {"messages": '[{"role": "user", "content": "Who met?"}]'},
        {"conversations": [{"from": "human", "value": "Who met?"}, {"from": "gpt", "value": "The mayor."}]},
        {"instruction": "Who met?"},
        {"question": "Who met?"},
    ],
)
def test_prompt_side_of_every_format_is_the_same_prompt(store: Store, row: dict[str, Any]) -> None:
    take(store, row)
    assert last_messages(store) == ["Who met?"]
    assert take(store, {"prompt": "Who met?"}).known == 1


def test_what_belongs_to_the_prompt_is_kept(store: Store) -> None:
    take(store, {"instruction": "Who met?", "input": "The council met.", "system": "Be brief."})
    (pooled,) = store.prompts.newest(MODEL, 10)
    assert [each["content"] for each in pooled.messages] == ["Be brief.", "Who met?\n\nThe council met."]


def test_each_prompt_is_kept_once(store: Store) -> None:
    report = take(store, {"prompt": "one"}, {"prompt": "two"}, {"prompt": "one"})
    assert (report.rows, report.added, report.known) == (3, 2, 1)


def test_bad_row_is_named_with_its_place_and_the_reason(store: Store) -> None:
    report = take(store, {"prompt": "one"}, {"answer": "two"}, ["three"], {"messages": []})
    assert [each.place for each in report.refused] == ["line 2", "line 3", "line 4"]
    assert report.refused[0].reason.startswith("it has no prompt: none of messages, conversations, prompt")
    assert report.added == 1


def test_file_of_which_nothing_can_be_used_is_refused(store: Store) -> None:
    with pytest.raises(InputError, match=r"no row of prompts\.jsonl can be used: line 1: it has no prompt"):
        take(store, {"answer": "one"})
    assert store.events.latest(limit=5) == []


@pytest.mark.parametrize(
    "key",
    ["42", hashlib.sha256(b"Who met?").hexdigest(), hashlib.md5(b"Who met?", usedforsecurity=False).hexdigest()],
)
def test_row_with_only_a_key_joins_the_prompt_of_the_pool(store: Store, key: str) -> None:
    take(store, {"id": 42, "prompt": "Who met?"})
    report = take(store, {"prompt_hash": key, "source_id": "council"})
    assert (report.joined, report.added) == (1, 0)
    (pooled,) = store.prompts.newest(MODEL, 10)
    assert pooled.source_id == "council"


@pytest.mark.parametrize("by", ["ours", "theirs"])
def test_row_with_only_a_hash_joins_the_prompt_of_feedback(store: Store, by: str) -> None:
    record = give(store, "Who met?")
    digest = record.prompt_hash if by == "ours" else hashlib.sha256(b"Who met?").hexdigest()
    assert take(store, {"prompt_hash": digest}).joined == 1
    assert last_messages(store) == ["Who met?"]


def test_unknown_key_is_refused_by_name(store: Store) -> None:
    report = take(store, {"prompt": "one"}, {"prompt_hash": "abc"})
    assert report.refused[0].reason == "it has no prompt, and none is known by 'abc'"


def test_table_with_a_header_is_read(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "prompts.csv.gz"
    file.write_bytes(gzip.compress(b'id,prompt\n1,"Who, and when?"\n2,\n'))
    report = import_prompts(store, MODEL, str(file))
    assert last_messages(store) == ["Who, and when?"]
    assert report.refused[0].reason == "it has no prompt, and none is known by '2'"


def test_list_in_an_envelope_is_read(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "prompts.json"
    file.write_text(json.dumps({"data": [{"prompt": "one"}, {"prompt": "two"}]}))
    assert import_prompts(store, MODEL, str(file)).added == 2


def test_pool_says_what_is_answered_and_what_is_frozen(store: Store) -> None:
    take(store, {"prompt": "answered"}, {"prompt": "frozen"}, {"prompt": "open"})
    give(store, "answered", rating=1)
    frozen = next(each for each in store.prompts.newest(MODEL, 10) if each.messages[-1]["content"] == "frozen")
    store.evaluation_sets.freeze(MODEL, "hash", [{"id": "of then", "messages": frozen.messages, "reference": ""}])
    assert store.prompts.counts(MODEL) == PoolCounts(3, 1, 1)
    assert [each.messages[-1]["content"] for each in store.prompts.newest(MODEL, 10, only_open=True)] == ["open"]


def test_matching_prompts_are_removed_with_their_keys(store: Store) -> None:
    take(store, {"id": "1", "prompt": "Who is Jane?"}, {"id": "2", "prompt": "Who met?"})
    removed = store.prompts.remove_matching(MODEL, lambda each: "Jane" in each.messages[-1]["content"])
    assert removed == [1]
    assert last_messages(store) == ["Who met?"]
    assert [row["key"] for row in store.rows("SELECT key FROM prompt_keys")] == ["2"]


def test_prompts_that_were_taken_back_are_refused_by_name(store: Store, tmp_path: Path) -> None:
    take(store, {"prompt": "Who met Jane Doe?", "id": "7"}, {"prompt": "Who met?"})
    give(store, "Where is Jane Doe?")
    home = Home(tmp_path / "home")
    home.create()
    remove(store, home, Settings(), MODEL, select(store, home, MODEL, Criteria(matching="jane doe")))
    again = take(store, *({"prompt": f"{each}?"} for each in ("Who met Jane Doe", "Where is Jane Doe", "Who met")))
    assert (again.added, again.known) == (0, 1)
    assert [each.reason for each in again.refused] == ["its prompt was taken back earlier, and is not taken again"] * 2
    assert last_messages(store) == ["Who met?"]


def test_prompt_of_which_another_record_is_left_may_be_asked(store: Store, tmp_path: Path) -> None:
    give(store, "Who met?", rating=1)
    give(store, "Who met?", rating=5)
    home = Home(tmp_path / "home")
    home.create()
    remove(store, home, Settings(), MODEL, select(store, home, MODEL, Criteria(ids=("1",))))
    assert take(store, {"prompt": "Who met?"}).added == 1


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """The database of an application."""
    file = tmp_path / "an app.db"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE requests (id INTEGER, text TEXT)")
        database.executemany("INSERT INTO requests VALUES (?, ?)", [(1, "Who met?"), (2, "When?"), (3, None)])
    database.close()
    return file


def test_query_on_a_database_is_read(store: Store, application: Path) -> None:
    report = import_prompts(store, MODEL, f"sqlite:{application}?SELECT id, text AS prompt FROM requests")
    assert (report.added, len(report.refused)) == (2, 1)
    again = import_prompts(store, MODEL, "sqlite:SELECT text AS prompt FROM requests WHERE id < 3", application)
    assert again.known == 2


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM requests",
        "SELECT text AS prompt FROM requests; DELETE FROM requests",
        "DROP TABLE requests",
        "ATTACH DATABASE 'other.db' AS other",
        "PRAGMA user_version = 5",
        "SELECT load_extension('evil.so') AS prompt",
        "CREATE TABLE more (id)",
        "nothing",
    ],
)
def test_anything_but_one_select_is_refused(store: Store, application: Path, query: str) -> None:
    before = application.read_bytes()
    with pytest.raises(InputError, match="cannot be carried out"):
        import_prompts(store, MODEL, f"sqlite:{application}?{query}")
    assert application.read_bytes() == before


def test_file_that_is_no_database_is_refused(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "text.db"
    file.write_text("no database " * 100)
    with pytest.raises(InputError, match="not a database"):
        import_prompts(store, MODEL, f"sqlite:{file}?SELECT text AS prompt FROM requests")
    with pytest.raises(InputError, match="names no query"):
        import_prompts(store, MODEL, f"sqlite:{file}")
    with pytest.raises(InputError, match="is no file"):
        import_prompts(store, MODEL, f"sqlite:{tmp_path}/missing.db?SELECT 1")
