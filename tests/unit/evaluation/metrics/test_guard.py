"""The guard set: its checks take what is as asked and nothing else."""

import json
from collections import Counter
from typing import Any

import pytest

from adapterd.evaluation.metrics.guard import ANSWER_TOKENS, CHECKS, guard_items, guard_metrics, passes
from adapterd.evaluation.metrics.guard_set import TEMPLATES
from adapterd.evaluation.metrics.metric import Question
from tests.unit.evaluation.asking import answer


def test_every_kind_has_many_items_and_no_two_are_the_same() -> None:
    items = guard_items()
    assert len(items) >= 300
    assert min(Counter(item.kind for item in items).values()) >= 40
    assert len({item.id for item in items}) == len({item.prompt for item in items}) == len(items)


@pytest.mark.parametrize("text", ["", "I do not know what to say to that, and so I say this.", "{}", "ok"])
def test_an_answer_that_has_nothing_to_do_with_it_passes_hardly_anything(text: str) -> None:
    passed = [item.id for item in guard_items() if passes(item.question, answer(text))]
    assert len(passed) <= len(guard_items()) / 20


def test_an_echo_of_the_prompt_passes_hardly_anything() -> None:
    passed = [item.id for item in guard_items() if passes(item.question, answer(item.prompt))]
    assert len(passed) <= len(guard_items()) / 20


@pytest.mark.parametrize(
    ("check", "wanted", "good", "bad"),
    [
        ("says", ["Paris"], ["Paris", "It is PARIS."], ["Parisian", "", "Rome"]),
        ("says", ["H2O"], ["It's H2O."], ["H2O2"]),
        ("names", ["Oslo", "Rome"], ["Oslo", "She lives in OSLO.", "住在Oslo"], ["Rome", "Rome and Oslo", ""]),
        ("number", 12, ["12", "7 + 5 = 12.", "12.0", "The result is 12!"], ["13", "12 of 30", "twelve", ""]),
        ("number", 1200, ["1,200"], ["1.2"]),
        ("only", "yes", ["yes", "Yes."], ["yes it is", ""]),
        ("words", 3, ["deep blue sea", "It's so deep."], ["deep sea", ""]),
        ("at_most_words", 3, ["one", "one two three"], ["one two three four", ""]),
        ("lines", 2, ["a\nb", "a\n\nb\n"], ["a", "a\nb\nc"]),
        ("without", "z", ["a dog"], ["a Zebra", ""]),
        ("begins", "However", ["However, tea"], ["Tea, however"]),
        ("ends", "snow.", ["I like snow."], ["snow is white"]),
        ("upper", None, ["RAIN FALLS."], ["Rain", "", "1"]),
        ("lower", None, ["rain falls."], ["Rain", ""]),
        ("matches", "a, *b", ["a,b", "a, b"], ["a, b, c"]),
        ("json", {"a": 1, "b": None}, ['{"a": 1, "b": "x"}'], ['{"a": 1}', '{"a": true, "b": 1}', "[]", "no"]),
        ("json_list", 2, ["[1, 2]"], ["[1]", "{}", "no"]),
    ],
)
def test_checks(check: str, wanted: Any, good: list[str], bad: list[str]) -> None:
    assert [text for text in good if not CHECKS[check](text, wanted)] == []
    assert [text for text in bad if CHECKS[check](text, wanted)] == []


@pytest.mark.parametrize(
    ("check", "wanted", "text"),
    [
        ("says", ["it's"], "It’s so."),
        ("says", ["café"], "A cafe\u0301."),
        ("words", 3, "It’s so deep."),
        ("begins", '"', "“So"),
    ],
)
def test_characters_may_be_typed_in_any_way(check: str, wanted: Any, text: str) -> None:
    asked = Question("g", (), json.dumps([check, wanted]))
    assert passes(asked, answer(text))


def test_every_check_is_used_and_there() -> None:
    assert {item.check for item in guard_items()} == set(CHECKS)


def test_right_answers_pass() -> None:
    assert [item.id for item in guard_items() if not passes(item.question, answer(item.right))] == []


def test_the_right_answer_to_another_item_of_the_kind_hardly_ever_passes() -> None:
    wrong = []
    for kind in TEMPLATES:
        items = [item for item in guard_items() if item.kind == kind]
        wrong += [passes(item.question, answer(other.right)) for item in items for other in items if other != item]
    assert sum(wrong) / len(wrong) < 0.1


def test_the_answers_are_short_and_ask_for_six_languages_besides_english() -> None:
    assert max(len(item.right) for item in guard_items()) <= 3 * ANSWER_TOKENS
    foreign = [item.prompt for item in guard_items() if item.kind == "languages"]
    words = ("Antworte", "Réponds", "Responde con", "Rispondi", "Responda", "回答")
    assert [word for word in words if not any(word in prompt for prompt in foreign)] == []


def test_the_metric_is_the_share_that_passes() -> None:
    (metric,) = guard_metrics()
    questions = [item.question for item in guard_items()]
    answers = [answer(item.right if place < 30 else "") for place, item in enumerate(guard_items())]
    assert metric.over(questions, answers) == pytest.approx(30 / len(questions))
