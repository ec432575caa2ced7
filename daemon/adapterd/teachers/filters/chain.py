"""The filters in their order, and what of many candidates they keep."""

from collections.abc import Sequence
from dataclasses import dataclass

from adapterd.teachers.filters.agree import agreement, contradiction
from adapterd.teachers.filters.form import complete, schema
from adapterd.teachers.filters.names import SAID
from adapterd.teachers.filters.rests_on import copied, grounded, refusal
from adapterd.teachers.filters.same import duplicate, near_duplicate, near_frozen
from adapterd.teachers.filters.verdict import Against, Filter, Finding
from adapterd.teachers.filters.yields import Yield, yield_of
from adapterd.teachers.request import Candidate

FILTERS = (
    Filter("complete", SAID["complete"], complete),
    Filter("schema", SAID["schema"], schema),
    Filter("grounded", SAID["grounded"], grounded),
    Filter("refusal", SAID["refusal"], refusal),
    Filter("copied", SAID["copied"], copied),
    Filter("duplicate", SAID["duplicate"], duplicate),
    Filter("near_duplicate", SAID["near_duplicate"], near_duplicate),
    Filter("near_frozen", SAID["near_frozen"], near_frozen),
    Filter("contradiction", SAID["contradiction"], contradiction),
    Filter("agreement", SAID["agreement"], agreement),
)
"""From the cheapest to what needs several answers."""


@dataclass(frozen=True)
class Dropped:
    """A candidate that is not kept, the filter, and why."""

    candidate: Candidate
    filter: str
    reason: str


@dataclass(frozen=True)
class Sifted:
    """What is kept of candidates, what a person has to look at, and what is dropped; how much of each in `counted`."""

    kept: tuple[Candidate, ...]
    unsure: tuple[Dropped, ...]
    dropped: tuple[Dropped, ...]
    counted: Yield


def sift(candidates: Sequence[Candidate], against: Against) -> Sifted:
    """Pass candidates through all filters. What one is unsure of goes on, for a later one may drop it."""
    left = list(range(len(candidates)))
    open_questions: dict[int, Dropped] = {}
    dropped: list[Dropped] = []
    for each in FILTERS:
        found = each.apply([candidates[place] for place in left], against)
        going = list[int]()
        for place, finding in zip(left, found, strict=True):
            if finding is None or finding.unsure:
                going.append(place)
                _note(open_questions, place, candidates[place], each.name, finding)
            else:
                dropped.append(Dropped(candidates[place], each.name, finding.reason))
        left = going
    unsure = tuple(open_questions[place] for place in left if place in open_questions)
    kept = tuple(candidates[place] for place in left if place not in open_questions)
    names = [(each.name, each.said) for each in FILTERS]
    reasons = [[(each.filter, each.reason) for each in some] for some in (dropped, unsure)]
    return Sifted(kept, unsure, tuple(dropped), yield_of(names, len(candidates), len(kept), *reasons))


def _note(questions: dict[int, Dropped], place: int, candidate: Candidate, name: str, finding: Finding | None) -> None:
    if finding is not None and place not in questions:
        questions[place] = Dropped(candidate, name, finding.reason)
