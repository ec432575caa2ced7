"""The examples of a merge: which are chosen, and how they are batched."""

import mlx.core as mx
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adapterd.formats.encoded import EncodedExample
from adapterd.merging.examples import PROMPT_WEIGHT, MergeExamples, batches, sample_evenly
from tests.support.tiny_adapter import few_words

SHORT, LONG = EncodedExample((5, 6, 7), 1, "short"), EncodedExample((1, 2, 3, 4, 8), 3, "long")
EXAMPLES = st.lists(
    st.integers(2, 30).flatmap(
        lambda length: st.builds(EncodedExample, st.just(range(length)), st.integers(1, length - 1), st.just("record"))
    )
)


def test_completion_is_the_positions_before_the_completions_ids() -> None:
    assert [LONG.ids[position + 1] for position in LONG.completion] == [4, 8]
    assert list(SHORT.completion) == [0, 1]


def test_split_holds_out_every_tenth_example() -> None:
    examples = few_words(25)
    chosen = MergeExamples.split(examples)
    assert list(chosen.held_out) == [examples[0], examples[10], examples[20]]
    assert [*chosen.train, *chosen.held_out] == [*examples[1:10], *examples[11:20], *examples[21:], *chosen.held_out]


def test_split_of_a_single_example_holds_it_out() -> None:
    assert MergeExamples.split(few_words(1)) == MergeExamples([], few_words(1))
    assert MergeExamples.split([]) == MergeExamples([], [])


def test_sample_is_evenly_spaced() -> None:
    examples = few_words(100, length=10)
    chosen = sample_evenly(examples, tokens=100)
    assert [examples.index(each) for each in chosen] == list(range(0, 100, 10))


def test_sample_of_few_examples_is_all_of_them() -> None:
    examples = few_words(5)
    assert sample_evenly(examples, tokens=10_000) == sample_evenly(examples, tokens=0, at_least=9) == examples
    assert sample_evenly([], tokens=100) == []


@given(EXAMPLES, st.integers(0, 500), st.integers(1, 5))
def test_sample_has_no_example_twice_and_about_the_wanted_tokens(
    examples: list[EncodedExample], tokens: int, at_least: int
) -> None:
    numbered = [
        EncodedExample((number, *each.ids), each.prompt_tokens, each.record) for number, each in enumerate(examples)
    ]
    chosen = [each.ids[0] for each in sample_evenly(numbered, tokens=tokens, at_least=at_least)]
    assert chosen == sorted(set(chosen))
    total = sum(len(each.ids) for each in numbered)
    assert len(chosen) >= min(len(examples), at_least)
    assert len(chosen) <= max(at_least, len(examples) * tokens / max(1, total))


def test_batch_has_padded_ids_without_the_last_one() -> None:
    (batch,) = batches([LONG, SHORT], tokens=100)
    assert batch.ids.tolist() == [[5, 6, 0, 0], [1, 2, 3, 4]]
    assert batch.completion.tolist() == [0, 1, 4 + 2, 4 + 3]
    weights: list[list[float]] = [[1, 1, 0, 0], [PROMPT_WEIGHT, PROMPT_WEIGHT, 1, 1]]
    np.testing.assert_allclose(np.array(batch.weights), weights)


def test_of_completion_selects_the_completion_positions() -> None:
    (batch,) = batches([LONG, SHORT], tokens=100)
    states = mx.arange(2 * 4 * 3).reshape(2, 4, 3)
    wanted = np.array(states)[[0, 0, 1, 1], [0, 1, 2, 3]]
    np.testing.assert_array_equal(np.array(batch.of_completion(states)), wanted)


@given(EXAMPLES, st.integers(1, 60))
def test_batches_hold_every_example_once_and_few_ids(examples: list[EncodedExample], tokens: int) -> None:
    found = list(batches(examples, tokens=tokens))
    assert sum(batch.ids.shape[0] for batch in found) == len(examples)
    assert sum(batch.completion.size for batch in found) == sum(len(each.completion) for each in examples)
    assert all(batch.ids.shape[0] == 1 or batch.ids.size <= tokens for batch in found)
    widths = [batch.ids.shape[1] for batch in found]
    assert widths == sorted(widths)
