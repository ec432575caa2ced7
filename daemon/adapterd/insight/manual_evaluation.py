"""Freezing evaluation sets and evaluating versions by hand: what `adapterctl eval` and `adapterctl compare` do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from adapterd.config import Settings
from adapterd.dataset.examples import Example, example_of
from adapterd.dataset.freezing import Strategy, choose_askable
from adapterd.dataset.left_out import LeftOut
from adapterd.dataset.split import EvaluationCase, content_hash
from adapterd.errors import NotFoundError
from adapterd.evaluation.gates import BASE, CANDIDATE, LIVE
from adapterd.home import Home, make_private
from adapterd.record import FeedbackRecord
from adapterd.runs.served_prompts import ServedPrompts
from adapterd.runs.tag_evaluation import EvaluationResult, EvaluationRun, Evaluator, Report
from adapterd.serving.runtimes import pinned_base, runtime_for
from adapterd.serving.tags import ModelTags
from adapterd.store import Store
from adapterd.store.evaluation_sets import EvaluationSet


@dataclass(frozen=True)
class ManualEvaluation:
    """Freezes evaluation sets of one model and evaluates its versions by hand."""

    store: Store
    home: Home
    settings: Settings
    model: str

    def freeze(self, strategy: Strategy, size: int) -> tuple[EvaluationSet, bool, list[LeftOut]]:
        """Freeze a set of prompts that what is live was not trained on; returns it, whether it is a new one, and what
        is left out because it cannot be asked or measured.

        From then on its prompts are never trained on. Raises NotEnoughDataError.
        """
        cases, left_out = choose_askable(self._unseen(), strategy, size, self._prompts().fault_of_example)
        digest, newest = content_hash(cases), self.store.evaluation_sets.newest(self.model)
        if newest and newest.content_hash == digest:
            return newest, False, left_out
        with self.store.transaction():
            frozen = self.store.evaluation_sets.freeze(self.model, digest, [case.as_dict() for case in cases])
            text = f"{self.model}: evaluation set {frozen.number} frozen by hand with {len(cases)} cases ({strategy})"
            self.store.events.add("evaluation.frozen", text, model=self.model, detail={"hash": digest})
        return frozen, True, left_out

    def _prompts(self) -> ServedPrompts:
        """Prompts as the base is served them."""
        runtime, settings = runtime_for(self.settings, self.home), self.settings.models[self.model]
        base = pinned_base(runtime, self.model, settings)
        return ServedPrompts(runtime, settings, base.gguf, {BASE: base.tag})

    def run(self, version: str, report: Report) -> EvaluationResult:
        """Ask a version, the live one and the base the set in force, and apply the gates in force.

        The live version stays live; the stored scores of the version are replaced.
        """
        live = self.live
        evaluator, evaluation_run = self._ask(
            {CANDIDATE: version, **({LIVE: live} if version != live else {}), BASE: BASE}, report
        )
        result = replace(evaluator.judge(evaluation_run), left_out=evaluation_run.left_out)
        if version != BASE:
            evaluator.save(evaluation_run, result, make_private(self.home.version(self.model, version)))
            self.store.versions.set_metrics(self.model, version, result.metrics())
        return result

    def compare(self, versions: Sequence[str], report: Report, number: int | None = None) -> EvaluationRun:
        """Ask versions the set in force, or the one of that number."""
        return self._ask({version: version for version in versions}, report, number)[1]

    def sets(self) -> list[EvaluationSet]:
        """Every frozen set, oldest first."""
        return self.store.evaluation_sets.all(self.model)

    def _ask(
        self, versions: Mapping[str, str], report: Report, number: int | None = None
    ) -> tuple[Evaluator, EvaluationRun]:
        frozen, settings = self._set(number), self.settings.models[self.model]
        runtime, tags = runtime_for(self.settings, self.home), ModelTags(self.model)
        present = runtime.tags()
        for version in versions.values():
            if tags.version(version) not in present:
                raise NotFoundError(f"{tags.version(version)} is not in the runtime", hint="adapterctl history")
        base = pinned_base(runtime, self.model, settings)
        evaluator = Evaluator(self.home, runtime, settings, base.gguf)
        cases = [EvaluationCase.from_dict(case) for case in frozen.cases]
        asked = {name: tags.version(version) for name, version in versions.items()}
        return evaluator, evaluator.collect_answers(asked, cases, frozen.content_hash, report)

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

    def _unseen(self) -> Iterator[Example]:
        """Examples that the live version was not trained on: those since its run began, and those of frozen sets."""
        live = self.store.versions.get(self.model, self.live)
        run = self.store.runs.get(live.run_id) if live else None
        learned = run.last_feedback_id if run else 0
        evaluated = {case["id"] for each in self.sets() for case in each.cases}
        for row in self.store.feedback.all(self.model):
            example = example_of(FeedbackRecord.from_json(row.record))
            if example and (row.id > learned or example.prompt_hash in evaluated):
                yield example
