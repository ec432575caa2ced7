"""Failure tags that are suggested: what an answer says and its prompt does not, as a weak sign."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adapterd.capture.captures import Capture
from adapterd.config import ModelSettings, Task
from adapterd.demo import newsroom
from adapterd.record import FailureTag
from adapterd.review.directed import UNGROUNDED, directed
from adapterd.review.frame import Frame
from adapterd.review.queue import Queue
from adapterd.review.suggested import MOST_CHARACTERS, Suggestions, looked_through
from adapterd.review.verdicts import Verdict, give
from adapterd.store import Store
from adapterd.store.reviews.reviews import Slice
from tests.unit.review.conftest import Asked, recorded

SETTINGS = ModelSettings(base="tiny:1", base_digest="sha256:00", task=Task.GENERATION)
STORY = (
    "Summarise for the newspaper what the council has decided: the ferry of Dunmore belongs to Grace Whitfield from "
    "now on, who paid 12,000 dollars for it in 1987 and never saw it sail, as the harbour was closed in the same year "
    "and all of the crew had left for the north by then."
)
GOOD, BAD = "The ferry belongs to Grace Whitfield, who paid 12000 dollars.", "The ferry was sold to Oswald Tremaine."


def answered(answer: str, prompt: str = STORY, **more: Any) -> Capture:
    return recorded(1, prompt, Random(1), answer=answer, **more)


def suggested(capture: Capture, settings: ModelSettings = SETTINGS, *others: Capture) -> str:
    return str(Suggestions.of(settings, others).of_answer(capture) or "")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (GOOD, ""),
        ("She is content.", ""),
        ("", ""),
        ("<think>Was it 13,577?</think>She paid 12,000.", ""),
        ("She paid 13,577 dollars.", "a number of the answer is not in its prompt: 13,577"),
        (BAD, "a name of the answer is not in its prompt: Oswald"),
        (
            "She said: “We never wanted to sail to any of the islands.”",
            "a quotation of the answer is not in its prompt",
        ),
    ],
)
def test_hallucination_is_suggested_where_the_prompt_does_not_have_it(answer: str, why: str) -> None:
    found = suggested(answered(answer))
    assert why in found
    assert found.startswith("perhaps hallucination: ") == bool(why)


@pytest.mark.parametrize(
    ("settings", "prompt"),
    [(replace(SETTINGS, task=Task.CLASSIFICATION), STORY), (SETTINGS, "Who bought the ferry of Dunmore?")],
)
def test_nothing_is_suggested_where_answers_do_not_rest_on_the_prompt(settings: ModelSettings, prompt: str) -> None:
    assert suggested(answered(BAD, prompt), settings) == ""


def test_what_a_schema_lets_an_answer_choose_is_no_invention(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text('{"type": "object", "properties": {"who": {"enum": ["Oswald Tremaine", "nobody"]}}}')
    given = answered('{"who": "Oswald Tremaine"}')
    assert suggested(given)
    assert suggested(given, replace(SETTINGS, schema=file)) == ""
    assert suggested(replace(given, schema={"properties": {"who": {"const": "Oswald Tremaine"}}})) == ""
    file.write_text("no schema")
    assert suggested(given, replace(SETTINGS, schema=file))
    assert suggested(replace(given, schema={"enum": 5, "const": ["x"]}))


def test_a_field_that_seldom_stands_in_the_prompt_is_a_judgement() -> None:
    given = answered('{"buyer": "Grace Whitfield", "desk": "Local Affairs Desk", "score": 7341}')
    others = [
        answered(f'{{"buyer": "Grace Whitfield", "desk": "Far Affairs Desk", "score": 9{number}21}}')
        for number in range(6)
    ]
    assert suggested(given)
    assert suggested(given, SETTINGS, *others) == ""
    assert "Oswald" in suggested(answered('{"buyer": "Oswald Tremaine", "score": 7341}'), SETTINGS, *others)


def test_it_is_shown_of_directed_answers_and_decides_nothing(
    store: Store, frame: Callable[[], Frame], captured: Asked
) -> None:
    for number in range(8):
        captured(f"{STORY} Take {number} sentences.", GOOD)
    odd = captured(f"{STORY} Be brief.", BAD, kept="again")
    shown = {}
    while item := Queue.of(frame(), SETTINGS).next():
        shown[item.capture.id] = item
        give(frame(), item, Verdict(rating=5))
    doubted = [each.capture.id for each in shown.values() if UNGROUNDED in each.why]
    assert doubted == [odd.id]
    assert not any("Oswald" in each.why for each in shown.values()), (
        "the reason is stored: it has no text of the answer"
    )
    queue, directed_item = Queue.of(frame(), SETTINGS), replace(shown[odd.id], slice=Slice.DIRECTED)
    found = queue.suggested(directed_item)
    assert found
    assert found.tag is FailureTag.HALLUCINATION
    assert queue.suggested(replace(directed_item, slice=Slice.RANDOM)) is None, "a rate is estimated from these"
    assert Queue.of(frame()).suggested(directed_item) is None, "nothing is suggested without the settings of the model"
    assert not any(row.failure_tags for row in store.feedback.all("smol"))
    assert queue.failing.count == 0


def test_answers_that_have_the_sign_come_earlier() -> None:
    answers = [recorded(number, f"{STORY} Take {number} sentences.", Random(number)) for number in range(20)]
    plain = [each.capture.id for each in directed(answers, [])]
    middle = plain[len(plain) // 2]
    assert [each.capture.id for each in directed(answers, [], ungrounded=[middle])].index(middle) < plain.index(middle)


def test_only_so_much_text_is_looked_through() -> None:
    long = answered("x", STORY * (MOST_CHARACTERS // len(STORY) // 2))
    assert len(list(looked_through([long] * 5))) == 2


def test_good_answers_of_the_newsroom_are_left_alone() -> None:
    settings = replace(SETTINGS, task=Task.JSON)
    items = newsroom.items(200, seed=5)
    assert not [each.answer for each in items if suggested(answered(each.answer, each.prompt), settings)]
