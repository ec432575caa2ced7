"""Examples and preference pairs as token ids: written by the dataset stage, read by training, merging and serving."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapterd.formats.json_files import read_json_lines, require_fields, write_json_lines

TRAIN, VALIDATION = "train.jsonl", "validation.jsonl"
REPLAY = "replay.jsonl"
"""Examples of general prompts, some of which belong to the training set of each epoch; there may be no such file."""
TAUGHT_BY_GENERAL = 4
"""Examples of feedback for each of a general prompt in an epoch."""
PAIRS, VALIDATION_PAIRS = "pairs.jsonl", "validation_pairs.jsonl"


def general_per_epoch(taught: int) -> int:
    """How many general examples an epoch has beside so many of feedback, where there are as many."""
    return math.ceil(taught / TAUGHT_BY_GENERAL)


@dataclass(frozen=True)
class EncodedExample:
    """`ids` are prompt, completion and end of turn; the first `prompt_tokens` of them carry no loss.

    `record` is the content hash of the feedback record, `output_type` the task within the model's task if the feedback
    names one, `weight` the factor of the example's loss in training. Raises ValueError where no loss would be left.
    """

    ids: tuple[int, ...]
    prompt_tokens: int
    record: str
    output_type: str | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.prompt_tokens < len(self.ids):
            raise ValueError(f"{self.prompt_tokens} prompt tokens of {len(self.ids)} leave nothing to learn from")
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise ValueError(f"its weight is {self.weight}, not a number above 0")

    @property
    def completion_tokens(self) -> int:
        """How many ids follow the prompt, the end of turn among them."""
        return len(self.ids) - self.prompt_tokens

    @property
    def targets(self) -> Sequence[int]:
        """The places of the ids that carry loss: of an example that is imitated, all that follow the prompt."""
        return range(self.prompt_tokens, len(self.ids))

    @property
    def imitated(self) -> bool:
        """Whether its targets are to be said; of an own mistake they are not."""
        return True

    @property
    def completion(self) -> range:
        """The positions whose next id carries loss."""
        return range(self.prompt_tokens - 1, len(self.ids) - 1)


@dataclass(frozen=True)
class EncodedPair:
    """Two answers to one prompt, the preferred one first; both are ids of prompt, completion and end of turn.

    `imitate` says whether the preferred one is an example, too: one that is only less bad is none.
    Raises ValueError where a completion is empty.
    """

    chosen: tuple[int, ...]
    rejected: tuple[int, ...]
    prompt_tokens: int
    record: str
    imitate: bool = True

    def __post_init__(self) -> None:
        self.examples()

    def examples(self) -> tuple[EncodedExample, EncodedExample]:
        """The chosen and the rejected answer as examples."""
        return (
            EncodedExample(self.chosen, self.prompt_tokens, self.record),
            EncodedExample(self.rejected, self.prompt_tokens, self.record),
        )


def write_encoded(rows: Iterable[EncodedExample] | Iterable[EncodedPair]) -> str:
    """The text of a file of encoded examples, or of pairs: one JSON object a line."""
    return write_json_lines(map(_fields, rows))


def _fields(row: EncodedExample | EncodedPair) -> dict[str, Any]:
    """The fields of a row; of `imitate` there is nothing where it is true, as in earlier releases."""
    return {name: value for name, value in vars(row).items() if (name, value) != ("imitate", True)}


def read_examples(path: Path) -> Iterator[EncodedExample]:
    """The examples of a file; raises InputError naming the file and the line that is at fault."""
    return read_json_lines(path, _example, "an example")


def read_pairs(path: Path) -> Iterator[EncodedPair]:
    """The pairs of a file, none where there is no file; raises InputError naming the file and the line at fault."""
    if path.exists():
        yield from read_json_lines(path, _pair, "a pair")


def _example(fields: dict[str, Any]) -> EncodedExample:
    require_fields(fields, ("ids", "prompt_tokens", "record"), ("output_type", "weight"))
    return EncodedExample(
        ids=tuple(map(int, fields["ids"])),
        prompt_tokens=int(fields["prompt_tokens"]),
        record=str(fields["record"]),
        output_type=fields.get("output_type"),
        weight=float(fields.get("weight", 1.0)),
    )


def _pair(fields: dict[str, Any]) -> EncodedPair:
    require_fields(fields, ("chosen", "rejected", "prompt_tokens", "record"), ("imitate",))
    chosen, rejected = (tuple(map(int, fields[name])) for name in ("chosen", "rejected"))
    return EncodedPair(
        chosen, rejected, int(fields["prompt_tokens"]), str(fields["record"]), bool(fields.get("imitate", True))
    )
