"""Records as nobody should write them are read or refused with a sentence; nothing else may happen."""

import json
from datetime import UTC, datetime
from random import Random

import pytest
from bench.feedback_files import stated_files
from bench.feedback_mutations import DISLIKED, disliked, mutated

from adapterd.dataset.statements import resolve
from adapterd.errors import InputError
from adapterd.feedback.formats import FORMATS, FeedbackFormat, parse

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_an_object_that_says_something_only_in_its_depth_is_refused() -> None:
    deep: object = {}
    for _ in range(70):
        deep = {"a": deep}
    with pytest.raises(InputError):
        parse({"prompt": "Who met?", "output": "They did.", "score": deep}, received_at=NOW)


def test_half_of_a_surrogate_pair_in_the_id_of_a_chat_is_refused() -> None:
    (file,) = (each for each in stated_files() if each.name == "open-webui-chats.json")
    chat = json.loads(file.content)[0]
    chat["chat"]["id"] = "\ud800"
    with pytest.raises(InputError, match="conversation_id has half of a surrogate pair"):
        parse(chat, received_at=NOW)


@pytest.mark.parametrize("each", FORMATS, ids=lambda each: each.name)
def test_a_changed_record_is_read_or_refused(each: FeedbackFormat) -> None:
    random = Random(each.name)
    for _ in range(60):
        changed = mutated(each.example, random)
        try:
            records = parse(changed, received_at=NOW).records
        except InputError:
            continue
        for record in records:
            assert record.from_json(record.to_json()) == record


def test_an_answer_with_a_negative_verdict_of_any_name_is_not_taught() -> None:
    random = Random(1)
    for number in range(400):
        record = disliked(random, number)
        try:
            read = parse(record, received_at=NOW).records
        except InputError:
            continue
        assert not [each for each in resolve(read).examples if DISLIKED in each.completion], record
