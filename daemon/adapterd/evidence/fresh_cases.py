"""Which feedback is a fresh case of two versions, and which of these decide (decision 26, "What may be a fresh case").

A case is fresh if its prompt was not known when the comparison began, so that neither version was trained on it. It
decides only if it would be there whatever the two had answered. A correction of live's own mistake is there because
live was wrong, so any other version is better on it; it decides only where the good answers of live come as well.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from adapterd.config import DatasetSettings, Reviews, Sources
from adapterd.dataset.cases import EvaluationCase, case_of
from adapterd.dataset.judgements import judgement_of
from adapterd.dataset.leaks.near_duplicates import cases_near
from adapterd.dataset.leaks.origins import places_by_origin
from adapterd.dataset.statements import resolve
from adapterd.evaluation.e_process import SCORE
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.store.evidence.comparisons import CaseEvidence, Comparison, Counts
from adapterd.store.feedback import StoredFeedback
from adapterd.store.versions import Deployment

LEAST_ACCEPTED = 0.1
"""The share of live's reviewed answers that are good, from which on all of them seem to be reviewed."""


@dataclass(frozen=True)
class FreshCase:
    """A case that the versions of a comparison are asked, and whether it decides."""

    case: EvaluationCase
    origin: str
    counts: Counts


@dataclass(frozen=True)
class Reviewed:
    """A record that says which answer is right, and whose answer it judges: the name of the version that was live then,
    None where it judges none of ours. It is `accepted` where that answer is the right one."""

    row: StoredFeedback
    answered_by: str | None
    accepted: bool

    @property
    def application(self) -> str:
        """Who sent it; empty for all that came without a name, which is whoever may write into the home."""
        return self.row.application or ""

    @property
    def way(self) -> tuple[str, str]:
        """Who sent it, and the way on which it came: each may be of other reviews."""
        return self.application, self.row.origin

    @classmethod
    def of(cls, row: StoredFeedback, deployments: Sequence[Deployment]) -> "Reviewed | None":
        """None where it does not say which answer is right, or only which of two is better."""
        record = FeedbackRecord.from_json(row.record)
        says = judgement_of(record)
        if says.good is None or says.relative:
            return None
        if record.output is None:
            return cls(row, None, accepted=False)
        at = min(row.created_at, row.received_at)
        return cls(row, live_at(at, deployments), accepted=record.correction is None)


def live_at(at: datetime, deployments: Sequence[Deployment]) -> str | None:
    """What was live at that time, None before anything was; deployments are in their order."""
    return next((each.live for each in reversed(deployments) if each.since <= at), None)


class Fairness:
    """Says of each case whether it decides between two versions, from what else came on the same way."""

    def __init__(self, pair: tuple[str, str], reviews: Reviews, reviewed: Sequence[Reviewed]) -> None:
        self._pair, self._reviews = pair, reviews
        own = [each for each in reviewed if each.answered_by in self._pair]
        self._own = Counter(each.way for each in own)
        self._good = Counter(each.way for each in own if each.accepted)

    def all_are_reviewed(self, way: tuple[str, str]) -> bool:
        """Whether the good answers of the two come as well as the bad ones."""
        if self._reviews is not Reviews.AUTO:
            return self._reviews is Reviews.ALL
        return self._own[way] > 0 and self._good[way] >= LEAST_ACCEPTED * self._own[way]

    def counts(self, reviewed: Reviewed) -> Counts | None:
        """None where the right answer is a model's own, and not all of its answers are judged: that is no reference."""
        if reviewed.answered_by is None and not reviewed.accepted:
            return Counts.DECIDES
        if reviewed.answered_by not in self._pair:
            return None if reviewed.accepted else Counts.DECIDES
        if self.all_are_reviewed(reviewed.way):
            return Counts.DECIDES
        return None if reviewed.accepted else Counts.SHOWN


def fresh_cases(
    store: Store,
    comparison: Comparison,
    *,
    most: int,
    reviews: Reviews,
    dataset: DatasetSettings,
    held: Collection[str] = (),
) -> list[FreshCase]:
    """The cases to ask tonight: at most so many, chosen by the hash of their prompts, where there are several origins
    no more than its share from each. What is not chosen may be on a later night. `held` are the content hashes of
    records that must not be used."""
    model = comparison.model
    about = store.feedback.about_the_same(model, after_id=comparison.after_id)
    known = {row.prompt_hash for row in about if row.id <= comparison.after_id}
    asked = {case.case for look in store.comparisons.looks(comparison.id) for case in look.cases}
    frozen = {case["id"] for each in store.evaluation_sets.all(model) for case in each.cases}
    deployments = store.versions.deployments(model)
    since = [row for row in about if row.prompt_hash not in known and row.content_hash not in held]
    reviewed = {row.content_hash: found for row in since if (found := Reviewed.of(row, deployments))}
    fairness = Fairness((comparison.ours, comparison.theirs), reviews, list(reviewed.values()))
    new = [row for row in since if row.prompt_hash not in asked | frozen]
    cases = []
    for example in resolve(FeedbackRecord.from_json(row.record) for row in new).examples:
        found = reviewed.get(example.record)
        counts = fairness.counts(found) if found else None
        if found and counts:
            cases.append(FreshCase(case_of(example), found.application, counts))
    return _chosen(_unlike_what_was_known(store, comparison, cases, dataset), most, dataset.max_share_of_source)


def _unlike_what_was_known(
    store: Store, comparison: Comparison, cases: list[FreshCase], dataset: DatasetSettings
) -> list[FreshCase]:
    """Without what is nearly a prompt of before, or of a source of before: a version may have been trained on that."""
    if not cases:
        return []
    before = [
        FeedbackRecord.from_json(text)
        for number, text in store.feedback.ever(comparison.model)
        if number <= comparison.after_id
    ]
    near = cases_near([record.messages for record in before], [each.case.messages for each in cases])
    sides = dataset.sources is Sources.ONE_SIDE
    sources = {record.source_id for record in before if record.source_id} if sides else set()
    talks = {record.conversation_id for record in before if record.conversation_id} if sides else set()
    return [
        each
        for each, is_near in zip(cases, near, strict=True)
        if not is_near and each.case.source_id not in sources and each.case.conversation_id not in talks
    ]


def _chosen(cases: Sequence[FreshCase], most: int, share: float) -> list[FreshCase]:
    in_order = sorted(cases, key=lambda each: each.case.prompt_hash)
    places = places_by_origin(Counter(each.origin for each in in_order), most, share)
    taken, found = Counter[str](), list[FreshCase]()
    for each in in_order:
        taken[each.origin] += 1
        if taken[each.origin] <= places[each.origin] and len(found) < most:
            found.append(each)
    return found


def frozen_evidence(
    store: Store,
    model: str,
    frozen_hash: str,
    differences: Mapping[str, Mapping[str, float]],
    pair: tuple[str, str],
    reviews: Reviews,
) -> list[CaseEvidence]:
    """What the cases of a frozen set say of two versions, by their names, where they may decide."""
    frozen = next((each for each in store.evaluation_sets.all(model) if each.content_hash == frozen_hash), None)
    if frozen is None:
        return []
    cases = [EvaluationCase.from_dict(each) for each in frozen.cases]
    deployments = store.versions.deployments(model)
    rows = {row.content_hash: row for row in store.feedback.about(model, [each.prompt_hash for each in cases])}
    every = (Reviewed.of(row, deployments) for row in rows.values())
    reviewed = {each.row.content_hash: each for each in every if each}
    fairness = Fairness(pair, reviews, list(reviewed.values()))
    found = []
    for case in cases:
        record = reviewed.get(case.record)
        is_own = case.record not in rows  # a case of somebody's own test set
        counts = fairness.counts(record) if record else Counts.DECIDES if is_own else None
        if counts and case.id in differences:
            found.append(
                CaseEvidence(case.id, case.record, case.origin, case.source_id, SCORE, counts, differences[case.id])
            )
    return found
