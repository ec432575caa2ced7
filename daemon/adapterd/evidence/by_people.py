"""Gates on what people measure of a challenger (`BY_PEOPLE`): its votes, with a judge's help, and marks on its answers.

No run is asked for them. They are asked when fresh cases have proven the challenger, before it goes live.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from adapterd.config import GateRule
from adapterd.evaluation.rules import FACT_COVERAGE, HUMAN_PREFERENCE, JUDGED_PREFERENCE, TOPIC_DRIFT
from adapterd.evidence.judged import missing_of_judge
from adapterd.evidence.marked import marked
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Comparison

LEAST_VOTES = 50
"""So many votes are needed where a gate asks for some."""
LEAST_MARKED = 20
"""So many cases have to be marked where a gate asks for some: with fewer, not even all of them say much."""


@dataclass(frozen=True)
class _Said:
    """What people said: a share of 1, None of nothing, by so many votes or cases; `text` says so in words."""

    value: float | None
    count: int
    text: str


@dataclass(frozen=True)
class _Measure:
    """How a metric is read of a challenger, and how many of what it needs at least."""

    read: Callable[[Store, Comparison], _Said]
    least: int
    counted: str


def missing_by_people(store: Store, comparison: Comparison, gates: Mapping[str, GateRule]) -> str:
    """What is missing of what gates ask of people, in words; empty if nothing is."""
    asked = [(name, each, gates[name]) for name, each in _MEASURES.items() if name in gates]
    found = [_missing(store, comparison, *each) for each in asked]
    if JUDGED_PREFERENCE in gates:
        found.append(missing_of_judge(store, comparison, gates[JUDGED_PREFERENCE]))
    return "; ".join(filter(None, found))


def votes_of(store: Store, comparison: Comparison) -> list[float]:
    """What each vote says of the challenger: 1 for it, -1 for the other one, 0 for neither."""
    cases = (case for look in store.comparisons.looks(comparison.id) for case in look.cases)
    return [case.differences[HUMAN_PREFERENCE] for case in cases if HUMAN_PREFERENCE in case.differences]


def _missing(store: Store, comparison: Comparison, name: str, measure: _Measure, rule: GateRule) -> str:
    said = measure.read(store, comparison)
    if said.count < measure.least or said.value is None:
        return f"{said.count} of the {measure.least} {measure.counted} that gates.{name} asks for"
    if rule.min is not None and said.value < rule.min:
        return f"{said.text}, and gates.{name} asks for {rule.min:.0%}"
    if rule.max is not None and said.value > rule.max:
        return f"{said.text}, and gates.{name} allows {rule.max:.0%}"
    return ""


def _preference(store: Store, comparison: Comparison) -> _Said:
    votes = votes_of(store, comparison)
    share = (1 + sum(votes) / len(votes)) / 2 if votes else None
    return _Said(share, len(votes), f"{share or 0.0:.0%} of {len(votes)} votes are for it")


def _marks(name: str) -> Callable[[Store, Comparison], _Said]:
    def read(store: Store, comparison: Comparison) -> _Said:
        figure = marked(store, comparison.model, comparison.ours).figures[name]
        return _Said(figure.value, figure.cases, f"its {name} is {figure.value or 0.0:.0%} by {figure.cases} cases")

    return read


_MEASURES: Mapping[str, _Measure] = {
    HUMAN_PREFERENCE: _Measure(_preference, LEAST_VOTES, "votes"),
    FACT_COVERAGE: _Measure(_marks(FACT_COVERAGE), LEAST_MARKED, "marked cases"),
    TOPIC_DRIFT: _Measure(_marks(TOPIC_DRIFT), LEAST_MARKED, "marked cases"),
}
"""What people measure alone, by the names of the metrics."""
