"""The dataset stage: records in, a folder of encoded sets out."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapterd.base.tokenizer import Tokenizer
from adapterd.chat import Render, as_dicts
from adapterd.config import DatasetSettings
from adapterd.dataset.encoding import EncodedExample, TokenStatistics, encode, end_of_turn, statistics
from adapterd.dataset.split import EvaluationCase, content_hash, split
from adapterd.dataset.teaching import Example, PreferencePair, example_of, pairs_of
from adapterd.errors import NotEnoughDataError
from adapterd.record import FeedbackRecord
from adapterd.system.files import write_atomic

TRAIN, VALIDATION, PAIRS = "train.jsonl", "validation.jsonl", "pairs.jsonl"


@dataclass(frozen=True)
class DatasetResult:
    """What was made: sizes, token statistics, and the hash that identifies the trained-on ids."""

    records: int
    train: TokenStatistics
    validation: TokenStatistics
    pairs: int
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
    report: Callable[[float], object] = lambda _: None,
) -> DatasetResult:
    """Write train, validation and pairs into `out` as JSON lines; `report` gets the share done, 0…1.

    `frozen` is the evaluation set in force; if it is empty, the result's `evaluation_cases` are to be frozen now.
    An example longer than `settings.max_tokens` is left out and counted: cut short it would teach to stop early.
    Raises NotEnoughDataError.
    """
    everything = list(records)
    examples = [example for record in everything if (example := example_of(record))]
    sets = split(examples, settings, frozen=frozen, judged=judged)
    evaluated = judged | {case.id for case in sets.evaluation}
    pairs = [pair for record in everything for pair in pairs_of(record) if pair.prompt_hash not in evaluated]
    stop = end_of_turn(render, tokenizer)
    total = len(sets.train) + len(sets.validation)

    def encoded(chosen: Sequence[Example], done: int) -> tuple[list[EncodedExample], TokenStatistics]:
        kept = []
        for count, example in enumerate(encode(chosen, render, tokenizer, stop), start=done + 1):
            if len(example.ids) <= settings.max_tokens:
                kept.append(example)
            report(count / total)
        return kept, statistics(kept, len(chosen) - len(kept))

    train, train_statistics = encoded(sets.train, 0)
    validation, validation_statistics = encoded(sets.validation, len(sets.train))
    if not train:
        raise NotEnoughDataError(
            f"every example is longer than {settings.max_tokens} tokens", hint="raise dataset.max_tokens"
        )
    digest = hashlib.sha256()
    for name, lines in ((TRAIN, _lines(train)), (VALIDATION, _lines(validation)), (PAIRS, _pair_lines(pairs))):
        write_atomic(out / name, lines)
        digest.update(lines.encode())
    return DatasetResult(
        records=len(everything),
        train=train_statistics,
        validation=validation_statistics,
        pairs=len(pairs),
        duplicates=sets.duplicates,
        held_out=sets.held_out,
        near_duplicates=sets.near_duplicates,
        end_of_turn=stop,
        content_hash=digest.hexdigest(),
        evaluation_cases=[case.as_dict() for case in sets.evaluation],
        evaluation_hash=content_hash(sets.evaluation),
    )


def _lines(examples: Iterable[EncodedExample]) -> str:
    return "".join(json.dumps(vars(example)) + "\n" for example in examples)


def _pair_lines(pairs: Iterable[PreferencePair]) -> str:
    return "".join(
        json.dumps({**vars(pair), "messages": as_dicts(pair.messages)}, ensure_ascii=False) + "\n" for pair in pairs
    )
