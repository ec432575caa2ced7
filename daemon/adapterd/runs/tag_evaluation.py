"""Evaluating tags: all are asked the same questions through the runtime, as applications would, and compared.

The evaluation stage, `adapterctl compare` and `adapterctl eval run` use it.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from adapterd.base_proof.served_behaviour import undated
from adapterd.chat import Answer, Ask, ChatOptions, Message
from adapterd.config import ModelSettings, Task
from adapterd.dataset.cases import EvaluationCase
from adapterd.dataset.leaks.sources import sources_of
from adapterd.dataset.left_out import LeftOut, summary
from adapterd.errors import NotFoundError, RuntimeFailedError, StageError
from adapterd.evaluation.answered_set import AnsweredSet
from adapterd.evaluation.answers import CachedAsk, cached
from adapterd.evaluation.evaluate import Answers, Scores, ask_all
from adapterd.evaluation.gates import (
    BASE,
    CANDIDATE,
    LIVE,
    Measured,
    canary_gate,
    completeness_gate,
    distinct_file_gate,
    judge,
)
from adapterd.evaluation.metrics.catalogue import Baselines, baselines, free_metrics, metrics_for
from adapterd.evaluation.metrics.consistency import CASES, TEMPERATURE, consistency, together
from adapterd.evaluation.metrics.guard import ANSWER_TOKENS, guard_items, guard_metrics
from adapterd.evaluation.metrics.hygiene import HYGIENE, is_thought
from adapterd.evaluation.metrics.json_answers.schema import read_schema
from adapterd.evaluation.metrics.metric import Question
from adapterd.evaluation.rules import guard_rails, primary_of, rules_of
from adapterd.evaluation.statistics import Comparison
from adapterd.evaluation.verdict import Decision, GateFinding
from adapterd.formats.evaluation import ANSWERS, EVALUATION, Bridge
from adapterd.home import Home, make_private
from adapterd.runs.measuring.figures import Figures, Marks, Rubric
from adapterd.runs.served_prompts import ServedPrompts
from adapterd.serving.runtime import Runtime
from adapterd.system.files import write_atomic

STORED = ("scores", "baselines", "findings", "evaluation_hash")
"""The fields of an EvaluationResult that the store has, too; all of them are in evaluation.json."""
Report = Callable[..., object]


@dataclass(frozen=True)
class EvaluationRun:
    """The answers to the frozen set, by its hash, and to the `others`: the guard set, and some questions again with
    other seeds. Cases that are `left_out` could not be asked of all tags, or not be measured; `notes` say what else was
    not measured."""

    evaluation_hash: str
    frozen: AnsweredSet
    others: Mapping[str, AnsweredSet]
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def all(self) -> list[AnsweredSet]:
        return [self.frozen, *self.others.values()]

    def measured(self, ours: str = CANDIDATE) -> list[Measured]:
        """All metrics of one of them compared with all others."""
        return [each for answered in self.all for each in answered.measured(ours)]

    def scores(self) -> dict[str, Scores]:
        """All metrics of each tag."""
        found = self.frozen.scores()
        for answered in self.others.values():
            for name, scores in answered.scores().items():
                found[name].metrics.update(scores.metrics)
        return found

    def bridge(self, joined: Collection[str], live: str, metric: str) -> Bridge | None:
        """What is live on all cases, and without those of the ids that `joined`, if some did; `metric` is the primary
        one. The set before is asked with the grown one, which has all its cases. A candidate that is the live version's
        very file answers for it."""
        new = [place for place, question in enumerate(self.frozen.questions) if question.id in joined]
        cases = len(self.frozen.questions)
        if not 0 < len(new) < cases:
            return None
        role = LIVE if LIVE in self.frozen.answers else CANDIDATE
        sets = (self.frozen.without(new), self.frozen)
        before, now = (answered.scores()[role].metrics.get(metric) for answered in sets)
        return Bridge(live, cases, len(new), metric, before, now)

    def baselines(self) -> dict[str, Baselines]:
        """What answers that know nothing would score, by metric."""
        wanted = [metric for metric in self.frozen.metrics if metric not in HYGIENE]
        return {metric.name: baselines(metric, self.frozen.questions) for metric in wanted}


def comparisons(measured: Sequence[Measured]) -> dict[str, dict[str, Comparison]]:
    """The comparisons with other files, by metric and role."""
    return {
        each.metric.name: {name: found.summary() for name, found in each.against.items()}
        for each in measured
        if each.against
    }


@dataclass(frozen=True)
class EvaluationResult:
    """The verdict on a candidate, with everything that it rests on.

    `scores` are by role, `baselines` by metric: what answers that know nothing would score. `comparisons` are by metric
    and role: the candidate with each other file. `differences` say, by case and by each metric that decides, how much
    better the candidate's answer is than live's, in -1…1; none where it is live itself.
    On a set that has grown, the `bridge` leads to the one before.
    """

    decision: Decision
    reason: str
    findings: tuple[GateFinding, ...]
    scores: dict[str, Scores]
    baselines: dict[str, Baselines]
    comparisons: dict[str, dict[str, Comparison]]
    evaluation_hash: str
    left_out: tuple[LeftOut, ...] = ()
    differences: dict[str, dict[str, float]] = field(default_factory=dict)
    bridge: Bridge | None = None
    notes: tuple[str, ...] = ()

    def metrics(self) -> dict[str, Any]:
        """The fields that the store has with the version, in plain values."""
        return {name: value for name, value in asdict(self).items() if name in STORED}


@dataclass(frozen=True)
class Evaluator:
    """Asks the tags of a model and compares their answers; `gguf` is the file of its base."""

    home: Home
    runtime: Runtime
    settings: ModelSettings
    gguf: Path
    rubric: Rubric = field(default_factory=dict)
    marks: Marks = field(default_factory=dict)

    def collect_answers(
        self,
        tags: Mapping[str, str],
        cases: Sequence[EvaluationCase],
        evaluation_hash: str,
        report: Report,
        *,
        again: bool = True,
    ) -> EvaluationRun:
        """Ask each tag the frozen set, and the other sets that are configured; `report` gets the share done, 0…1, and
        the role of the tag. All are asked by the same release of the runtime: after an update meanwhile, once more.

        Cases that cannot be asked are left out for all alike. Raises NotFoundError for a tag that is not there,
        StageError where nothing can be asked, or prompts are cut.
        """
        release = self.runtime.version()
        found = self._collect(tags, cases, evaluation_hash, report)
        if (other := self.runtime.version()) == release:
            return found
        if again:
            return self.collect_answers(tags, cases, evaluation_hash, report, again=False)
        raise RuntimeFailedError(
            f"{self.runtime.name} {release} became {other} while it was asked, so the answers cannot be compared",
            hint="give the command again when the update is over",
        )

    def _collect(
        self, tags: Mapping[str, str], cases: Sequence[EvaluationCase], evaluation_hash: str, report: Report
    ) -> EvaluationRun:
        digests, asked = self.runtime.tags(), self.settings.evaluation
        if gone := [tag for tag in tags.values() if tag not in digests]:
            raise NotFoundError(f"{gone[0]} is gone from the runtime")
        prompts = ServedPrompts(self.runtime, self.settings, self.gguf, tags)
        cases, left_out = prompts.askable(cases)
        questions = [_question(case, source) for case, source in zip(cases, sources_of(cases), strict=True)]
        guard = [item.question for item in guard_items()] if asked.guard else []
        again = questions[:CASES] if asked.consistency_seeds > 1 else []
        free = questions if self._options.schema else []
        count = sum(map(len, (questions, guard, free))) + len(again) * asked.consistency_seeds + asked.latency_questions
        step = 1 / len(tags) / count
        given: dict[str, dict[str, Answers]] = {"frozen": {}, "guard": {}, "free": {}, "again": {}}
        for number, (name, tag) in enumerate(tags.items()):
            progress = _QuestionProgress(report, name, number * step * (count - asked.latency_questions), step)
            asker, freely = self.asker(tag, digests[tag]), self.asker(tag, digests[tag], free=True)
            briefly = self._briefly(tag, digests[tag])
            for kind, wanted, ask in (("frozen", questions, asker), ("guard", guard, briefly), ("free", free, freely)):
                answers = self._ask(ask, wanted, progress) if wanted else ()
                given[kind][name] = Answers(tag, digests[tag], answers)
            seeds = range(1, asked.consistency_seeds + 1) if again else ()
            rounds = [self._ask(self.asker(tag, digests[tag], seed=seed), again, progress) for seed in seeds]
            joined = tuple(together(answers) for answers in zip(*rounds, strict=True))
            given["again"][name] = Answers(tag, digests[tag], joined)
        metrics = metrics_for(
            self.settings.task, questions, schema=self._schema, embed=self._embed, strip_fences=asked.strip_fences
        )
        frozen, cut = _without_cut_prompts(AnsweredSet(questions, metrics, given["frozen"]), cases, prompts)
        figures = Figures(prompts, self._options, make_private(self.home.answers), self.rubric, self.marks)
        progress = _QuestionProgress(report, "", 1 - len(tags) * asked.latency_questions * step, step)
        measured, notes = figures.added(frozen.questions, frozen.answers, progress.one_more_of)
        frozen = replace(frozen, answers=measured)
        others = {
            "guard": (guard, guard_metrics()),
            "free": (free, free_metrics(metrics)),
            "again": (again, (consistency(),)),
        }
        answered = {name: AnsweredSet(wanted, its, given[name]) for name, (wanted, its) in others.items() if wanted}
        if "free" in answered:  # beside the same cases
            cut_places = [place for place, question in enumerate(questions) if question not in frozen.questions]
            answered["free"] = answered["free"].without(cut_places)
        return EvaluationRun(evaluation_hash, frozen, answered, (*left_out, *cut), notes)

    def judge(self, evaluation_run: EvaluationRun, extra_findings: Sequence[GateFinding] = ()) -> EvaluationResult:
        """The verdict on the candidate, by the gates in force."""
        measured, scores = evaluation_run.measured(), evaluation_run.scores()
        verdict = judge(
            measured,
            rules_of(self.settings),
            primary=primary_of(self.settings),
            require_improved=self.settings.evaluation.require_improved,
            extra_findings=[_distinct_file(scores), *extra_findings, *_answer_gates(evaluation_run.frozen)],
        )
        return EvaluationResult(
            verdict.decision,
            verdict.reason,
            verdict.findings,
            scores,
            evaluation_run.baselines(),
            comparisons(measured),
            evaluation_run.evaluation_hash,
            differences=self._differences(evaluation_run.frozen),
            notes=evaluation_run.notes,
        )

    def _differences(self, frozen: AnsweredSet) -> dict[str, dict[str, float]]:
        if LIVE not in frozen.answers:
            return {}
        return frozen.differences(CANDIDATE, LIVE, (primary_of(self.settings), *guard_rails(self.settings)))

    def save(self, evaluation_run: EvaluationRun, result: EvaluationResult, folder: Path) -> None:
        """Write the result, the questions and all answers into the version's folder, for reports and comparisons."""
        answers = make_private(folder / ANSWERS)
        for name, answered in {"frozen": evaluation_run.frozen, **evaluation_run.others}.items():
            write_atomic(answers / f"{name}.jsonl", "".join(_lines(answered)))
        EVALUATION.write(folder, asdict(result))

    def _ask(self, ask: Ask, questions: Sequence[Question], progress: "_QuestionProgress") -> tuple[Answer, ...]:
        return ask_all(questions, ask, at_once=self.settings.evaluation.at_once, report=lambda _: progress.one_more())

    def asker(
        self, tag: str, digest: str, *, seed: int | None = None, num_predict: int | None = None, free: bool = False
    ) -> CachedAsk:
        """Asks a tag of that digest one question, as all of an evaluation are asked; with a seed, by sampling. With
        `num_predict` an answer has no more tokens than that; a `free` one is held to no schema."""
        options = self._options if seed is None else replace(self._options, temperature=TEMPERATURE, seed=seed)
        if free:
            options = replace(options, schema=None)
        if num_predict is not None:
            options = replace(options, num_predict=min(num_predict, options.num_predict))
        logprobs = self.settings.task is Task.CLASSIFICATION

        def ask(messages: Sequence[Message]) -> Answer:
            return self.runtime.chat(tag, messages, options, logprobs=logprobs)

        def rendered(messages: Sequence[Message]) -> str:
            return undated(self.runtime.render(tag, messages, think=options.think, num_ctx=options.num_ctx))

        asked_of = f"{digest} {options} {logprobs} {self.runtime.name} {self.runtime.version()}"
        return cached(ask, make_private(self.home.answers), asked_of, rendered)

    def _briefly(self, tag: str, digest: str) -> Ask:
        """Asks for a short answer; where a thought took all of it, as any other question is asked."""
        short, whole = (self.asker(tag, digest, num_predict=most, free=True) for most in (ANSWER_TOKENS, None))

        def ask(messages: Sequence[Message]) -> Answer:
            answer = short(messages)
            return whole(messages) if answer.truncated and is_thought(answer.text) else answer

        return ask

    @cached_property
    def _options(self) -> ChatOptions:
        asked = self.settings.evaluation
        schema = self._schema if asked.structured else None
        return ChatOptions(
            num_ctx=asked.num_ctx, num_predict=asked.num_predict, think=self.settings.think.wanted,
            schema=None if schema is None else json.dumps(schema),
        )  # fmt: skip

    @cached_property
    def _schema(self) -> dict[str, Any] | None:
        return read_schema(self.settings.schema) if self.settings.schema else None

    @property
    def _embed(self) -> Callable[[str], list[float]] | None:
        """The embedding of a text, asked for once; None where no embedding model is configured."""
        tag = self.settings.evaluation.embedding
        return cache(lambda text: self.runtime.embed(tag, text)) if tag else None


def _question(case: EvaluationCase, source: str | None) -> Question:
    return Question(case.id, case.messages, case.reference, source, case.keywords, case.key_facts)


def _without_cut_prompts(
    answered: AnsweredSet, cases: Sequence[EvaluationCase], prompts: ServedPrompts
) -> tuple[AnsweredSet, list[LeftOut]]:
    """The set without the questions whose prompts a tag did not read as a whole, and these."""
    answers = {name: given.answers for name, given in answered.answers.items()}
    faults = prompts.not_read_as_a_whole([question.messages for question in answered.questions], answers)
    left_out = [LeftOut(cases[place].record, cases[place].source_id, str(fault)) for place, fault in faults.items()]
    if faults and len(faults) == len(answered.questions):
        if all(fault.is_cut for fault in faults.values()):
            raise StageError(summary(left_out, "all evaluation prompts were cut"), hint="raise evaluation.num_ctx")
        raise StageError(
            summary(left_out, "the runtime reads other prompts than it renders"),
            hint=f"update {prompts.runtime.name}, then give the command again",
        )
    return answered.without(faults), left_out


def _distinct_file(scores: Mapping[str, Scores]) -> GateFinding:
    others = {name: found.digest for name, found in scores.items() if name != CANDIDATE}
    return distinct_file_gate(scores[CANDIDATE].digest, others)


def _answer_gates(frozen: AnsweredSet) -> list[GateFinding]:
    """The gates that look at the answers themselves: some differ from the base's, and they are complete."""
    ours, base = (frozen.answers[name].answers for name in (CANDIDATE, BASE))
    live = frozen.answers.get(LIVE, frozen.answers[BASE]).answers  # a version that is live is not compared with itself
    canaries = [(ours[place].text, base[place].text) for place in frozen.wrong_in(BASE)]
    triples = zip(ours, live, frozen.questions, strict=True)
    lengths = [(answer.text, other.text, question.reference) for answer, other, question in triples]
    return [canary_gate(canaries), completeness_gate(lengths)]


@dataclass
class _QuestionProgress:
    """Reports one tag's answered questions as a share of the questions to all tags."""

    report: Report
    asking: str
    share: float
    step: float

    def one_more(self) -> None:
        """Count one more answer."""
        self.share += self.step
        self.report(min(1.0, self.share), asking=self.asking)

    def one_more_of(self, asking: str) -> None:
        """Count one more answer, of another tag."""
        self.asking = asking
        self.one_more()


def _lines(answered: AnsweredSet) -> Iterable[str]:
    """One line of JSON for each question, with all answers to it."""
    for place, question in enumerate(answered.questions):
        answers = {name: vars(given.answers[place]) for name, given in answered.answers.items()}
        yield json.dumps({**asdict(question), "answers": answers}, ensure_ascii=False) + "\n"
