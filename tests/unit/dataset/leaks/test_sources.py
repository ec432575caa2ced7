"""What counts once: sources, conversations, near-duplicates and what hangs together by several of them."""

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.chat import Message, Role
from adapterd.dataset.cases import EvaluationCase
from adapterd.dataset.leaks.sources import count_of_sources, sources_of

WORDS = [f"w{number}" for number in range(4000)]


def text(number: int, changes: int = 0) -> str:
    """Sixty words, of which as many, from the first on, are others."""
    words = random.Random(number).choices(WORDS, k=60)
    return " ".join([*(f"changed{place}" for place in range(changes)), *words[changes:]])


def case(name: str, prompt: str, source: str | None = None, conversation: str | None = None) -> EvaluationCase:
    return EvaluationCase(name, (Message(Role.USER, prompt),), "answer", f"r{name}", source, conversation)


def test_a_case_that_is_like_no_other_counts_for_itself() -> None:
    cases = [case(str(number), text(number)) for number in range(30)]
    assert sources_of(cases) == [None] * 30
    assert count_of_sources(cases) == 30


def test_near_duplicates_count_once_whatever_their_sources() -> None:
    cases = [case("a", text(1), "s1"), case("b", text(2)), case("c", text(1, changes=2), "s2"), case("d", text(3))]
    assert sources_of(cases) == ["s1", None, "s1", None]
    assert count_of_sources(cases) == 3


def test_what_is_near_what_is_near_counts_with_it() -> None:
    """The first and the last are not alike: sixteen words of sixty are others."""
    chain = [case(str(changes), text(1, changes)) for changes in (0, 8, 16)]
    assert sources_of([chain[0], chain[2]]) == [None, None]
    assert len({*sources_of(chain)}) == 1
    assert count_of_sources(chain) == 1


def test_near_duplicates_join_two_sources() -> None:
    cases = [case("a", text(1), "s1"), case("b", text(2), "s1"), case("c", text(2, changes=1), "s2"),
             case("d", text(3), "s2")]  # fmt: skip
    assert sources_of(cases) == ["s1"] * 4


def test_turns_of_one_conversation_count_once() -> None:
    cases = [case("a", text(1), conversation="talk"), case("b", text(2), conversation="talk"), case("c", text(3))]
    assert count_of_sources(cases) == 2


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=25), st.randoms())
def test_how_many_sources_there_are_does_not_depend_on_the_order(
    drawn: list[tuple[int, int]], chance: random.Random
) -> None:
    cases = [case(str(place), text(number, changes)) for place, (number, changes) in enumerate(drawn)]
    shuffled = chance.sample(cases, len(cases))
    assert count_of_sources(cases) == count_of_sources(shuffled) == len({number for number, _ in drawn})


def test_a_case_that_comes_later_leaves_the_names_of_others() -> None:
    cases = [case(str(number), text(number), f"s{number}" if number % 2 else None) for number in range(10)]
    more = [*cases, replace(case("new", text(3, changes=2)), source_id="another")]
    assert sources_of(more) == [*sources_of(cases), "s3"]
