"""A judge's scores of single answers: asked once, each judge's own, calibrated by what people marked."""

import re

import pytest

from adapterd.config import Settings
from adapterd.errors import NotFoundError
from adapterd.evaluation.rules import FACT_COVERAGE, TOPIC_DRIFT
from adapterd.evidence.kept_answers import answer_hash, case_hash
from adapterd.home import Home
from adapterd.judges.scores import FAITHFULNESS, JUDGED, ScoredMetric, ScoreRound, prepare_scores, scored
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Comparison
from adapterd.store.reviews.rubrics import Mark, facts_hash
from adapterd.teachers.work import Ended
from tests.support.judged import BY_URL, judge_at
from tests.support.kept_answers import keep_answers
from tests.support.teacher_replies import body_of, http, openai_said
from tests.unit.evidence.played import MODEL

FACTS = ("It rains.", "It is cold.")
VERSION = "1.0.0"
COUNT = 45


class Scoring:
    """Says how many facts there are by the words of an answer; one of `strays` is off topic."""

    def __init__(self, said: str = "") -> None:
        self.said = said
        self.asked: list[str] = []

    def reply(self, request: bytes) -> list[bytes]:
        if request.startswith(b"GET"):
            return [http(200, {"models": []})]
        text = body_of(request)["messages"][-1]["content"]
        found = re.search(r"<<<ANSWER (\w+)\n(.*)\nANSWER \1>>>", text, re.DOTALL)
        assert found
        assert "- It rains." in text or "Key facts:\n(none)" in text
        self.asked.append(found[2])
        coverage = 5 * ("rain" in found[2]) + 5 * ("cold" in found[2])
        topic = 0 if "strays" in found[2] else 10
        whole = f'{{"fact_coverage": {coverage}, "on_topic": {topic}, "faithfulness": 8}}'
        return [openai_said(self.said or whole)]


def answer_of(number: int) -> str:
    return f"{number}: {'rain ' * (number % 2)}{'cold ' * (number % 3 == 0)}{'strays' * (number % 5 == 0)}"


@pytest.fixture
def kept(home: Home, comparison: Comparison) -> Comparison:
    """Answers of the challenger."""
    cases = [(f"question {n}", " ".join(FACTS), {"candidate": answer_of(n)}) for n in range(COUNT)]
    keep_answers(home, MODEL, VERSION, cases)
    return comparison


def mark(store: Store, number: int) -> None:
    """As the scripted judge would, but for every ninth."""
    case = case_hash([{"role": "user", "content": f"question {number}"}], " ".join(FACTS))
    store.rubrics.put_facts(MODEL, case, FACTS)
    ticked = tuple(n for n, has in enumerate((number % 2 == 1, number % 3 == 0)) if has != (number % 9 == 8))
    on_topic = number % 5 != 0
    store.rubrics.mark(MODEL, Mark(case, answer_hash(answer_of(number)), facts_hash(FACTS), 2, ticked, on_topic))


def prepared(store: Store, home: Home, settings: Settings, limit: int | None = None) -> ScoreRound:
    return prepare_scores(store, home, settings, MODEL, VERSION, limit)


def by_metric(found: ScoreRound) -> dict[str, ScoredMetric]:
    return {each.metric: each for each in scored(found)}


def test_scores_are_asked_once_and_calibrated_by_marks(store: Store, home: Home, kept: Comparison) -> None:
    judge = Scoring()
    with judge_at(home, judge, f"{BY_URL}\npinned = true") as settings:
        for number in range(35):
            mark(store, number)
        outcome, is_same = prepared(store, home, settings).ask()
        assert (outcome.ended, is_same, len(judge.asked)) == (Ended.DONE, True, COUNT)
        assert store.teaching.requests.all(MODEL) == []
        again = prepared(store, home, settings)
        assert again.open == ()
        found = by_metric(again)
        coverage = found[FACT_COVERAGE]
        assert (coverage.judged, coverage.marked, coverage.advice) == (COUNT, 35, "")
        assert coverage.calibrated is not None
        assert coverage.calibrated.pool == COUNT - 35
        assert found[TOPIC_DRIFT].by_judge == pytest.approx(9 / COUNT)
        assert found[FAITHFULNESS].by_judge == pytest.approx(0.8)
        assert found[FAITHFULNESS].calibrated is None
        assert "no evidence" in str(found[FAITHFULNESS])
        assert "by 35 marked answers and 45 scores" in str(coverage)


def test_scores_of_other_facts_or_weights_do_not_count(store: Store, home: Home, kept: Comparison) -> None:
    judge = Scoring()
    with judge_at(home, judge, BY_URL) as settings:
        prepared(store, home, settings).ask()
        case = case_hash([{"role": "user", "content": "question 1"}], " ".join(FACTS))
        store.rubrics.put_facts(MODEL, case, ("It rains.",))
        found = prepared(store, home, settings)
        assert [each.case for each in found.open] == [case]
        assert by_metric(found)[FACT_COVERAGE].judged == COUNT - 1
    with judge_at(home, judge, f"{BY_URL}\ntemperature = 0.1") as settings:
        assert len(prepared(store, home, settings).open) == COUNT


def test_cases_without_key_facts_have_no_coverage(store: Store, home: Home, kept: Comparison) -> None:
    with judge_at(home, Scoring(), f"{BY_URL}\npinned = true") as settings:
        for number in range(COUNT):
            if number >= 35:  # a person has taken the facts away
                case = case_hash([{"role": "user", "content": f"question {number}"}], " ".join(FACTS))
                store.rubrics.put_facts(MODEL, case, ())
            else:
                mark(store, number)
        prepared(store, home, settings).ask()
        found = by_metric(prepared(store, home, settings))
        coverage, topic = found[FACT_COVERAGE], found[TOPIC_DRIFT]
        assert (coverage.judged, coverage.marked, coverage.advice) == (35, 35, "")
        assert coverage.calibrated is not None
        assert coverage.calibrated.pool == 0
        assert coverage.by_judge == pytest.approx(
            sum((number % 2 == 1) + (number % 3 == 0) for number in range(35)) / 70
        )
        assert (topic.judged, topic.marked) == (COUNT, 35)


def test_what_people_marked_is_never_replaced(store: Store, home: Home, kept: Comparison) -> None:
    with judge_at(home, Scoring(), BY_URL) as settings:
        prepared(store, home, settings, limit=3).ask()
        scores = store.rubric_scores.of(MODEL, VERSION)
        assert len(scores) == 3
        assert {name for each in scores.values() for name in each} == {
            JUDGED + name for name in (FACT_COVERAGE, TOPIC_DRIFT, FAITHFULNESS)
        }


@pytest.mark.parametrize("marks", [0, 1, 10])
def test_few_marks_are_advice(store: Store, home: Home, kept: Comparison, marks: int) -> None:
    with judge_at(home, Scoring(), f"{BY_URL}\npinned = true") as settings:
        for number in range(marks):
            mark(store, number)
        prepared(store, home, settings).ask()
        found = by_metric(prepared(store, home, settings))[FACT_COVERAGE]
        assert f"{marks} of the 30 answers" in found.advice
        assert found.advice in str(found)


def test_what_cannot_be_read_is_not_asked_again_and_makes_it_advice(store: Store, home: Home, kept: Comparison) -> None:
    judge = Scoring("seven")
    with judge_at(home, judge, f"{BY_URL}\npinned = true") as settings:
        for _ in range(2):
            prepared(store, home, settings).ask()
        assert len(judge.asked) == COUNT
        found = by_metric(prepared(store, home, settings))[FACT_COVERAGE]
        assert (found.judged, found.by_judge) == (0, None)
        assert "scored no answer yet" in str(found)
        assert f"{COUNT} answers have no score" in found.advice


def test_without_kept_answers_there_is_nothing_to_score(store: Store, home: Home, comparison: Comparison) -> None:
    with judge_at(home, Scoring(), BY_URL) as settings, pytest.raises(NotFoundError, match=r"no answers of m 1\.0\.0"):
        prepared(store, home, settings)
