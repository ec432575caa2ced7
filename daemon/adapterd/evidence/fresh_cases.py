"""Which feedback is a fresh case of two versions, and which of these decide (decision 26, "What may be a fresh case").

A case is fresh if its prompt was not known when the comparison began, so that neither version was trained on it. It
decides only if it would be there whatever the two had answered. A correction of live's own mistake is there because
live was wrong, so any other version is better on it; it decides only where somebody says that all answers are reviewed:
what comes never shows it, for a few good answers beside all mistakes look the same.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from adapterd.chat import from_dicts
from adapterd.config import DatasetSettings, Reviews, Sources
from adapterd.dataset.cases import EvaluationCase, case_of
from adapterd.dataset.judgements import judgement_of
from adapterd.dataset.leaks.near_duplicates import cases_near
from adapterd.dataset.leaks.origins import places_by_origin
from adapterd.dataset.statements import resolve
from adapterd.evaluation.e_process import SCORE
from adapterd.evidence.chosen_by_chance import records_by_chance
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.store.evidence.comparisons import CaseEvidence, Comparison, Counts
from adapterd.store.feedback import StoredFeedback
from adapterd.store.versions import Deployment

UNKNOWN = ""
"""Whose answer it is that was given before anything was live: the untouched base may have given it."""


def unit_of(case: EvaluationCase) -> str | None:
    """What cases have in common that count as one: their source, or else the conversation that they are turns of."""
    return case.source_id or (f"conversation {case.conversation_id}" if case.conversation_id else None)


@dataclass(frozen=True)
class FreshCase:
    """A case that the versions of a comparison are asked, and whether it decides."""

    case: EvaluationCase
    origin: str
    counts: Counts


@dataclass(frozen=True)
class Reviewed:
    """A record that says which answer is right, and whose answer it judges: the name of the version that was live then,
    UNKNOWN before anything was, None where it judges none. It is `accepted` where that answer is the right one."""

    row: StoredFeedback
    answered_by: str | None
    accepted: bool

    @property
    def application(self) -> str:
        """Who sent it; empty for all that came without a name, which is whoever may write into the home."""
        return self.row.application or ""

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


def live_at(at: datetime, deployments: Sequence[Deployment]) -> str:
    """What was live at that time, UNKNOWN before anything was; deployments are in their order."""
    return next((each.live for each in reversed(deployments) if each.since <= at), UNKNOWN)


class Fairness:
    """Says of each case whether it decides between two versions; `reviewed` is all that was said of the prompts,
    `by_chance` are the content hashes of records on answers that chance chose to be judged, good or bad."""

    def __init__(
        self, pair: tuple[str, str], reviews: Reviews, reviewed: Sequence[Reviewed], by_chance: Collection[str] = ()
    ) -> None:
        self._pair, self._all, self._by_chance = (*pair, UNKNOWN), reviews is Reviews.ALL, by_chance
        self._mistakes = {
            each.row.prompt_hash for each in reviewed if each.answered_by in self._pair and not each.accepted
        }

    def counts(self, reviewed: Reviewed) -> Counts | None:
        """None where the right answer is a model's own, and not all of its answers are judged: that is no reference.
        What is said once more of a mistake, without the answer, is there because of the mistake, too."""
        if reviewed.answered_by in self._pair:
            if self._all or reviewed.row.content_hash in self._by_chance:
                return Counts.DECIDES
            return None if reviewed.accepted else Counts.SHOWN
        if reviewed.accepted:
            return None
        return Counts.DECIDES if self._all or reviewed.row.prompt_hash not in self._mistakes else Counts.SHOWN


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
    asked |= store.choices.asked(model, comparison.ours_digest, comparison.theirs_digest)  # a vote was given on these
    frozen = {case["id"] for each in store.evaluation_sets.all(model) for case in each.cases}
    deployments = store.versions.deployments(model)
    since = [row for row in about if row.prompt_hash not in known and row.content_hash not in held]
    reviewed = {row.content_hash: found for row in since if (found := Reviewed.of(row, deployments))}
    pair, by_chance = (comparison.ours, comparison.theirs), records_by_chance(store.reviews.all(model))
    fairness = Fairness(pair, reviews, list(reviewed.values()), by_chance)
    new = [row for row in since if row.prompt_hash not in asked | frozen]
    cases = []
    for example in resolve(FeedbackRecord.from_json(row.record) for row in new).examples:
        found = reviewed.get(example.record)
        counts = fairness.counts(found) if found else None
        if found and counts:
            cases.append(FreshCase(case_of(example), found.application, counts))
    before = [(row.id, row.record) for row in since if row.prompt_hash in asked]
    unlike = _unlike_what_was_known(store, comparison, cases, before, dataset)
    return _unlike_each_other(_chosen(unlike, most, dataset.max_share_of_source))


def _unlike_what_was_known(
    store: Store,
    comparison: Comparison,
    cases: list[FreshCase],
    asked: Sequence[tuple[int, str]],
    dataset: DatasetSettings,
) -> list[FreshCase]:
    """Without what is nearly a prompt of before, one that a teacher answered, or of a source of before: a version may
    have been trained on that; and without what is nearly a prompt that was asked: it would count twice."""
    if not cases:
        return []
    ever = ((number, text) for number, text in store.feedback.ever(comparison.model) if number <= comparison.after_id)
    before = [FeedbackRecord.from_json(text) for _, text in ever]
    again = [FeedbackRecord.from_json(text) for _, text in asked]
    taught = [from_dicts(list(each.messages)) for each in store.teaching.examples.ever_kept(comparison.model)]
    known = [*(record.messages for record in (*before, *again)), *taught]
    near = cases_near(known, [each.case.messages for each in cases])
    sides = dataset.sources is Sources.ONE_SIDE
    sources = {record.source_id for record in before if record.source_id} if sides else set()
    talks = {record.conversation_id for record in before if record.conversation_id} if sides else set()
    return [
        each
        for each, is_near in zip(cases, near, strict=True)
        if not is_near and each.case.source_id not in sources and each.case.conversation_id not in talks
    ]


def _unlike_each_other(cases: Sequence[FreshCase]) -> list[FreshCase]:
    """One of each kind of nearly the same prompts: one that only mistakes brought, if there is any, then the first."""
    found: list[FreshCase] = []
    for each in sorted(cases, key=lambda case: case.counts is Counts.DECIDES):
        if not found or not cases_near([kept.case.messages for kept in found], [each.case.messages])[0]:
            found.append(each)
    return found


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
    known = store.feedback.known_prompts(model, [each.prompt_hash for each in cases])
    every = (Reviewed.of(row, deployments) for row in rows.values())
    reviewed = {each.row.content_hash: each for each in every if each}
    fairness = Fairness(pair, reviews, list(reviewed.values()), records_by_chance(store.reviews.all(model)))
    found = []
    for case in cases:
        record = reviewed.get(case.record)
        is_own = case.prompt_hash not in known  # a case of somebody's own test set
        counts = fairness.counts(record) if record else Counts.DECIDES if is_own else None
        if counts and case.id in differences:
            found.append(
                CaseEvidence(case.id, case.record, case.origin, unit_of(case), SCORE, counts, differences[case.id])
            )
    return found
