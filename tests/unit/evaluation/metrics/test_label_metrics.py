"""Answers that are to be a label: the same figures as scikit-learn's, and calibration."""

import math

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.evaluation.metrics.label_metrics import BINS, MOST_LABELS, label_metrics
from adapterd.evaluation.metrics.metric import Metric
from tests.unit.evaluation.asking import answer, over, question

PAIRS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([*"abcd", ""])), min_size=1, max_size=40)


def named(name: str, references: list[str]) -> Metric:
    (metric,) = (metric for metric in label_metrics([question(text) for text in references]) if metric.name == name)
    return metric


def ours(name: str, pairs: list[tuple[str, str]]) -> float | None:
    references = [expected for expected, _ in pairs]
    return over(named(name, references), [given_ for _, given_ in pairs], references)


@settings(deadline=None)
@given(PAIRS)
def test_accuracy_and_macro_f1_are_scikit_learn_s(pairs: list[tuple[str, str]]) -> None:
    expected, given_ = zip(*pairs, strict=True)
    assert ours("accuracy", pairs) == pytest.approx(sklearn.metrics.accuracy_score(expected, given_))
    macro = sklearn.metrics.f1_score(expected, given_, labels=sorted(set(expected)), average="macro", zero_division=0)
    assert ours("macro_f1", pairs) == pytest.approx(macro)


@settings(deadline=None)
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


AS_WRITTEN = [
    "war",
    " War\n",
    "WAR.",
    '"war"',
    "'war'",
    "“war”",
    "«war»",
    "war!",
    "**war**",
    "*War*.",
    "`war`",
    "__war__",
    "[war]",
    "Label: war",
    "**Label:** war",
    "**Label: war**",
    "Label: **war**",
    'label: "war".',
    "The answer is: war",
    "Category = war",
    "Kategorie: war",
    "Catégorie : war",
    "Classe: war",
    "# war",
    "- war",
    "> war",
    "Answer: Label: war",
    "ｗａｒ",
    "war。",
    '"**war**"',
]


@pytest.mark.parametrize("text", AS_WRITTEN)
def test_a_label_is_read_as_models_write_it(text: str) -> None:
    assert ours("accuracy", [("war", text), ("sport", "sport")]) == 1.0
    assert ours("f1.war", [("war", text), ("sport", "sport")]) == 1.0


TWO_OR_NONE = [
    "It is war",
    "war, sport",
    "war or sport",
    "war/sport",
    "war sport",
    "war. sport.",
    "**war** **sport**",
    "Label: war, sport",
    "Label: war Label: sport",
    "sport: war",
    "Label: sport: war",
    '"war" or "sport"',
    "not war",
    "war\n\nsport",
    "war\nbecause",
    "[war, sport]",
    "war?",
    "warfare",
    "",
    "**",
    '""',
    "Label:",
    "Label: ",
    ":",
    ".",
    "!",
]


@pytest.mark.parametrize("text", TWO_OR_NONE)
def test_an_answer_that_names_two_labels_or_none_is_wrong(text: str) -> None:
    for reference in ("war", "sport"):
        assert ours("accuracy", [(reference, text), ("sport", "sport"), ("war", "war")]) == pytest.approx(2 / 3)


def test_a_word_that_names_a_label_is_one_where_it_is_a_label_itself() -> None:
    assert ours("accuracy", [("answer", "answer: question"), ("question", "answer: question")]) == 0.0
    assert ours("accuracy", [("answer", "Label: answer"), ("question", "Label: question")]) == 1.0


@pytest.mark.parametrize(
    "labels", [["C", "C++", "C#"], ["+1", "-1", "1"], ["A", "A*"], ["*", "."], ["n/a", "a"], ["18-24"]]
)
def test_labels_that_differ_by_a_mark_stay_apart(labels: list[str]) -> None:
    assert ours("accuracy", [(label, label) for label in labels]) == 1.0
    if len(labels) > 1:
        assert ours("accuracy", list(zip(labels, labels[1:] + labels[:1], strict=True))) == 0.0


@pytest.mark.parametrize(
    ("reference", "text"), [("caf\u00e9", "cafe\u0301"), ("Straße", "STRASSE"), ("don't know", "don’t know")]
)
def test_a_label_is_the_same_however_its_characters_were_typed(reference: str, text: str) -> None:
    assert ours("accuracy", [(reference, text)]) == 1.0


def test_of_very_many_labels_the_most_frequent_have_metrics_of_their_own() -> None:
    references = [*(f"label {number}" for number in range(500)), *["often"] * 5, "long " * 50]
    names = [metric.name for metric in label_metrics([question(text) for text in references])]
    assert "f1.often" in names
    assert len([name for name in names if name.startswith("f1.")]) == MOST_LABELS
    assert max(map(len, names)) < 100


SURE = st.lists(st.tuples(st.floats(0.001, 1.0), st.booleans()), min_size=1, max_size=40)


@given(SURE)
def test_the_calibration_error_is_the_mean_gap_of_the_bins(cases: list[tuple[float, bool]]) -> None:
    sure, right = (np.array([case[which] for case in cases]) for which in (0, 1))
    sure = np.exp(np.log(sure))
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = [abs(sure[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in set(bins)]
    questions = [question("yes")] * len(cases)
    answers = [answer("yes" if r else "no", logprob=math.log(s)) for s, r in cases]
    assert named("ece", ["yes"]).over(questions, answers) == pytest.approx(sum(gaps))


def test_without_probabilities_there_is_no_calibration() -> None:
    assert named("ece", ["yes"]).over([question("yes")], [answer("yes")]) is None
