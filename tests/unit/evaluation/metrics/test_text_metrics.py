"""Answers that are prose: overlap, sources, refusals."""

import tracemalloc
import unicodedata

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenize import tokenize

from adapterd.evaluation.metrics.text_forms import composed, words
from adapterd.evaluation.metrics.text_metrics import (
    CITATIONS_REAL,
    KEYWORDS,
    MRR,
    REFUSAL_RIGHT,
    SOURCE_HIT,
    TOKEN_F1,
    longest_common,
    rouge_metrics,
    semantic,
)
from tests.unit.evaluation.asking import answer, question, score

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
        ("", "", 1.0),
        (" ", "\n", 1.0),
        ("…", "", 0.0),
    ],
)
def test_token_f1_counts_the_words_that_agree(text: str, reference: str, expected: float) -> None:
    assert score(TOKEN_F1, text, reference) == pytest.approx(expected)


@settings(deadline=None)
@given(WORDS, WORDS)
def test_rouge_is_that_of_the_rouge_score_library(text: str, reference: str) -> None:
    assume(tokenize(text, None) != tokenize(reference, None))  # its score of the same text is 0 if that has no pair
    theirs = RougeScorer(["rouge1", "rouge2", "rougeL"]).score(reference, text)
    for metric in rouge_metrics():
        assert score(metric, text, reference) == pytest.approx(theirs[metric.name].fmeasure)


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcd"), max_size=90), st.lists(st.sampled_from("abcd"), max_size=90))
def test_the_longest_common_sequence_is_that_of_the_rouge_score_library(one: list[str], other: list[str]) -> None:
    theirs = RougeScorer(["rougeL"]).score(" ".join(one), " ".join(other))["rougeL"]
    assert longest_common(one, other) == longest_common(other, one) == round(theirs.recall * len(one))


def test_a_correction_of_forty_thousand_words_takes_no_table_of_words_by_words() -> None:
    one, other = (" ".join(f"word{number * step % 30_011}" for number in range(40_000)) for step in (7, 11))
    tracemalloc.start()
    scores = [score(metric, one, other) for metric in (*rouge_metrics(), TOKEN_F1)]
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert all(found is not None and 0.0 <= found <= 1.0 for found in scores)
    assert peak_bytes < 200e6  # the table would be MOST_WORDS by MOST_WORDS entries of eight bytes, 3.2 GB
    assert score(TOKEN_F1, one, one + " more") == 1.0  # beyond what counts


SCRIPTS = {
    "Chinese": ("今天天气很好我们去公园", "今天天气很好我们去公园散步"),
    "Japanese": ("明日は東京で会議があります。", "明日は大阪で会議があります。"),
    "Katakana": ("コーヒーを飲む", "ｺｰﾋｰを飲んだ"),
    "Thai": ("วันนี้อากาศดีมาก", "วันนี้อากาศไม่ดี"),
    "Lao": ("ສະບາຍດີຊາວໂລກ", "ສະບາຍດີທຸກຄົນ"),
    "Khmer": ("សួស្តីពិភពលោក", "សួស្តីអ្នកទាំងអស់គ្នា"),
    "Burmese": ("မင်္ဂလာပါကမ္ဘာ", "မင်္ဂလာပါအားလုံး"),
    "Korean": ("학교에서 공부합니다", "학교에 갑니다"),
    "Russian": ("Привет, мир! Это тест.", "привет мир это проверка"),
    "Greek": ("Καλημέρα κόσμε", "καλημέρα σε όλους"),
    "Hindi": ("नमस्ते दुनिया", "नमस्ते भारत"),
    "Tamil": ("வணக்கம் உலகம்", "வணக்கம் நண்பர்களே"),
    "Arabic": ("مرحبا بالعالم", "مرحبا بكم"),
    "Hebrew": ("שלום עולם", "שלום לכולם"),
    "Persian": ("می‌خواهم بروم", "نمی‌خواهم بروم"),
    "Amharic": ("ሰላም ዓለም", "ሰላም ለሁሉም"),
    "emoji": ("🙂👍🏽", "🙂👎"),
    "marks": ("?!", "?"),
    "German": ("Die größte Überschwemmung", "die größte Flut"),
}


@pytest.mark.parametrize(("text", "near"), SCRIPTS.values(), ids=SCRIPTS)
def test_the_same_text_scores_one_in_every_script_and_a_near_one_something(text: str, near: str) -> None:
    for metric in (TOKEN_F1, *rouge_metrics()):
        assert score(metric, text, text) == 1.0, metric.name
        found = score(metric, near, text)
        assert found is not None
        assert found < 1.0
        assert found > 0.0 or metric.name == "rouge2"


@pytest.mark.parametrize(("text", "near"), [SCRIPTS["Russian"], SCRIPTS["Hindi"], SCRIPTS["Arabic"]])
def test_words_are_words_in_scripts_that_have_spaces(text: str, near: str) -> None:
    one, other = ({word.strip(",!.").casefold() for word in each.split()} for each in (text, near))
    assert score(TOKEN_F1, near, text) == pytest.approx(2 * len(one & other) / (len(one) + len(other)))


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("cafe\u0301 au lait", "caf\u00e9 au lait"),
        ("２０２４年", "2024年"),
        ("the \ufb01rst", "the first"),
        ("it’s “so”", 'it\'s "so"'),
        ("ΟΔΥΣΣΕΥΣ", "οδυσσευσ"),
        ("❤\ufe0f yes", "❤ yes"),
    ],
)
def test_texts_that_read_the_same_count_as_the_same(text: str, reference: str) -> None:
    for metric in (TOKEN_F1, *rouge_metrics()):
        assert score(metric, text, reference) == 1.0


@given(st.text(max_size=30))
def test_any_text_is_as_it_is_composed_or_decomposed(text: str) -> None:
    assert words(unicodedata.normalize("NFD", text)) == words(unicodedata.normalize("NFC", text))
    assert composed(unicodedata.normalize("NFD", text)) == unicodedata.normalize("NFC", text)


def test_marks_without_end_on_one_letter_do_not_take_the_square_of_their_number() -> None:
    assert words("a" + "\u0301\u0323" * 500_000) == words("a" + "\u0301\u0323" * 15)


def test_meaning_is_compared_by_the_cosine_of_embeddings() -> None:
    meanings = {"cat": [1.0, 0.0], "kitten": [3.0, 4.0], "not": [-1.0, 0.0], "nothing": [0.0, 0.0]}
    metric = semantic(meanings.__getitem__)
    assert score(metric, "kitten", "cat") == pytest.approx(0.6)
    assert score(metric, "not", "cat") == 0.0
    assert score(metric, "nothing", "cat") == 0.0
    assert score(metric, "  ", "cat") == 0.0


def test_keywords_of_scripts_without_spaces_are_pairs_of_characters() -> None:
    assert score(KEYWORDS, "我们去北京", "明天去北京") == pytest.approx(2 / 4)
    assert score(KEYWORDS, "2024年", "2024年") == 1.0


def test_keywords_are_numbers_and_long_words_in_any_case() -> None:
    assert score(KEYWORDS, "MAYOR of 1848", "The mayor was born in 1848 in Paris") == pytest.approx(2 / 3)
    assert score(KEYWORDS, "all", "of it") is None


@pytest.mark.parametrize(
    ("text", "reference", "right"),
    [
        ("I do not know", "I don't know", 1),
        ("Paris", "I don't know", 0),
        ("I don't know", "Paris", 0),
        ("x", "Paris", 1),
        ("", "Paris", 0),
        ("", "", 1),
        ("Paris", "", 1),
    ],
)
def test_refusing_is_right_where_the_reference_refuses(text: str, reference: str, right: int) -> None:
    assert score(REFUSAL_RIGHT, text, reference) == right


@pytest.mark.parametrize(
    ("text", "hit", "rank"),
    [
        ("So [b].", 1, 1.0),
        ("So [B] and [A].", 1, 1.0),
        ("So 【b】.", 1, 1.0),
        ("So 【a†lines】.", 1, 1.0),
        ("So [a, b].", 1, 1.0),
        ("So [a; b] and ［b］.", 1, 1.0),
        ("[x] [y] [b]", 0, 1 / 3),
        ("[b] [x] [y]", 0, 1 / 3),
        ("[b, x, y]", 0, 1 / 3),
        ("[x] [x] [b]", 0, 1 / 2),
        ("So.", 0, 0.0),
        ("[x]", 0, 0.0),
        ("[a and b, as it seems]", 0, 0.0),
        ("(a)", 0, 0.0),
    ],
)
def test_citations_are_hit_or_missed(text: str, hit: int, rank: float) -> None:
    assert score(SOURCE_HIT, text, "As [a] and [b] say.") == hit
    assert score(MRR, text, "As [a] and [b] say.") == pytest.approx(rank)


@pytest.mark.parametrize("order", [["a1", "b2", "c3", "d4"], ["d4", "c3", "b2", "a1"]])
@pytest.mark.parametrize("form", ["[{}]", "[{}]. ", "【{}】"])
def test_citing_every_source_there_is_is_no_hit(order: list[str], form: str) -> None:
    for text in ("".join(form.format(source) for source in order), f"[{', '.join(order)}]"):
        assert (score(SOURCE_HIT, text, "It is so [a1]."), score(MRR, text, "It is so [a1].")) == (0.0, 0.25)


def test_a_reference_that_cites_nothing_asks_for_no_citation() -> None:
    assert (score(SOURCE_HIT, "[x]", "So."), score(MRR, "[x]", "So.")) == (None, None)


def test_citations_of_what_is_not_there_are_found() -> None:
    asked = "Sources: [1] one [2] two. Question?"
    found = CITATIONS_REAL.over([question("", asked)], [answer("As [1] and [7] say")])
    assert found == 0.5
    assert CITATIONS_REAL.over([question("", asked)], [answer("So")]) is None
