"""The shortlist finds what the exact comparison with all finds."""

import pytest
from bench.leaks_texts import LANGUAGES, Language

from adapterd.dataset.leaks.near_duplicates import near_duplicates_of
from adapterd.teachers.filters.shortlist import Shortlist, near_among
from tests.unit.teachers.filters.making import prompt

KNOWN = [prompt(sentence) for language in LANGUAGES for sentence in language.sentences]


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
def test_variants_of_a_known_prompt_are_found_in_every_language(language: Language) -> None:
    changed = [prompt(f"OK: {sentence.upper()}!") for sentence in language.sentences]
    assert near_duplicates_of(changed, KNOWN) == [True] * len(changed)
    assert all(Shortlist(KNOWN).near(changed))


RIVER = "Which river of Europe is the longest and where does it rise?"
LOOK_ALIKES = {
    "latin in cyrillic": ("Какая река самая длинная и где она берёт начало?", str.maketrans("аесо", "aeco")),
    "cyrillic in latin": (RIVER, str.maketrans("aeco", "аесо")),
    "greek in latin": (RIVER, str.maketrans("oivE", "οινΕ")),
    "latin in greek": ("Ποιος ποταμός είναι ο μακρύτερος και πού πηγάζει;", str.maketrans("ον", "ov")),
}


@pytest.mark.parametrize(("sentence", "letters"), LOOK_ALIKES.values(), ids=LOOK_ALIKES)
def test_letters_of_another_script_that_look_the_same_hide_nothing(sentence: str, letters: dict[int, int]) -> None:
    typed = sentence.translate(letters)
    assert typed != sentence
    assert near_duplicates_of([prompt(typed)], [prompt(sentence)]) == [True]
    shortlist = Shortlist([prompt(sentence)])
    assert shortlist.near([prompt(typed)]) == [[0]]
    assert shortlist.within([prompt(f"Answer this in one word, please: {typed} Say only its name.")]) == [True]


def test_others_are_not() -> None:
    assert Shortlist(KNOWN).near([prompt("How many cups of flour are in a pound of bread?")]) == [[]]
    assert Shortlist([]).near([prompt("x")]) == [[]]


def test_among_prompts_the_earlier_one_stands_second() -> None:
    assert list(near_among([KNOWN[0], KNOWN[8], prompt(f"{KNOWN[0][0].content}!")])) == [(2, 0)]
