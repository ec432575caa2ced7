"""Whether an answer is whole and in the form of its task: the filters `complete` and `schema`."""

from itertools import groupby
from typing import Any

from adapterd.chat import Answer, without_thought
from adapterd.config import Task
from adapterd.evaluation.metrics.hygiene import THINK_LEAK, repeated_share
from adapterd.evaluation.metrics.json_answers.values import INVALID, canonical, lists_in, parse_json
from adapterd.evaluation.metrics.label_metrics import label_of
from adapterd.evaluation.metrics.metric import NOTHING, Metric, Question
from adapterd.evaluation.metrics.text_forms import folded, words
from adapterd.teachers.filters.verdict import Against, Finding, drop, judged, of_each, texts_of, unsure
from adapterd.teachers.request import Candidate, Kind

MUCH_REPEATED, MOST_REPEATED = 0.3, 0.6
"""An answer of whose runs of words so many were there before may repeat itself, as a table does, and surely does."""
ITEMS, ITEMS_AGAIN = 4, 0.3
"""Of a list of so many items no such share is there before, …"""
ITEM_WORDS, IN_A_ROW = 2, 8
"""… if they are of more words than that; shorter ones are not so often the same in a row."""
LINES_AGAIN = 4
"""So often no line of some words is said."""
FEW_LABELLED = 50
"""Examples of people that are too few to have all labels."""
ECHOED = 6
"""Words of the shortest prompt that an answer that begins with it repeats."""


def _complete(candidate: Candidate, _: Against) -> Finding | None:
    text = judged(candidate)
    if not candidate.complete:
        return drop("the teacher did not end its answer")
    if not text.strip() or not any(map(str.isalnum, text)):
        return drop("the answer is empty")
    answer = Answer(text, NOTHING.done_reason, 0, 0, 0.0, 0.0)
    question = Question("", candidate.messages, "")
    if _value(THINK_LEAK, question, answer) or without_thought(text) != text:
        return drop("thoughts are in the answer")
    if _echoes(text, candidate):
        return drop("the answer repeats its prompt")
    return None if candidate.kind is Kind.VARIATION else _repeats(text)


def _repeats(text: str) -> Finding | None:
    """Whether it repeats itself. Lists, tables and programs do to some degree where they are right."""
    share, value = repeated_share(text), parse_json(text)
    is_prose = value is INVALID
    if share > (MOST_REPEATED if is_prose else MUCH_REPEATED):
        return drop("the answer repeats itself")
    items = not is_prose and any(map(_items_again, lists_in(value)))
    if share > MUCH_REPEATED or items or (is_prose and _says_lines_again(text)):
        return unsure("the answer may repeat itself")
    return None


def _items_again(items: list[Any]) -> bool:
    """Whether a list repeats its items."""
    keys = [canonical(each) for each in items]
    long = [key for key, each in zip(keys, items, strict=True) if len(words(str(each))) > ITEM_WORDS]
    again = len(long) >= ITEMS and len(long) - len(set(long)) > ITEMS_AGAIN * len(long)
    rows = (len(list(row)) for key, row in groupby(zip(keys, items, strict=True)) if isinstance(key[1], str))
    return again or max(rows, default=0) >= IN_A_ROW


def _value(metric: Metric, question: Question, answer: Answer) -> float:
    parts = metric.parts(question, answer)
    return parts[0] if parts else 0.0


def _says_lines_again(text: str) -> bool:
    lines = [folded(line) for line in text.splitlines() if len(words(line)) > 2]
    return any(lines.count(line) >= LINES_AGAIN for line in set(lines)) if len(lines) < 2000 else len(set(lines)) < 1000


def _echoes(text: str, candidate: Candidate) -> bool:
    """Whether the answer begins with the whole of what was asked, or is all of it."""
    said, asked = words(text), words(texts_of(candidate.messages)[-1])
    return len(asked) >= ECHOED and said[: len(asked)] == asked


def _schema(candidate: Candidate, against: Against) -> Finding | None:
    if candidate.rejected is not None:
        return None
    text = candidate.answer
    if against.task is Task.CLASSIFICATION:
        return _label(text, against)
    if against.task is not Task.JSON and against.schema is None:
        return None
    if parse_json(text) is INVALID:
        return drop("the answer is no valid JSON")
    try:
        fault = against.schema.fault_of(text) if against.schema else None
    except (TimeoutError, RecursionError):
        return drop("the answer cannot be checked by the schema")
    return drop(f"the schema does not allow the answer: {fault:.200}") if fault else None


def _label(text: str, against: Against) -> Finding | None:
    """Whether it is a label that people gave. A few of their examples may lack one: whether it is, a person says."""
    known = {label_of(each) for each in against.labels}
    if not known or label_of(text) in known:
        return None
    is_short = len(words(text)) <= max(len(words(each)) for each in known) + 1
    if is_short and sum(each.by_person for each in against.kept) < FEW_LABELLED:
        return unsure(f"people gave no such label yet: {text:.80}")
    return drop("the answer is none of the known labels")


complete, schema = of_each(_complete), of_each(_schema)
