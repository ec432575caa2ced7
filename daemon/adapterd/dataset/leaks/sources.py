"""What counts once among the cases of an evaluation: a source, a conversation, or prompts that are nearly the same.

The answer to a near-duplicate says hardly more than the first one, so statistics that took both for independent would
find differences that are none.
"""

from collections import Counter
from collections.abc import Sequence

from adapterd.dataset.cases import EvaluationCase
from adapterd.dataset.leaks.groups import Member, Together, together
from adapterd.dataset.leaks.near_duplicates import near_each


def sources_of(cases: Sequence[EvaluationCase]) -> list[str | None]:
    """For each case, the name of what it counts with; None for a case that counts for itself.

    Cases of one source, of one conversation, and near-duplicates have one name, transitively: the source of the first
    of them, in the given order, else its id. A few hundred cases take less than a second.
    """
    members = [Member(case.messages, case.reference, case.source_id, case.conversation_id) for case in cases]
    found, prompts = together(members), [case.messages for case in cases]
    join_near(found, near_each(prompts, prompts), range(len(cases)))
    numbers = found.numbers()
    sizes = Counter(numbers)
    return [
        cases[number].source_id or (f"like {cases[number].id}" if sizes[number] > 1 else None) for number in numbers
    ]


def join_near(groups: Together, near: Sequence[Sequence[int]], places: Sequence[int]) -> None:
    """Have each of these places belong to those near it."""
    for place, alike in zip(places, near, strict=True):
        for other in alike:
            groups.join(place, other)


def count_of_sources(cases: Sequence[EvaluationCase]) -> int:
    """How many sources there are, a case that counts for itself as one."""
    named = sources_of(cases)
    return len(set(named) - {None}) + named.count(None)
