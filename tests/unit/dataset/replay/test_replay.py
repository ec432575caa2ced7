"""General prompts with the base's own answers, beside what feedback teaches."""

import pytest

from adapterd.chat import Prompt
from adapterd.dataset.leaks.near_duplicates import near_duplicates_of
from adapterd.dataset.replay.prompts import replay_prompts
from adapterd.dataset.replay.replay import RECORD, BaseAnswer, Replay
from adapterd.dataset.thoughts import always
from adapterd.evaluation.metrics.guard import guard_items
from adapterd.formats.encoded import EncodedExample
from tests.unit.dataset.letter_tokenizer import LetterTokenizer, render

END = 1
LONGEST = 10_000


def taught(count: int, completion: int = 20) -> list[EncodedExample]:
    return [EncodedExample(tuple(range(5 + completion)), 5, f"record {n}") for n in range(count)]


def made(
    share: float,
    of: list[EncodedExample],
    *,
    longest: int = LONGEST,
    answers: dict[int, BaseAnswer] | None = None,
    epochs: int = 3,
) -> tuple[list[EncodedExample], list[Prompt]]:
    """The examples, and what was asked."""
    asked: list[Prompt] = []

    def ask(prompt: Prompt) -> BaseAnswer:
        asked.append(prompt)
        return (answers or {}).get(len(asked), BaseAnswer("Of course.", complete=True))

    found = Replay(share, ask, epochs).examples(of, render, LetterTokenizer(), END, always, longest)
    return found, asked


@pytest.mark.parametrize(
    ("count", "share", "epochs", "expected"),
    [
        (40, 0.2, 8, 80),
        (40, 0.2, 3, 30),
        (40, 0.5, 1, 10),
        (9, 0.2, 8, 24),
        (1, 0.2, 1, 1),
        (40, 0.0, 8, 0),
        (0, 0.2, 8, 0),
    ],
)
def test_as_many_as_all_epochs_have(count: int, share: float, epochs: int, expected: int) -> None:
    found, asked = made(share, taught(count), epochs=epochs)
    assert len(found) == len(asked) == expected


def test_all_of_them_together_weigh_the_share_of_the_loss() -> None:
    of = taught(40, completion=4)
    found, _ = made(0.2, of)
    general = sum(each.weight * each.completion_tokens for each in found)
    whole = general + sum(each.completion_tokens for each in of)
    assert general / whole == pytest.approx(0.2)


def test_few_prompts_are_not_blown_up_to_the_share_of_much_feedback() -> None:
    found, _ = made(0.2, taught(3000, completion=200))
    assert len(found) == len(replay_prompts())
    assert {each.weight for each in found} == {1.0}


def test_an_answer_that_was_cut_teaches_no_end_and_an_empty_or_long_one_nothing() -> None:
    answers = {1: BaseAnswer("It is", complete=False), 2: BaseAnswer(" \n", complete=True)}
    found, asked = made(0.5, taught(3), answers=answers)
    assert (len(asked), len(found)) == (3, 2)
    assert found[0].ids[-1] != END
    assert found[1].ids[-1] == END
    assert {each.record for each in found} == {RECORD}
    assert made(0.5, taught(3), longest=10)[0] == []


def test_no_general_prompt_is_in_the_guard_set_nor_nearly() -> None:
    general = replay_prompts()
    guard = [item.question.messages for item in guard_items()]
    assert not any(near_duplicates_of(general, guard))


def test_the_prompts_differ_and_the_first_are_of_every_kind() -> None:
    texts = [prompt[-1].content for prompt in replay_prompts()]
    assert len(set(texts)) == len(texts) >= 64
    assert len({text.split()[0] for text in texts[:8]}) >= 6
