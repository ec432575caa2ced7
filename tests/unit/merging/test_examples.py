"""The examples of a merge: which are taken, and how they lie side by side."""

import json
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.errors import InputError
from adapterd.merging.examples import PROMPT_WEIGHT, Example, Samples, batches, read_examples, spread
from tests.support.tiny_adapter import few_words

SHORT, LONG = Example((5, 6, 7), 1), Example((1, 2, 3, 4, 8), 3)
EXAMPLES = st.lists(
    st.integers(2, 30).flatmap(lambda length: st.builds(Example, st.just(range(length)), st.integers(1, length - 1)))
)


def test_the_completion_is_where_the_next_id_is_the_models() -> None:
    assert [LONG.ids[position + 1] for position in LONG.completion] == [4, 8]
    assert list(SHORT.completion) == [0, 1]


@pytest.mark.parametrize("prompt_tokens", [-1, 0, 3, 4])
def test_an_example_has_a_prompt_and_a_completion(prompt_tokens: int) -> None:
    with pytest.raises(ValueError, match="leave no completion"):
        Example((5, 6, 7), prompt_tokens)


def test_examples_are_read_line_by_line(tmp_path: Path) -> None:
    rows = [{"ids": [5, 6, 7], "prompt_tokens": 1, "record": "a"}, {"ids": [1, 2, 3, 4, 8], "prompt_tokens": 3}]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_examples(tmp_path / "train.jsonl") == [SHORT, LONG]


def test_an_empty_file_has_no_examples(tmp_path: Path) -> None:
    (tmp_path / "validation.jsonl").touch()
    assert read_examples(tmp_path / "validation.jsonl") == []


@pytest.mark.parametrize(
    "text",
    [
        "not json", "[1, 2]", "7", "{}", '{"ids": [1, 2]}', '{"ids": 3, "prompt_tokens": 1}',
        '{"ids": ["one", "two"], "prompt_tokens": 1}', '{"ids": [1, 2], "prompt_tokens": "many"}',
        '{"ids": [1, 2], "prompt_tokens": 2}', '{"ids": [1, 2], "prompt_tokens": 0}',
    ],
)  # fmt: skip
def test_a_broken_file_is_refused_by_its_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "train.jsonl"
    file.write_text('{"ids": [1, 2], "prompt_tokens": 1}\n' + text + "\n")
    with pytest.raises(InputError, match=f"{file} does not hold encoded examples"):
        read_examples(file)


def test_bytes_that_are_no_text_and_missing_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_bytes(b"\xff\xfe\x00")
    for name in ("train.jsonl", "nowhere.jsonl"):
        with pytest.raises(InputError, match=name):
            read_examples(tmp_path / name)


def test_each_tenth_example_is_held_out_for_want_of_others() -> None:
    examples = few_words(25)
    divided = Samples.divided(examples)
    assert list(divided.held_out) == [examples[0], examples[10], examples[20]]
    assert [*divided.train, *divided.held_out] == [*examples[1:10], *examples[11:20], *examples[21:], *divided.held_out]


def test_a_single_example_is_held_out() -> None:
    assert Samples.divided(few_words(1)) == Samples([], few_words(1))
    assert Samples.divided([]) == Samples([], [])


def test_a_sample_is_spread_over_all_examples() -> None:
    examples = few_words(100, length=10)
    chosen = spread(examples, tokens=100)
    assert [examples.index(each) for each in chosen] == list(range(0, 100, 10))


def test_all_are_taken_where_there_are_few() -> None:
    examples = few_words(5)
    assert spread(examples, tokens=10_000) == spread(examples, tokens=0, at_least=9) == examples
    assert spread([], tokens=100) == []


@given(EXAMPLES, st.integers(0, 500), st.integers(1, 5))
def test_a_sample_has_no_example_twice_and_about_so_many_tokens(
    examples: list[Example], tokens: int, at_least: int
) -> None:
    numbered = [Example((number, *each.ids), each.prompt_tokens) for number, each in enumerate(examples)]
    chosen = [each.ids[0] for each in spread(numbered, tokens=tokens, at_least=at_least)]
    assert chosen == sorted(set(chosen))
    total = sum(len(each.ids) for each in numbered)
    assert len(chosen) >= min(len(examples), at_least)
    assert len(chosen) <= max(at_least, len(examples) * tokens / max(1, total))


def test_examples_lie_side_by_side_without_their_last_id() -> None:
    (batch,) = batches([LONG, SHORT], tokens=100)
    assert batch.ids.tolist() == [[5, 6, 0, 0], [1, 2, 3, 4]]
    assert batch.completion.tolist() == [0, 1, 4 + 2, 4 + 3]
    weights: list[list[float]] = [[1, 1, 0, 0], [PROMPT_WEIGHT, PROMPT_WEIGHT, 1, 1]]
    np.testing.assert_allclose(np.array(batch.weights), weights)


def test_of_states_those_of_completions_are_taken() -> None:
    (batch,) = batches([LONG, SHORT], tokens=100)
    states = mx.arange(2 * 4 * 3).reshape(2, 4, 3)
    wanted = np.array(states)[[0, 0, 1, 1], [0, 1, 2, 3]]
    np.testing.assert_array_equal(np.array(batch.of_completion(states)), wanted)


@given(EXAMPLES, st.integers(1, 60))
def test_batches_hold_every_example_once_and_few_ids(examples: list[Example], tokens: int) -> None:
    found = list(batches(examples, tokens=tokens))
    assert sum(batch.ids.shape[0] for batch in found) == len(examples)
    assert sum(batch.completion.size for batch in found) == sum(len(each.completion) for each in examples)
    assert all(batch.ids.shape[0] == 1 or batch.ids.size <= tokens for batch in found)
    widths = [batch.ids.shape[1] for batch in found]
    assert widths == sorted(widths)
