import json
import math
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.errors import InputError, NotEnoughDataError
from adapterd.formats.encoded import EncodedExample, general_per_epoch
from adapterd.training.data import MOST_WEIGHT, CompletionBatch, Dataset, training_batches, validation_batches
from tests.unit.training.tiny_llama import random_examples


@settings(deadline=None)
@given(count=st.integers(1, 150), size=st.integers(1, 9), seed=st.integers(0, 99), epoch=st.integers(1, 5))
def test_an_epoch_has_every_example_once(count: int, size: int, seed: int, epoch: int) -> None:
    examples = random_examples(count, seed=1)
    batches = list(training_batches(examples, size, seed=seed, epoch=epoch))
    seen = Counter(record for batch in batches for record in batch.records)
    assert seen == Counter(example.record for example in examples)
    assert len(batches) == -(-count // size)
    assert sum(batch.tokens for batch in batches) == sum(len(example.ids) for example in examples)


def test_validation_has_every_example_once() -> None:
    examples = random_examples(10, seed=1)
    batches = list(validation_batches(examples, 4))
    assert [len(batch.records) for batch in batches] == [4, 4, 2]
    assert {record for batch in batches for record in batch.records} == {example.record for example in examples}


def test_the_order_depends_on_seed_and_epoch_only() -> None:
    examples = random_examples(40, seed=1)

    def order(seed: int, epoch: int) -> list[tuple[str, ...]]:
        return [batch.records for batch in training_batches(examples, 4, seed=seed, epoch=epoch)]

    assert order(3, 1) == order(3, 1)
    assert order(3, 1) != order(3, 2)
    assert order(3, 1) != order(4, 1)


def test_skipped_batches_are_the_first_of_the_order() -> None:
    examples = random_examples(40, seed=1)

    def order(skip: int) -> list[tuple[str, ...]]:
        return [batch.records for batch in training_batches(examples, 4, seed=3, epoch=1, skip=skip)]

    assert [order(skip) for skip in range(11)] == [order(0)[skip:] for skip in range(11)]


def test_a_batch_learns_completions_and_nothing_else() -> None:
    batch = CompletionBatch.of([EncodedExample((1, 2, 3, 4), 2, "a"), EncodedExample((5, 6, 7, 8, 9, 10), 5, "b")])
    np.testing.assert_array_equal(batch.inputs, [[1, 2, 3, 0, 0], [5, 6, 7, 8, 9]])
    assert batch.targets.tolist() == [3, 4, 10]
    assert batch.start == 1
    assert np.array(batch.inputs)[:, 1:].reshape(-1)[np.array(batch.positions)].tolist() == [2, 3, 9]
    assert (batch.tokens, batch.records) == (10, ("a", "b"))


def write(folder: Path, train: str, validation: str = "") -> Path:
    (folder / "train.jsonl").write_text(train)
    (folder / "validation.jsonl").write_text(validation)
    return folder


def test_a_dataset_is_read_from_its_folder(tmp_path: Path) -> None:
    line = json.dumps({"ids": [1, 2, 3], "prompt_tokens": 2, "record": "abc"}) + "\n"
    data = Dataset.load(write(tmp_path, line * 2, line))
    assert data == Dataset((EncodedExample((1, 2, 3), 2, "abc"),) * 2, (EncodedExample((1, 2, 3), 2, "abc"),))


def general_set(taught: int, general: int, weight: float) -> Dataset:
    """One as `Dataset.load` makes it."""
    train = tuple(EncodedExample((1, 2, 3), 2, f"r{number}") for number in range(taught))
    others = tuple(EncodedExample((1, 2, 3, 4), 2, f"g{number}", weight=weight) for number in range(general))
    return Dataset(train, (), others, min(general, general_per_epoch(taught)))


@pytest.mark.parametrize(("taught", "general"), [(40, 80), (36, 72), (9, 8), (1, 1), (400, 80), (40, 0), (3, 7)])
def test_each_epoch_has_the_next_general_examples(taught: int, general: int) -> None:
    data = general_set(taught, general, 0.1)
    epochs = [data.of_epoch(epoch) for epoch in range(1, 9)]
    assert {len(each) for each in epochs} == {data.per_epoch}
    assert all(each[:taught] == data.train for each in epochs)
    drawn = [example.record for each in epochs for example in each[taught:]]
    assert len(set(drawn)) == min(general, len(drawn))
    assert len(drawn) == 8 * min(general, math.ceil(taught / 4))
    for each in epochs:
        weights = [example.weight for example in each[taught:]]
        assert sum(weights) == pytest.approx(0.1 * general)  # as all of them together


def test_few_general_examples_are_not_blown_up() -> None:
    assert {each.weight for each in general_set(4, 80, 0.5).of_epoch(3)[4:]} == {MOST_WEIGHT}


def test_the_general_examples_are_read_from_their_file(tmp_path: Path) -> None:
    line = '{{"ids": [1, 2, {}], "prompt_tokens": 2, "record": "replay", "weight": 0.25}}\n'
    write(tmp_path, line.format(3) * 5)
    (tmp_path / "replay.jsonl").write_text("".join(line.format(number) for number in range(4, 9)))
    data = Dataset.load(tmp_path)
    assert (data.general_per_epoch, data.per_epoch, len(data.every)) == (2, 7, 10)
    assert [each.ids[-1] for epoch in (1, 2, 3) for each in data.of_epoch(epoch)[5:]] == [4, 5, 6, 7, 8, 4]


def test_no_training_examples_are_not_enough(tmp_path: Path) -> None:
    with pytest.raises(NotEnoughDataError, match="has no examples"):
        Dataset.load(write(tmp_path, ""))


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"ids": [1, 2], "record": "a"}',
        '{"ids": [1, 2], "prompt_tokens": 2, "record": "a"}',
        '{"ids": [1, 2], "prompt_tokens": 0, "record": "a"}',
        '{"ids": 3, "prompt_tokens": 1, "record": "a"}',
    ],
)
def test_a_line_that_is_no_example_is_named(tmp_path: Path, line: str) -> None:
    good = '{"ids": [1, 2], "prompt_tokens": 1, "record": "a"}\n'
    with pytest.raises(InputError, match=r"train\.jsonl line 2 is not an example"):
        Dataset.load(write(tmp_path, good + line))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train\.jsonl cannot be read"):
        Dataset.load(tmp_path)


@settings(deadline=None)
@given(lengths=st.lists(st.integers(2, 40), min_size=1, max_size=12), tokens=st.integers(1, 120))
def test_the_parts_of_a_batch_are_within_the_budget_and_lose_nothing(lengths: list[int], tokens: int) -> None:
    batch = CompletionBatch.of([EncodedExample(tuple(range(length)), 1, str(n)) for n, length in enumerate(lengths)])
    parts = batch.parts(tokens)
    assert [example for part in parts for example in part.examples] == list(batch.examples)
    for part in parts:
        assert len(part.examples) == 1 or len(part.examples) * max(len(e.ids) for e in part.examples) <= tokens
    for one, other in pairwise(parts):
        joined = (*one.examples, other.examples[0])
        assert len(joined) * max(len(e.ids) for e in joined) > tokens


def test_a_batch_within_the_budget_is_left_as_it_is() -> None:
    batch = CompletionBatch.of([EncodedExample((1, 2, 3, 4), 2, "a"), EncodedExample((5, 6, 7), 1, "b")])
    assert batch.parts(8) == [batch]


def sized(count: int, completion: int, *, weight: float = 1.0) -> list[EncodedExample]:
    """Examples with a completion of so many tokens."""
    ids = (*range(20), *[7] * completion)
    return [EncodedExample(ids, 20, f"{completion} {weight} {n}", weight=weight) for n in range(count)]


def share(batches: Iterable[CompletionBatch], chosen: Callable[[EncodedExample], bool]) -> float:
    """What part of all loss is that of the chosen examples, if each token has the same."""
    of_each = [
        (example, example.weight * (len(example.ids) - example.prompt_tokens) / batch.weight)
        for batch in batches
        for example in batch.examples
    ]
    return sum(part for example, part in of_each if chosen(example)) / sum(part for _, part in of_each)


@pytest.mark.parametrize("size", [1, 2, 4, 7, 16])
def test_new_examples_have_the_share_that_their_weight_says(size: int) -> None:
    """50 of 250 that count three times have 3 · 50 of 3 · 50 + 200."""
    examples = [*sized(200, 30), *sized(50, 30, weight=3.0)]
    batches = list(training_batches(examples, size, seed=0, epoch=1))
    assert share(batches, lambda example: example.weight == 3) == pytest.approx(150 / 350)
    assert sum(batch.weight for batch in batches) == pytest.approx(30 * 350), "and a step is no larger for it"


@pytest.mark.parametrize("size", [1, 4, 16])
def test_a_token_counts_the_same_whatever_batch_it_falls_into(size: int) -> None:
    examples = [*sized(100, 10), *sized(101, 200)]
    batches = list(training_batches(examples, size, seed=0, epoch=1))
    assert len({len(batch.examples) for batch in batches}) <= 2, "the last one is short"
    short = share(batches, lambda example: len(example.ids) == 30)
    assert short == pytest.approx(100 * 10 / (100 * 10 + 101 * 200))


def test_validation_looks_at_no_weights() -> None:
    examples = [*sized(5, 3, weight=9.0), *sized(4, 5)]
    batches = list(validation_batches(examples, 4))
    assert [batch.weights for batch in batches] == [None] * 3
    assert [batch.weight for batch in batches] == [batch.targets.size for batch in batches]
    assert [example.record for batch in batches for example in batch.examples] == [e.record for e in examples]
