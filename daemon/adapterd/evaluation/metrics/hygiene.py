"""Metrics of every answer, whatever it is to be: leaks, cuts, repetition, length, speed.

Speed counts only where an answer was timed for it, in turn with those of the other tags (runs/measuring/latency.py).
"""

import json
import re

import numpy as np

from adapterd.chat import Answer
from adapterd.evaluation.metrics.chart import HABITS
from adapterd.evaluation.metrics.json_answers.values import INVALID, parse_json, strings_in
from adapterd.evaluation.metrics.metric import Better, Metric, Parts, Question, Unit, divided, mean_of, ratio, share_of
from adapterd.evaluation.metrics.text_forms import is_character, words
from adapterd.evaluation.metrics.text_metrics import asked
from adapterd.evaluation.statistics import Array

ECHO_WORDS = 12
REPEATED_WORDS = 4
FIRST_TOKEN_S, ANSWER_S, TIMED_TOKENS = "timed_first_token_s", "timed_answer_s", "timed_tokens"
THINKING = re.compile(r"</?think(?:ing)?>", re.IGNORECASE)


def is_thought(text: str) -> bool:
    """Whether an answer that was cut has nothing but thoughts: they were delivered apart, or one that it begins with is
    not over."""
    return not text.strip() or (bool(THINKING.match(text.lstrip())) and len(THINKING.findall(text)) == 1)


def _runs(text: str, length: int) -> list[tuple[str, ...]]:
    found = words(text)
    return [found[start : start + length] for start in range(len(found) - length + 1)]


def _length(text: str, in_words: int) -> int:
    """Of a text that is mostly in a script that counts by characters, a word is two of them."""
    found = words(text)
    return in_words * (2 if 2 * sum(map(is_character, found)) > len(found) else 1)


def _echoes(question: Question, answer: Answer) -> bool:
    """What the reference says too is no echo."""
    length = _length(answer.text, ECHO_WORDS)
    echoed = set(_runs(asked(question), length)) - set(_runs(question.reference, length))
    return not echoed.isdisjoint(_runs(answer.text, length))


def values_in(text: str) -> int:
    """How many JSON objects and lists stand one after the other in a text."""
    decoder, count, at = json.JSONDecoder(), 0, 0
    while (start := _next_bracket(text, at)) is not None:
        try:
            _, at = decoder.raw_decode(text, start)
            count += 1
        except ValueError:
            at = start + 1
        except RecursionError:  # nested beyond all reason, and it would be so at the next bracket too
            break
    return count


def _next_bracket(text: str, at: int) -> int | None:
    found = re.compile(r"[{\[]").search(text, at)
    return found.start() if found else None


def _repetition(_: Question, answer: Answer) -> float | None:
    return _share_of_runs(answer.text)


def _share_of_runs(text: str) -> float | None:
    runs = _runs(text, _length(text, REPEATED_WORDS))
    return (len(runs) - len(set(runs))) / len(runs) if runs else None


def repeated_share(text: str) -> float:
    """The share of the runs of words that the text had before; of JSON that of the string in it that repeats most, for
    objects of a list have the same names, and some of their values."""
    value = parse_json(text)
    texts = [text] if value is INVALID else strings_in(value)
    return max((share for each in texts if (share := _share_of_runs(each)) is not None), default=0.0)


def _speed(_: Question, answer: Answer) -> Parts | None:
    tokens, seconds = (answer.figures.get(name) for name in (TIMED_TOKENS, ANSWER_S))
    return None if tokens is None or seconds is None else (tokens, seconds)


def _squares(_: Question, answer: Answer) -> Parts:
    return float(answer.answer_tokens), float(answer.answer_tokens) ** 2, 1.0


def _variation(sums: Array) -> Array:
    mean = divided(sums[..., 0], sums[..., 2])
    return divided(np.sqrt(np.maximum(divided(sums[..., 1], sums[..., 2]) - mean**2, 0)), mean)


PROMPT_ECHO = share_of(
    "prompt_echo", f"share of answers that repeat {ECHO_WORDS} words of the prompt that the reference does not",
    _echoes, better=Better.LOWER, chart=HABITS.place(),
)  # fmt: skip
SEVERAL_JSON = share_of(
    "several_json", "share of answers with more than one JSON object or list", lambda _, a: values_in(a.text) > 1,
    better=Better.LOWER, chart=HABITS.place(),
)  # fmt: skip
THINK_LEAK = share_of(
    "think_leak", "share of answers with think tags in them", lambda _, a: bool(THINKING.search(a.text)),
    better=Better.LOWER, chart=HABITS.place(),
)  # fmt: skip
TRUNCATED = share_of(
    "truncated", "share of answers cut: they ran out of tokens, or Ollama stopped them with an error",
    lambda _, a: a.truncated, better=Better.LOWER, chart=HABITS.place(),
)  # fmt: skip
REPETITION = mean_of(
    "repetition", f"runs of {REPEATED_WORDS} words that the answer had before, of all its runs", _repetition,
    better=Better.LOWER, chart=HABITS.place(),
)  # fmt: skip
LENGTH = mean_of("length", "tokens of an answer", lambda _, a: a.answer_tokens, better=Better.NEITHER, unit=Unit.TOKENS)
LENGTH_CV = Metric(
    "length_cv", "standard deviation of the answers' lengths by their mean", _squares, _variation, Better.NEITHER,
    Unit.NUMBER, by_case=False, chart=HABITS.place(),
)  # fmt: skip
_NOT_TIMED = "no answer was timed; evaluation.latency_questions says how many are"
FIRST_TOKEN = mean_of(
    "first_token_s", "time to the first token, of questions that all versions are asked in turn",
    lambda _, a: a.figures.get(FIRST_TOKEN_S), better=Better.LOWER, unit=Unit.SECONDS, missing=_NOT_TIMED,
)  # fmt: skip
SPEED = Metric(
    "tokens_per_s", "tokens of the answers to these questions by the time they took", _speed, ratio,
    unit=Unit.PER_SECOND, by_case=False, missing=_NOT_TIMED,
)  # fmt: skip
HYGIENE = (PROMPT_ECHO, SEVERAL_JSON, THINK_LEAK, TRUNCATED, REPETITION, LENGTH, LENGTH_CV, FIRST_TOKEN, SPEED)
