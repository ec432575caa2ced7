"""The child of the merging bench: `python -m bench.merge_once BASE ADAPTER CANDIDATE EXAMPLES [STEPS]` merges once."""

import sys
from pathlib import Path

import numpy as np

from adapterd.formats.encoded import EncodedExample
from adapterd.merging.examples import MergeExamples
from adapterd.merging.merge import STEPS, merge

PROMPT, COMPLETION = 150, 50
LAST_TOKEN = 40_000


def main() -> None:
    """Merge, calibrated with so many examples and distilled for so many steps; without examples, round plainly."""
    base, adapter, candidate = map(Path, sys.argv[1:4])
    count, *steps = map(int, sys.argv[4:])
    merge(base, adapter, candidate, examples=MergeExamples(train=examples(count)), steps=steps[0] if steps else STEPS)


def examples(count: int) -> list[EncodedExample]:
    """Random ids, for only time is measured."""
    rows = np.random.default_rng(0).integers(100, LAST_TOKEN, (count, PROMPT + COMPLETION))
    return [EncodedExample(tuple(row), PROMPT, str(number)) for number, row in enumerate(rows.tolist())]


if __name__ == "__main__":
    main()
