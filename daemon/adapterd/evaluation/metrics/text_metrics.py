"""Metrics of answers that are prose: overlap with the reference, and what answers on given sources need.

ROUGE is that of the rouge-score library where it has what it takes. The library's own words are a to z and digits, so
that two identical Russian texts score 0; it is given ours. Its longest common subsequence keeps a table of words by
words, gigabytes for an article; ours keeps a row of bits a word.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import regex

from adapterd.chat import Answer, Role
from adapterd.evaluation.metrics.chart import OVERLAP, SOURCES
from adapterd.evaluation.metrics.metric import Metric, Question, mean_of, share_of
from adapterd.evaluation.metrics.refusals import refuses
from adapterd.evaluation.metrics.text_forms import MOST_WORDS, folded, is_character, words

LONG_WORD = 5
Embed = Callable[[str], list[float]]
_CITATION = regex.compile(r"\[([^\[\]]{1,256})\]|【([^【】]{1,256})】")
_NAMED = regex.compile(r"\S{1,64}")


def overlap(one: str, other: str) -> float:
    """F1 over the words of two texts; 1 for two texts without anything in them."""
    first, second = Counter(words(one)), Counter(words(other))
    total = first.total() + second.total()
    return 2 * (first & second).total() / total if total else 1.0


TOKEN_F1 = mean_of(
    "token_f1", "F1 over the words of answer and reference (Rajpurkar et al. 2016, arXiv:1606.05250), the first "
    f"{MOST_WORDS} of each; characters in scripts without spaces and in Korean",
    lambda question, answer: overlap(answer.text, question.reference), chart=OVERLAP.place(),
)  # fmt: skip


_RUNS = {"rouge1": "words", "rouge2": "pairs of words"}


def rouge_metrics() -> list[Metric]:
    """ROUGE-1, -2 and -L, the F-measure, mean over cases."""
    found = [_of_runs(name, what) for name, what in _RUNS.items()]
    text = _definition("the longest common sequence of words")
    longest = mean_of(
        "rougeL", text, lambda question, answer: _longest(answer.text, question.reference), chart=OVERLAP.place()
    )
    return [*found, longest]


def _definition(what: str) -> str:
    return f"ROUGE F-measure over {what} (Lin 2004), of the first {MOST_WORDS} words"


def _of_runs(name: str, what: str) -> Metric:
    def score(question: Question, answer: Answer) -> float:
        if _tokens(question.reference) == _tokens(answer.text):  # which the library calls 0 where there is no pair
            return 1.0
        return float(_scorer(name).score(question.reference, answer.text)[name].fmeasure)

    return mean_of(name, _definition(what), score, chart=OVERLAP.place())


class _Tokenizer:
    """Words as the library wants them."""

    def tokenize(self, text: str) -> list[str]:
        return _tokens(text)


@cache
def _scorer(name: str) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([name], tokenizer=_Tokenizer())


def _tokens(text: str) -> list[str]:
    """Words as the library divides them, at underscores too."""
    found = words(text)
    return [part for word in found for part in word.split("_") if part] or list(found)


def _longest(text: str, reference: str) -> float:
    given, expected = _tokens(text), _tokens(reference)
    if given == expected:
        return 1.0
    return 2 * longest_common(given, expected) / (len(given) + len(expected))


def longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest common subsequence, by bits in parallel (Hyyrö 2004): a bit for each word of `one` and
    each different word in it, and so many bits in parallel for each word of `other`."""
    places: dict[str, int] = {}
    for place, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << place
    everything = (1 << len(one)) - 1
    row = everything
    for word in other:
        common = row & places.get(word, 0)
        row = (row + common | row - common) & everything
    return len(one) - row.bit_count()


def semantic(embed: Embed) -> Metric:
    """Similarity of meaning, by embeddings."""

    def score(question: Question, answer: Answer) -> float:
        if not answer.text.strip() or not question.reference.strip():
            return float(answer.text.strip() == question.reference.strip())
        import numpy as np

        first, second = np.array(embed(question.reference)), np.array(embed(answer.text))
        length = float(np.linalg.norm(first) * np.linalg.norm(second))
        return min(1.0, max(0.0, float(first @ second) / length)) if length else 0.0

    text = "cosine of the embeddings of answer and reference, at least 0"
    return mean_of("semantic", text, score, chart=OVERLAP.place())


def keywords_of(text: str) -> set[str]:
    """Numbers and long words; where words are characters, pairs of them."""
    found = words(text)
    pairs = {one + other for one, other in pairwise(found) if is_character(one) and is_character(other)}
    long = {word for word in found if len(word) >= LONG_WORD or any(map(str.isdigit, word))}
    return pairs | {word for word in long if not is_character(word)}


def _keywords(question: Question, answer: Answer) -> float | None:
    expected = keywords_of(question.reference)
    return len(expected & keywords_of(answer.text)) / len(expected) if expected else None


KEYWORDS = mean_of(
    "keywords", f"numbers and words of {LONG_WORD} letters or more of the reference that are in the answer; pairs of "
    "characters in scripts without spaces and in Korean", _keywords, chart=OVERLAP.place(),
)  # fmt: skip


def _refuses_rightly(question: Question, answer: Answer) -> bool:
    said = bool(answer.text.strip()) or not question.reference.strip()
    return said and refuses(answer.text) is refuses(question.reference)


REFUSAL_RIGHT = share_of(
    "refusal_right", "share of answers that say something, and refuse if and only if the reference does",
    _refuses_rightly, chart=SOURCES.place(),
)  # fmt: skip


def cited(text: str) -> list[str]:
    """The sources that a text names in brackets, in any case, each once: `[a]`, `[a, b]`, `【a】`."""
    found = (match[1] or match[2] for match in _CITATION.finditer(folded(text)))
    named = ([name.partition("†")[0].strip() for name in regex.split("[,;]", inner)] for inner in found)
    return list(dict.fromkeys(name for names in named if all(map(_NAMED.fullmatch, names)) for name in names))


def _right_and_wrong(question: Question, answer: Answer) -> tuple[int, int] | None:
    """How many of the cited sources the reference cites too, and how many it does not; None where it cites none."""
    expected, given = set(cited(question.reference)), set(cited(answer.text))
    return (len(given & expected), len(given - expected)) if expected else None


def _source_hit(question: Question, answer: Answer) -> bool | None:
    counts = _right_and_wrong(question, answer)
    return None if counts is None else counts[0] > 0 and counts[1] == 0


def _reciprocal_rank(question: Question, answer: Answer) -> float | None:
    counts = _right_and_wrong(question, answer)
    return None if counts is None else (counts[0] > 0) / (1 + counts[1])


def _cites_what_is_there(question: Question, answer: Answer) -> float | None:
    sources = cited(answer.text)
    given = {source for message in question.messages for source in cited(message.content)}
    return sum(source in given for source in sources) / len(sources) if sources and given else None


SOURCE_HIT = share_of(
    "source_hit", "share of answers that cite, as [source], one that the reference cites, and none that it does not",
    _source_hit, chart=SOURCES.place(),
)  # fmt: skip
MRR = mean_of(
    "mrr", "1 / place of the first citation that is right, all wrong ones before it; mean over cases", _reciprocal_rank,
    chart=SOURCES.place(),
)  # fmt: skip
CITATIONS_REAL = mean_of(
    "citations_real", "citations of sources that the prompt has", _cites_what_is_there, chart=SOURCES.place()
)


def asked(question: Question) -> str:
    """What the user said last."""
    return next(message.content for message in reversed(question.messages) if message.role is Role.USER)
