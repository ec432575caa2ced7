"""The dataset stage: records in, a folder of encoded sets out."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from adapterd.base.tokenizer import Tokenizer
from adapterd.chat import Render
from adapterd.config import DatasetSettings
from adapterd.dataset.encoding import (
    EncodedExample,
    EncodedPair,
    TokenStatistics,
    encode,
    encode_pairs,
    end_of_turn,
    statistics,
)
from adapterd.dataset.split import EvaluationCase, content_hash, split, split_pairs
from adapterd.dataset.teaching import Example, example_of, pairs_of
from adapterd.dataset.thoughts import always
from adapterd.errors import NotEnoughDataError
from adapterd.record import FeedbackRecord
from adapterd.system.files import write_atomic

TRAIN, VALIDATION = "train.jsonl", "validation.jsonl"
PAIRS, VALIDATION_PAIRS = "pairs.jsonl", "validation_pairs.jsonl"


@dataclass(frozen=True)
class DatasetResult:
    """What was made: sizes, token statistics, and the hash that identifies the trained-on ids."""

    records: int
    train: TokenStatistics
    validation: TokenStatistics
    pairs: int
    validation_pairs: int
    duplicates: int
    held_out: int
    near_duplicates: int
    end_of_turn: int
    content_hash: str
    evaluation_cases: list[dict[str, Any]]
    evaluation_hash: str


def build_dataset(
    records: Iterable[FeedbackRecord],
    settings: DatasetSettings,
    *,
    frozen: Sequence[EvaluationCase],
    judged: AbstractSet[str],
    render: Render,
    tokenizer: Tokenizer,
    out: Path,
    old_records: int = 0,
    thinks: bool = True,
    thoughts_apart: Callable[[], bool] = always,
    report: Callable[[float], object] = lambda _: None,
) -> DatasetResult:
    """Write the sets of examples and of pairs into `out` as JSON lines; `report` gets the share done, 0…1.

    `frozen` is the evaluation set in force; if it is empty, the result's `evaluation_cases` are to be frozen now.
    An example longer than `settings.max_tokens` is left out and counted: cut short it would teach to stop early.
    The first `old_records` are not new; a model that `thinks` learns the thoughts in front of an answer, another one
    does not; `thoughts_apart` tells whether one that a prompt has opened is delivered apart from the content. Raises
    NotEnoughDataError.
    """
    everything = list(records)
    examples = [example for record in everything if (example := example_of(record, thinks=thinks))]
    sets = split(examples, settings, frozen=frozen, judged=judged)
    new = {record.content_hash for record in everything[old_records:]} if old_records else set()
    pairs = split_pairs(
        chain.from_iterable(pairs_of(record, thinks=thinks) for record in everything), sets, judged, settings
    )
    stop = end_of_turn(render, tokenizer)
    total = len(sets.train) + len(sets.validation)

    def encoded(chosen: Sequence[Example], done: int) -> tuple[list[EncodedExample], TokenStatistics]:
        kept = []
        for count, example in enumerate(encode(chosen, render, tokenizer, stop, thoughts_apart), start=done + 1):
            if len(example.ids) <= settings.max_tokens:
                kept.append(replace(example, weight=settings.new_weight) if example.record in new else example)
            report(count / total)
        return kept, statistics(kept, len(chosen) - len(kept))

    train, train_statistics = encoded(sets.train, 0)
    validation, validation_statistics = encoded(sets.validation, len(sets.train))
    if not train:
        raise NotEnoughDataError(
            f"every example is longer than {settings.max_tokens} tokens", hint="raise dataset.max_tokens"
        )
    preferred, validation_preferred = (
        [
            pair
            for pair in encode_pairs(each, render, tokenizer, stop, thoughts_apart)
            if max(len(pair.chosen), len(pair.rejected)) <= settings.max_tokens
        ]
        for each in pairs
    )
    digest = hashlib.sha256()
    files: dict[str, Sequence[EncodedExample] | Sequence[EncodedPair]] = {
        TRAIN: train, VALIDATION: validation, PAIRS: preferred, VALIDATION_PAIRS: validation_preferred,
    }  # fmt: skip
    for name, encoded_set in files.items():
        lines = "".join(json.dumps(vars(each)) + "\n" for each in encoded_set)
        write_atomic(out / name, lines)
        digest.update(lines.encode())
    return DatasetResult(
        records=len(everything),
        train=train_statistics,
        validation=validation_statistics,
        pairs=len(preferred),
        validation_pairs=len(validation_preferred),
        duplicates=sets.duplicates,
        held_out=sets.held_out,
        near_duplicates=sets.near_duplicates,
        end_of_turn=stop,
        content_hash=digest.hexdigest(),
        evaluation_cases=[case.as_dict() for case in sets.evaluation],
        evaluation_hash=content_hash(sets.evaluation),
    )
