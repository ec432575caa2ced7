"""BERTScore's matching is the formula of its paper: R, P and F of Zhang et al. 2020, section 3."""

import numpy as np
import pytest

from adapterd.config import Task
from adapterd.evaluation.bert_score import greedy_match
from adapterd.evaluation.metrics.catalogue import metrics_for
from adapterd.evaluation.metrics.model_figures import BERT_PRECISION, BERT_RECALL
from tests.unit.evaluation.asking import answer, question


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(sum(one * other) / (np.sqrt(sum(one**2)) * np.sqrt(sum(other**2))))


def published(answer_tokens: np.ndarray, reference_tokens: np.ndarray) -> tuple[float, float, float]:
    """The paper's sums, token by token: x is the reference, x̂ the answer."""
    recall = sum(max(cosine(x, y) for y in answer_tokens) for x in reference_tokens) / len(reference_tokens)
    precision = sum(max(cosine(x, y) for x in reference_tokens) for y in answer_tokens) / len(answer_tokens)
    return precision, recall, 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize(("answer_count", "reference_count"), [(1, 1), (3, 7), (12, 5), (40, 40)])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 300.0])
def test_precision_recall_and_f1_are_those_of_the_paper(answer_count: int, reference_count: int, scale: float) -> None:
    random = np.random.default_rng(answer_count)
    common = random.standard_normal(16)  # as embeddings of real texts have, so that cosines are above 0
    given, wanted = (scale * (common + random.standard_normal((n, 16))) for n in (answer_count, reference_count))
    precision, recall, f1 = published(given, wanted)
    found = greedy_match(given.astype(np.float32), wanted.astype(np.float32))
    assert found == pytest.approx((precision, recall), abs=1e-5)
    answered = answer("x", figures=dict(zip((BERT_PRECISION, BERT_RECALL), found, strict=True)))
    scores = {each.name: each.over([question("y")], [answered]) for each in metrics_for(Task.GENERATION, [])}
    assert scores["bert_score_f1"] == pytest.approx(f1, abs=1e-5)
    assert (scores["bert_score_precision"], scores["bert_score_recall"]) == pytest.approx((precision, recall), abs=1e-5)


def test_the_same_tokens_in_another_order_match_as_a_whole_and_nothing_matches_nothing() -> None:
    tokens = np.random.default_rng(0).standard_normal((5, 8)).astype(np.float32)
    assert greedy_match(tokens, tokens[::-1]) == pytest.approx((1.0, 1.0), abs=1e-6)
    nothing = np.zeros((0, 8), np.float32)
    assert greedy_match(nothing, nothing) == (1.0, 1.0)
    assert greedy_match(nothing, tokens) == greedy_match(tokens, nothing) == (0.0, 0.0)


def test_a_part_of_the_reference_is_precise_and_not_complete() -> None:
    tokens = np.eye(4, dtype=np.float32)
    assert greedy_match(tokens[:2], tokens) == (1.0, 0.5)


def test_cosines_below_nothing_count_as_none() -> None:
    tokens = np.eye(2, dtype=np.float32)
    figures = dict(zip((BERT_PRECISION, BERT_RECALL), greedy_match(-tokens[:1], tokens[:1]), strict=True))
    for metric in metrics_for(Task.GENERATION, []):
        if metric.name.startswith("bert_score"):
            assert metric.over([question("y")], [answer("x", figures=figures)]) == 0.0
