"""Which prompts have material, and which fields of JSON answers are made of it."""

from typing import Any

import pytest

from adapterd.evaluation.metrics.grounding.checked import check, ground_of
from adapterd.evaluation.metrics.grounding.material import MANY, MATERIAL, choices, free_fields, has_material


def test_a_prompt_has_material_from_so_many_words_on() -> None:
    assert has_material(["word " * (MATERIAL - 1), "word"])
    assert not has_material(["word " * (MATERIAL - 1)])
    assert not has_material([])


@pytest.mark.parametrize(("missing", "is_free"), [(5, True), (2, True), (1, False), (0, False)])
def test_a_field_that_is_often_not_in_the_texts_is_free(missing: int, is_free: bool) -> None:
    ground = ground_of(("Grace Whitfield paid 12,000 dollars.",))
    values = [7341] * missing + [12000] * (MANY - missing)
    answers = [check(f'{{"paid": {value}, "who": "Grace Whitfield"}}', ground) for value in values]
    assert free_fields(answers) == ({"paid"} if is_free else set())
    assert free_fields(answers[: MANY - 1]) == set()


@pytest.mark.parametrize(
    ("schema", "texts"),
    [
        ({"properties": {"a": {"enum": ["x", 5, None]}, "b": {"items": [{"const": "y"}]}}}, {"x", "y"}),
        ({"enum": 5, "const": ["z"]}, set()),
        ("text", set()),
        (None, set()),
        ([{"enum": "xy"}], set()),
    ],
)
def test_texts_that_a_schema_lets_an_answer_choose_are_found_in_any_schema(schema: Any, texts: set[str]) -> None:
    assert set(choices(schema)) == texts
