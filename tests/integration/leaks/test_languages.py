"""Variants of prompts are found in every language, and prompts of templates are left in peace."""

import pytest
from bench.leaks import false_hits, missed
from bench.leaks_texts import LANGUAGES, Language


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda each: each.code)
def test_no_variant_of_a_prompt_is_missed(language: Language) -> None:
    assert missed(language) == []


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda each: each.code)
def test_prompts_of_the_templates_of_one_language_are_no_near_duplicates(language: Language) -> None:
    found = [false_hits(templates, 101, [language]) for templates in (1, 3, 5, 7)]
    assert sum(wrong for wrong, _ in found) <= 0.01 * sum(count for _, count in found)


@pytest.mark.parametrize("templates", [1, 2, 5, 12])
def test_prompts_of_templates_in_any_language_are_no_near_duplicates(templates: int) -> None:
    wrong, count = false_hits(templates, seed=101)
    assert wrong <= 0.01 * count
