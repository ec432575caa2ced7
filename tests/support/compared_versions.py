"""Comparisons in a store as nights leave them, without anything being asked."""

from collections.abc import Sequence
from dataclasses import asdict

from adapterd.evaluation.e_process import SCORE
from adapterd.evidence.weighing import standing_of
from adapterd.store import Store
from adapterd.store.evidence.comparisons import CaseEvidence, Comparison, Counts, NewComparison, Purpose

PRIMARY, RAIL = "field_f1", "json_valid"
SHARE = 0.5


def begin(
    store: Store, ours: str = "1.3.0", theirs: str = "1.2.0", *, model: str = "m", purpose: Purpose = Purpose.CHALLENGE
) -> Comparison:
    """A comparison that begins now, at a level of 0.0125."""
    new = NewComparison(model, purpose, ours, f"d-{ours}", theirs, f"d-{theirs}", 0.0125, 300, 0)
    comparison = store.comparisons.begin(new)
    return _computed(store, comparison)


def add_night(
    store: Store,
    comparison: Comparison,
    differences: Sequence[float],
    *,
    counts: Counts = Counts.DECIDES,
    source: str | None = None,
    rail: float = 0.0,
) -> Comparison:
    """One look: a case for each difference of the primary metric, all with the same difference of the guard rail."""
    known = sum(len(look.cases) for look in store.comparisons.looks(comparison.id))
    cases = [
        CaseEvidence(f"case{n}", f"record{n}", "app", source, SCORE, counts, {PRIMARY: each, RAIL: rail})
        for n, each in enumerate(differences, start=known)
    ]
    store.comparisons.add_look(comparison.id, cases)
    return _computed(store, comparison)


def _computed(store: Store, comparison: Comparison) -> Comparison:
    standing = standing_of(comparison, store.comparisons.looks(comparison.id), PRIMARY, (RAIL,), SHARE)
    store.comparisons.set_standing(comparison.id, asdict(standing))
    return next(each for each in store.comparisons.all(comparison.model) if each.id == comparison.id)
