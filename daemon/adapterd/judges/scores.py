"""A judge's scores of single answers to a frozen set: key facts, topic and faithfulness, beside what people marked.

Of the first two, people mark a random part (the cases come in the order of their hashes), so the judge's scores of all
can be calibrated by it, as votes are. Nobody marks faithfulness: it is advice.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from adapterd.chat import ChatOptions, from_dicts
from adapterd.config import Settings
from adapterd.errors import NotFoundError
from adapterd.evaluation.judging.agreement import Coefficient, spearman
from adapterd.evaluation.judging.ask import Judged, score_messages, score_schema, scores_in
from adapterd.evaluation.judging.estimate import LEAST_VOTES, SCORES, CalibratedMean, calibrated_mean
from adapterd.evaluation.judging.rubric import named_rubric
from adapterd.evaluation.rules import FACT_COVERAGE, TOPIC_DRIFT
from adapterd.evidence.kept_answers import KeptAnswer, kept_answers
from adapterd.evidence.marked import scores_of
from adapterd.home import Home
from adapterd.judges.asking import Progress, alone, ask_judge, is_same_judge, key_of
from adapterd.judges.configured import ConfiguredJudge, configured_judge, identified
from adapterd.review.facts import proposed
from adapterd.store import Store
from adapterd.store.judging.verdicts import KeptJudge
from adapterd.teachers.request import Kind, TeacherRequest, prompt_tokens_of
from adapterd.teachers.work import Outcome, Planned

FAITHFULNESS, ON_TOPIC = "faithfulness", "on_topic"
CRITERIA = (FACT_COVERAGE, ON_TOPIC, FAITHFULNESS)
"""What a judge is asked; `topic_drift` is 1 - `on_topic`."""
METRICS = (FACT_COVERAGE, TOPIC_DRIFT, FAITHFULNESS)
JUDGED = "judged_"
"""What stands in front of a metric's name where a judge scored it: people's own are never replaced."""


@dataclass(frozen=True)
class ScoredMetric:
    """A metric by a judge: its mean over `judged` answers (None of none; a case without key facts has no coverage), its
    agreement with people on the `marked` ones, and what they would find if they marked all. `advice` says why it is no
    more than advice, empty where people have calibrated it."""

    metric: str
    judged: int
    by_judge: float | None
    marked: int
    agreement: Coefficient | None
    calibrated: CalibratedMean | None
    advice: str

    def __str__(self) -> str:
        """A sentence."""
        if self.by_judge is None:
            return f"{self.metric}: the judge scored no answer yet."
        if self.calibrated is None:
            return f"{self.metric}: {self.by_judge:.0%} by the judge alone, which is no evidence. {self.advice}"
        found = self.calibrated
        share = f"{found.mean:.0%} ({found.interval.low:.0%} to {found.interval.high:.0%})"
        kind = f"Advice only: {self.advice}" if self.advice else f"Agreement with people: Spearman {self.agreement}."
        return (
            f"{self.metric}: {share} by {self.marked} marked answers and {self.judged} scores; by the marks alone "
            f"{found.by_people:.0%}, by the judge alone {self.by_judge:.0%}. {kind}"
        )


@dataclass(frozen=True)
class ScoreRound:
    """What a judge is to score of a version: `answers` that are kept of it, of which `open` have no score of it."""

    store: Store
    settings: Settings
    model: str
    version: str
    configured: ConfiguredJudge
    judge: KeptJudge
    facts: Mapping[str, tuple[str, ...]]
    answers: tuple[KeptAnswer, ...]
    open: tuple[KeptAnswer, ...]

    @property
    def requests(self) -> list[TeacherRequest]:
        """What is asked, in the order of `open`."""
        return [self._request(each) for each in self.open]

    @property
    def prompt_tokens(self) -> int:
        """About how many tokens all prompts have together."""
        return prompt_tokens_of(self.requests)

    def ask(self, progress: Progress = lambda _: None) -> tuple[Outcome, bool]:
        """Ask, and keep the scores; returns how that ended, and whether the same weights answered all along: else
        nothing is kept. Raises BusyError while another process asks a judge, and as `ask_judge`."""
        with alone(self.store):
            by = self.store.rubric_scores.given_by(self.model, self.version, JUDGED + FAITHFULNESS)
            left = tuple(each for each in self.open if by.get(each.id) != self.given_by(each))
            return self._ask(left, progress)

    def _ask(self, left: Sequence[KeptAnswer], progress: Progress) -> tuple[Outcome, bool]:
        requests = [self._request(each) for each in left]
        planned = [Planned(one, (case_name(each.id),)) for one, each in zip(requests, left, strict=True)]
        outcome = ask_judge(self.store, self.settings, self.model, self.configured, self.judge, planned, progress)
        keys = [key_of(each, self.judge) for each in requests]
        if not is_same_judge(self.configured, self.settings, self.judge):
            self.store.teaching.requests.forget(self.model, keys)
            return outcome, False
        self._keep(keys, left)
        return outcome, True

    def _keep(self, keys: Sequence[str], answers: Sequence[KeptAnswer]) -> None:
        """What cannot be read stays in the journal, so that it is not asked again as long as that has it."""
        known, done = self.store.teaching.requests.of(self.model, keys), list[str]()
        with self.store.transaction():
            for key, answer in zip(keys, answers, strict=True):
                row = known.get(key)
                found = scores_in(str(row.reply["text"]), CRITERIA).criteria if row and row.reply else {}
                for metric, score in _metrics(found).items():
                    self.store.rubric_scores.put(
                        self.model, self.version, answer.id, JUDGED + metric, score, self.given_by(answer)
                    )
                done += [key] if found else []
            self.store.teaching.requests.forget(self.model, done)

    def given_by(self, answer: KeptAnswer) -> str:
        """What a score of an answer is kept as: by this judge, of this text, with these facts."""
        return _given_by(self.judge, answer, self.facts[answer.case])

    def _request(self, answer: KeptAnswer) -> TeacherRequest:
        facts = "\n".join(f"- {each}" for each in self.facts[answer.case]) or "(none)"
        reference = f"Key facts:\n{facts}\n\nA good answer:\n{answer.reference}"
        case = Judged(from_dicts(list(answer.messages)), named_rubric("scores"), reference)
        of = self.configured.settings
        options = ChatOptions(
            num_ctx=of.num_ctx, num_predict=of.num_predict, temperature=of.temperature, think=of.think.wanted,
            schema=score_schema(CRITERIA),
        )  # fmt: skip
        return TeacherRequest(Kind.VERDICT, score_messages(case, answer.text, CRITERIA), options)


def case_name(case: str) -> str:
    """What names a case in the journal, where a judge is asked about an answer to it."""
    return f"case {case}"


def prepare_scores(
    store: Store, home: Home, settings: Settings, model: str, version: str, limit: int | None = None
) -> ScoreRound:
    """Find what the model's judge can score of a version's kept answers. Raises NotFoundError without a judge, or where
    no answers are kept, and what the runtime raises."""
    configured = configured_judge(settings, model)
    answers = tuple(sorted(kept_answers(store, model, version), key=lambda each: each.case))
    if not answers:
        raise NotFoundError(
            f"no answers of {model} {version} to a frozen set are kept", hint=f"adapterctl versions {model}"
        )
    judge = identified(configured, settings, home, model)
    own = store.rubrics.facts(model)
    facts = {
        each.case: own[each.case] if each.case in own else proposed(each.reference, each.key_facts) for each in answers
    }
    by = store.rubric_scores.given_by(model, version, JUDGED + FAITHFULNESS)
    left = tuple(each for each in answers if by.get(each.id) != _given_by(judge, each, facts[each.case]))
    return ScoreRound(store, settings, model, version, configured, judge, facts, answers, left[:limit])


def scored(found: ScoreRound) -> list[ScoredMetric]:
    """What the judge's scores say, beside what people marked."""
    store, scores = found.store, found.store.rubric_scores.of(found.model, found.version)
    marks = scores_of(store, found.model)
    return [_scored(metric, scores, marks, found) for metric in METRICS]


def _scored(
    metric: str,
    scores: Mapping[str, Mapping[str, float]],
    marks: Mapping[tuple[str, str], Mapping[str, float]],
    found: ScoreRound,
) -> ScoredMetric:
    by = found.store.rubric_scores.given_by(found.model, found.version, JUDGED + FAITHFULNESS)
    asked = [each for each in found.answers if metric != FACT_COVERAGE or found.facts[each.case]]
    valid = [each for each in asked if by.get(each.id) == found.given_by(each)]

    def judged(answers: Sequence[KeptAnswer]) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        return np.array([scores[each.id][JUDGED + metric] for each in answers], dtype=np.float64)

    marked = [each for each in valid if metric in marks.get((each.case, each.answer), {})]
    rest = [each for each in valid if metric not in marks.get((each.case, each.answer), {})]
    people = np.array([marks[each.case, each.answer][metric] for each in marked], dtype=np.float64)
    agreement = spearman(people, judged(marked)) if marked else None
    mean = float(judged(valid).mean()) if valid else None
    calibrated = calibrated_mean(people, judged(marked), judged(rest), scale=SCORES) if len(marked) > 1 else None
    advice = _why_advice(len(marked), agreement, len(asked) - len(valid), found.judge.advice)
    return ScoredMetric(metric, len(valid), mean, len(marked), agreement, calibrated, advice)


def _why_advice(marked: int, agreement: Coefficient | None, without: int, of_judge: str) -> str:
    if of_judge:
        return f"{of_judge}."
    if without:
        return f"{without} answers have no score of it, and which ones is not by chance."
    if marked < LEAST_VOTES:
        return f"{marked} of the {LEAST_VOTES} answers that it takes are marked by people."
    if agreement is None or agreement.value is None or agreement.low <= 0:
        return "It is not shown that the judge agrees with people more than by chance."
    return ""


def _metrics(criteria: Mapping[str, float]) -> dict[str, float]:
    if not criteria:
        return {}
    return {
        FACT_COVERAGE: criteria[FACT_COVERAGE], TOPIC_DRIFT: 1 - criteria[ON_TOPIC],
        FAITHFULNESS: criteria[FAITHFULNESS],
    }  # fmt: skip


def _given_by(judge: KeptJudge, answer: KeptAnswer, facts: Sequence[str]) -> str:
    whole = (judge.id, named_rubric("scores"), answer.case, answer.answer, list(facts))
    return sha256(json.dumps(whole).encode()).hexdigest()
