"""What the dataset stage has made: sizes, what was left out, and the sentences that a person should read about it."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from adapterd.config import Balance, DatasetSettings
from adapterd.dataset.cases import EvaluationCase
from adapterd.dataset.encoding import TokenStatistics
from adapterd.dataset.examples import Example
from adapterd.dataset.leaks.origins import in_words
from adapterd.dataset.leaks.sources import count_of_sources
from adapterd.dataset.left_out import LeftOut, summary
from adapterd.dataset.split import Split

FEW_UNITS = 10
"""Sources, each of which counts once, with which little can be proven."""
ENOUGH_CASES = 56
"""Cases of which four in five fixed samples prove a gain of 0.05, where scores differ by 0.15 (decision 26)."""


@dataclass(frozen=True)
class DatasetResult:
    """The sizes of the sets, token statistics, and the hash that identifies the trained-on ids.

    Of the `newest` examples (those since the live version was trained, else those of the last day) `learned` are
    trained on. `unusable` records are in no set, `unaskable` ones cannot be evaluation cases; `notes` are sentences
    that a person should read. `held` examples wait for their release, `unbalanced` ones are beyond the cap of their
    group; `card` is the data card.
    Where the set in force has `grown`, the cases of these ids have `joined`; the prompts that are `waiting` for that
    are in no set. `replay` counts the general prompts that are trained on with the base's own answers, `synthetic` the
    examples and pairs that teachers made; of those `synthetic_left_out` counts the others, by reason. `long_context`
    tells which rotary factors are in force, None for a base with one set.
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
    given_away: int = 0
    same_source: int = 0
    shared_sources: list[str] = field(default_factory=list)
    newest: int = 0
    learned: int = 0
    unusable: list[LeftOut] = field(default_factory=list)
    unaskable: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    long_context: bool | None = None
    held: int = 0
    unbalanced: int = 0
    card: dict[str, Any] = field(default_factory=dict)
    grown: bool = False
    joined: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    replay: int = 0
    synthetic: int = 0
    synthetic_left_out: dict[str, int] = field(default_factory=dict)


def notes_of(
    made: DatasetResult,
    sets: Split,
    frozen: Sequence[EvaluationCase],
    examples: Sequence[Example],
    newest: AbstractSet[str],
    settings: DatasetSettings,
) -> Iterable[str]:
    """The sentences about a dataset that a person should read. `frozen` is the set that was in force, `newest` are the
    newest records of the examples."""
    yield from _notes_of_training(made, sets, newest & {case.record for case in sets.evaluation}, settings.balance)
    yield from _notes_of_newcomers(sets)
    if not frozen:
        yield from _notes_of_frozen(sets, settings, _pace_of(examples))


def _notes_of_training(
    made: DatasetResult, sets: Split, newest_evaluated: AbstractSet[str], balance: Balance
) -> Iterable[str]:
    yield f"learned {made.learned} of the {made.newest} newest" + (
        f"; in the evaluation set: {len(newest_evaluated)}" if newest_evaluated else ""
    )
    yield from _notes_of_teachers(made)
    if made.held:
        yield (
            f"left out: {made.held} examples held for secrets or personal data (`adapterctl feedback quarantine` names "
            "them, `adapterctl feedback release` lets them in)"
        )
    if made.unbalanced:
        yield f"left out: {made.unbalanced} of the oldest examples of the largest groups by {balance} (dataset.balance)"
    yield from _notes_of_validation(sets)
    if made.near_duplicates:
        yield f"left out: {made.near_duplicates} examples nearly the same as a case of the evaluation set"
    if made.given_away:
        yield (
            f"left out: {made.given_away} examples that go on behind a case of an evaluation set, or have its answer "
            "in them"
        )
    if made.same_source:
        yield (
            f"left out: {made.same_source} examples of sources or conversations that an evaluation set has "
            '(dataset.sources = "mixed" trains on them)'
        )
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


def _notes_of_teachers(made: DatasetResult) -> Iterable[str]:
    if made.synthetic or made.synthetic_left_out:
        reasons = ", ".join(f"{count} {reason}" for reason, count in made.synthetic_left_out.items())
        yield f"learned {made.synthetic} that teachers made" + (f"; left out: {reasons}" if reasons else "")


def _notes_of_validation(sets: Split) -> Iterable[str]:
    if sets.moved:
        yield f"moved from validation to training: {sets.moved} examples nearly the same as others that are trained on"
    if sets.alike_in_training:
        yield (
            f"all {sets.alike_in_training} examples that validate are nearly the same as some that are trained on, so "
            "validation loss says little: more varied feedback is needed"
        )


def _notes_of_newcomers(sets: Split) -> Iterable[str]:
    count = len(sets.newcomers.examples)
    if sets.newcomers.join:
        yield f"the evaluation set has grown by {count} to {len(sets.evaluation)} cases, of new prompts"
    elif count:
        yield f"kept from training until the evaluation set grows: {count} new prompts (dataset.growing_share)"


def _notes_of_frozen(sets: Split, settings: DatasetSettings, pace: float | None) -> Iterable[str]:
    """Who judges, of a set that is frozen now, and whether these are enough; `pace` is how many new prompts come a day,
    if that is known."""
    if any(origins := Counter(case.origin for case in sets.evaluation)):
        yield f"frozen for evaluation: {len(sets.evaluation)} prompts ({in_words(origins)})"
    units = count_of_sources(sets.evaluation)
    if units < min(FEW_UNITS, len(sets.evaluation)):
        yield (
            f"the evaluation set has {len(sets.evaluation)} prompts of {units} source{'s' if units > 1 else ''} only, "
            'which hardly prove anything; dataset.sources = "mixed" takes single prompts of all'
        )
    if len(sets.evaluation) < min(ENOUGH_CASES, settings.evaluation_max):
        yield f"the evaluation set is small, {_cases(sets.evaluation)}: {_until_large(sets, settings, pace)}"


def _until_large(sets: Split, settings: DatasetSettings, pace: float | None) -> str:
    """How long it takes until a set that is too small is large enough, and until it has its size."""
    if not settings.growing_share:
        return "it does not grow (dataset.growing_share = 0); `adapterctl eval freeze` makes another, of new prompts"
    if not pace:
        return f"{settings.growing_share:.0%} of new prompts will join it; how many come a day is not known yet"
    joining = settings.growing_share * pace
    sizes = sorted({min(ENOUGH_CASES, settings.evaluation_max), settings.evaluation_max})
    days = [max(1, math.ceil((size - len(sets.evaluation)) / joining)) for size in sizes]
    when = ", ".join(f"{size} in about {count} days" for size, count in zip(sizes, days, strict=True))
    return (
        f"at the pace so far ({pace:.3g} new prompts a day, of which {settings.growing_share:.0%} join) it has {when}"
    )


def _cases(cases: Sequence[EvaluationCase]) -> str:
    return f"{len(cases)} case{'s' if len(cases) > 1 else ''}"


def _pace_of(examples: Iterable[Example]) -> float | None:
    """How many prompts came a day, from the first to the last; None where all came within one."""
    first = dict[str, datetime]()
    for each in sorted(examples, key=lambda each: each.first_at or each.created_at):
        first.setdefault(each.prompt_hash, each.first_at or each.created_at)
    times = sorted(first.values())
    days = (times[-1] - times[0]) / timedelta(days=1) if times else 0.0
    return len(times) / days if days >= 1 else None
