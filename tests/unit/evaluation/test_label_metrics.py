"""Answers that are to be a label: the same figures as scikit-learn's, and calibration."""

import math

import numpy as np
import pytest
import sklearn.metrics
from asking import answer, over, question
from hypothesis import given
from hypothesis import strategies as st

from adapterd.evaluation.label_metrics import BINS, ECE, label_metrics
from adapterd.evaluation.metric import Metric

PAIRS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([*"abcd", ""])), min_size=1, max_size=40)


def named(name: str, references: list[str]) -> Metric:
    (metric,) = (metric for metric in label_metrics([question(text) for text in references]) if metric.name == name)
    return metric


def ours(name: str, pairs: list[tuple[str, str]]) -> float | None:
    references = [expected for expected, _ in pairs]
    return over(named(name, references), [given_ for _, given_ in pairs], references)


@given(PAIRS)
def test_accuracy_and_macro_f1_are_scikit_learn_s(pairs: list[tuple[str, str]]) -> None:
    expected, given_ = zip(*pairs, strict=True)
    assert ours("accuracy", pairs) == pytest.approx(sklearn.metrics.accuracy_score(expected, given_))
    macro = sklearn.metrics.f1_score(expected, given_, labels=sorted(set(expected)), average="macro", zero_division=0)
    assert ours("macro_f1", pairs) == pytest.approx(macro)


@given(PAIRS)
def test_the_table_of_the_labels_is_scikit_learn_s(pairs: list[tuple[str, str]]) -> None:
    expected, given_ = zip(*pairs, strict=True)
    for label in set(expected):
        for kind in ("precision", "recall", "f1"):
            theirs = getattr(sklearn.metrics, f"{kind}_score")(
                expected, given_, labels=[label], average="macro", zero_division=np.nan
            )
            found = ours(f"{kind}.{label}", pairs)
            assert (found is None and np.isnan(theirs)) or found == pytest.approx(theirs)


@pytest.mark.parametrize("text", ["war", " War\n", "WAR."])
def test_case_and_what_stands_around_a_label_do_not_matter(text: str) -> None:
    assert ours("accuracy", [("war", text)]) == 1.0


def test_a_sentence_with_the_label_in_it_is_not_the_label() -> None:
    assert ours("accuracy", [("war", "It is war")]) == 0.0


SURE = st.lists(st.tuples(st.floats(0.001, 1.0), st.booleans()), min_size=1, max_size=40)


@given(SURE)
def test_the_calibration_error_is_the_mean_gap_of_the_bins(cases: list[tuple[float, bool]]) -> None:
    sure, right = (np.array([case[which] for case in cases]) for which in (0, 1))
    sure = np.exp(np.log(sure))
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = [abs(sure[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in set(bins)]
    questions = [question("yes")] * len(cases)
    answers = [answer("yes" if r else "no", logprob=math.log(s)) for s, r in cases]
    assert ECE.over(questions, answers) == pytest.approx(sum(gaps))


def test_without_probabilities_there_is_no_calibration() -> None:
    assert ECE.over([question("yes")], [answer("yes")]) is None
