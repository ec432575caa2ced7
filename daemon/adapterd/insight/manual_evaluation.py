"""Freezing evaluation sets and evaluating versions by hand: what `adapterctl eval` and `adapterctl compare` do."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from adapterd.config import Settings
from adapterd.dataset.cases import EvaluationCase, content_hash
from adapterd.dataset.freezing import Strategy, choose_askable
from adapterd.dataset.left_out import LeftOut, summary
from adapterd.deployment.history import require_version
from adapterd.errors import InputError, NotFoundError
from adapterd.evaluation.gates import BASE, CANDIDATE, LIVE
from adapterd.evaluation.rules import primary_of
from adapterd.evidence.marked import scores_of
from adapterd.feedback.formats import reading_options
from adapterd.home import Home, make_private
from adapterd.insight.own_test_set import OwnCase, read_test_set
from adapterd.insight.unseen import TrainedPrompts, unseen_examples
from adapterd.intake.screening import faults_of, held_hashes
from adapterd.record import FeedbackRecord
from adapterd.runs.served_prompts import ServedPrompts
from adapterd.runs.tag_evaluation import EvaluationResult, EvaluationRun, Evaluator, Report
from adapterd.serving.runtimes import pinned_base, runtime_for
from adapterd.serving.tags import ModelTags, is_base
from adapterd.store import Store
from adapterd.store.evaluation_sets import EvaluationSet

TAKEN_BACK = "it was taken back earlier"


@dataclass(frozen=True)
class ManualEvaluation:
    """Freezes evaluation sets of one model and evaluates its versions by hand."""

    store: Store
    home: Home
    settings: Settings
    model: str

    def freeze(self, strategy: Strategy, size: int) -> tuple[EvaluationSet, bool, list[LeftOut]]:
        """Freeze a set of prompts that no version was trained on; returns it, whether it is a new one, and what is left
        out because it cannot be asked or measured.

        From then on its prompts are never trained on. Raises NotEnoughDataError.
        """
        settings = self.settings.models[self.model].dataset
        trained = TrainedPrompts.of(self.store, self.model)
        unseen = unseen_examples(self.store, self.model, trained, settings.sources)
        held = set(held_hashes(self.store, self.model, self.settings.models[self.model].feedback))
        examples, fault = [each for each in unseen if each.record not in held], self._prompts().fault_of_example
        while True:
            cases, left_out = choose_askable(examples, strategy, size, fault, settings.max_share_of_source)
            known = {case.id for case, why in zip(cases, trained.known(cases), strict=True) if why}
            if not known:
                return *self._freeze(cases, str(strategy)), left_out
            examples = [each for each in examples if each.prompt_hash not in known]

    def freeze_file(self, path: Path) -> tuple[EvaluationSet, bool, list[LeftOut]]:
        """Freeze somebody's own test set; returns it, whether it is a new one, and the cases that are left out: what
        cannot be asked or measured, what a version was trained on, what has secrets or personal data, and what was
        taken back.

        Raises InputError that names all lines that cannot be cases, and where none is left; nothing is frozen then.
        """
        own = self._read(path)
        known = TrainedPrompts.of(self.store, self.model).known([each.case for each in own])
        held = self._personal_data_in(own)
        removed = self._taken_back(own)
        prompts = self._prompts()
        faults = [
            TAKEN_BACK * (each.line in removed)
            or why
            or personal
            or prompts.fault(each.case.messages, each.case.reference)
            for each, why, personal in zip(own, known, held, strict=True)
        ]
        left_out = [
            LeftOut(each.case.record, each.case.source_id, f"line {each.line}, {fault}")
            for each, fault in zip(own, faults, strict=True)
            if fault
        ]
        cases = [each.case for each, fault in zip(own, faults, strict=True) if not fault]
        if not cases:
            raise InputError(
                summary(left_out, f"no case of {path} can judge; left out"),
                hint="a test set has prompts that were never trained on",
            )
        return *self._freeze(cases, f"from {path.name}"), left_out

    def _freeze(self, cases: Sequence[EvaluationCase], how: str) -> tuple[EvaluationSet, bool]:
        digest, newest = content_hash(cases), self.store.evaluation_sets.newest(self.model)
        if newest and newest.content_hash == digest:
            return newest, False
        with self.store.transaction():
            frozen = self.store.evaluation_sets.freeze(
                self.model, digest, [case.as_dict() for case in cases], by_hand=True
            )
            text = f"{self.model}: evaluation set {frozen.number} frozen by hand with {len(cases)} cases ({how})"
            self.store.events.add("evaluation.frozen", text, model=self.model, detail={"hash": digest})
        return frozen, True

    def _taken_back(self, own: Sequence[OwnCase]) -> set[int]:
        """The lines of cases that are records which were taken back, or ask what only such records asked."""
        hashes = self.store.removals.hashes(self.model)
        asked = {each.case.prompt_hash for each in own} & hashes
        gone = asked - {row.prompt_hash for row in self.store.feedback.about(self.model, asked)}
        return {each.line for each in own if each.case.record in hashes or each.case.prompt_hash in gone}

    def _personal_data_in(self, own: Sequence[OwnCase]) -> list[str]:
        """Of each case, what secrets or personal data it has, as records are scanned before they are frozen."""
        now = self.store.clock()
        records = [FeedbackRecord(each.case.messages, correction=each.case.reference, created_at=now) for each in own]
        return faults_of(records, self.settings.models[self.model].feedback)

    def _read(self, path: Path) -> list[OwnCase]:
        options = reading_options(self.settings.models[self.model].feedback)
        return read_test_set(path, options, self.store.clock())

    def _prompts(self) -> ServedPrompts:
        """Prompts as the base is served them."""
        runtime, settings = runtime_for(self.settings, self.home), self.settings.models[self.model]
        base = pinned_base(runtime, self.model, settings, self.home)
        return ServedPrompts(runtime, settings, base.gguf, {BASE: base.tag})

    def run(self, version: str, report: Report) -> EvaluationResult:
        """Ask a version, the live one and the base the set in force, and apply the gates in force.

        The live version stays live; the stored scores of the version are replaced.
        """
        live = self.live
        evaluator, evaluation_run = self._ask(
            {CANDIDATE: version, **({LIVE: live} if version != live else {}), BASE: BASE}, report
        )
        joined, primary = self.store.evaluation_sets.joined(self.model, self._set(None)), primary_of(evaluator.settings)
        bridge = evaluation_run.bridge(set(joined), live, primary)
        if bridge:
            self.store.evaluation_sets.keep_bridge(self.model, evaluation_run.evaluation_hash, asdict(bridge))
        result = replace(evaluator.judge(evaluation_run), left_out=evaluation_run.left_out, bridge=bridge)
        if not is_base(version):
            evaluator.save(evaluation_run, result, make_private(self.home.version(self.model, version)))
            self.store.versions.set_metrics(self.model, version, result.metrics())
        return result

    def compare(
        self, versions: Sequence[str], report: Report, number: int | None = None, data: Path | None = None
    ) -> EvaluationRun:
        """Ask versions the set in force, or the one of that number, or what is in a file, which is not frozen."""
        cases = [each.case for each in self._read(data)] if data else None
        return self._ask({version: version for version in versions}, report, number, cases)[1]

    def sets(self) -> list[EvaluationSet]:
        """Every frozen set, oldest first."""
        return self.store.evaluation_sets.all(self.model)

    def _ask(
        self,
        versions: Mapping[str, str],
        report: Report,
        number: int | None = None,
        given: Sequence[EvaluationCase] | None = None,
    ) -> tuple[Evaluator, EvaluationRun]:
        settings = self.settings.models[self.model]
        if given is None:
            frozen = self._set(number)
            cases, digest = [EvaluationCase.from_dict(case) for case in frozen.cases], frozen.content_hash
        else:
            cases, digest = list(given), content_hash(given)
        runtime, tags = runtime_for(self.settings, self.home), ModelTags(self.model)
        present = runtime.tags()
        for version in versions.values():
            tag = tags.version(version)
            if not is_base(version):
                require_version(self.store, self.model, version)
            if tag not in present:
                raise NotFoundError(
                    f"{tag} is not in the runtime any more",
                    hint=f"`adapterctl versions {self.model}` shows which versions are there",
                )
        base = pinned_base(runtime, self.model, settings, self.home)
        noted = {tags.version(each): self.store.rubric_scores.of(self.model, each) for each in versions.values()}
        marks = scores_of(self.store, self.model)
        evaluator = Evaluator(self.home, runtime, settings, base.gguf, noted, marks)
        asked = {name: tags.version(version) for name, version in versions.items()}
        return evaluator, evaluator.collect_answers(asked, cases, digest, report)

    def _set(self, number: int | None) -> EvaluationSet:
        sets = self.sets()
        if not sets:
            raise NotFoundError(
                f"{self.model} has no evaluation set yet", hint="`adapterctl eval freeze` makes one, and so does a run"
            )
        found = next((each for each in sets if each.number == number), None) if number else sets[-1]
        if found is None:
            known = ", ".join(str(each.number) for each in sets)
            raise NotFoundError(f"{self.model} has no evaluation set {number}; there are: {known}")
        return found

    @property
    def live(self) -> str:
        """The version that is live, `base` before the first."""
        deployment = self.store.versions.deployment(self.model)
        return deployment.live if deployment else BASE
