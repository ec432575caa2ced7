"""Scores by a rubric: one for each version, case and metric, and gone with what is taken back."""

from pathlib import Path

import pytest

from adapterd.errors import InputError
from adapterd.store import Store
from adapterd.store.whole_model import forget_model


def test_the_last_score_of_an_answer_counts_and_versions_are_kept_apart(tmp_path: Path) -> None:
    with Store(tmp_path / "state.db") as store:
        scores = store.rubric_scores
        scores.put("m", "1.0.0", "case", "fact_coverage", 0.2, "a judge")
        scores.put("m", "1.0.0", "case", "fact_coverage", 1, "a person")
        scores.put("m", "1.0.0", "case", "topic_drift", 0.0, "a person")
        scores.put("m", "1.1.0", "other", "fact_coverage", 0.5, "a person")
        assert scores.of("m", "1.0.0") == {"case": {"fact_coverage": 1.0, "topic_drift": 0.0}}
        scores.forget("m", ["case"])
        assert (scores.of("m", "1.0.0"), len(scores.of("m", "1.1.0"))) == ({}, 1)
        forget_model(store, "m")
        assert scores.of("m", "1.1.0") == {}


@pytest.mark.parametrize("score", [-0.1, 1.01, float("nan"), float("inf")])
def test_a_score_lies_between_0_and_1(tmp_path: Path, score: float) -> None:
    with Store(tmp_path / "state.db") as store:
        with pytest.raises(InputError, match="a score by topic_drift is"):
            store.rubric_scores.put("m", "1.0.0", "case", "topic_drift", score, "a person")
        assert store.rubric_scores.of("m", "1.0.0") == {}
