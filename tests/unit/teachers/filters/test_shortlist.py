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


def test_others_are_not() -> None:
    assert Shortlist(KNOWN).near([prompt("How many cups of flour are in a pound of bread?")]) == [[]]
    assert Shortlist([]).near([prompt("x")]) == [[]]


def test_among_prompts_the_earlier_one_stands_second() -> None:
    assert list(near_among([KNOWN[0], KNOWN[8], prompt(f"{KNOWN[0][0].content}!")])) == [(2, 0)]
