"""What the dataset stage has made: sizes, what was left out, and the sentences that a person should read about it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from adapterd.config import Balance
from adapterd.dataset.cases import EvaluationCase
from adapterd.dataset.encoding import TokenStatistics
from adapterd.dataset.leaks.origins import in_words
from adapterd.dataset.leaks.sources import count_of_sources
from adapterd.dataset.left_out import LeftOut, summary
from adapterd.dataset.split import Split

FEW_UNITS = 10
"""Sources, each of which counts once, with which little can be proven."""


@dataclass(frozen=True)
class DatasetResult:
    """The sizes of the sets, token statistics, and the hash that identifies the trained-on ids.

    Of the `newest` examples (those since the live version was trained, else those of the last day) `learned` are
    trained on. `unusable` records are in no set, `unaskable` ones cannot be evaluation cases; `notes` are sentences
    that a person should read. `held` examples wait for their release, `unbalanced` ones are beyond the cap of their
    group; `card` is the data card.
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


def notes_of(made: DatasetResult, sets: Split, newest_evaluated: AbstractSet[str], balance: Balance) -> Iterable[str]:
    """The sentences about a dataset that a person should read."""
    yield f"learned {made.learned} of the {made.newest} newest" + (
        f"; in the evaluation set: {len(newest_evaluated)}" if newest_evaluated else ""
    )
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


def _notes_of_validation(sets: Split) -> Iterable[str]:
    if sets.moved:
        yield f"moved from validation to training: {sets.moved} examples nearly the same as others that are trained on"
    if sets.alike_in_training:
        yield (
            f"all {sets.alike_in_training} examples that validate are nearly the same as some that are trained on, so "
            "validation loss says little: more varied feedback is needed"
        )


def notes_of_frozen(sets: Split, frozen: Sequence[EvaluationCase]) -> Iterable[str]:
    """Who judges, of a set that is frozen now."""
    origins = Counter(case.origin for case in sets.evaluation)
    if not frozen and any(origins):
        yield f"frozen for evaluation: {len(sets.evaluation)} prompts ({in_words(origins)})"
    units = count_of_sources(sets.evaluation)
    if not frozen and units < min(FEW_UNITS, len(sets.evaluation)):
        yield (
            f"the evaluation set has {len(sets.evaluation)} prompts of {units} source{'s' if units > 1 else ''} only, "
            'which hardly prove anything; dataset.sources = "mixed" takes single prompts of all'
        )
