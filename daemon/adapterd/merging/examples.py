"""The encoded examples that a merge is calibrated with, and its retention measured on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from adapterd.formats.encoded import EncodedExample

PROMPT_WEIGHT = 0.03
"""The weight of a prompt's positions in the Hessian, where a completion's have 1: its predictions matter most.

With GPTQ alone, the retention of a weak adapter of SmolLM2-135M Q4_1 was 43 % with weight 1, 52 % with 0.3, 59 % with
0.1 and 67 % with 0, which would ignore the inputs of prompts altogether.
"""


@dataclass(frozen=True)
class MergeExamples:
    """`train` are for calibration; `held_out`, none of which is in `train`, for measuring the retention."""

    train: Sequence[EncodedExample] = ()
    held_out: Sequence[EncodedExample] = ()

    @classmethod
    def split(cls, examples: Sequence[EncodedExample]) -> "MergeExamples":
        """Every tenth example is held out."""
        return cls([each for number, each in enumerate(examples) if number % 10], examples[::10])


@dataclass(frozen=True)
class CalibrationBatch:
    """A padded batch: `ids` (examples, positions), and `completion`, the indices of all completion positions in the
    flattened ids. Padding is at the end, where causal attention keeps it from having any effect.

    `weights` (examples, positions) are those of the positions in the Hessian.
    """

    ids: mx.array
    completion: mx.array
    weights: mx.array

    def of_completion(self, states: mx.array) -> mx.array:
        """The states (examples, positions, width) at completion positions only: (tokens, width)."""
        return states.reshape(-1, states.shape[-1])[self.completion]


def sample_evenly(examples: Sequence[EncodedExample], *, tokens: int, at_least: int = 1) -> list[EncodedExample]:
    """Evenly spaced examples with about `tokens` ids in all, and `at_least` so many of them."""
    total = sum(len(example.ids) for example in examples)
    count = min(len(examples), max(at_least, len(examples) * tokens // max(1, total)))
    return [examples[index * len(examples) // count] for index in range(count)]


def batches(examples: Sequence[EncodedExample], *, tokens: int) -> Iterator[CalibrationBatch]:
    """All examples, batched by length: each batch has up to `tokens` ids with padding, or is one longer example."""
    batch: list[EncodedExample] = []
    for example in sorted(examples, key=lambda each: len(each.ids)):
        if batch and len(example.ids) * (len(batch) + 1) > tokens:
            yield _padded(batch)
            batch = []
        batch.append(example)
    if batch:
        yield _padded(batch)


def _padded(examples: Sequence[EncodedExample]) -> CalibrationBatch:
    width = max(len(example.ids) for example in examples) - 1
    ids = np.zeros((len(examples), width), np.int32)
    weights = np.zeros((len(examples), width), np.float32)
    completion: list[int] = []
    for row, example in enumerate(examples):
        ids[row, : len(example.ids) - 1] = example.ids[:-1]
        weights[row, : len(example.ids) - 1] = PROMPT_WEIGHT
        weights[row, example.completion] = 1.0
        completion += [row * width + position for position in example.completion]
    return CalibrationBatch(mx.array(ids), mx.array(completion, mx.int32), mx.array(weights))
