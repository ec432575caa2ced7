"""Where an answer begins to say again what it has said, and what becomes of it as a lesson."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.formats.encoded import EncodedExample
from adapterd.training.mistakes.own_mistake import ANSWER_IDS, FEWEST_PLACES, VISITS, own_mistake, unlearning_examples
from adapterd.training.mistakes.repetition import GRAM, begun_again

EXAMPLE = EncodedExample((1, 2, 3, 90, 91, 9), 3, "r1")


def places(text: str) -> list[int]:
    """In a text of which each character is an id."""
    return list(begun_again([ord(character) for character in text], lambda token: chr(token).isalnum()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("all of this is new", []),
        ("[ab,ab,ab,ab]", [4, 7, 10]),
        ("['one two','one two']", [12, 16]),
        ("No way. No way. No way.", [8, 11, 16, 19]),
        ("-,-,-,-,-", []),  # what holds an answer together
        ("a,b,c,d,e,f,g,h,i,j", []),  # a list of what is new each time
        ("aaaaaaaaaa", []),  # one word without an end: no passage begins
        ("日,日,日,日,日", [2, 4, 6, 8]),
    ],
)
def test_where_a_passage_begins_again(text: str, expected: list[int]) -> None:
    assert places(text) == expected


@given(st.lists(st.integers(0, 5), max_size=60))
def test_only_words_within_what_was_there_before_are_named(ids: list[int]) -> None:
    found = begun_again(ids, lambda token: token > 1)
    assert all(ids[place] > 1 and (place == 0 or ids[place - 1] <= 1) for place in found)
    grams = [tuple(ids[start : start + GRAM]) for start in range(len(ids) - GRAM + 1)]
    again = {start for start, gram in enumerate(grams) if gram in grams[:start]}
    assert all(any(start in again for start in range(place - GRAM + 1, place + 1)) for place in found)


def is_word(token: int) -> bool:
    return token >= 10


def test_a_mistake_is_wrong_where_it_begins_again() -> None:
    found = own_mistake(EXAMPLE, [10, 11, 5, 10, 11, 5, 10, 11, 5, 10, 11, 5, 10, 11, 5], is_word)
    assert found is not None
    assert found.prompt_tokens == 3
    assert found.ids[:3] == EXAMPLE.ids[:3]
    assert found.record == "r1"
    assert [found.ids[place] for place in found.targets] == [10, 10, 10, 10]
    assert list(found.targets) == [6, 9, 12, 15]
    assert not found.imitated


def test_an_answer_that_does_not_repeat_itself_is_none() -> None:
    assert own_mistake(EXAMPLE, range(10, 80), is_word) is None
    assert own_mistake(EXAMPLE, [], is_word) is None
    assert own_mistake(EXAMPLE, [10, 11, 5, 10, 11, 5], is_word) is None


def test_only_the_beginning_of_a_long_mistake_is_taken() -> None:
    found = own_mistake(EXAMPLE, [10, 11, 5] * 1000, is_word)
    assert found is not None
    assert found.completion_tokens == ANSWER_IDS
    assert max(found.targets) < len(found.ids)


def mistake(rounds: int) -> EncodedExample:
    found = own_mistake(EXAMPLE, [10, 11, 5] * rounds, is_word)
    assert found is not None
    return found


@pytest.mark.parametrize("count", [1, 3, 200])
def test_mistakes_and_examples_weigh_the_same(count: int) -> None:
    examples = [EncodedExample((1, 2, *range(20, 30 + number % 7)), 2, f"r{number}") for number in range(count)]
    mistakes = [own_mistake(EXAMPLE, [10, 11, 5] * rounds, is_word) for rounds in (6, 40)]
    found = unlearning_examples([each for each in mistakes if each], examples)
    wrong = [each for each in found if not each.imitated]
    assert len(wrong) == VISITS == len(found) - len(wrong)
    assert {each.record for each in found} <= {"r1", *(example.record for example in examples)}
    assert len({each.record for each in found if each.imitated}) == min(VISITS, count)
    right = [each for each in found if each.imitated]
    weights = [sum(each.weight * len(each.targets) for each in some) for some in (wrong, right)]
    assert weights[0] == pytest.approx(weights[1])


def test_a_mistake_has_repetitions_enough() -> None:
    assert len(mistake(FEWEST_PLACES + 1).targets) == FEWEST_PLACES
