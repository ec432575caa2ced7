"""A verdict as a value: whatever its field is called, and how its word is written."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.feedback.formats import ReadingOptions, field_names
from adapterd.feedback.formats.field_names import kind_of
from adapterd.feedback.formats.verdict_values import has_verdict_word
from tests.support.readings import chat, examples, reading, refusal

NEGATIVE = (
    "incorrect", "bad", "Rubbish", "DENY", "terrible", "rejected", "BAD!", "bad answer", "thumbs down", "ThumbsDown",
    "\U0001f44e", "\U0001f44e\U0001f3fd", "\u274c", "\U0001f44e nope", "not good", "D-", "2 stars", "low quality",
    "needs work", "do not use", "off-topic", "rejected by reviewer", "score: 1", "rating=2", "one star", "falsch",
    "mauvais",    "\u5dee", "\u60aa\u3044", "\uff42\uff41\uff44", "b\u200bad", "this is wrong", "totally made up",
    "don\u2019t use this",
)  # fmt: skip
NAMES = (
    "bucket", "category", "finish_reason", "title", "phase", "model", "source", "topic", "author", "id", "version",
    "url", "city", "genre",
)  # fmt: skip


@pytest.mark.parametrize("value", NEGATIVE)
def test_a_value_that_is_a_verdict_stops_the_record_under_any_name(value: str) -> None:
    for name in NAMES:
        assert refusal({"messages": chat(), name: value}).startswith(f"{name} is ")
    assert refusal({"messages": chat(), "tags": ["news", value]}).startswith("tags[1] is ")
    assert refusal({"messages": chat(), "meta": {"name": value}}).startswith("meta.name is ")
    assert refusal({"messages": chat(bucket=value)}).startswith("messages[1].bucket is ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("category", "sports"), ("category", "local news"), ("topic", "fair trade"), ("title", "Bad Homburg: a spa"),
        ("title", "Good news for bakers"), ("title", "Fair"), ("author", "Will Good"), ("author", "n/a"),
        ("city", "Nice"), ("source", "Good Housekeeping"),
        ("model", "good-model-v1"), ("finish_reason", "length"), ("language", "no"),
        ("locale", "no-NO"), ("country", "SI"), ("gender", "F"), ("variant", "B"), ("section", "A"), ("platform", "X"),
        ("mode", "chat"), ("done", "true"), ("cached", "no"), ("style", "neutral"), ("plan", "gold"),
        ("stage", "draft"),        ("page", "2/4"), ("version", "1.2"), ("id", "bad-apple-7"), ("url", "https://example.org/bad?rating=1"),
    ],
)  # fmt: skip
def test_what_only_has_such_a_word_is_metadata(name: str, value: str) -> None:
    assert reading({"messages": chat(), name: value}).metadata == {name}


def test_a_name_of_signs_is_a_verdict() -> None:
    assert refusal({"messages": chat(), "\U0001f44e": "jane-17@example.org"}).startswith("\U0001f44e is ")


def test_what_a_person_ignores_may_be_a_verdict() -> None:

    record: dict[str, Any] = {"messages": chat(), "bucket": "bad"}
    assert examples(record, ReadingOptions.of({}, None, ["bucket"])) == ["At nine."]


def test_long_names_are_not_kept_in_memory() -> None:

    before = field_names._kind_of.cache_info().currsize
    kind_of("n" * 100_000)
    assert field_names._kind_of.cache_info().currsize == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rejected_at", "2026-01-01"), ("deletedAt", 1767225600), ("flagged_on_date", "2026-01-01"), ("url", False),
        ("model", True), ("id", False), ("tags", "news, local, sports, weather, thumbs_down"),
        ("topics", "a|b|c|d|e|bad"),
    ],
)  # fmt: skip
def test_what_says_so_in_another_way_stops_the_record(name: str, value: object) -> None:
    assert refusal({"messages": chat(), name: value}).startswith(f"{name} is ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("deleted_at", None), ("reviewed_at", "2026-01-01"), ("tags", "news, local, sports, weather, traffic"),
        ("stream", True), ("do_sample", False),
    ],
)  # fmt: skip
def test_what_says_nothing_of_an_answer_stops_nothing(name: str, value: object) -> None:
    assert not refusal({"messages": chat(), name: value})


@pytest.mark.parametrize("name", ["", " "])
def test_a_field_without_a_name_is_shown_as_such(name: str) -> None:
    assert refusal({"messages": chat(), name: "bad"}).startswith(f"{name!r} is 'bad'")


@given(st.text(alphabet="aB1 .\u00e9\n", max_size=60), st.integers(0, 6), st.integers(1, 9))
def test_the_first_words_of_a_text_are_those_of_all_of_it(text: str, most: int, step: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(field_names, "_STEP", step)
        assert field_names.first_words(text, most) == field_names.words(text)[: most + 1]


@pytest.mark.parametrize("around", [("", "!" * 100_000), ("." * 100_000, ""), ("", " " * 100_000)])
def test_a_verdict_word_is_found_in_a_long_text_of_few_words(around: tuple[str, str]) -> None:
    assert refusal({"messages": chat(), "source": f"{around[0]}incorrect{around[1]}"}).startswith("source is ")


@pytest.mark.parametrize("name", ["meta", "source", "tags", "seen_at", "split", "author"])
@pytest.mark.parametrize("text", ["ab " * 1_000_000, "trainBad" * 400_000, "\u00e9 " * 1_000_000])
def test_a_long_text_is_not_taken_apart_into_all_of_its_words(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken_apart: list[int] = []
    found_words = field_names._found_words

    def watched(text: str) -> tuple[str, ...]:
        taken_apart.append(len(text))
        return found_words(text)

    monkeypatch.setattr(field_names, "_found_words", watched)
    assert refusal({"messages": chat(), name: text}).startswith(f"{name} is ")
    assert max(taken_apart, default=0) < 200


@pytest.mark.parametrize("unseen", ["\u00ad", "\u200b", "\u034f", "\ufe0f", "\U000e0100"], ids=ascii)
def test_no_character_that_shows_nothing_hides_a_verdict(unseen: str) -> None:
    assert has_verdict_word(f"in{unseen}correct")
    assert not has_verdict_word(f"Zü{unseen}rich")
