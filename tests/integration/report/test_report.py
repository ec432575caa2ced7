"""The report: charts that are whole and take the page's colours, and a page that says everything it was given."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from adapterd.evaluation.metrics.metric import Metric
from adapterd.evaluation.report import charts
from adapterd.evaluation.report.page import Material, render
from adapterd.evaluation.report.season import Course, CourseNight, course_chart

SHARES = {"json_valid": {"candidate": 1.0, "live": 0.5, "base": 0.0}, "exact": {"candidate": 0.25, "base": 0.0}}
NIGHTS = [CourseNight("1 Nov", 0.2, 0.1), CourseNight("2 Nov", -0.1, -0.2), CourseNight("3 Nov", -0.1, None)]
COURSE = Course("Is 1.4.0 better than 1.3.0?", "dropped: 50 fresh cases speak against it", "exact", NIGHTS, -0.2, True)
CHARTS: dict[str, Callable[[], str]] = {
    "forest": lambda: charts.forest([("a", 0.1, 0.05, 0.2, True), ("b", 0.0, 0.0, 0.0, False)], "Forest", "difference"),
    "bars": lambda: charts.bars(SHARES, "Bars"),
    "distributions": lambda: charts.distributions({"candidate": [1, 2, 3], "live": [2, 2, 2]}, "Lengths", "tokens"),
    "distributions of nothing": lambda: charts.distributions({"candidate": []}, "Lengths", "tokens"),
    "heat_map": lambda: charts.heat_map(SHARES, "Heat"),
    "calibration": lambda: charts.calibration({"candidate": [(0.2, 0.1, 3), (0.9, 1.0, 7)]}, "Calibration"),
    "curves": lambda: charts.curves({"training": [(1, 2.0), (2, 1.0)], "validation": []}, "Learning", "step", "loss"),
    "season": lambda: course_chart(COURSE, "Season"),
    "season without a night": lambda: course_chart(replace(COURSE, nights=[], dropped_at=None), "Season"),
    "scatter": lambda: charts.scatter(
        {"candidate": [("city", 0.5, 0.6)], "base": []}, "Precision and recall", ("recall", "precision")
    ),
}
every_chart = pytest.mark.parametrize("draw", CHARTS.values(), ids=CHARTS)


@every_chart
def test_a_chart_is_whole_and_has_a_name(draw: Callable[[], str]) -> None:
    root = ET.fromstring(draw())
    assert root.get("aria-label")
    assert root.get("viewBox")
    assert root.get("width") is None


@every_chart
def test_a_chart_has_no_colour_of_its_own(draw: Callable[[], str]) -> None:
    svg = draw()
    assert set(re.findall(r"#[0-9a-f]{6}", svg)) <= {"#000000"}
    assert "var(--ink)" in svg


@every_chart
def test_the_same_figures_give_the_same_chart(draw: Callable[[], str]) -> None:
    assert draw() == draw()


def scores(**metrics: float) -> dict[str, Any]:
    return {"tag": "t", "digest": "d", "prompts": 2, "metrics": metrics, "latency_s": 1.0, "first_token_s": 0.1}


def comparison(difference: float) -> dict[str, Any]:
    return {
        "difference": difference, "interval": {"low": difference - 0.1, "high": difference + 0.1}, "p": 0.04, "d": 0.3,
    }  # fmt: skip


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"text": text, "answer_tokens": len(text.split()), "first_token_s": 0.1, "total_s": 1.0, **more}


def case(name: str, candidate: str, live: str, base: str) -> dict[str, Any]:
    answers = {"candidate": said(candidate), "live": said(live), "base": said(base)}
    messages = [{"role": "user", "content": f"asked {name}"}]
    return {"id": name, "messages": messages, "reference": "right", "source": None, "answers": answers}


MATERIAL = Material(
    model="news",
    version="1.4.0",
    state="held",
    lineage={
        "base": {"tag": "qwen2.5:7b", "digest": "sha256:" + "ab" * 32}, "run": "r1",
        "gguf_digest": "sha256:" + "cd" * 32,
        "libraries": {"mlx": "0.32"}, "settings": {"training": {"rank": 16, "epochs": None, "alpha": 32.0}},
        "stages": {
            "dataset": {"train": {"examples": 90}, "records": 120, "content_hash": "ef" * 32, "near_duplicates": 2},
            "training": {"epochs": 5, "steps": 10},
            "merging": {"retention": {"kept": 0.991, "top1": 0.98, "by_type": {}}},
        },
    },
    result={
        "decision": "hold", "reason": "held: token_f1 goes from 0.900 (live) to 0.400, which is worse beyond doubt",
        "findings": [{"metric": "token_f1", "rule": "not worse", "outcome": "failed", "sentence": "it is worse"}],
        "scores": {"candidate": scores(token_f1=0.4, exact=0.5), "live": scores(token_f1=0.9, exact=0.5),
                   "base": scores(token_f1=0.1, exact=0.0)},
        "baselines": {"token_f1": {"empty": 0.0, "constant": 0.3}},
        "comparisons": {"token_f1": {"live": comparison(-0.5), "base": comparison(0.3)}},
        "evaluation_hash": "12" * 32,
    },
    cases=[case("one", "bad", "right", "x"), case("two", "right", "right", "")],
    metrics={name: Metric(name, f"what {name} is", lambda *_: None) for name in ("token_f1", "exact")},
    by_case={"token_f1": {"candidate": [0.1, 1.0], "live": [1.0, 1.0], "base": [0.0, None]}},
    courses=[COURSE],
    curve=[{"step": 0, "loss": None, "validation_loss": 1.0, "end_of_turn_loss": 0.4},
           {"step": 1, "loss": 0.9, "validation_loss": None, "end_of_turn_loss": None}],
)  # fmt: skip


@pytest.fixture(scope="module")
def page() -> str:
    return render(MATERIAL)


@pytest.mark.parametrize(
    "words",
    [
        "news 1.4.0", "worse beyond doubt", "Now held", "qwen2.5:7b", "2 examples nearly the same", "99.1%", "mlx 0.32",
        "121212121212", "what token_f1 is", "-0.500 [-0.600, -0.400]", "0.300", "asked one", "token_f1 1.000 → 0.100",
        "rank 16, epochs 5, alpha 32.0", "Evidence on fresh cases", "50 fresh cases speak against it",
    ],
)  # fmt: skip
def test_the_page_says_it(page: str, words: str) -> None:
    assert words in page


def test_a_case_that_is_as_good_as_before_is_not_among_what_got_worse(page: str) -> None:
    assert "asked two" not in page


def test_no_two_things_on_the_page_have_the_same_id(page: str) -> None:
    ids = Counter(re.findall(r' id="([^"]+)"', page))
    assert ids
    assert max(ids.values()) == 1
    assert set(re.findall(r'(?:xlink:href="|url\()#([^")]+)', page)) <= ids.keys()


def test_before_the_first_promotion_the_base_is_what_it_is_compared_with() -> None:
    scores_of = {name: MATERIAL.result["scores"][name] for name in ("candidate", "base")}
    result = {**MATERIAL.result, "scores": scores_of}
    page = render(Material(**{**vars(MATERIAL), "result": result}))
    assert "difference to base" in page
    assert "+0.300 [+0.200, +0.400]" in page


def test_without_a_curve_or_a_retention_their_charts_are_left_out() -> None:
    stages = {**MATERIAL.lineage["stages"], "merging": {"retention": None}}
    lineage = {**MATERIAL.lineage, "stages": stages}
    page = render(Material(**{**vars(MATERIAL), "curve": (), "courses": (), "lineage": lineage}))
    assert "How it was made" not in page
    assert "Evidence on fresh cases" not in page


def traded(guard: float, *, primary: str | None = None) -> str:
    """The page of a version with these differences, at its task +0.3 against base and -0.5 against live, and on the
    guard set."""
    settings = {**MATERIAL.lineage["settings"], "task": "generation", "evaluation": {"primary": primary}}
    ours = {"token_f1": 0.4, "guard": 0.5}
    result = {
        **MATERIAL.result,
        "scores": {
            "candidate": scores(**ours),
            "live": scores(token_f1=0.9, guard=0.5 - guard), "base": scores(token_f1=0.1, guard=0.5 - guard),
        },
        "comparisons": {
            **MATERIAL.result["comparisons"], "guard": {"live": comparison(guard), "base": comparison(guard)},
        },
    }  # fmt: skip
    return render(replace(MATERIAL, lineage={**MATERIAL.lineage, "settings": settings}, result=result))


def test_what_was_gained_stands_beside_what_was_lost() -> None:
    page = traded(0.02)
    assert "task and guard set, against live" in page
    assert "token_f1 0.900 → 0.400 (-0.500, 95 % interval -0.600 to -0.400); guard 0.480 → 0.500 (+0.020, " in page
    assert "token_f1 0.100 → 0.400 (+0.300, 95 % interval +0.200 to +0.400); guard" in page
    assert "dataset.replay" not in page


def test_a_fall_beyond_chance_says_what_keeps_more() -> None:
    page = traded(-0.2)
    assert page.count("this is beyond chance: a higher dataset.replay") == 2


def test_what_was_not_compared_is_no_trade(page: str) -> None:
    assert "task and guard set" not in page, "the guard set was not asked"
    assert "task and guard set" not in traded(0.02, primary="exact"), "no comparison by this metric"
