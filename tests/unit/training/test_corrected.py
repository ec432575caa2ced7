"""Own answers with a list that repeats an item, and what they should go on with."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.formats.encoded import EncodedExample
from adapterd.training.mistakes.corrected import corrected, corrected_text
from adapterd.training.mistakes.json_lists import lists_in
from adapterd.training.mistakes.unlearn import Unlearning
from adapterd.training.progress import TrainingResult

RIGHT = '{"score": 7, "insights": ["A b.", "C d."], "names": ["X"], "more": [], "same": [1, 1]}'
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            '{"score": 9, "insights": ["A", "Q", "A", "Q", "A',
            '{"score": 9, "insights": ["A", "Q"], "names": ["X"], "more": [], "same": [1, 1]}',
        ),
        (
            '```json\n{"insights": [], "names": [ "Y" , "Y" , "Y',
            '```json\n{"insights": [], "names": [ "Y"], "more": [], "same": [1, 1]}',
        ),
        (
            '{"insights": ["A b.", "A b.", "A b.',  # what it left out follows
            '{"insights": ["A b.", "C d."], "names": ["X"], "more": [], "same": [1, 1]}',
        ),
        (
            '{"insights": ["C d.", "C d.", "C d.',  # it is right, but not how the right answer begins
            '{"insights": ["C d."], "names": ["X"], "more": [], "same": [1, 1]}',
        ),
        (
            '{"insights": ["A b.", "C d.", "A b."',
            '{"insights": ["A b.", "C d."], "names": ["X"], "more": [], "same": [1, 1]}',
        ),
        ('{"more": [{"a": 1}, {"a": 1}, {"a"', '{"more": [{"a": 1}], "same": [1, 1]}'),
        ('{"more": [1, 1.0, "1", 1, 1', '{"more": [1, 1.0, "1"], "same": [1, 1]}'),
        ('{"insights": ["A", "B", "C", "D", "E', None),  # long, but nothing is said again
        ('{"insights": ["A A A A A A A', None),  # it goes round within one item
        ('{"same": [1, 1, 1, 1', None),  # the right answer says it again, too
        ('{"other": ["A", "A", "A', None),  # the right answer has no such list
        ('{"insights": "A", "A", "A", "A', None),
        ("A, A, A, A", None),
        ("[" * 5000, None),
        ("", None),
    ],
)
def test_an_answer_goes_on_as_the_right_one_behind_the_list(said: str, expected: str | None) -> None:
    found = corrected_text(said, RIGHT)
    assert (found and found[0]) == expected
    if found:
        text, own = found
        assert text[:own] == said[:own]
        assert set(json.loads(text[text.find("{") :])) <= {*json.loads(RIGHT)}


def test_white_space_before_the_end_of_a_list_is_that_of_the_right_answer() -> None:
    right = json.dumps({"a": ["x", "y"], "b": 1}, indent=2)
    found = corrected_text('{\n  "a": [\n    "z",\n    "z",\n    "z",', right)
    assert found is not None
    assert found[0] == '{\n  "a": [\n    "z"\n  ],\n  "b": 1\n}'


@given(values, st.sampled_from((None, 2)))
def test_every_list_of_a_text_is_found_with_its_items(value: object, indent: int | None) -> None:
    text = json.dumps({"all": value}, indent=indent)
    found = {each.path: each for each in lists_in(text)}
    assert len(found) == len(lists_in(text))
    for path, each in found.items():
        there: Any = json.loads(text)
        for part in path:
            there = there[part]
        assert [json.loads(item) for item in each.items] == there
        assert each.closed
        assert text[each.end :].lstrip()[0] == "]"


@given(values, st.floats(0, 1))
def test_a_text_that_breaks_off_has_the_items_that_are_complete(value: object, share: float) -> None:
    text = json.dumps({"all": value})
    whole = {each.path: each.items for each in lists_in(text)}
    for each in lists_in(text[: int(len(text) * share)]):
        assert each.items[:-1] == whole[each.path][: len(each.items)][:-1]  # of a number at the end a part may be there


def test_only_the_right_end_carries_loss(smollm2_path: Path) -> None:
    tokenizer = Tokenizer.open(smollm2_path)
    prompt = tuple(tokenizer.encode_prompt("Which names?"))
    right = tokenizer.encode_continuation(RIGHT)
    example = EncodedExample((*prompt, *right, tokenizer.end_of_turn_id), len(prompt), "r1")
    said = tokenizer.encode_continuation('{"score": 9, "insights": ["A b.", "Q", "A b.", "Q", "A b."')
    found = corrected(example, said, tokenizer)
    assert found is not None
    assert found.record == "r1"
    assert found.ids[-1] == tokenizer.end_of_turn_id
    own, rest = found.ids[len(prompt) : found.prompt_tokens], found.ids[found.prompt_tokens : -1]
    assert list(own) == said[: len(own)]
    text = tokenizer.text((*own, *rest))
    assert text == '{"score": 9, "insights": ["A b.", "Q"], "names": ["X"], "more": [], "same": [1, 1]}'
    assert tokenizer.text(rest).endswith('], "names": ["X"], "more": [], "same": [1, 1]}')
    assert corrected(example, right, tokenizer) is None
    assert corrected(example, [], tokenizer) is None


def test_what_has_no_right_end_is_only_unlearned(smollm2_path: Path) -> None:
    tokenizer, second = Tokenizer.open(smollm2_path), Unlearning(smollm2_path, _trains_nothing)
    prompt = tuple(tokenizer.encode_prompt("Which names?"))
    example = EncodedExample(
        (*prompt, *tokenizer.encode_continuation(RIGHT), tokenizer.end_of_turn_id), len(prompt), "r"
    )
    kinds = {
        '{"names": ["Ann", "Ann", "Ann"': True,
        "The cat sat. " * 6: False,
        '{"names": "' + "Ann, Bob, " * 6: False,
    }
    for said, is_imitated in kinds.items():
        found = second.mistake(example, tokenizer.encode_continuation(said))
        assert found is not None, said
        assert found.imitated is is_imitated, said
    assert second.mistake(example, tokenizer.encode_continuation("All of this is said once.")) is None


def _trains_nothing(*_arguments: object) -> TrainingResult:
    raise AssertionError("nothing is to be trained")
