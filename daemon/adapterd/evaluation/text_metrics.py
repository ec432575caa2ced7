"""Metrics of answers that are prose: overlap with the reference, and what answers on given sources need."""

import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

from adapterd.chat import Answer, Role
from adapterd.evaluation.metric import Metric, Question, mean_of, share_of

KEYWORD = re.compile(r"\w*\d\w*|\w{5,}")
CITATION = re.compile(r"\[([^\[\]\s]{1,64})\]")
_REFUSALS = (
    r"i (?:do not|don't) know",
    r"i (?:cannot|can't|could not|couldn't|am unable to|am not able to) (?:answer|find|tell|determine|help|say)",
    r"(?:is|are) not (?:mentioned|stated|given|covered|in the (?:text|sources?|article))",
    r"not enough information",
    r"no information",
)
REFUSAL = re.compile(rf"\b(?:{'|'.join(_REFUSALS)})\b", re.IGNORECASE)
Embed = Callable[[str], list[float]]


def words(text: str) -> list[str]:
    """The words of a text, in any case."""
    return re.findall(r"\w+", text.casefold())


def overlap(one: str, other: str) -> float:
    """F1 over the words of two texts."""
    first, second = Counter(words(one)), Counter(words(other))
    shared = (first & second).total()
    return 2 * shared / (first.total() + second.total()) if shared else 0.0


TOKEN_F1 = mean_of(
    "token_f1", "F1 over the words of answer and reference (Rajpurkar et al. 2016, arXiv:1606.05250)",
    lambda question, answer: overlap(answer.text, question.reference),
)  # fmt: skip


@cache
def _scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(_ROUGE), use_stemmer=False)


_ROUGE = {"rouge1": "words", "rouge2": "pairs of words", "rougeL": "the longest common sequence of words"}


def rouge_metrics() -> list[Metric]:
    """ROUGE-1, -2 and -L, the F-measure by the rouge-score library, mean over cases."""

    def score(name: str) -> Callable[[Question, Answer], float]:
        return lambda question, answer: float(_scorer().score(question.reference, answer.text)[name].fmeasure)

    return [mean_of(name, f"ROUGE F-measure over {what} (Lin 2004)", score(name)) for name, what in _ROUGE.items()]


def semantic(embed: Embed) -> Metric:
    """Similarity of meaning, by embeddings."""

    def score(question: Question, answer: Answer) -> float:
        if not answer.text.strip():
            return 0.0
        import numpy as np

        first, second = np.array(embed(question.reference)), np.array(embed(answer.text))
        length = float(np.linalg.norm(first) * np.linalg.norm(second))
        return max(0.0, float(first @ second) / length) if length else 0.0

    return mean_of("semantic", "cosine of the embeddings of answer and reference, at least 0", score)


def _keywords(question: Question, answer: Answer) -> float | None:
    expected = {word.casefold() for word in KEYWORD.findall(question.reference)}
    if not expected:
        return None
    return len(expected & {word.casefold() for word in KEYWORD.findall(answer.text)}) / len(expected)


KEYWORDS = mean_of(
    "keywords", "numbers and words of five letters or more of the reference that are in the answer", _keywords
)


def refuses(text: str) -> bool:
    """Whether a text says that it does not answer."""
    return REFUSAL.search(text) is not None


REFUSAL_RIGHT = share_of(
    "refusal_right", "share of answers that say something, and refuse if and only if the reference does",
    lambda question, answer: bool(answer.text.strip()) and refuses(answer.text) is refuses(question.reference),
)  # fmt: skip


def _cited(text: str) -> list[str]:
    return list(dict.fromkeys(CITATION.findall(text)))


def _source_hit(question: Question, answer: Answer) -> bool | None:
    expected = _cited(question.reference)
    return bool(set(expected) & set(_cited(answer.text))) if expected else None


def _reciprocal_rank(question: Question, answer: Answer) -> float | None:
    expected = set(_cited(question.reference))
    if not expected:
        return None
    return next((1 / rank for rank, source in enumerate(_cited(answer.text), 1) if source in expected), 0.0)


def _cites_what_is_there(question: Question, answer: Answer) -> float | None:
    cited = _cited(answer.text)
    given = {source for message in question.messages for source in _cited(message.content)}
    return sum(source in given for source in cited) / len(cited) if cited and given else None


SOURCE_HIT = share_of(
    "source_hit", "share of answers that cite, as [source], one that the reference cites", _source_hit
)
MRR = mean_of("mrr", "1 / place of the first citation that is right, mean over cases", _reciprocal_rank)
CITATIONS_REAL = mean_of("citations_real", "citations of sources that the prompt has", _cites_what_is_there)


def asked(question: Question) -> str:
    """What the user said last."""
    return next(message.content for message in reversed(question.messages) if message.role is Role.USER)
