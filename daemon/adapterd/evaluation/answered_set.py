"""Questions that belong together, with the answers that several tags gave to them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from adapterd.evaluation.evaluate import Answers, Scores, measure, score
from adapterd.evaluation.gates import Measured
from adapterd.evaluation.metrics.json_answers.metrics import is_exact
from adapterd.evaluation.metrics.metric import Metric, Question
from adapterd.evaluation.metrics.text_metrics import asked


@dataclass(frozen=True)
class AnsweredSet:
    """Questions that belong together, their metrics, and the answers of each tag by its role (`candidate`, `live`,
    `base`)."""

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
        """The cases that changed most, by the first metric that has a value for every case, with both answers."""
        metric = next(metric for metric in self.metrics if metric.by_case and not metric.yes_no)
        values = {name: self._by_case(metric, name) for name in (ours, theirs)}
        places = sorted(range(len(self.questions)), key=lambda place: -abs(values[ours][place] - values[theirs][place]))
        return [
            {
                "id": self.questions[place].id, "metric": metric.name, "ours": values[ours][place],
                "theirs": values[theirs][place], "asked": asked(self.questions[place]),
                "reference": self.questions[place].reference, **_wanted(self.questions[place]),
                **{name: self.answers[name].answers[place].text for name in (theirs, ours)},
            }
            for place in places[:count]
            if values[ours][place] != values[theirs][place]
        ]  # fmt: skip

    def differences(self, ours: str, theirs: str, names: Sequence[str]) -> dict[str, dict[str, float]]:
        """By how much the answer of one of them is better than the other's, in -1…1, by the question's id and the
        metric, of the metrics of these names that are means of scores. One that applies to neither answer is left out.
        """
        found: dict[str, dict[str, float]] = {question.id: {} for question in self.questions}
        for metric in self.metrics:
            if metric.name not in names or not metric.bounded:
                continue
            both = (metric.rows(self.questions, self.answers[name].answers).parts for name in (ours, theirs))
            for question, one, other in zip(self.questions, *both, strict=True):
                if one is not None or other is not None:
                    found[question.id][metric.name] = metric.gain(metric.of_one(one) - metric.of_one(other))
        return found

    def _by_case(self, metric: Metric, name: str) -> list[float]:
        pairs = zip(self.questions, self.answers[name].answers, strict=True)
        return [metric.over([question], [answer]) or 0.0 for question, answer in pairs]

    def without(self, places: Collection[int]) -> "AnsweredSet":
        """The set without the questions at these places."""
        remaining = [place for place in range(len(self.questions)) if place not in places]
        answers = {
            name: replace(given, answers=tuple(given.answers[place] for place in remaining))
            for name, given in self.answers.items()
        }
        return replace(self, questions=[self.questions[place] for place in remaining], answers=answers)

    def wrong_in(self, name: str) -> list[int]:
        """The places of the questions whose answer by one of them is not exactly the reference."""
        pairs = zip(self.questions, self.answers[name].answers, strict=True)
        return [place for place, (question, answer) in enumerate(pairs) if not is_exact(question, answer)]


def _wanted(question: Question) -> dict[str, list[str]]:
    """What a test set says that a good answer has, where it says so."""
    lists = {"keywords": question.keywords, "key_facts": question.key_facts}
    return {name: list(texts) for name, texts in lists.items() if texts}
