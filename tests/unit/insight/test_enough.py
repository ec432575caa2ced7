"""How many examples there are, beside how many a kind of answer needs."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapterd.chat import Message, Role
from adapterd.config import ModelSettings, Task
from adapterd.insight.enough import enough
from adapterd.insight.triage import triage
from adapterd.intake.screening import held_records, scan_new
from adapterd.personal_data.scan import scan_lines
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.store.feedback import NewFeedback

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state.db") as opened:
        yield opened


def give(store: Store, count: int, **more: Any) -> None:
    fields = {"correction": "An answer.", **more}
    records = [
        FeedbackRecord((Message(Role.USER, f"{more} {number}"),), created_at=AT, **fields) for number in range(count)
    ]
    store.feedback.add_many("news", [NewFeedback.of(record, "a.jsonl", 1) for record in records])


def said(store: Store, task: Task) -> list[str]:
    return list(map(str, enough(store, "news", ModelSettings("base", "sha256:0", task=task))))


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        (Task.CLASSIFICATION, "3 of about 400 for classes"),
        (Task.JSON, "3 of about 600 for entities and format"),
        (Task.GENERATION, "3 of about 3000 for synthesis"),
    ],
)
def test_need_follows_from_the_task(store: Store, task: Task, sentence: str) -> None:
    give(store, 3)
    assert said(store, task) == [sentence]


def test_output_types_have_needs_of_their_own(store: Store) -> None:
    give(store, 3, output_type="headline")
    give(store, 2, output_type="titles")
    give(store, 1, output_type="topic")
    assert said(store, Task.GENERATION) == ["5 of about 500 for titles", "1 of about 400 for classes"]


def test_only_answers_that_can_be_taught_count(store: Store) -> None:
    give(store, 2, output="said", rating=5, correction=None)
    give(store, 2, output="said", rating=1, correction=None)
    give(store, 2, output="said", correction="  ")
    assert said(store, Task.CLASSIFICATION) == ["2 of about 400 for classes"]


def test_nothing_is_said_to_be_nothing(store: Store) -> None:
    assert said(store, Task.CLASSIFICATION) == ["0 of about 400 for classes"]


def test_what_is_held_for_personal_data_does_not_count(store: Store) -> None:
    give(store, 3)
    give(store, 2, output_type="jane@example.org", output="Ask jane@example.org", rating=5, correction=None)
    settings = ModelSettings("base", "sha256:0", task=Task.GENERATION)
    scan_new(store, "news", settings.feedback, scan=scan_lines)
    held = held_records(store, "news", settings.feedback)
    assert [str(each) for each in enough(store, "news", settings, held)] == ["3 of about 3000 for synthesis"]
    assert [each.examples for each in triage(store, "news", settings).enough] == [3]
    assert said(store, Task.GENERATION) == ["5 of about 3000 for synthesis"]
