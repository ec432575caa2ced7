"""Asking tags the same questions through the runtime, as applications would, and judging what they answer.

The evaluation stage, `adapterctl compare` and `adapterctl eval run` all do it here.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from adapterd.chat import Answer, ChatOptions, Message
from adapterd.config import GateRule, ModelSettings, Task
from adapterd.dataset.left_out import LeftOut, summary
from adapterd.dataset.split import EvaluationCase
from adapterd.errors import NotFoundError, StageError
from adapterd.evaluation.answers import cached
from adapterd.evaluation.evaluate import Answers, Scores, ask_all, measure, score
from adapterd.evaluation.gates import (
    BASE,
    CANDIDATE,
    LIVE,
    Measured,
    answers_are_complete,
    answers_differ,
    is_another_file,
    judge,
)
from adapterd.evaluation.metrics.catalogue import CRITICAL, PRIMARY, Baselines, baselines, metrics_for
from adapterd.evaluation.metrics.consistency import CASES, TEMPERATURE, consistency, together
from adapterd.evaluation.metrics.guard import guard_items, guard_metrics
from adapterd.evaluation.metrics.hygiene import HYGIENE
from adapterd.evaluation.metrics.json_answers.metrics import is_exact
from adapterd.evaluation.metrics.json_answers.schema import read_schema
from adapterd.evaluation.metrics.metric import Metric, Question
from adapterd.evaluation.metrics.text_metrics import asked
from adapterd.evaluation.statistics import Comparison
from adapterd.evaluation.verdict import Decision, Finding
from adapterd.home import Home, make_private
from adapterd.runs.served_prompts import ServedPrompts
from adapterd.serving.runtime import Runtime
from adapterd.system.files import write_atomic

GUARD_MARGIN = 0.05
EVALUATION = "evaluation.json"
KEPT = ("scores", "baselines", "findings", "evaluation_hash")
"""What of a judgement stands in the store; all of it is in EVALUATION."""
Report = Callable[..., object]


@dataclass(frozen=True)
class Paper:
    """Questions that belong together, the metrics by which their answers are measured, and what each tag answered, by
    what it is (`candidate`, `live`, `base`)."""

    questions: Sequence[Question]
    metrics: Sequence[Metric]
    answers: Mapping[str, Answers]

    def scores(self) -> dict[str, Scores]:
        """Each tag's metrics."""
        return {name: score(given, self.questions, self.metrics) for name, given in self.answers.items()}

    def measured(self, ours: str) -> list[Measured]:
        """One of them compared with all others."""
        others = {name: given for name, given in self.answers.items() if name != ours}
        return measure(self.metrics, self.questions, self.answers[ours], others)

    def changed_most(self, ours: str, theirs: str, count: int) -> list[dict[str, Any]]:
        """The cases of which the first metric that has a value for every case changed most, with both answers."""
        metric = next(metric for metric in self.metrics if metric.by_case and not metric.yes_no)
        values = {name: self._by_case(metric, name) for name in (ours, theirs)}
        places = sorted(range(len(self.questions)), key=lambda place: -abs(values[ours][place] - values[theirs][place]))
        return [
            {
                "id": self.questions[place].id, "metric": metric.name, "ours": values[ours][place],
                "theirs": values[theirs][place], "asked": asked(self.questions[place]),
                "reference": self.questions[place].reference,
                **{name: self.answers[name].answers[place].text for name in (theirs, ours)},
            }
            for place in places[:count]
            if values[ours][place] != values[theirs][place]
        ]  # fmt: skip

    def _by_case(self, metric: Metric, name: str) -> list[float]:
        pairs = zip(self.questions, self.answers[name].answers, strict=True)
        return [metric.over([question], [answer]) or 0.0 for question, answer in pairs]

    def without(self, places: Collection[int]) -> "Paper":
        """The paper without the questions at these places."""
        kept = [place for place in range(len(self.questions)) if place not in places]
        answers = {
            name: replace(given, answers=tuple(given.answers[place] for place in kept))
            for name, given in self.answers.items()
        }
        return replace(self, questions=[self.questions[place] for place in kept], answers=answers)

    def wrong_in(self, name: str) -> list[int]:
        """The places of the questions that one of them does not answer exactly as the reference does."""
        pairs = zip(self.questions, self.answers[name].answers, strict=True)
        return [place for place, (question, answer) in enumerate(pairs) if not is_exact(question, answer)]


@dataclass(frozen=True)
class Papers:
    """The frozen set, by its hash, and what was asked besides: the guard set, some questions again. Cases that are
    `left_out` could not be asked of all tags, or not be measured."""

    evaluation_hash: str
    frozen: Paper
    others: Mapping[str, Paper]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def all(self) -> list[Paper]:
        return [self.frozen, *self.others.values()]

    def measured(self, ours: str = CANDIDATE) -> list[Measured]:
        """Everything of one of them compared with all others."""
        return [each for paper in self.all for each in paper.measured(ours)]

    def scores(self) -> dict[str, Scores]:
        """All metrics of each tag."""
        found = self.frozen.scores()
        for paper in self.others.values():
            for name, scores in paper.scores().items():
                found[name].metrics.update(scores.metrics)
        return found


@dataclass(frozen=True)
class Judged:
    """The verdict on a candidate, with all that led to it; by metric, and by what was asked.

    `comparisons` are of the candidate with each other file, `baselines` what answers that know nothing would score.
    """

    decision: Decision
    reason: str
    findings: tuple[Finding, ...]
    scores: dict[str, Scores]
    baselines: dict[str, Baselines]
    comparisons: dict[str, dict[str, Comparison]]
    evaluation_hash: str
    left_out: tuple[LeftOut, ...] = ()

    def metrics(self) -> dict[str, Any]:
        """What the store keeps of it with the version, in plain values."""
        return {name: value for name, value in asdict(self).items() if name in KEPT}


@dataclass(frozen=True)
class Examination:
    """How the tags of a model are asked and judged; `gguf` is its base's file."""

    home: Home
    runtime: Runtime
    settings: ModelSettings
    gguf: Path

    def hold(
        self, tags: Mapping[str, str], cases: Sequence[EvaluationCase], evaluation_hash: str, report: Report
    ) -> Papers:
        """Ask each tag the frozen set, and what else is wanted; `report` gets the share done and who is asked.

        Cases that cannot be asked are left out for all alike. Raises NotFoundError for a tag that is not there,
        StageError where nothing can be asked, or prompts are not read as they are.
        """
        digests, asked = self.runtime.tags(), self.settings.evaluation
        if gone := [tag for tag in tags.values() if tag not in digests]:
            raise NotFoundError(f"{gone[0]} is gone from the runtime")
        prompts = ServedPrompts(self.runtime, self.settings, self.gguf, tags)
        cases, left_out = prompts.askable(cases)
        questions = [Question(case.id, case.messages, case.reference, case.source_id) for case in cases]
        guard = [item.question for item in guard_items()] if asked.guard else []
        again = questions[:CASES] if asked.consistency_seeds > 1 else []
        count = len(questions) + len(guard) + len(again) * asked.consistency_seeds
        sheets: dict[str, dict[str, Answers]] = {"frozen": {}, "guard": {}, "again": {}}
        for number, (name, tag) in enumerate(tags.items()):
            answered = _Progress(report, name, number / len(tags), 1 / len(tags) / count)
            for sheet, wanted in (("frozen", questions), ("guard", guard)):
                given = self._ask(tag, digests[tag], wanted, answered) if wanted else ()
                sheets[sheet][name] = Answers(tag, digests[tag], given)
            seeds = range(1, asked.consistency_seeds + 1) if again else ()
            rounds = [self._ask(tag, digests[tag], again, answered, seed=seed) for seed in seeds]
            said = tuple(together(answers) for answers in zip(*rounds, strict=True))
            sheets["again"][name] = Answers(tag, digests[tag], said)
        schema = read_schema(self.settings.schema) if self.settings.schema else None
        metrics = metrics_for(self.settings.task, questions, schema=schema, embed=self._embed)
        frozen = Paper(questions, metrics, sheets["frozen"])
        frozen, cut = _as_read(frozen, cases, prompts)
        others = {"guard": (guard, guard_metrics()), "again": (again, (consistency(),))}
        papers = {name: Paper(wanted, measures, sheets[name]) for name, (wanted, measures) in others.items() if wanted}
        return Papers(evaluation_hash, frozen, papers, (*left_out, *cut))

    def judge(self, papers: Papers, beside: Sequence[Finding] = ()) -> Judged:
        """The verdict on the candidate, by the gates in force."""
        measured, scores = papers.measured(), papers.scores()
        verdict = judge(
            measured,
            rules_of(self.settings),
            primary=primary_of(self.settings),
            require_improved=self.settings.evaluation.require_improved,
            beside=[_is_a_file_of_its_own(scores), *beside, *_of_answers(papers.frozen)],
        )
        return Judged(
            verdict.decision,
            verdict.reason,
            verdict.findings,
            scores,
            {
                metric.name: baselines(metric, papers.frozen.questions)
                for metric in papers.frozen.metrics
                if metric not in HYGIENE
            },
            {
                each.metric.name: {name: found.summary() for name, found in each.against.items()}
                for each in measured
                if each.against
            },
            papers.evaluation_hash,
        )

    def keep(self, papers: Papers, judged: Judged, folder: Path) -> None:
        """Write the verdict, the questions and all answers beside the version, for its report and for comparisons."""
        answers = make_private(folder / "answers")
        for name, paper in {"frozen": papers.frozen, **papers.others}.items():
            write_atomic(answers / f"{name}.jsonl", "".join(_lines(paper)))
        write_atomic(folder / EVALUATION, json.dumps(asdict(judged), indent=1, ensure_ascii=False))

    def _ask(
        self, tag: str, digest: str, questions: Sequence[Question], answered: "_Progress", *, seed: int | None = None
    ) -> tuple[Answer, ...]:
        """Ask a tag all of these; with a seed, with chance."""
        options = self._options if seed is None else replace(self._options, temperature=TEMPERATURE, seed=seed)
        logprobs = self.settings.task is Task.CLASSIFICATION

        def ask(messages: Sequence[Message]) -> Answer:
            return self.runtime.chat(tag, messages, options, logprobs=logprobs)

        folder = make_private(self.home.answers)
        asked = cached(ask, folder, f"{digest} {options} {logprobs}")
        return ask_all(questions, asked, at_once=self.settings.evaluation.at_once, report=lambda _: answered.one_more())

    @cached_property
    def _options(self) -> ChatOptions:
        asked = self.settings.evaluation
        return ChatOptions(
            num_ctx=asked.num_ctx, num_predict=asked.num_predict, think=self.settings.think.wanted
        )  # fmt: skip

    @property
    def _embed(self) -> Callable[[str], list[float]] | None:
        """The embedding of a text, asked for once; None where no embedding model is configured."""
        tag = self.settings.evaluation.embedding
        return cache(lambda text: self.runtime.embed(tag, text)) if tag else None


def _as_read(paper: Paper, cases: Sequence[EvaluationCase], prompts: ServedPrompts) -> tuple[Paper, list[LeftOut]]:
    """The paper without the questions that a tag did not read as a whole, and these."""
    answers = {name: given.answers for name, given in paper.answers.items()}
    faults = prompts.not_read_as_a_whole([question.messages for question in paper.questions], answers)
    left_out = [LeftOut(cases[place].record, cases[place].source_id, fault) for place, fault in faults.items()]
    if faults and len(faults) == len(paper.questions):
        raise StageError(summary(left_out, "all evaluation prompts were cut"), hint="raise evaluation.num_ctx")
    return paper.without(faults), left_out


def _is_a_file_of_its_own(scores: Mapping[str, Scores]) -> Finding:
    others = {name: found.digest for name, found in scores.items() if name != CANDIDATE}
    return is_another_file(scores[CANDIDATE].digest, others)


def _of_answers(paper: Paper) -> list[Finding]:
    """What the candidate's answers show, whatever they are worth: that it says anything new, and anything at all."""
    ours, base = (paper.answers[name].answers for name in (CANDIDATE, BASE))
    live = paper.answers.get(LIVE, paper.answers[BASE]).answers  # a version that is live is not compared with itself
    canaries = [(ours[place].text, base[place].text) for place in paper.wrong_in(BASE)]
    triples = zip(ours, live, paper.questions, strict=True)
    lengths = [(answer.text, other.text, question.reference) for answer, other, question in triples]
    return [answers_differ(canaries), answers_are_complete(lengths)]


@dataclass
class _Progress:
    """What of one tag's questions is answered, told as a share of everything."""

    report: Report
    asking: str
    share: float
    step: float

    def one_more(self) -> None:
        """One more answer is there."""
        self.share += self.step
        self.report(min(1.0, self.share), asking=self.asking)


def primary_of(settings: ModelSettings) -> str:
    """The metric that has to be proven better: the configured one, else the task's."""
    return settings.evaluation.primary or PRIMARY[settings.task]


def rules_of(settings: ModelSettings) -> dict[str, GateRule]:
    """The gates in force: those of the task and of the guard set, and over them what the configuration says."""
    own = {name: GateRule(critical=True) for name in (*CRITICAL[settings.task], primary_of(settings))}
    guard = {"guard": GateRule(margin=GUARD_MARGIN)} if settings.evaluation.guard else {}
    return {**own, **guard, **settings.gates}


def _lines(paper: Paper) -> Iterable[str]:
    """One line for each question, with all answers to it."""
    for place, question in enumerate(paper.questions):
        answers = {name: vars(given.answers[place]) for name, given in paper.answers.items()}
        yield json.dumps({**asdict(question), "answers": answers}, ensure_ascii=False) + "\n"
