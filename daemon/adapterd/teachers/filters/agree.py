"""Whether answers to one prompt agree: the filters `contradiction` and `agreement`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from adapterd.config import Task
from adapterd.evaluation.metrics.grounding.numbers import numbers_of
from adapterd.evaluation.metrics.json_answers.values import INVALID, canonical, parse_json, without_notation
from adapterd.evaluation.metrics.label_metrics import label_of
from adapterd.evaluation.metrics.refusals import refuses
from adapterd.evaluation.metrics.text_forms import words
from adapterd.evaluation.metrics.text_metrics import overlap
from adapterd.teachers.filters.same import said_key
from adapterd.teachers.filters.verdict import Against, Finding, Found, drop, of_each, prompt_key, unsure
from adapterd.teachers.request import Candidate

ALIKE = 0.5
"""F1 over the words of two texts that say the same in other words."""
SHORT = 6
"""Words of an answer that says the same in the same words only."""


def agrees(one: str, other: str, task: Task) -> bool:
    """Whether two answers say the same: the same label or JSON, the same short text, or nearly the same words with the
    same numbers."""
    if task is Task.CLASSIFICATION:
        return label_of(one) == label_of(other)
    if said_key(one) == said_key(other):
        return True
    if task is Task.JSON or INVALID not in (parse_json(one), parse_json(other)) or refuses(one) is not refuses(other):
        return False
    if min(len(words(one)), len(words(other))) < SHORT:
        return label_of(one) == label_of(other)
    numbers = [{value for each in numbers_of(text) for value in (each.values or each.parts)} for text in (one, other)]
    return overlap(one, other) >= ALIKE and numbers[0] == numbers[1]


def contradiction(candidates: Sequence[Candidate], against: Against) -> Found:
    """The newest answer of a person to the same prompt is another, or more of the teachers' answers say another."""
    found: Found = [None for _ in candidates]
    ordered = sorted(range(len(candidates)), key=lambda place: (prompt_key(candidates[place].messages), place))
    for prompt, group in groupby(ordered, key=lambda place: prompt_key(candidates[place].messages)):
        places = [place for place in group if candidates[place].rejected is None]
        persons = [each.answer for each in against.by_prompt.get(prompt, ()) if each.by_person]
        teachers = [each.answer for each in against.by_prompt.get(prompt, ()) if not each.by_person]
        if persons:
            for place in places:
                if not agrees(candidates[place].answer, persons[0], against.task):
                    found[place] = drop("a person answered the same prompt otherwise")
        elif len(places) + len(teachers) > 1:
            _settle(places, candidates, teachers, against.task, found)
    return found


def _settle(
    places: Sequence[int], candidates: Sequence[Candidate], kept: Sequence[str], task: Task, found: Found
) -> None:
    """The answer that most say wins; where none has more than half, a person has to look."""
    theirs = (text for place in places for text in (candidates[place].answer, *candidates[place].others))
    said = [*kept, *filter(None, theirs)]
    first = True
    for place in places:
        votes = sum(agrees(candidates[place].answer, each, task) for each in said)
        if 2 * votes > len(said):
            found[place] = None if first and not kept else drop("another candidate says the same to the same prompt")
            first = False
        elif _some_win(said, task):
            found[place] = drop(f"{len(said) - votes} of {len(said)} answers to the same prompt say something else")
        else:
            found[place] = unsure("answers to the same prompt contradict one another")


def _some_win(said: Sequence[str], task: Task) -> bool:
    return any(2 * sum(agrees(one, other, task) for other in said) > len(said) for one in said)


def _agreement(candidate: Candidate, against: Against) -> Finding | None:
    if not candidate.others or candidate.rejected is not None:
        return None
    value = parse_json(candidate.answer)
    if isinstance(value, dict):
        return _fields_agree(value, [parse_json(each) for each in candidate.others])
    votes = 1 + sum(agrees(candidate.answer, each, against.task) for each in candidate.others)
    all_votes = 1 + len(candidate.others)
    return None if 2 * votes > all_votes else unsure(f"only {votes} of {all_votes} answers of the teacher agree")


def _fields_agree(value: Mapping[str, Any], others: Sequence[Any]) -> Finding | None:
    """Each field has to be what more than half say of it; what a field of prose says may be in other words."""
    for name, own in value.items():
        theirs = [each.get(name, INVALID) if isinstance(each, Mapping) else INVALID for each in others]
        votes = 1 + sum(_same_value(own, each) for each in theirs)
        if 2 * votes <= 1 + len(others):
            return unsure(f"only {votes} of {1 + len(others)} answers of the teacher agree on a field: {name:.80}")
    missing = Counter(name for each in others if isinstance(each, Mapping) for name in each if name not in value)
    lost = next((name for name, count in missing.items() if 2 * count > 1 + len(others)), None)
    return unsure(f"most answers of the teacher have a field more: {lost:.80}") if lost is not None else None


def _same_value(one: Any, other: Any) -> bool:
    if other is INVALID:
        return False
    if isinstance(one, str) and isinstance(other, str):
        return agrees(one, other, Task.GENERATION)
    return canonical(without_notation(one)) == canonical(without_notation(other))


agreement = of_each(_agreement)
