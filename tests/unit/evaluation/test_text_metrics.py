"""Answers that are prose: overlap, sources, refusals."""

import pytest
from asking import answer, question, score
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from adapterd.evaluation.text_metrics import (
    CITATIONS_REAL,
    KEYWORDS,
    MRR,
    REFUSAL_RIGHT,
    SOURCE_HIT,
    TOKEN_F1,
    refuses,
    rouge_metrics,
    semantic,
)

WORDS = st.lists(st.sampled_from(["the", "cat", "Cat", "sat", "Über", "–"]), max_size=6).map(" ".join)


@given(WORDS, WORDS)
def test_token_f1_is_symmetric_and_within_bounds(one: str, other: str) -> None:
    found = score(TOKEN_F1, one, other)
    assert found is not None
    assert 0.0 <= found <= 1.0
    assert found == score(TOKEN_F1, other, one)


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        ("the cat sat", "the cat sat", 1.0),
        ("Sat, the CAT!", "the cat sat", 1.0),
        ("the cat", "the cat sat", 0.8),
        ("the the the", "the cat", 0.4),
        ("GRÜẞE", "grüsse", 1.0),
        ("dog", "cat", 0.0),
        ("", "cat", 0.0),
        ("…", "–", 0.0),
    ],
)
def test_token_f1_counts_the_words_that_agree(text: str, reference: str, expected: float) -> None:
    assert score(TOKEN_F1, text, reference) == pytest.approx(expected)


@settings(deadline=None)
@given(WORDS, WORDS)
def test_rouge_is_that_of_the_rouge_score_library(text: str, reference: str) -> None:
    theirs = RougeScorer(["rouge1", "rouge2", "rougeL"]).score(reference, text)
    for metric in rouge_metrics():
        assert score(metric, text, reference) == pytest.approx(theirs[metric.name].fmeasure)


def test_meaning_is_compared_by_the_cosine_of_embeddings() -> None:
    meanings = {"cat": [1.0, 0.0], "kitten": [3.0, 4.0], "not": [-1.0, 0.0], "nothing": [0.0, 0.0]}
    metric = semantic(meanings.__getitem__)
    assert score(metric, "kitten", "cat") == pytest.approx(0.6)
    assert score(metric, "not", "cat") == 0.0
    assert score(metric, "nothing", "cat") == 0.0
    assert score(metric, "  ", "cat") == 0.0


def test_keywords_are_numbers_and_long_words_in_any_case() -> None:
    assert score(KEYWORDS, "MAYOR of 1848", "The mayor was born in 1848 in Paris") == pytest.approx(2 / 3)
    assert score(KEYWORDS, "all", "of it") is None


@pytest.mark.parametrize(
    "text",
    [
        "I do not know.",
        "I don't know",
        "I cannot answer that",
        "It is not mentioned in the text.",
        "Not enough information.",
    ],
)
def test_a_refusal_is_understood(text: str) -> None:
    assert refuses(text)


@pytest.mark.parametrize("text", ["", "I know that he cannot swim.", "The mayor did not answer the question."])
def test_what_answers_is_no_refusal(text: str) -> None:
    assert not refuses(text)


@pytest.mark.parametrize(
    ("text", "reference", "right"),
    [
        ("I do not know", "I don't know", 1),
        ("Paris", "I don't know", 0),
        ("I don't know", "Paris", 0),
        ("x", "Paris", 1),
        ("", "Paris", 0),
    ],
)
def test_refusing_is_right_where_the_reference_refuses(text: str, reference: str, right: int) -> None:
    assert score(REFUSAL_RIGHT, text, reference) == right


@pytest.mark.parametrize(
    ("text", "hit", "rank"),
    [("So [b].", 1, 1.0), ("[x] [y] [b]", 1, 1 / 3), ("[x] [x] [b]", 1, 1 / 2), ("So.", 0, 0.0), ("[x]", 0, 0.0)],
)
def test_citations_are_hit_or_missed(text: str, hit: int, rank: float) -> None:
    assert score(SOURCE_HIT, text, "As [a] and [b] say.") == hit
    assert score(MRR, text, "As [a] and [b] say.") == pytest.approx(rank)


def test_a_reference_that_cites_nothing_asks_for_no_citation() -> None:
    assert (score(SOURCE_HIT, "[x]", "So."), score(MRR, "[x]", "So.")) == (None, None)


def test_citations_of_what_is_not_there_are_found() -> None:
    asked = "Sources: [1] one [2] two. Question?"
    found = CITATIONS_REAL.over([question("", asked)], [answer("As [1] and [7] say")])
    assert found == 0.5
    assert CITATIONS_REAL.over([question("", asked)], [answer("So")]) is None
