"""Feedback that names a capture has its prompt and its answer."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapterd.capture.captures import Capture, Captures
from adapterd.capture.in_feedback import recorded, with_capture
from adapterd.errors import InputError
from adapterd.intake.http_intake import FaultyRecordsError, take_posted
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from tests.unit.capture.test_captures import HELLO

ID = "01M8TYYFYTGJKY8S05YBVDGVD2"
SAID = replace(HELLO, id=ID, turns=[{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi"}])


def find(name: str) -> Capture | None:
    return SAID if name == ID else None


def test_prompt_and_answer_are_those_of_the_capture() -> None:
    assert with_capture({"capture": ID, "rating": 1, "correction": "Hey"}, find) == {
        "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi"}],
        "output": "Hello", "rating": 1, "correction": "Hey",
    }  # fmt: skip


@pytest.mark.parametrize(
    "value", [{"prompt": "a", "output": "b", "capture": "my own"}, {"prompt": "x"}, 7, ["capture"], None]
)
def test_what_names_no_capture_is_left_as_it_is(value: Any) -> None:
    assert with_capture(value, find) is value


@pytest.mark.parametrize(
    ("value", "said", "why"),
    [
        ({"capture": "01XXXX"}, None, "no capture '01XXXX' is recorded"),
        ({"capture": 7}, None, "must be the id of a capture, not 7"),
        ({"capture": ID, "prompt": "x"}, SAID, "has prompt and capture"),
        ({"capture": ID}, replace(SAID, complete=False), "broke off"),
        ({"capture": ID}, replace(SAID, turns=[]), "images or tool calls"),
        ({"capture": ID}, replace(SAID, turns=[{"role": "user", "content": "a", "parts": 1}]), "images or tool calls"),
        ({"capture": ID}, replace(SAID, turns=[{"role": "tool", "content": "a"}]), "images or tool calls"),
    ],
)
def test_what_cannot_be_taken_says_why(value: Any, said: Capture | None, why: str) -> None:
    with pytest.raises(InputError, match=why):
        with_capture(value, lambda _: said)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state.db") as opened:
        yield opened


def test_a_post_with_the_id_is_stored_as_feedback(store: Store, tmp_path: Path) -> None:
    with Captures(tmp_path / "captures.db") as captures:
        captures.add(SAID)
    known = recorded(tmp_path / "captures.db")
    posted = take_posted(
        store, "news", [{"capture": ID, "correction": "Hey"}, {"capture": "a", "rating": 5}], find=known
    )
    assert posted.accepted == 2
    rows = store.feedback.all("news")
    records = [FeedbackRecord.from_json(row.record) for row in rows]
    assert [(each.output, each.correction, each.rating) for each in records] == [
        ("Hello", "Hey", None), ("Hello", None, 5),
    ]  # fmt: skip
    assert {row.prompt_hash for row in rows} == {rows[0].prompt_hash}


def test_a_post_with_an_unknown_id_is_refused_whole(store: Store, tmp_path: Path) -> None:
    known = recorded(tmp_path / "captures.db")
    with pytest.raises(FaultyRecordsError) as caught:
        take_posted(store, "news", [{"prompt": "a", "correction": "b"}, {"capture": "01X"}], find=known)
    [fault] = caught.value.faults
    assert (fault.index, fault.reason) == (1, "no capture '01X' is recorded")
    assert store.feedback.all("news") == []
