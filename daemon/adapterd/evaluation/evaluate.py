"""The evaluation stage: the same questions to candidate, live and base, and what their answers are worth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median

from adapterd.chat import Answer, Ask, Prompt
from adapterd.errors import StageError
from adapterd.evaluation.metrics import Metric


@dataclass(frozen=True)
class Question:
    """One case of a frozen set as the evaluation needs it."""

    id: str
    messages: Prompt
    reference: str


@dataclass(frozen=True)
class CaseResult:
    """One answer and what it scored, by metric."""

    id: str
    answer: Answer
    scores: dict[str, float]


@dataclass(frozen=True)
class Scores:
    """One tag on one set. Latencies are medians in seconds; `baselines` is what empty answers would score."""

    tag: str
    digest: str
    prompts: int
    metrics: dict[str, float]
    baselines: dict[str, float]
    truncated: float
    latency_s: float
    first_token_s: float


def evaluate(
    tag: str,
    digest: str,
    questions: Sequence[Question],
    metrics: Sequence[Metric],
    ask: Ask,
    *,
    report: Callable[[float], object] = lambda _: None,
) -> tuple[Scores, list[CaseResult]]:
    """Ask every question once and measure the answers; raises StageError for an empty set."""
    if not questions:
        raise StageError("the evaluation set is empty, nothing can be proven")
    results = []
    for count, question in enumerate(questions, start=1):
        answer = ask(question.messages)
        scores = {metric.name: metric.score(answer.text, question.reference) for metric in metrics}
        results.append(CaseResult(question.id, answer, scores))
        report(count / len(questions))
    return _summary(tag, digest, questions, metrics, results), results


def _summary(
    tag: str, digest: str, questions: Sequence[Question], metrics: Sequence[Metric], results: Sequence[CaseResult]
) -> Scores:
    references = [question.reference for question in questions]
    return Scores(
        tag=tag,
        digest=digest,
        prompts=len(results),
        metrics={metric.name: mean(result.scores[metric.name] for result in results) for metric in metrics},
        baselines={metric.name: metric.baseline(references) for metric in metrics},
        truncated=mean(result.answer.truncated for result in results),
        latency_s=median(result.answer.total_s for result in results),
        first_token_s=median(result.answer.first_token_s for result in results),
    )


@dataclass(frozen=True)
class Verdict:
    """Whether the candidate may go live, and the sentence why."""

    promote: bool
    reason: str


@dataclass(frozen=True)
class Kept:
    """How much of the adapter is left in the candidate's file, of what has to be; None where there is no measure."""

    retention: float | None
    least: float

    @property
    def fault(self) -> str | None:
        """The sentence why the candidate is held, if it is."""
        if self.retention is None or self.retention >= self.least:
            return None
        return (
            f"held: the merged file keeps {self.retention:.1%} of what the adapter does, "
            f"and merging.min_retention asks for {self.least:.1%}"
        )


NOT_MEASURED = Kept(None, 0.0)


def judge(
    candidate: Scores, others: Mapping[str, Scores], critical: Sequence[str], kept: Kept = NOT_MEASURED
) -> Verdict:
    """Promote only if no critical metric falls below that of live or base (`others`, by what they are), if enough of
    the adapter is left, and if the candidate is another file at all: an adapter may be too small to leave a trace."""
    same = next((name for name, scores in others.items() if scores.digest == candidate.digest), None)
    if same:
        return Verdict(False, f"held: the candidate is the same as {same}, byte for byte; the adapter left no trace")
    if kept.fault:
        return Verdict(False, kept.fault)
    falls = [
        f"{metric} falls from {scores.metrics[metric]:.3f} ({name}) to {candidate.metrics[metric]:.3f}"
        for name, scores in others.items()
        for metric in critical
        if candidate.metrics[metric] < scores.metrics[metric]
    ]
    if falls:
        return Verdict(False, f"held: on {candidate.prompts} unseen prompts " + "; ".join(falls))
    reference_name, reference = next(iter(others.items()))
    gains = ", ".join(f"{m} {reference.metrics[m]:.3f} → {candidate.metrics[m]:.3f}" for m in critical)
    return Verdict(True, f"promoted: on {candidate.prompts} unseen prompts against {reference_name}: {gains}")
