"""Answers to one question that agree, and such that do not."""

import pytest

from adapterd.evaluation.metrics.consistency import consistency, together
from tests.unit.evaluation.asking import answer, question


@pytest.mark.parametrize(
    ("texts", "agreement"),
    [
        (["a b", "a b", "B, a"], 1.0),
        (["a", "b"], 0.0),
        (["a b", "a c"], 0.5),
        (["a", "a", "b"], 1 / 3),
        (["", ""], 1.0),
        (["!!!", "!!!", "!!!"], 1.0),
        (["+1", "+1"], 1.0),
        (["好", "好", "好"], 1.0),
        (["…", ""], 0.0),
        (["不知道", "我不知道"], 6 / 7),
        (["caf\u00e9", "cafe\u0301"], 1.0),
    ],
)
def test_agreement_is_the_mean_overlap_of_all_pairs(texts: list[str], agreement: float) -> None:
    said = together([answer(text) for text in texts])
    assert consistency().over([question("x")], [said]) == pytest.approx(agreement)
