"""Gates on what people marked: a proven challenger waits for them, and no run is asked."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from adapterd.config import GateRule, ModelSettings
from adapterd.evaluation.rules import BY_PEOPLE, FACT_COVERAGE, HUMAN_PREFERENCE, TOPIC_DRIFT, guard_rails, rules_of
from adapterd.evidence.kept_answers import answer_hash, case_hash
from adapterd.evidence.season import Rules, Season
from adapterd.home import Home
from adapterd.store.reviews.rubrics import Mark, facts_hash
from tests.support.kept_answers import keep_answers
from tests.unit.evidence.played import MODEL, PRIMARY, SETTINGS, Played

FACTS = ("It rains.", "It is cold.")


def with_gates(gates: Mapping[str, GateRule]) -> ModelSettings:
    return replace(SETTINGS, gates=dict(gates))


def mark(played: Played, number: int, answer: str, ticked: tuple[int, ...], *, on_topic: bool) -> None:
    case = case_hash([{"role": "user", "content": f"question {number}"}], "r")
    played.store.rubrics.put_facts(MODEL, case, FACTS)
    made = Mark(case, answer_hash(answer), facts_hash(FACTS), len(FACTS), ticked, on_topic)
    played.store.rubrics.mark(MODEL, made)


@pytest.mark.parametrize(
    ("gates", "right", "half", "said"),
    [
        ({FACT_COVERAGE: GateRule(min=0.9)}, 0, 0, "0 of the 20 marked cases that gates.fact_coverage asks for"),
        ({FACT_COVERAGE: GateRule(min=0.9)}, 12, 0, "12 of the 20 marked cases that gates.fact_coverage asks for"),
        ({FACT_COVERAGE: GateRule(min=0.9)}, 14, 6,
         "fact_coverage is 85% by 20 cases, and gates.fact_coverage asks for 90%"),
        ({FACT_COVERAGE: GateRule(min=0.9)}, 18, 2, ""),
        ({FACT_COVERAGE: GateRule()}, 0, 20, ""),
        ({TOPIC_DRIFT: GateRule(max=0.1)}, 19, 0, "19 of the 20 marked cases that gates.topic_drift asks for"),
        ({TOPIC_DRIFT: GateRule(max=0.1)}, 17, 3, "its topic_drift is 15% by 20 cases, and gates.topic_drift allows"),
        ({TOPIC_DRIFT: GateRule(max=0.1)}, 18, 2, ""),
        ({FACT_COVERAGE: GateRule(min=0.9), HUMAN_PREFERENCE: GateRule(min=0.6)}, 20, 0, "0 of the 50 votes"),
        ({}, 0, 0, ""),
    ],
)  # fmt: skip
def test_a_proven_challenger_waits_for_marks_on_its_answers(
    played: Played, tmp_path: Path, gates: dict[str, GateRule], right: int, half: int, said: str
) -> None:
    comparison = played.challenger("1.0.0", 0.2)
    home = Home.of_database(played.store.path)
    keep_answers(
        home, MODEL, "1.0.0", [(f"question {n}", "r", {"candidate": "ours", "live": "theirs"}) for n in range(40)]
    )
    season = Season(played.store, MODEL, Rules(PRIMARY, (), with_gates(gates)))
    season.add(comparison, played.cases([1.0] * 60))
    for number in range(right + half):
        mark(played, number, "ours", (0, 1) if number < right else (0,), on_topic=number < right)
    for number in range(40):
        mark(played, number, "theirs", (), on_topic=False)  # live's answers say nothing of the challenger
    decision = season.decide(comparison, season.standing(comparison))
    assert (decision is None) == bool(said)
    assert said in played.version("1.0.0").reason
    assert ("people have a say" in played.version("1.0.0").reason) == bool(said)


def test_no_run_is_asked_for_what_people_measure() -> None:
    settings = with_gates({name: GateRule(min=0.5, critical=True) for name in (*BY_PEOPLE, "rouge_l")})
    assert rules_of(settings).keys() & {*BY_PEOPLE, "rouge_l"} == {"rouge_l"}
    assert not set(guard_rails(settings)) & set(BY_PEOPLE)
