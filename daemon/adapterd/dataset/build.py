"""The dataset stage: records in, a folder of encoded sets out."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.chat import Prompt, Render
from adapterd.config import DatasetSettings
from adapterd.dataset.askable import NOTHING_TO_ASK, Prompts, TokenLimits, fault_of_case, fault_of_text
from adapterd.dataset.cases import EvaluationCase, case_of, content_hash
from adapterd.dataset.curation.balance import balanced
from adapterd.dataset.curation.copied import fault_of_copy
from adapterd.dataset.curation.data_card import data_card
from adapterd.dataset.curation.synthetic import Synthetic, answers_now, as_many_as_teach, synthetic_beside
from adapterd.dataset.encoding import (
    TokenStatistics,
    encode,
    encode_pairs,
    end_of_turn,
    statistics,
)
from adapterd.dataset.examples import Example, PreferencePair
from adapterd.dataset.leaks.growing import NONE_NEW, NewPrompts
from adapterd.dataset.left_out import LeftOut, summary
from adapterd.dataset.replay.prompts import replay_prompts
from adapterd.dataset.replay.replay import BaseAnswer, Replay
from adapterd.dataset.result import DatasetResult, notes_of
from adapterd.dataset.split import Split, newest_of_each_prompt, split, split_pairs
from adapterd.dataset.statements import resolve
from adapterd.dataset.thoughts import always
from adapterd.errors import NotEnoughDataError, StageError
from adapterd.formats.encoded import (
    PAIRS,
    REPLAY,
    TRAIN,
    VALIDATION,
    VALIDATION_PAIRS,
    EncodedExample,
    EncodedPair,
    write_encoded,
)
from adapterd.formats.synthetic import TeacherExample
from adapterd.record import FeedbackRecord
from adapterd.system.files import write_atomic

ASKING = 200
"""Asking the base a general prompt takes about as long as rendering and encoding so many examples."""


def build_dataset(
    records: Iterable[FeedbackRecord],
    settings: DatasetSettings,
    *,
    frozen: Sequence[EvaluationCase],
    evaluation_prompt_hashes: AbstractSet[str],
    earlier: Sequence[EvaluationCase] = (),
    new_prompts: NewPrompts = NONE_NEW,
    origins: Mapping[str, str] = MappingProxyType({}),
    render: Render,
    tokenizer: Tokenizer,
    out: Path,
    limits: TokenLimits | None = None,
    old_records: int = 0,
    held: AbstractSet[str] = frozenset(),
    thinks: bool = True,
    thoughts_apart: Callable[[], bool] = always,
    replay: Replay | None = None,
    synthetic: Sequence[TeacherExample] = (),
    report: Callable[[float], object] = lambda _: None,
) -> DatasetResult:
    """Write the sets of examples and of pairs into `out` as JSON lines; `report` gets the share done, 0…1.

    `frozen` is the evaluation set in force; if it is empty, or if the result says that it has `grown`, the result's
    `evaluation_cases` are to be frozen now: such as can be asked within the `limits`. Of the `new_prompts` some may
    join. `earlier` are the cases of the other sets, `evaluation_prompt_hashes` those of
    all sets there ever were. `origins` says of records, by content hash, on which way they came. What the template
    or the tokenizer refuses is left out and named. So is an example longer than `settings.max_tokens`: cut short, it
    would train the model to stop early. The first `old_records` are not new; those `held`, by content hash, are in no
    set. A model that `thinks` is trained on the thoughts in front of an answer, another one is not; `thoughts_apart`
    says whether one that a prompt has opened is delivered apart from the content. `replay` says how the base is asked
    general prompts, which become examples, too. What teachers made is `synthetic`: as many fewer examples of people are
    enough.
    Raises NotEnoughDataError, StageError.
    """
    everything = list(records)
    taught = resolve(everything, thinks=thinks)
    examples = _with_origins((each for each in taught.examples if each.record not in held), origins)
    to_encode = {each.prompt_hash for each in examples} - evaluation_prompt_hashes
    count = 2 * (len(to_encode) + len(synthetic)) + ASKING * (len(replay_prompts()) if replay else 0)
    progress = _EncodingProgress(report, count)
    prompts = Prompts(render, tokenizer)

    faults = _Faults(prompts, tokenizer, limits, settings.max_copied, progress)
    _require_an_askable_case(frozen, faults.of_case)
    said, people = {each.prompt_hash for each in taught.examples}, answers_now(everything, taught.examples)
    beside = as_many_as_teach(synthetic, said, people, held, settings.max_synthetic)
    needed = max(1, settings.min_examples - beside)
    sets = split(
        examples, replace(settings, min_examples=needed), frozen=frozen, earlier=earlier, new=new_prompts,
        evaluation_prompt_hashes=evaluation_prompt_hashes, unusable=faults.unusable, unaskable=faults.unaskable,
    )  # fmt: skip
    new = {record.content_hash for record in everything[old_records:]} if old_records else set()
    stop = end_of_turn(render, tokenizer)

    encoder = _Encoder(prompts, tokenizer, stop, thoughts_apart, settings, new, progress)
    to_train = balanced(sets.train, settings.balance, settings.balance_cap)
    made_by_teachers = synthetic_beside(
        synthetic, said=said, people=people, held=held, judged_hashes=evaluation_prompt_hashes, judged=sets.judged,
        validating=len(sets.validation), settings=settings, unusable=faults.unusable,
    )  # fmt: skip
    train, train_statistics = encoder.to_train(to_train, made_by_teachers.train)
    validation, validation_statistics = encoder.examples([*sets.validation, *made_by_teachers.validation])
    general = encoder.replay(replay, train)
    progress.done()
    pairs, refused_pairs = _servable((each for each in taught.pairs if each.record not in held), sets, faults)
    divided = split_pairs([*pairs, *made_by_teachers.pairs], sets, evaluation_prompt_hashes, settings)
    preferred, validation_preferred = map(encoder.pairs, divided)
    sets_of_pairs = {PAIRS: preferred, VALIDATION_PAIRS: validation_preferred}
    digest = _write(out, {TRAIN: train, VALIDATION: validation, **general, **sets_of_pairs})
    newest = _newest(examples, new)
    made = DatasetResult(
        records=len(everything),
        train=train_statistics,
        validation=validation_statistics,
        pairs=len(preferred),
        validation_pairs=len(validation_preferred),
        duplicates=taught.set_aside,
        end_of_turn=stop,
        content_hash=digest,
        newest=len(newest),
        learned=len(newest & {example.record for example in train}),
        unusable=[*sets.unusable, *refused_pairs],
        held=len(taught.examples) - len(examples),
        unbalanced=len(sets.train) - len(to_train),
        replay=len(general.get(REPLAY, [])),
        synthetic=len(made_by_teachers.train) + len(made_by_teachers.validation) + len(made_by_teachers.pairs),
        synthetic_left_out=made_by_teachers.left_out,
        **_of_split(sets),
    )
    notes = notes_of(made, sets, frozen, examples, newest, settings)
    learned = [*to_train, *sets.validation]
    return replace(made, notes=list(notes), card=_card(made, everything, learned, made_by_teachers, settings))


def _of_split(sets: Split) -> dict[str, Any]:
    """What a result says of the division into sets."""
    return {
        "held_out": sets.held_out,
        "near_duplicates": sets.near_duplicates,
        "evaluation_cases": [case.as_dict() for case in sets.evaluation],
        "evaluation_hash": content_hash(sets.evaluation),
        "given_away": sets.given_away,
        "same_source": sets.same_source,
        "shared_sources": sets.shared_sources,
        "unaskable": sets.unaskable,
        "grown": sets.newcomers.join,
        "joined": [case.id for case in sets.newcomers.joining],
        "waiting": sets.newcomers.waiting,
    }


def _with_origins(examples: Iterable[Example], origins: Mapping[str, str]) -> list[Example]:
    """The examples, those of no application with the way on which they came."""
    return [replace(each, origin=each.origin or origins.get(each.record, "")) for each in examples]


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
    """The share of examples that are rendered and encoded, and of general prompts that are asked."""

    def __init__(self, report: Callable[[float], object], total: int) -> None:
        self._report, self._total, self._count = report, max(1, total), 0

    def one_more(self, steps: int = 1) -> None:
        self._count += steps
        self._report(min(1.0, self._count / self._total))

    def done(self) -> None:
        """Report 1: the rest was left out."""
        if self._count < self._total:
            self._count = self._total
            self._report(1.0)


@dataclass(frozen=True)
class _Encoder:
    """Encodes examples and pairs as they are served, and leaves out what is longer than `settings.max_tokens`. The
    records that are `new` weigh `settings.new_weight`, what teachers made `settings.synthetic_weight`."""

    prompts: Prompts
    tokenizer: Tokenizer
    end_of_turn: int
    thoughts_apart: Callable[[], bool]
    settings: DatasetSettings
    new: AbstractSet[str]
    progress: _EncodingProgress

    def to_train(
        self, chosen: Sequence[Example], synthetic: Sequence[Example]
    ) -> tuple[list[EncodedExample], TokenStatistics]:
        """As `examples`; raises NotEnoughDataError where none is left."""
        train, counted = self.examples([*chosen, *synthetic])
        weight, made = self.settings.synthetic_weight, {each.record for each in synthetic}
        train = [replace(each, weight=weight) if each.record in made else each for each in train]
        if not train:
            raise NotEnoughDataError(
                f"every example is longer than {self.settings.max_tokens} tokens", hint="raise dataset.max_tokens"
            )
        return train, counted

    def examples(self, chosen: Sequence[Example]) -> tuple[list[EncodedExample], TokenStatistics]:
        short = []
        for example in encode(chosen, self.prompts.render, self.tokenizer, self.end_of_turn, self.thoughts_apart):
            if len(example.ids) <= self.settings.max_tokens:
                weight = self.settings.new_weight if example.record in self.new else example.weight
                short.append(replace(example, weight=weight))
            self.progress.one_more()
        return short, statistics(short, len(chosen) - len(short))

    def replay(self, replay: Replay | None, taught: Sequence[EncodedExample]) -> dict[str, list[EncodedExample]]:
        """The file of what the base says to general prompts, as examples; none where it is not asked."""
        if replay is None:
            return {}

        def ask(prompt: Prompt) -> BaseAnswer:
            self.progress.one_more(ASKING)
            return replay.ask(prompt)

        how = (self.prompts.render, self.tokenizer, self.end_of_turn, self.thoughts_apart, self.settings.max_tokens)
        return {REPLAY: Replay(replay.share, ask, replay.epochs).examples(taught, *how)}

    def pairs(self, chosen: Sequence[PreferencePair]) -> list[EncodedPair]:
        encoded = encode_pairs(chosen, self.prompts.render, self.tokenizer, self.end_of_turn, self.thoughts_apart)
        longest = self.settings.max_tokens
        return [pair for pair in encoded if max(len(pair.chosen), len(pair.rejected)) <= longest]


@dataclass(frozen=True)
class _Faults:
    """Says what is wrong with examples, pairs and cases; empty for what is right."""

    prompts: Prompts
    tokenizer: Tokenizer
    limits: TokenLimits | None
    max_copied: float
    progress: _EncodingProgress

    def unusable(self, example: Example) -> str:
        self.progress.one_more()
        return self._of_answers(example.messages, example.completion)

    def unaskable(self, example: Example) -> str:
        return self.of_case(case_of(example))

    def of_case(self, case: EvaluationCase) -> str:
        return fault_of_case(case.messages, case.reference, self.prompts, self.tokenizer, self.limits)

    def of_pair(self, pair: PreferencePair) -> str:
        return self._of_answers(pair.messages, pair.chosen) or fault_of_text(pair.rejected)

    def _of_answers(self, messages: Prompt, taught: str) -> str:
        fault = self.prompts.fault(messages) or fault_of_text(taught)
        return fault or fault_of_copy(messages, taught, self.max_copied)


def _servable(
    pairs: Iterable[PreferencePair], sets: Split, faults: _Faults
) -> tuple[list[PreferencePair], list[LeftOut]]:
    """The pairs that can be rendered, encoded and taught, and the records of the others that are not named yet."""
    named = {each.record for each in sets.unusable}
    kept, refused = [], dict[str, LeftOut]()
    for pair in pairs:
        fault = faults.of_pair(pair)
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


def _card(
    made: DatasetResult,
    records: Sequence[FeedbackRecord],
    taught: Sequence[Example],
    teachers: Synthetic,
    settings: DatasetSettings,
) -> dict[str, Any]:
    """The data card of these sets."""
    splits = {
        "train": made.train.examples, "validation": made.validation.examples, "test": len(made.evaluation_cases),
        "train_pairs": made.pairs, "validation_pairs": made.validation_pairs,
    }  # fmt: skip
    left_out = {
        "secrets or personal data": made.held, "earlier answers to the same prompt": made.duplicates,
        "in a frozen set": made.held_out, "near-duplicates of a frozen set": made.near_duplicates,
        "give a frozen case away": made.given_away, "sources of a frozen set": made.same_source,
        "unusable or copied": len(made.unusable),
        "beyond dataset.balance_cap": made.unbalanced,
        "longer than dataset.max_tokens": made.train.too_long + made.validation.too_long,
    }  # fmt: skip
    left_out |= {f"made by teachers: {reason}": count for reason, count in teachers.left_out.items()}
    weights = {"new": settings.new_weight, "others": 1.0}
    if made.synthetic:
        weights["made by teachers"] = settings.synthetic_weight
    return data_card(records, [*taught, *teachers.train, *teachers.validation], splits, left_out, weights)
