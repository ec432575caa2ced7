"""The leak-free temporal split into training, validation and frozen evaluation set.

The newest prompts become the frozen evaluation set, a fixed sample of the others is for validation (it chooses the best
step), all others are trained on. A frozen set never changes: none of its prompts is ever trained on, whatever arrives
later, nor a near-duplicate of one, nor, where that costs little, a prompt of the same source.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from adapterd.chat import Prompt, as_dicts, from_dicts, without_thought
from adapterd.config import DatasetSettings
from adapterd.dataset.examples import Example, PreferencePair
from adapterd.dataset.left_out import LeftOut, summary
from adapterd.dataset.near_duplicates import near_duplicates_of
from adapterd.dataset.validation import Arrival, validating
from adapterd.errors import NotEnoughDataError, StageError

MIN_USABLE_PROMPTS = 10
"""Distinct prompts that feedback has to have before a set is split or frozen at all."""
MIN_TRAINING_PROMPTS = 2
"""Prompts that have to be left beside the evaluation set: one to train on, and one for validation."""
WHOLE_SOURCE = 0.25
"""The share of the frozen set up to which a source is put into it as a whole; of a larger one single prompts are."""
MAX_LEFT_OUT_BY_SOURCE = 0.05
"""The share of the examples that may be left out of training because their sources are in the evaluation set."""

FaultOf = Callable[[Example], str]
"""Says why an example cannot be used; empty if it can."""


def _no_fault(_: Example) -> str:
    return ""


@dataclass(frozen=True)
class EvaluationCase:
    """One case of a frozen set: what is asked, and what a good answer is. `id` is the prompt's hash."""

    id: str
    messages: Prompt
    reference: str
    record: str
    source_id: str | None = None

    def as_dict(self) -> dict[str, object]:
        """Plain values, for the store."""
        return {**vars(self), "messages": as_dicts(self.messages)}

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> "EvaluationCase":
        """The reverse of `as_dict`."""
        return cls(**{**values, "messages": from_dicts(values["messages"])})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Split:
    """The sets, and how many examples were left out: as duplicates, because they are in a frozen set (`held_out`), as
    near-duplicates of one that is, or because of the same source.

    `shared_sources` are in the evaluation set and in training all the same, `unusable` examples are in no set,
    `unaskable` ones cannot be evaluation cases and are trained on.
    """

    train: list[Example]
    validation: list[Example]
    evaluation: list[EvaluationCase]
    duplicates: int
    held_out: int
    near_duplicates: int
    same_source: int = 0
    shared_sources: list[str] = field(default_factory=list)
    unusable: list[LeftOut] = field(default_factory=list)
    unaskable: list[LeftOut] = field(default_factory=list)


def content_hash(cases: Sequence[EvaluationCase]) -> str:
    """The identity of a frozen set: SHA-256 over its cases in order."""
    text = json.dumps([case.as_dict() for case in cases], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def split(
    examples: Iterable[Example],
    settings: DatasetSettings,
    *,
    frozen: Sequence[EvaluationCase],
    evaluation_prompt_hashes: AbstractSet[str],
    unusable: FaultOf = _no_fault,
    unaskable: FaultOf = _no_fault,
) -> Split:
    """Split the examples. `frozen` is the set in force (empty: one is made now), `evaluation_prompt_hashes` those of
    all sets there ever were; `unusable` and `unaskable` say of an example what is wrong with it.

    Raises NotEnoughDataError when fewer than MIN_USABLE_PROMPTS distinct prompts are left, StageError when too many of
    them are near-duplicates of evaluation prompts.
    """
    everything = list(examples)
    newest_first = newest_of_each_prompt(everything)
    held_out = [example for example in newest_first if example.prompt_hash in evaluation_prompt_hashes]
    others = [example for example in newest_first if example.prompt_hash not in evaluation_prompt_hashes]
    usable, refused = sorted_out(others, unusable)
    _require_enough(usable, refused)
    cases, not_askable = list(frozen), list[LeftOut]()
    if not cases:
        chosen, not_askable = _to_freeze(usable, settings, unaskable)
        cases = [case_of(example) for example in chosen]
        frozen_now = {case.id for case in cases}
        usable = [example for example in usable if example.prompt_hash not in frozen_now]
    prompts = [*(case.messages for case in cases), *(example.messages for example in held_out)]
    remaining, near_duplicates = _without_near_duplicates(usable, prompts, settings.max_near_duplicates)
    sources = {case.source_id for case in cases} | {example.source_id for example in held_out}
    remaining, same_source = _without_sources(remaining, sources)
    candidates = {example.prompt_hash for example in usable}
    arrivals = [
        Arrival(each.prompt_hash, each.source_id, each.created_at)
        for each in _oldest_of_each_prompt(everything)
        if each.prompt_hash in candidates
    ]
    chosen_to_validate = validating(arrivals, {each.prompt_hash for each in remaining}, settings.validation_share)
    return Split(
        train=[example for example in remaining if example.prompt_hash not in chosen_to_validate],
        validation=[example for example in remaining if example.prompt_hash in chosen_to_validate],
        evaluation=cases,
        duplicates=len(everything) - len(newest_first),
        held_out=len(held_out),
        near_duplicates=near_duplicates,
        same_source=same_source,
        shared_sources=sorted({each.source_id for each in remaining if each.source_id and each.source_id in sources}),
        unusable=refused,
        unaskable=not_askable,
    )


def sorted_out(examples: Iterable[Example], fault_of: FaultOf) -> tuple[list[Example], list[LeftOut]]:
    """The examples without a fault, and those that are left out with theirs."""
    sound, left_out = [], []
    for example in examples:
        if fault := fault_of(example):
            left_out.append(LeftOut(example.record, example.source_id, fault))
        else:
            sound.append(example)
    return sound, left_out


def _require_enough(usable: Sequence[Example], refused: Sequence[LeftOut]) -> None:
    if len(usable) < MIN_USABLE_PROMPTS:
        also = f"; {summary(refused, 'left out')}" if refused else ""
        raise NotEnoughDataError(
            f"there are {len(usable)} examples with distinct prompts to train on, and {MIN_USABLE_PROMPTS} are needed"
            f"{also}",
            hint="corrections and answers rated 4 or 5 are trained on; see `adapterctl feedback list`",
        )


def _to_freeze(
    newest_first: Sequence[Example], settings: DatasetSettings, unaskable: FaultOf
) -> tuple[list[Example], list[LeftOut]]:
    """The newest examples that can be evaluation cases, and those that cannot, as far as they were tried.

    A source goes in as a whole, or it would be on both sides; of one that is too large for that, single prompts do.
    """
    total = len(newest_first)
    count = min(settings.evaluation_max, max(1, round(total * settings.evaluation_share)), total - MIN_TRAINING_PROMPTS)
    sizes = Counter(each.source_id for each in newest_first)
    chosen: dict[str, Example] = {}
    left_out: dict[str, LeftOut] = {}
    for example in newest_first:
        large = example.source_id is None or sizes[example.source_id] > max(1, count * WHOLE_SOURCE)
        group = [example] if large else [each for each in newest_first if each.source_id == example.source_id]
        group = [each for each in group if each.prompt_hash not in chosen and each.prompt_hash not in left_out]
        if len(chosen) + len(group) <= count:
            for each in group:
                if fault := unaskable(each):
                    left_out[each.prompt_hash] = LeftOut(each.record, each.source_id, fault)
                else:
                    chosen[each.prompt_hash] = each
        if len(chosen) == count:
            break
    if not chosen:
        raise NotEnoughDataError(
            f"no example can be an evaluation case; {summary(list(left_out.values()), 'left out')}",
            hint="raise evaluation.num_ctx, or lower evaluation.num_predict",
        )
    return [each for each in newest_first if each.prompt_hash in chosen], list(left_out.values())


def _without_near_duplicates(
    examples: Sequence[Example], evaluated: Sequence[Prompt], most: float
) -> tuple[list[Example], int]:
    """The examples that are no near-duplicates of an evaluation prompt, and how many are; raises StageError where these
    are more than the share `most`, NotEnoughDataError where hardly any others are left."""
    near = near_duplicates_of([example.messages for example in examples], evaluated)
    unlike = [example for example, is_near in zip(examples, near, strict=True) if not is_near]
    count = len(examples) - len(unlike)
    if len(unlike) < MIN_TRAINING_PROMPTS:
        raise NotEnoughDataError(
            f"all but {len(unlike)} of {len(examples)} prompts are nearly the same as one of the evaluation set",
            hint="more varied feedback is needed; the set was made of the newest",
        )
    if count > most * len(examples):
        example = next(each for each, is_near in zip(examples, near, strict=True) if is_near)
        raise StageError(
            f"{count} of {len(examples)} prompts ({count / len(examples):.0%}) are nearly the same as one of the "
            f"evaluation set, and what is nearly the same is not trained on; the newest of them is record "
            f"{example.record[:12]}",
            hint="if nearly the same is meant to be asked again and again, allow it by dataset.max_near_duplicates = 1 "
            f"(now {most:g}); if it is the set that is odd, `adapterctl eval freeze` makes another",
        )
    return unlike, count


def _without_sources(examples: Sequence[Example], evaluated: AbstractSet[str | None]) -> tuple[list[Example], int]:
    """The examples without those of evaluated sources, and how many these are: the smallest sources first, up to
    MAX_LEFT_OUT_BY_SOURCE of all examples."""
    sizes = Counter(each.source_id for each in examples if each.source_id and each.source_id in evaluated)
    left_out, left = set[str | None](), int(MAX_LEFT_OUT_BY_SOURCE * len(examples))
    for source, size in sorted(sizes.items(), key=lambda item: (item[1], str(item[0]))):
        if size > left:
            break
        left_out.add(source)
        left -= size
    remaining = [each for each in examples if each.source_id not in left_out]
    return remaining, len(examples) - len(remaining)


def split_pairs(
    pairs: Iterable[PreferencePair], sets: Split, evaluation_prompt_hashes: AbstractSet[str], settings: DatasetSettings
) -> tuple[list[PreferencePair], list[PreferencePair]]:
    """The pairs to train on and those to validate with: where the examples of their prompts are, or of their sources,
    else by the same rule. None whose prompt is, or nearly is, in an evaluation set."""
    evaluated = evaluation_prompt_hashes | {case.id for case in sets.evaluation}
    unseen = [pair for pair in pairs if pair.prompt_hash not in evaluated]
    trained = [example.messages for example in sets.train]
    near = near_duplicates_of([pair.messages for pair in unseen], [case.messages for case in sets.evaluation], trained)
    usable = [pair for pair, is_near in zip(unseen, near, strict=True) if not is_near]
    validation = _validating_pairs(usable, sets, settings.validation_share)
    return (
        [pair for pair in usable if pair.prompt_hash not in validation],
        [pair for pair in usable if pair.prompt_hash in validation],
    )


def _validating_pairs(pairs: Sequence[PreferencePair], sets: Split, share: float) -> set[str]:
    """The prompts of those pairs that validate."""
    prompts = {example.prompt_hash: True for example in sets.validation}
    prompts |= {example.prompt_hash: False for example in sets.train}
    sources = {each.source_id: prompts[each.prompt_hash] for each in (*sets.train, *sets.validation) if each.source_id}
    known = {
        pair.prompt_hash: prompts.get(pair.prompt_hash, sources.get(pair.source_id or "", False))
        for pair in pairs
        if pair.prompt_hash in prompts or pair.source_id in sources
    }
    others = [pair for pair in pairs if pair.prompt_hash not in known]
    arrivals = {
        pair.prompt_hash: Arrival(pair.prompt_hash, pair.source_id, pair.created_at)
        for pair in sorted(others, key=lambda each: each.created_at, reverse=True)
    }
    chosen = validating(arrivals.values(), arrivals.keys(), share) if arrivals else set()
    return chosen | {prompt for prompt, validates in known.items() if validates}


def newest_of_each_prompt(examples: Iterable[Example]) -> list[Example]:
    """One example per prompt, newest first; where two answers contradict each other, the later one was meant."""
    newest: dict[str, Example] = {}
    for example in sorted(examples, key=lambda e: e.created_at):
        newest[example.prompt_hash] = example
    return sorted(newest.values(), key=lambda example: (example.created_at, example.record), reverse=True)


def _oldest_of_each_prompt(examples: Iterable[Example]) -> list[Example]:
    oldest: dict[str, Example] = {}
    for example in sorted(examples, key=lambda e: e.created_at):
        oldest.setdefault(example.prompt_hash, example)
    return list(oldest.values())


def case_of(example: Example) -> EvaluationCase:
    """The evaluation case of an example."""
    return EvaluationCase(
        id=example.prompt_hash,
        messages=example.messages,
        reference=without_thought(example.completion),
        record=example.record,
        source_id=example.source_id,
    )
