"""The leak-free temporal split into training, validation and frozen evaluation set.

The newest prompts become the frozen evaluation set, a fixed sample of the others is for validation (it chooses the best
step), all others are trained on. A frozen set never changes: none of its prompts is ever trained on, whatever arrives
later, nor a near-duplicate of one, nor what gives one away, nor a prompt of the same source or conversation.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from adapterd.config import DatasetSettings
from adapterd.dataset.cases import EvaluationCase, case_of
from adapterd.dataset.curation.balance import stratum_of
from adapterd.dataset.examples import Example, PreferencePair
from adapterd.dataset.leaks.apart import ValidationPrompts, validating_apart
from adapterd.dataset.leaks.conversations import Judged, gives_away
from adapterd.dataset.leaks.first_set import FaultOf, FirstSet
from adapterd.dataset.leaks.growing import NONE_NEW, Newcomers, NewPrompts, newcomers
from adapterd.dataset.leaks.near_duplicates import near_duplicates_of
from adapterd.dataset.leaks.sides import Groups, sides_of_pairs
from adapterd.dataset.left_out import LeftOut, summary
from adapterd.dataset.validation import Arrival
from adapterd.errors import NotEnoughDataError, StageError

MIN_USABLE_PROMPTS = 10
"""Distinct prompts that feedback has to have before a set is frozen by hand."""
MIN_TRAINING_PROMPTS = 2
"""Prompts that have to be left beside the evaluation set: one to train on, and one for validation."""


def _no_fault(_: Example) -> str:
    return ""


@dataclass(frozen=True)
class Split:
    """The sets, and how many examples were left out: as duplicates, because they are in a frozen set (`held_out`), as
    near-duplicates of one that is, because they go on behind one or have its reference in them (`given_away`), or
    because of the same source or conversation.

    `shared_sources` are in the evaluation set and in training all the same, `unusable` examples are in no set,
    `unaskable` ones cannot be evaluation cases and are trained on. `judged` are the cases of all sets there ever were.
    Prompts were `moved` from validation to training, as near-duplicates of them are trained on; where all would have
    been, `alike_in_training` validate that have some there. The `newcomers` join the set in force, or wait for it.
    """

    train: list[Example]
    validation: list[Example]
    evaluation: list[EvaluationCase]
    duplicates: int
    held_out: int
    near_duplicates: int
    given_away: int = 0
    same_source: int = 0
    shared_sources: list[str] = field(default_factory=list)
    unusable: list[LeftOut] = field(default_factory=list)
    unaskable: list[LeftOut] = field(default_factory=list)
    judged: list[EvaluationCase] = field(default_factory=list)
    moved: int = 0
    alike_in_training: int = 0
    newcomers: Newcomers = field(default_factory=Newcomers)


def split(
    examples: Iterable[Example],
    settings: DatasetSettings,
    *,
    frozen: Sequence[EvaluationCase],
    evaluation_prompt_hashes: AbstractSet[str],
    earlier: Sequence[EvaluationCase] = (),
    new: NewPrompts = NONE_NEW,
    unusable: FaultOf = _no_fault,
    unaskable: FaultOf = _no_fault,
) -> Split:
    """Split the examples. `frozen` is the set in force (empty: one is made now; else some of the `new` prompts may
    join), `earlier` are the cases of all others, `evaluation_prompt_hashes` those of all sets there ever were;
    `unusable` and `unaskable` say of an example what is wrong with it.

    Raises NotEnoughDataError when fewer than `settings.min_examples` prompts are left, StageError when too many of
    them are near-duplicates of evaluation prompts.
    """
    everything = list(examples)
    newest_first = newest_of_each_prompt(everything)
    judged = evaluation_prompt_hashes | {case.prompt_hash for case in (*frozen, *earlier)}
    held_out = [example for example in newest_first if example.prompt_hash in judged]
    others = [example for example in newest_first if example.prompt_hash not in judged]
    usable, refused = sorted_out(others, unusable)
    _require_enough(usable, refused, settings.min_examples)
    known = [*frozen, *earlier, *map(case_of, held_out)]
    groups = Groups(usable, known, settings.sources)
    cases, not_askable = list(frozen), list[LeftOut]()
    if not cases:
        chosen, not_askable = _to_freeze(usable, groups.of_prompt, settings, unaskable)
        cases = [case_of(example) for example in chosen]
        usable = _without(usable, {case.id for case in cases})
        known += cases
    came = newcomers(usable, new, groups, settings, frozen=frozen, judged=known, unaskable=unaskable)
    usable = _without(usable, {each.prompt_hash for each in came.examples})
    cases += came.joining
    known += [case_of(each) for each in came.examples]
    remaining, near_duplicates = _without_near_duplicates(usable, _distinct(known), settings.max_near_duplicates)
    remaining, given_away = _without_given_away(remaining, _distinct(known))
    remaining, left_out = groups.without_evaluated(remaining, known, len(cases))
    validation = _validating(everything, usable, remaining, groups, settings)
    return Split(
        train=[example for example in remaining if example.prompt_hash not in validation.prompts],
        validation=[example for example in remaining if example.prompt_hash in validation.prompts],
        evaluation=cases,
        duplicates=len(everything) - len(newest_first),
        held_out=len(held_out),
        near_duplicates=near_duplicates,
        given_away=given_away,
        same_source=left_out,
        shared_sources=groups.shared(remaining, known),
        unusable=refused,
        unaskable=not_askable,
        judged=known,
        moved=len(validation.moved),
        alike_in_training=validation.alike_in_training,
        newcomers=came,
    )


def _without(examples: Iterable[Example], prompts: AbstractSet[str]) -> list[Example]:
    return [example for example in examples if example.prompt_hash not in prompts]


def _distinct(cases: Iterable[EvaluationCase]) -> list[EvaluationCase]:
    """Each prompt with each reference once."""
    return list({(case.messages, case.reference): case for case in cases}.values())


def _validating(
    everything: Sequence[Example],
    usable: Sequence[Example],
    remaining: Sequence[Example],
    groups: Groups,
    settings: DatasetSettings,
) -> ValidationPrompts:
    """The prompts that validate; what belongs together is sampled as a whole."""
    candidates = {example.prompt_hash for example in usable}
    arrivals = [
        Arrival(
            each.prompt_hash, groups.name_of(each), each.first_at or each.created_at, stratum_of(each, settings.balance)
        )
        for each in _oldest_of_each_prompt(everything)
        if each.prompt_hash in candidates
    ]
    prompts = {each.prompt_hash: each.messages for each in remaining}
    return validating_apart(arrivals, prompts, settings.validation_share)


def sorted_out(examples: Iterable[Example], fault_of: FaultOf) -> tuple[list[Example], list[LeftOut]]:
    """The examples without a fault, and those that are left out with theirs."""
    sound, left_out = [], []
    for example in examples:
        if fault := fault_of(example):
            left_out.append(LeftOut(example.record, example.source_id, fault))
        else:
            sound.append(example)
    return sound, left_out


def _require_enough(usable: Sequence[Example], refused: Sequence[LeftOut], needed: int) -> None:
    if len(usable) < needed:
        also = f"; {summary(refused, 'left out')}" if refused else ""
        raise NotEnoughDataError(
            f"there are {len(usable)} examples with distinct prompts to train on, and {needed} are needed{also}",
            hint="corrections and answers rated 4 or 5 are trained on; see `adapterctl feedback list`",
        )


def _to_freeze(
    newest_first: Sequence[Example], group_of: Mapping[str, int], settings: DatasetSettings, unaskable: FaultOf
) -> tuple[list[Example], list[LeftOut]]:
    """The newest examples that can be evaluation cases, and those that cannot, as far as they were tried."""
    total = len(newest_first)
    count = min(settings.evaluation_max, max(1, round(total * settings.evaluation_share)), total - MIN_TRAINING_PROMPTS)
    chosen, left_out = FirstSet(newest_first, group_of, count, settings.max_share_of_source, unaskable).choose()
    if not chosen:
        raise NotEnoughDataError(
            f"no example can be an evaluation case; {summary(left_out, 'left out')}",
            hint="raise evaluation.num_ctx, or lower evaluation.num_predict",
        )
    return chosen, left_out


def _without_near_duplicates(
    examples: Sequence[Example], evaluated: Sequence[EvaluationCase], most: float
) -> tuple[list[Example], int]:
    """The examples that are no near-duplicates of an evaluation prompt, and how many are; raises StageError where these
    are more than the share `most`, NotEnoughDataError where hardly any others are left."""
    near = near_duplicates_of([each.messages for each in examples], [each.messages for each in evaluated])
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


def _without_given_away(examples: Sequence[Example], cases: Sequence[EvaluationCase]) -> tuple[list[Example], int]:
    """The examples that neither go on behind a case nor have its reference in them, and how many do; as long as enough
    others are left."""
    judged = [Judged(each.messages, each.reference) for each in cases]
    given_away = gives_away([each.messages for each in examples], judged)
    remaining = [each for each, gives in zip(examples, given_away, strict=True) if not gives]
    if len(remaining) < MIN_TRAINING_PROMPTS:
        raise NotEnoughDataError(
            f"all but {len(remaining)} of {len(examples)} prompts go on behind a case of the evaluation set, or have "
            "its answer in them",
            hint="more varied feedback is needed; the set was made of the newest",
        )
    return remaining, len(examples) - len(remaining)


def split_pairs(
    pairs: Iterable[PreferencePair], sets: Split, evaluation_prompt_hashes: AbstractSet[str], settings: DatasetSettings
) -> tuple[list[PreferencePair], list[PreferencePair]]:
    """The pairs to train on and those to validate with: where the examples of their prompts are, or of their sources
    and conversations, else by the same rule. None whose prompt is, or nearly is, in an evaluation set, or gives a case
    away, or belongs to one."""
    evaluated = evaluation_prompt_hashes | {case.prompt_hash for case in sets.judged}
    unseen = [pair for pair in pairs if pair.prompt_hash not in evaluated]
    prompts, cases = [pair.messages for pair in unseen], _distinct(sets.judged)
    trained = [example.messages for example in sets.train]
    near = near_duplicates_of(prompts, [case.messages for case in cases], trained)
    given_away = gives_away(prompts, [Judged(case.messages, case.reference) for case in cases])
    left_out = [one or other for one, other in zip(near, given_away, strict=True)]
    usable = [pair for pair, is_left_out in zip(unseen, left_out, strict=True) if not is_left_out]
    usable, known = sides_of_pairs(usable, sets.train, sets.validation, sets.judged, settings.sources)
    others = [pair for pair in usable if pair.prompt_hash not in known]
    arrivals = {
        pair.prompt_hash: Arrival(pair.prompt_hash, pair.source_id, pair.created_at)
        for pair in sorted(others, key=lambda each: each.created_at, reverse=True)
    }
    prompts_of = {pair.prompt_hash: pair.messages for pair in others}
    chosen = validating_apart(list(arrivals.values()), prompts_of, settings.validation_share).prompts
    validation = chosen | {prompt for prompt, validates in known.items() if validates}
    return (
        [pair for pair in usable if pair.prompt_hash not in validation],
        [pair for pair in usable if pair.prompt_hash in validation],
    )


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
