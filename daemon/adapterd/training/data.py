"""Examples from a dataset folder, and the batches a training step takes."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx
import numpy as np

from adapterd.errors import InputError, NotEnoughDataError

TRAIN, VALIDATION = "train.jsonl", "validation.jsonl"
_WINDOW_BATCHES = 16


@dataclass(frozen=True)
class Example:
    """A prompt and the completion to learn, as one row of ids; `record` is the hash of the feedback record."""

    ids: tuple[int, ...]
    prompt_tokens: int
    record: str

    def __post_init__(self) -> None:
        if not 1 <= self.prompt_tokens < len(self.ids):
            raise ValueError(f"{self.prompt_tokens} prompt tokens of {len(self.ids)} leave nothing to learn from")


@dataclass(frozen=True)
class Dataset:
    """The two sets of one training; `validation` may be empty."""

    train: tuple[Example, ...]
    validation: tuple[Example, ...]

    @classmethod
    def load(cls, folder: Path) -> "Dataset":
        """Read both files; raises InputError naming the line at fault, NotEnoughDataError for an empty train set."""
        train, validation = (tuple(_read(folder / name)) for name in (TRAIN, VALIDATION))
        if not train:
            raise NotEnoughDataError(f"{folder / TRAIN} has no examples")
        return cls(train, validation)


@dataclass(frozen=True)
class Batch:
    """Examples side by side, padded to the longest, and where in them there is loss.

    `inputs` are ids (examples, positions), int32; `positions` index the flattened inputs at each id whose successor
    is learned, and `targets` are those successors. `tokens` counts ids without padding.
    """

    inputs: mx.array
    positions: mx.array
    targets: mx.array
    tokens: int
    records: tuple[str, ...]

    @classmethod
    def of(cls, examples: Sequence[Example]) -> "Batch":
        """Padding stands behind the ids, where causal attention keeps it from having any effect."""
        width = max(len(example.ids) for example in examples) - 1
        inputs = np.zeros((len(examples), width), np.int32)
        positions: list[int] = []
        targets: list[int] = []
        for row, example in enumerate(examples):
            inputs[row, : len(example.ids) - 1] = example.ids[:-1]
            positions += range(row * width + example.prompt_tokens - 1, row * width + len(example.ids) - 1)
            targets += example.ids[example.prompt_tokens :]
        return cls(
            inputs=mx.array(inputs),
            positions=mx.array(positions, mx.int32),
            targets=mx.array(targets, mx.int32),
            tokens=sum(len(example.ids) for example in examples),
            records=tuple(example.record for example in examples),
        )


def training_batches(
    examples: Sequence[Example], size: int, *, seed: int, epoch: int, skip: int = 0
) -> Iterator[Batch]:
    """Each example once, in an order that depends on seed and epoch only; one batch may be short.

    Within windows of some batches, examples of similar length go together, so that little is padding. The first `skip`
    batches are left out.
    """
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(examples)).tolist()
    window = size * _WINDOW_BATCHES
    groups: list[list[int]] = []
    for start in range(0, len(order), window):
        near = sorted(order[start : start + window], key=lambda index: len(examples[index].ids))
        groups += _chunks(near, size)
    for index in random.permutation(len(groups))[skip:]:
        yield Batch.of([examples[i] for i in groups[index]])


def validation_batches(examples: Sequence[Example], size: int) -> Iterator[Batch]:
    """Each example once, shortest first."""
    order = sorted(range(len(examples)), key=lambda index: len(examples[index].ids))
    for chunk in _chunks(order, size):
        yield Batch.of([examples[index] for index in chunk])


def _chunks(items: list[int], size: int) -> list[list[int]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _read(path: Path) -> Iterator[Example]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path} cannot be read: {exc}") from exc
    for number, line in enumerate(lines, start=1):
        try:
            fields = json.loads(line)
            yield Example(tuple(map(int, fields["ids"])), int(fields["prompt_tokens"]), str(fields["record"]))
        except (ValueError, KeyError, TypeError) as exc:
            raise InputError(f"{path} line {number} is not an example: {exc}") from exc
