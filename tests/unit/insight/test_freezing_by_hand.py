"""What is held for secrets and personal data is in no set that is frozen by hand."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapterd.chat import Message, Role
from adapterd.config import FeedbackSettings, ModelSettings, Settings
from adapterd.dataset.freezing import Strategy
from adapterd.home import Home
from adapterd.insight import manual_evaluation
from adapterd.insight.manual_evaluation import ManualEvaluation
from adapterd.intake.screening import held_hashes, release
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.store.feedback import NewFeedback

MODEL = "news"
START = datetime(2026, 1, 1, tzinfo=UTC)
QUESTIONS = (
    "Who met in the town hall?", "When does the ferry leave?", "How tall is the tower?", "Which river floods?",
    "Why was the bridge closed?", "Where do storks nest?", "Who won the regatta?", "What did the auditor find?",
    "Which school gets a new roof?", "How long is the tunnel?", "What costs a ticket?",
    "Who writes to jane@example.org?",
)  # fmt: skip


@pytest.fixture
def newsroom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ManualEvaluation]:
    """Every question was given, an hour after the other."""
    monkeypatch.setattr(ManualEvaluation, "_prompts", lambda _self: Askable())
    home = Home(tmp_path / "home")
    home.create()
    with Store(home.database) as store:
        for number, question in enumerate(QUESTIONS):
            give(store, question, number)
        yield ManualEvaluation(store, home, Settings(models={MODEL: ModelSettings("base", "sha256:0")}), MODEL)


def give(store: Store, question: str, number: int) -> None:
    asked, at = (Message(Role.USER, question),), START + timedelta(hours=number)
    record = FeedbackRecord(asked, correction=f"Answer {number}.", created_at=at)
    store.feedback.add(MODEL, NewFeedback.of(record, "a.jsonl", number))


def frozen_by(evaluation: ManualEvaluation) -> list[str]:
    frozen, _, _ = evaluation.freeze(Strategy.TEMPORAL, 50)
    return sorted(case["messages"][0]["content"] for case in frozen.cases)


class Askable:
    """Nothing is wrong with any prompt."""

    def fault_of_example(self, _example: object) -> str:
        return ""

    def fault(self, _messages: object, _reference: str) -> str:
        return ""


def test_held_prompt_is_not_frozen_before_it_is_released(newsroom: ManualEvaluation) -> None:
    assert frozen_by(newsroom) == sorted(QUESTIONS[:-1])
    release(newsroom.store, MODEL, newsroom.settings.models[MODEL].feedback, [len(QUESTIONS)])
    assert len(frozen_by(newsroom)) == len(QUESTIONS)


def test_prompt_that_comes_while_others_are_scanned_is_not_frozen(
    newsroom: ManualEvaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scanned_and_then_given(store: Store, model: str, settings: FeedbackSettings) -> list[str]:
        found = held_hashes(store, model, settings)
        give(store, "Who writes to john@example.org?", len(QUESTIONS))
        return found

    monkeypatch.setattr(manual_evaluation, "held_hashes", scanned_and_then_given)
    assert frozen_by(newsroom) == sorted(QUESTIONS[:-1])


def test_what_was_taken_back_is_not_frozen_from_a_file(newsroom: ManualEvaluation, tmp_path: Path) -> None:
    taken_back, asked_by_others = newsroom.store.feedback.all(MODEL)[:2]
    with newsroom.store.transaction():
        hashes = [taken_back.content_hash, taken_back.prompt_hash, asked_by_others.prompt_hash]
        newsroom.store.removals.begin(MODEL, "test", going=[], hashes=hashes, versions={})
        newsroom.store.feedback.forget([taken_back.id])
    file = tmp_path / "ours.jsonl"
    lines = [{"prompt": each, "correction": "Another answer."} for each in (*QUESTIONS[:2], "Who sells the pier?")]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    frozen, _, left_out = newsroom.freeze_file(file)
    assert [case["messages"][0]["content"] for case in frozen.cases] == [QUESTIONS[1], "Who sells the pier?"]
    assert [each.reason for each in left_out] == ["line 1, it was taken back earlier"]
