"""What is looked up by a hash is found by an index of hashes: no look-up reads all records of a model."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from adapterd.store import Store
from adapterd.store.feedback import NewFeedback
from adapterd.store.statements import Reading

DATED = NewFeedback("c", "p", "{}", datetime(2026, 1, 1, tzinfo=UTC), "in/a.jsonl", 1, dated=True)
BARE = NewFeedback("c", "p", "{}", datetime(2026, 1, 1, tzinfo=UTC), "in/b.jsonl", 1)
LOOK_UPS: dict[str, Callable[[Store], object]] = {
    "what is said at a time": lambda store: store.feedback.add("m", DATED),
    "what is said in a file": lambda store: store.feedback.add("m", BARE._replace(line=2)),
    "what an earlier release read": lambda store: store.feedback.add_many(
        "m", [BARE._replace(file="in/c.jsonl")], Reading(1, read_by_earlier_release=True)
    ),
    "what is posted": lambda store: store.feedback.add("m", BARE._replace(file="http")),
    "what was said of prompts": lambda store: store.feedback.about("m", ["p"]),
    "what is new, in parts": lambda store: store.feedback.about_the_same("m", after_id=0, begins_with="0"),
    "what was found in records": lambda store: store.screenings.with_findings("m"),
    "a prompt by its hash": lambda store: store.prompts.known_by("m", "p"),
    "which prompts are answered": lambda store: store.prompts.counts("m"),
}


@pytest.mark.parametrize("look_up", LOOK_UPS.values(), ids=LOOK_UPS)
def test_a_look_up_reads_no_other_records(look_up: Callable[[Store], object], store: Store) -> None:
    store.feedback.add_many("m", [DATED, BARE])
    asked: list[str] = []
    store._connection.set_trace_callback(asked.append)
    look_up(store)
    store._connection.set_trace_callback(None)

    steps = [step for sql in asked if sql.lstrip().startswith("SELECT") for step in _steps(store, sql)]

    assert any("feedback_by_content" in step or "feedback_by_prompt" in step for step in steps)
    assert not [step for step in steps if "feedback_by_model (model=?)" in step or step.startswith("SCAN feedback")]


def _steps(store: Store, sql: str) -> list[str]:
    return [row["detail"] for row in store.rows(f"EXPLAIN QUERY PLAN {sql}")]
