"""Who learns, who chooses, who judges: a split without leaks.

The newest prompts judge (the frozen evaluation set), a fixed sample of the others chooses the best step (validation),
all others are trained on. Once frozen, a set stays: none of its prompts is ever trained on, whatever arrives later, nor
what is nearly one of them, nor, where that costs little, what comes of the same source.
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
from adapterd.dataset.near_duplicates import nearly_among
from adapterd.dataset.validation import Arrival, validating
from adapterd.errors import NotEnoughDataError, StageError

MIN_EXAMPLES = 10
LEAST_EXAMPLES = 2
"""One to learn from, and one to choose the best step by."""
WHOLE_SOURCE = 0.25
"""The share of the frozen set up to which a source is put into it as a whole; of a larger one single prompts are."""
MOST_APART = 0.05
"""The share of the examples that is left out of training, because their sources judge."""

Fault = Callable[[Example], str]
"""Why an example cannot be used; empty if it can."""


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
    """The sets, and how many examples were left out: as duplicates, because they belong to a frozen set, because they
    are nearly the same as one that does, or of the same source.

    `shared_sources` are those that judge and are trained on all the same, `unusable` what can neither be trained on nor
    judge, `unaskable` what cannot judge and is trained on.
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
    judged: AbstractSet[str],
    unusable: Fault = _no_fault,
    unaskable: Fault = _no_fault,
) -> Split:
    """Divide the examples. `frozen` is the set in force (empty: one is made now), `judged` the prompt hashes of all
    sets there ever were; `unusable` and `unaskable` say of an example what is wrong with it.

    Raises NotEnoughDataError when fewer than MIN_EXAMPLES distinct prompts are left, StageError when too many of them
    are nearly the same as those that judge.
    """
    everything = list(examples)
    newest_first = newest_of_each_prompt(everything)
    judging = [example for example in newest_first if example.prompt_hash in judged]
    usable, refused = sorted_out([each for each in newest_first if each.prompt_hash not in judged], unusable)
    _require_enough(usable, refused)
    cases, cannot_judge = list(frozen), list[LeftOut]()
    if not cases:
        chosen, cannot_judge = _to_freeze(usable, settings, unaskable)
        cases = [case_of(example) for example in chosen]
        frozen_now = {case.id for case in cases}
        usable = [example for example in usable if example.prompt_hash not in frozen_now]
    prompts = [*(case.messages for case in cases), *(example.messages for example in judging)]
    learning, near_duplicates = _unlike(usable, prompts, settings.max_near_duplicates)
    sources = {case.source_id for case in cases} | {example.source_id for example in judging}
    learning, same_source = _apart(learning, sources)
    candidates = {example.prompt_hash for example in usable}
    arrivals = [
        Arrival(each.prompt_hash, each.source_id, each.created_at)
        for each in _oldest_of_each_prompt(everything)
        if each.prompt_hash in candidates
    ]
    chosen_to_validate = validating(arrivals, {each.prompt_hash for each in learning}, settings.validation_share)
    return Split(
        train=[example for example in learning if example.prompt_hash not in chosen_to_validate],
        validation=[example for example in learning if example.prompt_hash in chosen_to_validate],
        evaluation=cases,
        duplicates=len(everything) - len(newest_first),
        held_out=len(judging),
        near_duplicates=near_duplicates,
        same_source=same_source,
        shared_sources=sorted({each.source_id for each in learning if each.source_id and each.source_id in sources}),
        unusable=refused,
        unaskable=cannot_judge,
    )


def sorted_out(examples: Iterable[Example], fault_of: Fault) -> tuple[list[Example], list[LeftOut]]:
    """Those that have no fault, and the others with theirs."""
    sound, left_out = [], []
    for example in examples:
        if fault := fault_of(example):
            left_out.append(LeftOut(example.record, example.source_id, fault))
        else:
            sound.append(example)
    return sound, left_out


def _require_enough(usable: Sequence[Example], refused: Sequence[LeftOut]) -> None:
    if len(usable) < MIN_EXAMPLES:
        also = f"; {summary(refused, 'left out')}" if refused else ""
        raise NotEnoughDataError(
            f"there are {len(usable)} examples with distinct prompts to learn from, and {MIN_EXAMPLES} are needed"
            f"{also}",
            hint="corrections and answers rated 4 or 5 teach; see `adapterctl feedback list`",
        )


def _to_freeze(
    newest_first: Sequence[Example], settings: DatasetSettings, unaskable: Fault
) -> tuple[list[Example], list[LeftOut]]:
    """The newest examples that can judge, and those that cannot, as far as they were looked at.

    A source comes as a whole, or it would be on both sides; one that is too large for that comes by single prompts.
    """
    total = len(newest_first)
    count = min(settings.evaluation_max, max(1, round(total * settings.evaluation_share)), total - LEAST_EXAMPLES)
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
            f"no example can judge a version; {summary(list(left_out.values()), 'left out')}",
            hint="raise evaluation.num_ctx, or lower evaluation.num_predict",
        )
    return [each for each in newest_first if each.prompt_hash in chosen], list(left_out.values())


def _unlike(examples: Sequence[Example], judging: Sequence[Prompt], most: float) -> tuple[list[Example], int]:
    """The examples whose prompts are not nearly one that judges or judged, and how many are; raises StageError where
    they are too many, NotEnoughDataError where hardly any others are left."""
    near = nearly_among([example.messages for example in examples], judging)
    unlike = [example for example, is_near in zip(examples, near, strict=True) if not is_near]
    count = len(examples) - len(unlike)
    if len(unlike) < LEAST_EXAMPLES:
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


def _apart(examples: Sequence[Example], judging: AbstractSet[str | None]) -> tuple[list[Example], int]:
    """The examples without those whose sources judge, and how many these are: the smallest sources, as long as they are
    MOST_APART of all together."""
    sizes = Counter(each.source_id for each in examples if each.source_id and each.source_id in judging)
    apart, left = set[str | None](), int(MOST_APART * len(examples))
    for source, size in sorted(sizes.items(), key=lambda item: (item[1], str(item[0]))):
        if size > left:
            break
        apart.add(source)
        left -= size
    kept = [each for each in examples if each.source_id not in apart]
    return kept, len(examples) - len(kept)


def split_pairs(
    pairs: Iterable[PreferencePair], sets: Split, judged: AbstractSet[str], settings: DatasetSettings
) -> tuple[list[PreferencePair], list[PreferencePair]]:
    """The pairs to train on and those to validate with: where the examples of their prompts are, or of their sources,
    else by the same rule. None whose prompt is, or nearly is, in an evaluation set."""
    evaluated = judged | {case.id for case in sets.evaluation}
    unseen = [pair for pair in pairs if pair.prompt_hash not in evaluated]
    beside = [example.messages for example in sets.train]
    near = nearly_among([pair.messages for pair in unseen], [case.messages for case in sets.evaluation], beside)
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
    """The case that an example makes."""
    return EvaluationCase(
        id=example.prompt_hash,
        messages=example.messages,
        reference=without_thought(example.completion),
        record=example.record,
        source_id=example.source_id,
    )
