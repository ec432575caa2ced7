"""Documents cut into passages, and passages that belong together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.teachers.documents.passages import FEWEST_CHARACTERS, Passage, passages, together
from adapterd.teachers.documents.reading import Document

LONG = "A sentence of some words that says a little more than nothing at all. " * 3


def words(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize("text", [LONG, f"{LONG}\n\n{LONG}\n \n{LONG}", LONG.replace(". ", " "), LONG.replace(" ", "")])
@pytest.mark.parametrize("most", [30, 64, 1000])
def test_no_passage_is_too_long_and_no_word_is_lost(text: str, most: int) -> None:
    found = list(passages(Document("d", text), words, most))
    assert all(words(each.text) <= most for each in found)
    left = len("".join(text.split())) - sum(len("".join(each.text.split())) for each in found)
    assert 0 <= left < FEWEST_CHARACTERS  # the end of a document may be too short to ask anything of it


@given(st.text(alphabet="ab. \n", max_size=600), st.integers(5, 60))
def test_any_text_is_cut(text: str, most: int) -> None:
    for each in passages(Document("d", text), len, most):
        assert len(each.text) >= FEWEST_CHARACTERS or each.source_id == "d"
        assert "".join(each.text.split()) in "".join(text.split())


def test_cut_is_where_paragraphs_end() -> None:
    found = [each.text for each in passages(Document("d", f"{LONG}\n\n{LONG}\n\n{LONG}"), words, 90)]
    assert found == [f"{LONG.strip()}\n\n{LONG.strip()}", LONG.strip()]


def test_passages_of_two_documents_that_share_rare_words_belong_together() -> None:
    one = Passage("a", "a", "The library in Ulm opens at nine and is closed on Sundays.")
    other = Passage("b.1", "b", "Members of the library in Ulm pay nothing.")
    alone = Passage("c", "c", "Tomatoes want sun, water and a stick.")
    same = Passage("b.2", "b", "The members and the library in Ulm again, nothing else to pay.")
    assert together([one, other, alone], 5) == [(one, other)]
    assert together([other, same], 5) == []
    assert together([], 5) == []
    assert len(together([one, other, alone, same], 1)) == 1


def test_words_of_many_passages_pair_none_of_them() -> None:
    """Of thousands of passages all pairs that share a word would be millions."""
    listed = [Passage(str(number), str(number), f"Library place{number % 30}") for number in range(3_000)]
    assert together(listed, len(listed)) == []
