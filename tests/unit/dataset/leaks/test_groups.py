"""What belongs together: sources, conversations by id, and conversations by how they begin."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.chat import Message, Prompt, Role
from adapterd.dataset.leaks.conversations import Judged, given_away, gives_away
from adapterd.dataset.leaks.groups import Member, groups_of

ROLES = (Role.USER, Role.ASSISTANT)
LONG = "Meet at the mill, bring two baskets and follow the stream to the third bridge."


def prompt(*turns: str) -> Prompt:
    return tuple(Message(ROLES[place % 2], text) for place, text in enumerate(turns))


def member(*turns: str, answer: str = "Yes", source: str | None = None, conversation: str | None = None) -> Member:
    return Member(prompt(*turns), answer, source, conversation)


def test_sources_and_conversations_link_what_shares_one_or_the_other() -> None:
    members = [
        member("a", source="s"), member("b", conversation="c"), member("c", source="s", conversation="c"), member("d"),
        member("e", source="c"),
    ]  # fmt: skip
    assert groups_of(members) == [0, 0, 0, 3, 4]


def test_prompts_that_begin_with_the_same_question_are_one_conversation() -> None:
    begins = "Where shall we gather mushrooms on Sunday?"
    members = [
        member("Who sings?"),
        member(begins),
        member(begins, LONG, "And if it rains?"),
        member(f"{begins} ", "No", "Why"),
    ]
    assert groups_of(members) == [0, 1, 1, 1]


def test_equal_questions_without_an_answer_behind_one_are_no_conversation() -> None:
    assert groups_of([member("Where shall we gather mushrooms?"), member("Where shall we gather mushrooms!")]) == [0, 1]


def test_a_greeting_begins_the_same_conversation_only_with_the_same_answer() -> None:
    members = [
        member("Hello", "Good day!", "Who sings?"),
        member("Hello!", "Hi.", "Who dances?"),
        member("hello", answer="hi"),
    ]
    assert groups_of(members) == [0, 1, 1]


def test_examples_in_front_of_every_question_make_no_conversation() -> None:
    shots = ("Sort this word please: willow", "tree", "Sort this word please: trout", "fish")
    members = [member(*shots, f"Sort this word please: {word}") for word in ("oak", "pike", "elm", "carp")]
    assert groups_of(members) == [0, 1, 2, 3]


SOME = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, "s", "t"]), st.sampled_from([None, "c", "d"])))


@settings(max_examples=30)
@given(SOME)
def test_groups_hold_together_whatever_shares_a_source_or_a_conversation(
    some: Sequence[tuple[str, str | None, str | None]],
) -> None:
    members = [member(text, source=source, conversation=conversation) for text, source, conversation in some]
    numbers = groups_of(members)
    for one, of_one in zip(members, numbers, strict=True):
        for other, of_other in zip(members, numbers, strict=True):
            if (one.source and one.source == other.source) or (
                one.conversation and one.conversation == other.conversation
            ):
                assert of_one == of_other


def test_only_what_goes_on_behind_a_case_gives_it_away() -> None:
    judged = [Judged(prompt("Plan the walk", LONG, "And in rain?"), "Under the bridge")]
    asked = [
        prompt("plan the walk", LONG, "and in rain", "Under the bridge", "And in snow?"), prompt("Plan the walk"),
        prompt("Plan the feast", LONG, "And in rain?", "No", "Why?"),
    ]  # fmt: skip
    assert gives_away(asked, judged) == [True, False, False]
    assert given_away(asked, judged) == [True]


def test_a_text_with_the_reference_in_it_gives_the_case_away() -> None:
    judged = [Judged(prompt("Where do we meet?"), LONG), Judged(prompt("Label it"), "positive")]
    asked = [prompt(f"Translate: “{LONG.upper()}”"), prompt("Is it positive or negative?")]
    assert gives_away(asked, judged) == [True, False]
    assert given_away(asked, judged) == [True, False]


def test_an_answer_that_stands_in_its_own_prompt_or_in_many_is_no_secret() -> None:
    quoted = Judged(prompt(f"Which sentence names the mill? {LONG}"), LONG)
    offered = Judged(prompt("What now?"), "None of these answers can be given here, I fear")
    asked = [
        prompt(f"Count the words: {LONG}"),
        *(prompt(f"{n}? Or: none of these answers can be given here, I fear") for n in range(9)),
    ]
    assert not any(gives_away(asked, [quoted, offered]))
