"""What counts as JSON, and numbers beyond what a float holds: in a reference, in an answer, in both."""

import json
import math
from collections.abc import Sequence

import pytest
import sklearn.metrics

from adapterd.config import Task
from adapterd.evaluation.evaluate import Answers, measure
from adapterd.evaluation.evaluate import score as scores_of
from adapterd.evaluation.metrics.catalogue import baselines, constant_guess, metrics_for
from adapterd.evaluation.metrics.json_answers.metrics import EXACT, FIELD_F1, JSON_VALID, MOST_FIELDS, json_metrics
from adapterd.evaluation.metrics.metric import Metric
from adapterd.evaluation.statistics import Comparison
from tests.unit.evaluation.asking import answer, over, question, score

HUGE = ["1e200", "-1e308", "9" * 170, "9" * 400, "-" + "9" * 4000, "9" * 5000, "1e400", "-1e999999999", "5e-324", "NaN"]
GOOD = [f'{{"n": {number % 7 + 1}}}' for number in range(20)]


def numbers(references: Sequence[str]) -> dict[str, Metric]:
    return {metric.name: metric for metric in json_metrics([question(text) for text in references], None)}


@pytest.mark.parametrize(
    "text", ['{"a": 1, "a": 1}', '[{"a": 1, "b": 2, "a": 2}]', "1e400", '{"a": -1e999}', '"\\ud800"', '{"\\udfff": 1}']
)
def test_text_that_readers_of_json_do_not_agree_on_is_no_json(text: str) -> None:
    assert score(JSON_VALID, text, "") == 0.0
    assert score(FIELD_F1, text, text) == 0.0


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert score(EXACT, '"\\ud83d\\ude42"', '"🙂"') == 1.0


@pytest.mark.parametrize("huge", HUGE)
@pytest.mark.parametrize("place", ["answer", "reference", "both"])
def test_no_number_stops_an_evaluation_or_makes_a_figure_infinite(huge: str, place: str) -> None:
    wrong = f'{{"n": {huge}}}'
    references = [wrong, *GOOD[1:]] if place != "answer" else GOOD
    ours = [wrong, *GOOD[1:]] if place != "reference" else GOOD
    questions = [question(text, name=str(number)) for number, text in enumerate(references)]
    metrics = metrics_for(Task.JSON, questions)
    one = Answers("m:1.0.0", "a", tuple(answer(text) for text in ours))
    other = Answers("m:base", "b", tuple(answer(text) for text in [*GOOD[:-1], "{}"]))
    found = scores_of(one, questions, metrics)
    assert all(map(math.isfinite, found.metrics.values()))
    assert found.unmeasured == {}
    for measured in measure(metrics, questions, one, {"live": other}):
        for comparison in measured.against.values():
            assert all(map(math.isfinite, _figures(comparison))), measured.metric.name
        baselines(measured.metric, questions)


def _figures(found: Comparison) -> list[float]:
    return [
        found.ours,
        found.theirs,
        found.interval.low,
        found.interval.high,
        found.bounds.low,
        found.bounds.high,
        found.p,
    ]


def test_an_answer_that_is_further_off_is_never_better() -> None:
    for name in ("mae.n", "rmse.n"):
        metric = numbers(GOOD)[name]
        errors = [
            over(metric, [f'{{"n": {text}}}', *GOOD[1:]], GOOD) for text in ("2", "9", "1e40", "1e300", "9" * 400)
        ]
        assert errors == sorted(errors, key=lambda error: error or 0.0)
        assert len(set(errors[:4])) == 4
    r2 = over(numbers(GOOD)["r2.n"], [f'{{"n": {"9" * 400}}}', *GOOD[1:]], GOOD)
    assert r2 is not None
    assert r2 < -1e90


def test_a_reference_beyond_any_quantity_has_no_error_and_takes_none_from_the_others() -> None:
    references = [f'{{"n": {"9" * 400}}}', *GOOD]
    assert over(numbers(references)["mae.n"], ['{"n": 3}', *GOOD], references) == 0.0
    assert json.loads(constant_guess([question(text) for text in references]))["n"] in range(1, 8)


@pytest.mark.parametrize("offset", [0, 2020, 1e6, 1.7e9, 1.7e12, -1.7e9])
def test_r2_is_scikit_learn_s_for_any_offset(offset: float) -> None:
    expected = [offset + number * 1.25 % 7 for number in range(200)]
    given = [value + (number % 5 - 2) / 4 for number, value in enumerate(expected)]
    references, answers = ([json.dumps({"t": value}) for value in values] for values in (expected, given))
    found = over(numbers(references)["r2.t"], answers, references)
    assert found == pytest.approx(sklearn.metrics.r2_score(expected, given), rel=1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e-20, 1e20, 1e49])
def test_errors_are_scikit_learn_s_for_any_size(scale: float) -> None:
    expected, given = [1 * scale, 2 * scale, 5 * scale], [1 * scale, 3 * scale, 4.5 * scale]
    references, answers = ([json.dumps({"t": value}) for value in values] for values in (expected, given))
    found = {name: over(metric, answers, references) for name, metric in numbers(references).items()}
    small = [value / scale for value in expected], [value / scale for value in given]
    assert found["mae.t"] == pytest.approx(sklearn.metrics.mean_absolute_error(*small) * scale)
    assert found["rmse.t"] == pytest.approx(sklearn.metrics.root_mean_squared_error(*small) * scale)
    assert found["r2.t"] == pytest.approx(sklearn.metrics.r2_score(*small))


def test_one_reference_with_a_thousand_fields_does_not_make_three_thousand_metrics() -> None:
    odd = json.dumps({**{f"f{number}": number for number in range(1000)}, "x" * 1000: 1})
    names = [metric.name for metric in json_metrics([question(text) for text in [odd, *GOOD]], None)]
    assert "mae.n" in names
    assert len([name for name in names if name.startswith("f1.")]) == MOST_FIELDS
    assert max(map(len, names)) < 100


NFC, NFD = "Zürich, café", "Zu\u0308rich, cafe\u0301"


def test_fields_that_read_the_same_are_the_same() -> None:
    assert score(EXACT, json.dumps({NFD: NFD}), json.dumps({NFC: NFC})) == 1.0
    assert score(EXACT, NFD, NFC) == 1.0
    same = {NFD: f" {NFD}\u00a0", "q": "it’s “so”"}
    assert score(FIELD_F1, json.dumps(same), json.dumps({NFC: NFC, "q": 'it\'s "so"'})) == 1.0
    assert score(FIELD_F1, '{"a": "paris"}', '{"a": "Paris"}') == 0.0
    references = [json.dumps({"named": {"place": [NFC]}})]
    entity_f1 = numbers(references)["entity_f1.named"]
    assert over(entity_f1, [json.dumps({"named": {"place": [NFD]}})], references) == 1.0
