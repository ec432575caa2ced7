"""Finding texts in other texts."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.removal.texts import KEY_CHARACTERS, REMOVED, Texts, folded

LONG = st.text(min_size=KEY_CHARACTERS).filter(lambda text: len(text.strip()) >= KEY_CHARACTERS)


def test_a_long_text_is_found_and_replaced_wherever_it_stands() -> None:
    texts = Texts.of(["Jörg Müller", None, ""])
    assert texts.are_in("It was Jörg Müller, who said so.")
    assert texts.without("It was Jörg Müller, and Jörg Müller again") == f"It was {REMOVED}, and {REMOVED} again"
    assert texts.without("It was Jörg") == "It was Jörg"


def test_a_short_text_is_found_only_where_it_stands_alone() -> None:
    texts = Texts.of(["no"])
    assert texts.are_in(" no ")
    assert not texts.are_in("not now")
    assert texts.without("no") == REMOVED


def test_the_longest_text_is_taken_where_one_begins_as_another() -> None:
    texts = Texts.of(["The council", "The council met on Monday"])
    assert texts.without("The council met on Monday.") == f"{REMOVED}."


def test_names_and_values_of_plain_values_are_searched() -> None:
    texts = Texts.of(["confidential"])
    assert texts.are_in_value({"a": [{"confidential": 1}]})
    assert texts.are_in_value({"a": ["it is confidential", 2, None]})
    assert not texts.are_in_value({"a": [1, None, True]})
    assert texts.without_value({"confidential": ["x", "confidential!"]}) == {REMOVED: ["x", f"{REMOVED}!"]}


def test_no_texts_are_in_nothing() -> None:
    assert not Texts.of([]).are_in("anything")
    assert Texts.of([]).without("anything") == "anything"


@settings(max_examples=30)
@given(st.text(), LONG, st.text())
def test_a_text_is_found_between_any_others_and_gone_afterwards(before: str, text: str, after: str) -> None:
    texts = Texts.of([text])
    assert texts.are_in(before + text + after)
    assert text not in texts.without(before + text + after).split(REMOVED)


WANTED = Texts(frozenset(), (folded("Jane  DOE"),))


@pytest.mark.parametrize(
    "between",
    [
        " ",
        "\N{NO-BREAK SPACE}",
        "\n",
        " \t",
        "\N{SOFT HYPHEN} ",
        "\N{ZERO WIDTH SPACE} \N{WORD JOINER}",
        "\ufe0f ",
        " \u034f",
        "\U000e0100 ",
        "\u2800",
        "\u2028",
        "\u3164 ",
        "\x01 ",
    ],
)
def test_a_wanted_text_is_found_whatever_the_white_space_in_it(between: str) -> None:
    said = f"It was Jane{between}Doe."
    assert WANTED.are_in(said)
    assert WANTED.without(said) == f"It was {REMOVED}."


def test_white_space_around_a_wanted_text_counts() -> None:
    ann = Texts(frozenset(), (folded(" Ann "),))
    assert ann.are_in("It was ann\nagain")
    assert not ann.are_in("The annual report")
    assert not WANTED.are_in("JaneDoe")


@pytest.mark.parametrize(
    ("wanted", "said", "left"),
    [
        (" mayor", "the \n mayor said", f"the \n{REMOVED} said"), ("mayor ", "a mayor  said", f"a {REMOVED} said"),
        ("\tthe  mayor\n", "to the\nmayor.  the mayor  ", f"to the\nmayor. {REMOVED} "),
    ],
)  # fmt: skip
def test_white_space_around_a_wanted_text_goes_with_it(wanted: str, said: str, left: str) -> None:
    assert Texts(frozenset(), (folded(wanted),)).without(said) == left


def test_white_space_around_a_wanted_text_takes_no_quadratic_time() -> None:
    mayor = Texts(frozenset(), (folded(" mayor "),))
    started = time.perf_counter()
    assert mayor.without(f"{' ' * 200_000}Mayor {' ' * 200_000}") == f"{' ' * 199_999}{REMOVED}{' ' * 200_000}"
    assert time.perf_counter() - started < 5, "it takes minutes if each blank is the beginning of all the others"
