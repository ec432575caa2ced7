"""Prompts that are nearly the same are found, whatever stands in front of all of them."""

import random

import pytest

from adapterd.chat import Message, Prompt, Role
from adapterd.dataset.near_duplicates import nearly_among
from adapterd.demo.newsroom import items

INSTRUCTION = "Read the article and answer with one JSON object that has the fields topic, people and places. " * 3
WORDS = [f"word{number}" for number in range(2000)]


def prompt(text: str, instruction: str = INSTRUCTION) -> Prompt:
    return Message(Role.SYSTEM, instruction), Message(Role.USER, text)


def article(seed: int, length: int = 60) -> list[str]:
    return random.Random(seed).sample(WORDS, length)


def changed(words: list[str], places: int) -> list[str]:
    """With so many words, far from each other, replaced by others."""
    step = max(1, len(words) // places) if places else len(words) + 1
    return [f"other{at}" if at % step == step // 2 and at // step < places else word for at, word in enumerate(words)]


OTHERS = [prompt(" ".join(article(seed))) for seed in range(100, 130)]


@pytest.mark.parametrize(("places", "found"), [(0, True), (1, True), (2, True), (15, False), (30, False)])
def test_an_article_that_was_changed_a_little_is_nearly_the_same(places: int, found: bool) -> None:
    near = prompt(" ".join(changed(article(1), places)))
    assert nearly_among([near], [*OTHERS, prompt(" ".join(article(1)))]) == [found]


def test_case_and_punctuation_do_not_matter() -> None:
    text = " ".join(article(1))
    assert nearly_among([prompt(text.upper().replace(" ", ", "))], [*OTHERS, prompt(text)]) == [True]


def test_a_long_instruction_that_all_share_makes_none_the_same() -> None:
    mine = [prompt(" ".join(article(seed))) for seed in range(30)]
    assert nearly_among(mine, OTHERS) == [False] * 30


def test_articles_of_the_same_newsroom_are_told_apart() -> None:
    """They are all built of the same few hundred words."""
    made = [prompt(item.prompt, "") for item in items(340, seed=1)]
    assert sum(nearly_among(made[:300], made[300:])) <= 3


def test_short_prompts_are_never_nearly_the_same() -> None:
    assert nearly_among([prompt("who met", "")], [prompt("who met", "")]) == [False]


def test_nothing_is_among_nothing() -> None:
    assert nearly_among([], OTHERS) == []
    assert nearly_among(OTHERS[:2], []) == [False, False]
