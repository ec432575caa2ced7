"""What one training takes: examples and pairs, and of them a sample where not all can be prepared in time.

The layers below the adapter are computed once for each example. On a slow machine, with much feedback, that alone could
take longer than a night, so it ends when as much of `training.max_hours` is left as two epochs are about to take.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from adapterd.config import Preferences, TrainingSettings
from adapterd.formats.encoded import PAIRS, VALIDATION_PAIRS, EncodedExample, general_per_epoch
from adapterd.system.files import write_atomic
from adapterd.training.data import Dataset
from adapterd.training.hidden_state_cache import FrozenBlocks
from adapterd.training.preferences import PreferencePair, read_pairs, with_example_weights, without_chosen

LEFT_OUT = "left-out.json"
"""Beside the checkpoint: which examples a training is without, so that one that resumes takes the same."""
FEWEST = 64
"""So many are prepared however long it takes, and the general ones."""
EPOCHS, STEP = 2, 3
"""A step computes each block of the adapter forwards and backwards, three times as long as forwards alone."""


@dataclass(frozen=True)
class TrainingSets:
    """The examples of a training, and its pairs of two completions, to train on and to validate with."""

    data: Dataset
    pairs: tuple[PreferencePair, ...] = ()
    validation_pairs: tuple[PreferencePair, ...] = ()

    @classmethod
    def read(cls, folder: Path, settings: TrainingSettings) -> "TrainingSets":
        """Of a dataset folder, the examples without those that are the chosen side of a pair, and the pairs."""
        data = Dataset.load(folder)
        if settings.preferences is Preferences.OFF:
            return cls(data)
        pairs, others = (tuple(read_pairs(folder / name)) for name in (PAIRS, VALIDATION_PAIRS))
        weighted = tuple(with_example_weights(pairs, data.train))
        validation = data.validation if settings.sft_weight or not others else ()
        train = tuple(without_chosen(data.train, weighted, settings))
        return cls(replace(data, train=train, validation=validation), weighted, others)

    @property
    def has_pairs(self) -> bool:
        """Whether there is any pair."""
        return bool(self.pairs or self.validation_pairs)

    @property
    def examples(self) -> tuple[EncodedExample, ...]:
        """All examples and sides of pairs that the training may come upon."""
        return (*self.data.every, *_sides(self.pairs), *_sides(self.validation_pairs))

    @property
    def in_turn(self) -> list[EncodedExample]:
        """The same in the order in which they are prepared: the general ones, which are few and the same each night;
        one to learn and one to validate with; then all others as they come by chance. Sides of a pair go together."""
        learned, judged = (
            [*((each,) for each in examples), *((pair.chosen, pair.rejected) for pair in pairs)]
            for examples, pairs in ((self.data.train, self.pairs), (self.data.validation, self.validation_pairs))
        )
        others = [*learned[1:], *judged[1:]]
        order = np.random.default_rng(0).permutation(len(others))
        items = (*learned[:1], *judged[:1], *(others[place] for place in order))
        return [*self.data.general, *chain.from_iterable(items)]

    def only(self, has: Callable[[EncodedExample], bool]) -> "TrainingSets":
        """What is made of examples that it has."""
        train, validation, general = (
            tuple(each for each in some if has(each))
            for some in (self.data.train, self.data.validation, self.data.general)
        )
        pairs, others = (
            tuple(each for each in some if has(each.chosen) and has(each.rejected))
            for some in (self.pairs, self.validation_pairs)
        )
        return TrainingSets(
            Dataset(train, validation, general, min(len(general), general_per_epoch(len(train)))), pairs, others
        )


@dataclass(frozen=True)
class Preparation:
    """The preparation of these sets, of a training with checkpoints in `folder`, which may go on until `ends` (seconds
    of the monotonic clock)."""

    sets: TrainingSets
    folder: Path
    ends: float

    @classmethod
    def beginning(cls, sets: TrainingSets, folder: Path, hours: float, below: int, above: int) -> "Preparation":
        """Now, for a training of so many hours, with so many blocks below the adapter and so many with it."""
        return cls(sets, folder, time.monotonic() + hours * 3600 * below / (below + EPOCHS * STEP * above))

    def by(
        self, frozen: FrozenBlocks, prepare: Callable[[Sequence[EncodedExample], Callable[[int], bool]], bool]
    ) -> TrainingSets | None:
        """What was prepared of the sets; None where that could not be stored. It is the same each time."""
        turn = self.sets.in_turn
        file, of_whom = self.folder / LEFT_OUT, _digest(turn)
        known = _read(file, of_whom)
        if known is not None:
            frozen.leave_out(turn[place] for place in known)
        if not prepare(turn, self._goes_on if known is None else lambda _begun: True):
            return None
        left_out = [place for place, each in enumerate(turn) if not frozen.has(each)]
        if not left_out:
            return self.sets
        if known is None:
            write_atomic(file, json.dumps({"of": of_whom, "left_out": left_out}))
        return self.sets.only(frozen.has)

    def _goes_on(self, begun: int) -> bool:
        return begun < len(self.sets.data.general) + FEWEST or time.monotonic() < self.ends


def _sides(pairs: Sequence[PreferencePair]) -> list[EncodedExample]:
    return [side for pair in pairs for side in (pair.chosen, pair.rejected)]


def _digest(examples: Sequence[EncodedExample]) -> str:
    found = hashlib.sha256()
    for each in examples:
        found.update(np.array([len(each.ids), *each.ids], np.uint32).tobytes())
    return found.hexdigest()


def _read(file: Path, of_whom: str) -> list[int] | None:
    """The places that were left out of these examples; None where that is not known."""
    try:
        kept = json.loads(file.read_bytes())
        return [int(place) for place in kept["left_out"]] if kept["of"] == of_whom else None
    except (OSError, ValueError, TypeError, KeyError):
        return None
