"""The dataset stage: records in, a folder of encoded sets out."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.chat import Render
from adapterd.config import DatasetSettings
from adapterd.dataset.askable import NOTHING_TO_ASK, Prompts, TokenLimits, fault_of_case, fault_of_text
from adapterd.dataset.encoding import (
    TokenStatistics,
    encode,
    encode_pairs,
    end_of_turn,
    statistics,
)
from adapterd.dataset.examples import Example, PreferencePair, example_of, pairs_of
from adapterd.dataset.left_out import LeftOut, summary
from adapterd.dataset.split import (
    EvaluationCase,
    Split,
    case_of,
    content_hash,
    newest_of_each_prompt,
    split,
    split_pairs,
)
from adapterd.dataset.thoughts import always
from adapterd.errors import NotEnoughDataError, StageError
from adapterd.formats.encoded import (
    PAIRS,
    TRAIN,
    VALIDATION,
    VALIDATION_PAIRS,
    EncodedExample,
    EncodedPair,
    write_encoded,
)
from adapterd.record import FeedbackRecord
from adapterd.system.files import write_atomic


@dataclass(frozen=True)
class DatasetResult:
    """The sizes of the sets, token statistics, and the hash that identifies the trained-on ids.

    Of the `newest` examples (those since the live version was trained, else those of the last day) `learned` are
    trained on. `unusable` records are in no set, `unaskable` ones cannot be evaluation cases; `notes` are sentences
    that a person should read.
    `long_context` tells which rotary factors are in force, None for a base with one set.
    """

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
    same_source: int = 0
    shared_sources: list[str] = field(default_factory=list)
    newest: int = 0
    learned: int = 0
    unusable: list[LeftOut] = field(default_factory=list)
    unaskable: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    long_context: bool | None = None


def build_dataset(
    records: Iterable[FeedbackRecord],
    settings: DatasetSettings,
    *,
    frozen: Sequence[EvaluationCase],
    evaluation_prompt_hashes: AbstractSet[str],
    render: Render,
    tokenizer: Tokenizer,
    out: Path,
    limits: TokenLimits | None = None,
    old_records: int = 0,
    thinks: bool = True,
    thoughts_apart: Callable[[], bool] = always,
    report: Callable[[float], object] = lambda _: None,
) -> DatasetResult:
    """Write the sets of examples and of pairs into `out` as JSON lines; `report` gets the share done, 0…1.

    `frozen` is the evaluation set in force; if it is empty, the result's `evaluation_cases` are to be frozen now: such
    as can be asked within the `limits`. `evaluation_prompt_hashes` are those of all sets there ever were. What the
    template or the tokenizer refuses is left out and named.
    An example longer than `settings.max_tokens` is left out and counted: cut short, it would train the model to stop
    early. The first `old_records` are not new; a model that `thinks` is trained on the thoughts in front of an answer,
    another one is not; `thoughts_apart` says whether one that a prompt has opened is delivered apart from the content.
    Raises NotEnoughDataError, StageError.
    """
    everything = list(records)
    examples = [example for record in everything if (example := example_of(record, thinks=thinks))]
    distinct = len({example.prompt_hash for example in examples} - evaluation_prompt_hashes)
    progress = _EncodingProgress(report, 2 * distinct)
    prompts = Prompts(render, tokenizer)

    def unusable(example: Example) -> str:
        progress.one_more()
        return prompts.fault(example.messages) or fault_of_text(example.completion)

    def unaskable(example: Example) -> str:
        return fault_of_case(example.messages, case_of(example).reference, prompts, tokenizer, limits)

    _require_an_askable_case(
        frozen, lambda case: fault_of_case(case.messages, case.reference, prompts, tokenizer, limits)
    )
    sets = split(
        examples, settings, frozen=frozen, evaluation_prompt_hashes=evaluation_prompt_hashes, unusable=unusable,
        unaskable=unaskable,
    )  # fmt: skip
    new = {record.content_hash for record in everything[old_records:]} if old_records else set()
    stop = end_of_turn(render, tokenizer)

    encoder = _Encoder(prompts, tokenizer, stop, thoughts_apart, settings, new, progress)
    train, train_statistics = encoder.examples(sets.train)
    validation, validation_statistics = encoder.examples(sets.validation)
    progress.done()
    if not train:
        raise NotEnoughDataError(
            f"every example is longer than {settings.max_tokens} tokens", hint="raise dataset.max_tokens"
        )
    pairs, refused_pairs = _servable(
        chain.from_iterable(pairs_of(record, thinks=thinks) for record in everything), sets, prompts
    )
    preferred, validation_preferred = (
        encoder.pairs(each) for each in split_pairs(pairs, sets, evaluation_prompt_hashes, settings)
    )
    digest = _write(
        out, {TRAIN: train, VALIDATION: validation, PAIRS: preferred, VALIDATION_PAIRS: validation_preferred}
    )
    newest = _newest(examples, new)
    made = DatasetResult(
        records=len(everything),
        train=train_statistics,
        validation=validation_statistics,
        pairs=len(preferred),
        validation_pairs=len(validation_preferred),
        duplicates=sets.duplicates,
        held_out=sets.held_out,
        near_duplicates=sets.near_duplicates,
        end_of_turn=stop,
        content_hash=digest,
        evaluation_cases=[case.as_dict() for case in sets.evaluation],
        evaluation_hash=content_hash(sets.evaluation),
        same_source=sets.same_source,
        shared_sources=sets.shared_sources,
        newest=len(newest),
        learned=len(newest & {example.record for example in train}),
        unusable=[*sets.unusable, *refused_pairs],
        unaskable=sets.unaskable,
    )
    return replace(made, notes=list(_notes(made, newest & {case.record for case in sets.evaluation})))


def _write(out: Path, sets: Mapping[str, Sequence[EncodedExample] | Sequence[EncodedPair]]) -> str:
    """Write the sets, by file name, as JSON lines; returns the SHA-256 of all lines in hex."""
    digest = hashlib.sha256()
    for name, encoded in sets.items():
        lines = write_encoded(encoded)
        write_atomic(out / name, lines)
        digest.update(lines.encode())
    return digest.hexdigest()


def _require_an_askable_case(frozen: Sequence[EvaluationCase], fault_of: Callable[[EvaluationCase], str]) -> None:
    """Raise StageError now rather than after the training, if no case of the set in force can be asked."""
    left_out = []
    for case in frozen:
        fault = fault_of(case)
        if not fault:
            return
        left_out.append(LeftOut(case.record, case.source_id, fault))
    if left_out:
        raise StageError(summary(left_out, "no case of the evaluation set can be asked"), hint=NOTHING_TO_ASK)


class _EncodingProgress:
    """The share of examples that are rendered and encoded."""

    def __init__(self, report: Callable[[float], object], total: int) -> None:
        self._report, self._total, self._count = report, max(1, total), 0

    def one_more(self) -> None:
        self._count += 1
        self._report(min(1.0, self._count / self._total))

    def done(self) -> None:
        """Report 1: the rest was left out."""
        if self._count < self._total:
            self._count = self._total
            self._report(1.0)


@dataclass(frozen=True)
class _Encoder:
    """Encodes examples and pairs as they are served, and leaves out what is longer than `settings.max_tokens`. The
    records that are `new` weigh `settings.new_weight`."""

    prompts: Prompts
    tokenizer: Tokenizer
    end_of_turn: int
    thoughts_apart: Callable[[], bool]
    settings: DatasetSettings
    new: AbstractSet[str]
    progress: _EncodingProgress

    def examples(self, chosen: Sequence[Example]) -> tuple[list[EncodedExample], TokenStatistics]:
        short = []
        for example in encode(chosen, self.prompts.render, self.tokenizer, self.end_of_turn, self.thoughts_apart):
            if len(example.ids) <= self.settings.max_tokens:
                weight = self.settings.new_weight if example.record in self.new else example.weight
                short.append(replace(example, weight=weight))
            self.progress.one_more()
        return short, statistics(short, len(chosen) - len(short))

    def pairs(self, chosen: Sequence[PreferencePair]) -> list[EncodedPair]:
        encoded = encode_pairs(chosen, self.prompts.render, self.tokenizer, self.end_of_turn, self.thoughts_apart)
        longest = self.settings.max_tokens
        return [pair for pair in encoded if max(len(pair.chosen), len(pair.rejected)) <= longest]


def _servable(
    pairs: Iterable[PreferencePair], sets: Split, prompts: Prompts
) -> tuple[list[PreferencePair], list[LeftOut]]:
    """The pairs that can be rendered and encoded, and the records of the others that are not named yet."""
    named = {each.record for each in sets.unusable}
    kept, refused = [], dict[str, LeftOut]()
    for pair in pairs:
        fault = prompts.fault(pair.messages) or fault_of_text(pair.chosen) or fault_of_text(pair.rejected)
        if not fault:
            kept.append(pair)
        elif pair.record not in named:
            refused[pair.record] = LeftOut(pair.record, pair.source_id, fault)
    return kept, list(refused.values())


def _newest(examples: Sequence[Example], new: AbstractSet[str]) -> set[str]:
    """The records whose examples are the newest: those that are new, else those of the last day."""
    distinct = newest_of_each_prompt(examples)
    return {
        example.record
        for example in distinct
        if (example.record in new if new else example.created_at.date() == distinct[0].created_at.date())
    }


def _notes(made: DatasetResult, newest_evaluated: AbstractSet[str]) -> Iterable[str]:
    """The sentences about a dataset that a person should read."""
    yield f"learned {made.learned} of the {made.newest} newest" + (
        f"; in the evaluation set: {len(newest_evaluated)}" if newest_evaluated else ""
    )
    if made.near_duplicates:
        yield f"left out: {made.near_duplicates} examples nearly the same as a case of the evaluation set"
    if made.same_source:
        yield f"left out: {made.same_source} examples of sources that the evaluation set has"
    if made.shared_sources:
        yield (
            f"sources that are in training and in the evaluation set, as they are too large to be left out: "
            f"{len(made.shared_sources)} ({', '.join(map(repr, made.shared_sources[:3]))}"
            f"{', …' if len(made.shared_sources) > 3 else ''})"
        )
    if too_long := made.train.too_long + made.validation.too_long:
        yield f"left out: {too_long} examples longer than dataset.max_tokens"
    if made.unusable:
        yield summary(made.unusable, "left out, as they cannot be used")
    if made.unaskable:
        yield summary(made.unaskable, "left out of the evaluation set")
