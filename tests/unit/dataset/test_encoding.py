"""Examples become the ids that are served: prompt, completion, and the token that ends a turn."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.chat import Message, Role
from adapterd.dataset.encoding import TokenStatistics, encode, end_of_turn, statistics
from adapterd.dataset.examples import Example
from adapterd.formats.encoded import EncodedExample
from tests.unit.dataset.letter_tokenizer import END, TEXT_END, LetterTokenizer, letters, render

TOKENIZER = LetterTokenizer()
PROMPT = (Message(Role.SYSTEM, "Be short."), Message(Role.USER, "Why?"))
TEXT = st.text(st.sampled_from("aü <>end"), max_size=20)


def example(completion: str, prompt: tuple[Message, ...] = PROMPT) -> Example:
    return Example(prompt, completion, "record", "prompt", datetime(2026, 1, 1, tzinfo=UTC))


def encoded(completion: str, prompt: tuple[Message, ...] = PROMPT) -> EncodedExample:
    (only,) = encode([example(completion, prompt)], render, TOKENIZER, END)
    return only


@given(TEXT, TEXT)
def test_an_example_is_the_served_prompt_the_answer_and_the_end_of_the_turn(question: str, answer: str) -> None:
    prompt = (Message(Role.USER, question),)
    made = encoded(answer, prompt)
    served = TOKENIZER.encode_prompt(render(prompt))
    assert made.ids == (*served, *letters(answer), END)
    assert made.prompt_tokens == len(served)
    assert made.completion_tokens == len(answer) + 1
    assert made.record == "record"


def test_an_answer_that_quotes_a_control_token_is_encoded_as_letters() -> None:
    assert encoded("<end>").ids.count(END) == encoded("").ids.count(END)


def test_examples_are_encoded_one_after_the_other_in_their_order() -> None:
    made = encode([example("a"), example("bb")], render, TOKENIZER, END)
    assert next(made).completion_tokens == 2
    assert next(made).completion_tokens == 3


def test_the_end_of_a_turn_is_what_the_template_puts_behind_an_answer() -> None:
    assert end_of_turn(render, TOKENIZER) == END


@pytest.mark.parametrize("gap", ["", " ", "\n\n"])
def test_white_space_before_the_end_of_a_turn_does_not_hide_it(gap: str) -> None:
    assert end_of_turn(lambda messages: "".join(f"{m.content}{gap}<end>" for m in messages), TOKENIZER) == END


def test_the_end_that_comes_first_behind_the_answer_counts() -> None:
    assert (
        end_of_turn(lambda messages: f"<text-end>{messages[1].content}<end>{messages[2].content}<text-end>", TOKENIZER)
        == END
    )


@pytest.mark.parametrize(
    "template",
    [
        lambda messages: "".join(f"{m.role}: {m.content}\n" for m in messages),
        lambda messages: f"{messages[-1].content}<end>",
        lambda messages: f"<end>{messages[0].content}<end>{messages[1].content}",
        lambda messages: "",
    ],
    ids=["no control tokens", "only the last turn", "nothing behind the answer", "nothing at all"],
)
def test_without_an_end_in_the_template_the_metadata_name_it(
    template: Callable[[Sequence[Message]], str],
) -> None:
    assert end_of_turn(template, TOKENIZER) == TEXT_END


def test_the_probe_is_a_conversation_that_a_template_accepts() -> None:
    seen: list[Sequence[Message]] = []

    def strict(messages: Sequence[Message]) -> str:
        seen.append(messages)
        return render(messages)

    end_of_turn(strict, TOKENIZER)
    assert [message.role for message in seen[0]] == [Role.USER, Role.ASSISTANT, Role.USER]
    assert all(message.content.strip() for message in seen[0])


def test_statistics_are_of_the_examples_that_are_kept() -> None:
    kept = [EncodedExample((1,) * 10, 4, "a"), EncodedExample((1,) * 20, 6, "b"), EncodedExample((1,) * 30, 20, "c")]
    assert statistics(kept, 2) == TokenStatistics(
        examples=3, too_long=2, prompt_median=6, prompt_max=20, completion_median=10, completion_max=14, total=60
    )


def test_an_empty_set_has_statistics_too() -> None:
    assert statistics([], 1) == TokenStatistics(0, 1, 0, 0, 0, 0, 0)
