"""Choosing the cases of a frozen evaluation set by hand: the newest, or a stratified sample of the newest."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from adapterd.dataset.cases import EvaluationCase, case_of
from adapterd.dataset.examples import Example
from adapterd.dataset.leaks.first_set import FaultOf
from adapterd.dataset.leaks.origins import places_by_origin
from adapterd.dataset.left_out import LeftOut, summary
from adapterd.dataset.split import MIN_USABLE_PROMPTS, newest_of_each_prompt, sorted_out
from adapterd.errors import NotEnoughDataError


class Strategy(StrEnum):
    """Which prompts are chosen: the newest of all, or the newest of each output type (of each answer, where there are
    few different ones) in proportion."""

    TEMPORAL = "temporal"
    STRATIFIED = "stratified"


MOST_STRATA = 50
"""With more different answers than this, examples are not stratified by their answers."""


def choose_cases(
    examples: Iterable[Example], strategy: Strategy, size: int, share: float = 1.0
) -> list[EvaluationCase]:
    """At most `size` cases, newest first, where there are several origins at most the `share` of them from one; raises
    NotEnoughDataError for fewer than MIN_USABLE_PROMPTS prompts."""
    distinct = newest_of_each_prompt(examples)
    if len(distinct) < MIN_USABLE_PROMPTS:
        raise NotEnoughDataError(
            f"there are {len(distinct)} prompts that no version was trained on, and {MIN_USABLE_PROMPTS} are needed",
            hint="give more feedback first: corrections and answers rated 4 or 5",
        )
    places = places_by_origin(Counter(each.origin for each in distinct), size, share)
    distinct = _newest_of_each_origin(distinct, places)
    size = min(size, sum(places.values()))
    chosen = distinct[:size] if strategy is Strategy.TEMPORAL else _stratified(distinct, size)
    return [case_of(example) for example in chosen]


def _newest_of_each_origin(newest_first: Sequence[Example], places: Mapping[str, int]) -> list[Example]:
    taken, found = Counter[str](), []
    for each in newest_first:
        taken[each.origin] += 1
        if taken[each.origin] <= places[each.origin]:
            found.append(each)
    return found


def choose_askable(
    examples: Iterable[Example], strategy: Strategy, size: int, unaskable: FaultOf, share: float = 1.0
) -> tuple[list[EvaluationCase], list[LeftOut]]:
    """As `choose_cases`, of those only that can be asked; the others are named, as far as they would have been chosen.

    `unaskable` is asked of what is chosen only, for that takes its time.
    """
    distinct, left_out, sound = newest_of_each_prompt(examples), list[LeftOut](), set[str]()
    while True:
        try:
            cases = choose_cases(distinct, strategy, size, share)
        except NotEnoughDataError as exc:
            also = f"; {summary(left_out, 'left out')}" if left_out else ""
            raise NotEnoughDataError(f"{exc}{also}", hint=exc.hint) from exc
        chosen = {case.id for case in cases} - sound
        _, faulty = sorted_out((each for each in distinct if each.prompt_hash in chosen), unaskable)
        if not faulty:
            return cases, left_out
        left_out += faulty
        records = {each.record for each in faulty}
        sound |= {each.prompt_hash for each in distinct if each.prompt_hash in chosen and each.record not in records}
        distinct = [each for each in distinct if each.record not in records]


def _stratified(newest_first: Sequence[Example], size: int) -> list[Example]:
    """Every stratum gets its share of the places, by the method of largest remainders."""
    strata = _strata(newest_first)
    size = min(size, len(newest_first))
    exact = {kind: size * len(members) / len(newest_first) for kind, members in strata.items()}
    places = {kind: int(share) for kind, share in exact.items()}
    by_remainder = sorted(strata, key=lambda kind: (places[kind] - exact[kind], kind))
    for kind in by_remainder[: size - sum(places.values())]:
        places[kind] += 1
    chosen = [example for kind, members in strata.items() for example in members[: places[kind]]]
    return sorted(chosen, key=newest_first.index)


def _strata(examples: Sequence[Example]) -> dict[str, list[Example]]:
    answers = {example.completion for example in examples}
    strata: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        strata[example.output_type or (example.completion if len(answers) <= MOST_STRATA else "")].append(example)
    return strata
