"""Asking two versions the fresh cases of a night, and counting what these say: the part of it that needs numpy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from adapterd.capture.captures import Captures
from adapterd.config import ModelSettings
from adapterd.errors import NotFoundError
from adapterd.evaluation.e_process import SCORE
from adapterd.evidence.decision import Decision, Judged, Night
from adapterd.evidence.fresh_cases import FreshCase, fresh_cases, frozen_evidence, unit_of
from adapterd.evidence.season import Rules, Season
from adapterd.home import Home
from adapterd.review.choices import make_choices, pair_of
from adapterd.review.frame import Frame
from adapterd.runs.tag_evaluation import Evaluator
from adapterd.serving.runtimes import pinned_base, runtime_for
from adapterd.serving.tags import BASE, ModelTags
from adapterd.store import Store
from adapterd.store.evidence.comparisons import CaseEvidence, Comparison, ComparisonState, Counts, Purpose
from adapterd.store.versions import VersionState

OURS, THEIRS = "candidate", "live"
LIKELIHOODS = "reference_"
"""How the names of metrics begin that are measured of the references' likelihoods."""


@dataclass(frozen=True)
class FreshAnswers:
    """Asks what the night is for, and decides."""

    store: Store
    home: Home
    night: Night

    @property
    def _model(self) -> ModelSettings:
        return self.night.settings.models[self.night.model]

    def decided(self) -> Decision | None:
        season = Season(self.store, self.night.model, Rules.of(self._model))
        season.settle()
        found = [decision for each in season.open if (decision := self._decided(season, each))]
        may = [each for each in found if each.purpose is Purpose.CHALLENGE or self._model.watch.auto_rollback]
        if may:  # the watch comes first, for it changes what the challenger is compared with
            return may[0]
        return self._begun(season) or next(iter(found), None)

    def make_choices(self) -> int:
        """Have the challenger and live answer captured prompts, until as many choices wait for people as are wanted;
        returns how many are new. Raises StoreError for captures that cannot be read, and what the runtime raises."""
        comparison = self.store.comparisons.open(self.night.model, Purpose.CHALLENGE)
        wanted, captures = self._model.evaluation.choices_per_night, self.home.captures
        if comparison is None or not wanted or not captures.is_file():
            return 0
        pair = pair_of(self.store, self.night.model)
        missing = wanted - len(self.store.choices.waiting(self.night.model, pair.ours_digest, pair.theirs_digest))
        if missing <= 0:
            return 0
        with Captures(captures) as opened:
            frame = Frame.of(self.store, opened, self.night.model)
            return make_choices(frame, pair, runtime_for(self.night.settings, self.home), self._model, missing)

    def _decided(self, season: Season, comparison: Comparison) -> Decision | None:
        """What the fresh cases say, if anything follows from it."""
        asked = self._model.evaluation
        newest = self.store.feedback.last_id(comparison.model)
        cases = fresh_cases(
            self.store, comparison, most=asked.fresh_per_night, reviews=asked.reviews, dataset=self._model.dataset,
            held=self.night.held,
        )  # fmt: skip
        try:
            evidence = self._ask(comparison, cases) if cases else []
        except NotFoundError as exc:
            season.drop(comparison, str(exc), ComparisonState.CLOSED)
            return None
        if len(cases) < asked.fresh_per_night:
            self.store.comparisons.set_seen(comparison.id, newest)
        return season.decide(comparison, season.add(comparison, evidence))

    def _begun(self, season: Season) -> Decision | None:
        """What follows of a version that was made just now, and of those that wait."""
        judged = self.night.judged
        version = self.store.versions.get(self.night.model, judged.version) if judged else None
        if judged and version and version.state is VersionState.WAITING:
            cases = self._of_frozen(judged)
            standing = season.begin_first_exam(version, cases)
            if standing:
                return season.decide(season.open[-1], standing)
        season.choose()
        return None

    def _of_frozen(self, judged: Judged) -> list[CaseEvidence]:
        """What a frozen set says as evidence: of the cases that would be there whatever had been answered, and that no
        other version was asked: what was, may have chosen this one."""
        live = self.store.versions.deployment(self.night.model)
        pair = (judged.version, live.live if live else BASE)
        reviews = self._model.evaluation.reviews
        others = [each for each in self.store.versions.all(self.night.model) if each.version != judged.version]
        today = self.store.evaluation_sets.successors(self.night.model)
        asked = {today.get(name, name) for each in others if (name := each.metrics.get("evaluation_hash"))}
        sets = [each for each in self.store.evaluation_sets.all(self.night.model) if each.content_hash in asked]
        known = {case["id"] for each in sets for case in each.cases}
        new = {case: found for case, found in judged.differences.items() if case not in known}
        return frozen_evidence(self.store, self.night.model, judged.evaluation_hash, new, pair, reviews)

    def _ask(self, comparison: Comparison, cases: Sequence[FreshCase]) -> list[CaseEvidence]:
        """What each case says; those that cannot be asked, or were not read as a whole, say nothing, and are not asked
        again. Raises NotFoundError for a version that is gone."""
        runtime, tags = runtime_for(self.night.settings, self.home), ModelTags(comparison.model)
        asked_for = any(name.startswith(LIKELIHOODS) for name in Rules.of(self._model).all)
        only_cases = replace(
            self._model.evaluation, guard=False, consistency_seeds=0, reference_nll=asked_for, latency_questions=0
        )
        settings = replace(self._model, evaluation=only_cases)
        base = pinned_base(runtime, comparison.model, self._model, self.home)
        asked = {OURS: tags.version(comparison.ours), THEIRS: tags.version(comparison.theirs)}
        evaluator = Evaluator(self.home, runtime, settings, base.gguf)
        run = evaluator.collect_answers(asked, [each.case for each in cases], "", lambda _share, **_more: None)
        found = run.frozen.differences(OURS, THEIRS, Rules.of(self._model).all)
        return [_evidence(each, found.get(each.case.id)) for each in cases]


def _evidence(fresh: FreshCase, differences: Mapping[str, float] | None) -> CaseEvidence:
    """What a case says; without differences it was not answered."""
    case, counts = fresh.case, fresh.counts if differences is not None else Counts.SHOWN
    return CaseEvidence(case.id, case.record, fresh.origin, unit_of(case), SCORE, counts, differences or {})
