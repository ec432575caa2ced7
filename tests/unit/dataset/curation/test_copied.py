"""Answers that copy their prompt's article, and those that only quote, name or extract."""

import json
import unicodedata

import pytest

from adapterd.chat import Message, Role
from adapterd.dataset.curation.copied import PASSAGE, fault_of_copy, share_copied

WORDS = [f"word{number}" for number in range(200)]
ARTICLE = " ".join(WORDS)
OTHERS = [f"other{number}" for number in range(100)]
CHINESE = "".join(chr(0x4E00 + number) for number in range(300))


def share(completion: str, article: str = ARTICLE) -> float:
    return share_copied((Message(Role.USER, f"Summarise:\n{article}"),), completion)


def test_article_that_is_given_back_is_copied_as_a_whole() -> None:
    assert share(ARTICLE) == 1
    assert share(f"{' '.join(WORDS[:60]).upper()}.") == 1


@pytest.mark.parametrize(
    "hidden", ["\N{SOFT HYPHEN}", "\N{ZERO WIDTH SPACE}", "\ufe0f", "\U000e0100", "\u034f", "\u3164", "\0"]
)
def test_invisible_characters_of_an_article_hide_no_copy(hidden: str) -> None:
    assert share(ARTICLE, ARTICLE.replace("rd", f"r{hidden}d")) == 1


def test_form_of_unicode_hides_no_copy() -> None:
    article = " ".join(f"hội{number}" for number in range(60))
    assert share(article, unicodedata.normalize("NFD", article)) == 1


def test_share_is_that_of_the_words_in_long_passages() -> None:
    assert share(" ".join([*WORDS[:30], *OTHERS[:70]])) == 0.3


def test_passages_from_several_places_count_together() -> None:
    assert share(" ".join([*WORDS[:40], *OTHERS[:20], *WORDS[100:140]])) == 0.8


@pytest.mark.parametrize(
    "completion",
    [
        " ".join(WORDS[: PASSAGE - 1]),
        "politics",
        json.dumps({"people": WORDS[:40], "places": WORDS[100:140]}),
        json.dumps([{"name": word, "kind": "person"} for word in WORDS]),
        " ".join(word for pair in zip(WORDS, OTHERS, strict=False) for word in pair),
        "",
    ],
    ids=["title", "label", "names", "objects", "own words", "nothing"],
)
def test_short_and_extractive_answers_copy_nothing(completion: str) -> None:
    assert share(completion) == 0


def test_copied_text_in_json_counts() -> None:
    assert share(json.dumps({"summary": " ".join(WORDS[:50]), "topic": "x y"})) == 50 / 52


def test_what_the_assistant_said_before_is_no_source() -> None:
    said = (Message(Role.USER, "Again?"), Message(Role.ASSISTANT, ARTICLE), Message(Role.USER, "Once more."))
    assert share_copied(said, ARTICLE) == 0


def test_title_in_a_script_without_spaces_copies_nothing() -> None:
    assert share(CHINESE[:30], CHINESE) == 0
    assert share(CHINESE[:100], CHINESE) == 1


def test_thought_does_not_count() -> None:
    assert share(f"<think>{ARTICLE}</think>politics") == 0


def test_fault_names_the_share_and_the_setting() -> None:
    messages = (Message(Role.USER, ARTICLE),)
    assert fault_of_copy(messages, ARTICLE, 0.5) == (
        "100% of its answer is long passages of its prompt (dataset.max_copied is 0.5)"
    )
    assert fault_of_copy(messages, ARTICLE, 1.0) == ""
    assert fault_of_copy(messages, "politics", 0.0) == ""
