"""Metrics of answers that are to be JSON: validity, schema, fields, numbers, entities.

Empty values are no fields, and a reference without any field is answered rightly by JSON without any. What JSON without
any field would score everywhere is shown as a baseline (catalogue.py).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from adapterd.chat import Answer
from adapterd.evaluation.metrics.chart import ERRORS, F1, PRECISION_AND_RECALL, VALIDITY
from adapterd.evaluation.metrics.json_answers.fields import MOST_COMPARED, NONE, Fields, fields_in, shared, value_in
from adapterd.evaluation.metrics.json_answers.schema import JsonSchema
from adapterd.evaluation.metrics.json_answers.values import INVALID, LARGEST, as_float, canonical, is_number, parse_json
from adapterd.evaluation.metrics.metric import Better, Metric, Parts, Question, Unit, divided, mean_of, share_of
from adapterd.evaluation.statistics import Array

MOST_FIELDS = 50
"""So many fields, those in most references, have metrics of their own: each is compared thousands of times."""
MOST_NAME = 64
"""Characters of a field's name; a field with a longer one has no metrics of its own."""
Entity = tuple[str, str]
Counts = tuple[int, int, int]
"""Fields that are right, that were given, and that were expected."""


def json_metrics(questions: Sequence[Question], schema: Mapping[str, Any] | None) -> list[Metric]:
    """Those of the whole answer, then those of each field that the references have."""
    objects = [value for question in questions if isinstance(value := value_in(question.reference), dict)]
    names = _names(objects)
    return [
        JSON_VALID,
        *([JsonSchema(schema).metric()] if schema else []),
        FIELD_F1,
        JACCARD,
        EXACT,
        *(metric for name in names for metric in _of_field(name)),
        *(metric for name in names if (numbers := _numbers(objects, name)) for metric in _of_number(name, numbers)),
        *(_entity_f1(name) for name in names if any(_entities(value.get(name)) for value in objects)),
    ]


def _names(objects: Sequence[Mapping[str, Any]]) -> list[str]:
    counted = Counter(name for value in objects for name in value if len(name) <= MOST_NAME)
    return sorted(sorted(counted, key=lambda name: (-counted[name], name))[:MOST_FIELDS])


def is_exact(question: Question, answer: Answer) -> bool:
    """Whether the answer is the reference: equal as JSON if the reference is JSON, else equal as text."""
    expected = parse_json(question.reference)
    if expected is INVALID:
        return canonical(answer.text.strip()) == canonical(question.reference.strip())
    given = parse_json(answer.text)
    return given is not INVALID and canonical(given) == canonical(expected)


def _counts(given: Fields, expected: Fields) -> Counts:
    return shared(given, expected), given.count, expected.count


def _by_fields(score: Callable[[int, int, int], float]) -> Callable[[Question, Answer], float]:
    """A score of the fields that are right, given and expected: 0 for what is no JSON, 1 where there are none."""

    def of(question: Question, answer: Answer) -> float:
        if value_in(answer.text) is INVALID or value_in(question.reference) is INVALID:
            return 0.0
        right, given, expected = _counts(fields_in(answer.text), fields_in(question.reference))
        return score(right, given, expected) if given or expected else 1.0

    return of


_MOST = f"{MOST_COMPARED:,}".replace(",", " ")
_PAIRED = f"list items in the pairing that is best, in the order of their text beyond {_MOST} comparisons"
JSON_VALID = share_of(
    "json_valid", "share of answers that are one JSON value as a whole (I-JSON, RFC 7493: no key twice)",
    lambda _, a: parse_json(a.text) is not INVALID, chart=VALIDITY.place(),
)  # fmt: skip
FIELD_F1 = mean_of(
    "field_f1", f"F1 over an answer's fields (right value at the right path, within the right object; {_PAIRED}), 0 "
    "for what is no JSON, 1 where neither has a field; mean over cases", _by_fields(lambda r, g, e: 2 * r / (g + e)),
)  # fmt: skip
JACCARD = mean_of(
    "jaccard", "fields that are right, of all fields given or expected, as in `field_f1`; mean over cases",
    _by_fields(lambda r, g, e: r / (g + e - r)),
)  # fmt: skip
EXACT = share_of("exact", "share of answers that are the reference, as JSON if it is JSON, else as text", is_exact)


def _top(text: str, name: str) -> Any:
    value = value_in(text)
    return value.get(name) if isinstance(value, dict) else None


def _of_field(name: str) -> tuple[Metric, Metric, Metric]:
    """Precision, recall and F1 of one field over the whole set."""

    def parts(pick: Callable[[int, int, int], tuple[int, int]]) -> Callable[[Question, Answer], Parts | None]:
        def of(question: Question, answer: Answer) -> Parts | None:
            given, expected = (fields_in(text).named.get(name, NONE) for text in (answer.text, question.reference))
            counts = _counts(given, expected)
            return pick(*counts) if any(counts) else None

        return of

    precision, recall = (PRECISION_AND_RECALL.place(name, axis) for axis in ("precision", "recall"))
    made = (
        ("precision", f"values given for {name} that are right", lambda r, g, _: (r, g), precision),
        ("recall", f"values expected for {name} that were given", lambda r, _, e: (r, e), recall),
        ("f1", f"F1 of {name} over the whole set", lambda r, g, e: (2 * r, g + e), F1.place(name)),
    )
    first, second, third = (
        Metric(f"{kind}.{name}", text, parts(pick), by_case=False, chart=place) for kind, text, pick, place in made
    )
    return first, second, third


def _numbers(objects: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    """The field's values in the references, if they are numbers that differ; none beyond LARGEST."""
    values = [value[name] for value in objects if value.get(name) is not None]
    numbers = [number for value in values if is_number(value) and abs(number := as_float(value)) < LARGEST]
    return numbers if all(map(is_number, values)) and len(set(numbers)) > 1 else []


def _of_number(name: str, references: Sequence[float]) -> tuple[Metric, Metric, Metric]:
    """Errors of a numeric field. An answer without a number counts as the worst of all constant guesses.

    Squares are of errors in spans of the references (highest − lowest), and references are counted from the middle of
    that span: so large offsets cost no digits (Chan, Golub and LeVeque 1983), and nothing leaves a float.
    """
    low, high = min(references), max(references)
    span, middle = high - low, low + (high - low) / 2

    def pair(question: Question, answer: Answer) -> tuple[float, float] | None:
        expected = _top(question.reference, name)
        if not is_number(expected) or abs(expected := as_float(expected)) >= LARGEST:
            return None
        given = _top(answer.text, name)
        worst = low if expected - low > high - expected else high
        return (as_float(given) if is_number(given) else worst), expected

    def absolute(question: Question, answer: Answer) -> float | None:
        found = pair(question, answer)
        return None if found is None else abs(found[0] - found[1])

    def squares(question: Question, answer: Answer) -> Parts | None:
        found = pair(question, answer)
        if found is None:
            return None
        error, place = min(abs(found[0] - found[1]) / span, LARGEST), (found[1] - middle) / span
        return error**2, place, place**2, 1.0

    def rmse(sums: Array) -> Array:
        return span * np.sqrt(divided(sums[..., 0], sums[..., 3]))

    missing = f"a missing number counts as the worst constant guess, one beyond {LARGEST:g} as that"
    return (
        mean_of(
            f"mae.{name}", f"mean absolute error of {name}; {missing}", absolute,
            better=Better.LOWER, unit=Unit.NUMBER, chart=ERRORS.place(name),
        ),
        Metric(
            f"rmse.{name}", f"root of the mean squared error of {name}; {missing}", squares, rmse,
            Better.LOWER, Unit.NUMBER, by_case=False,
        ),
        Metric(
            f"r2.{name}", f"share of the variance of {name} that is explained; {missing}", squares, _r2,
            unit=Unit.NUMBER, by_case=False,
        ),
    )  # fmt: skip


def _r2(sums: Array) -> Array:
    """No number where the references are all the same but for rounding."""
    variation = sums[..., 2] - divided(sums[..., 1] ** 2, sums[..., 3])
    known = variation > 1e-12 * sums[..., 3]
    return 1 - divided(sums[..., 0], np.where(known, variation, np.nan))


def _entities(value: Any) -> Counter[Entity]:
    """Entities as (type, text): of a list of objects with `type` and `text`, or of lists of texts by type."""
    if isinstance(value, list):
        objects = [each for each in value if isinstance(each, dict)]
        pairs = [(each.get("type"), each.get("text")) for each in objects]
    elif isinstance(value, dict):
        pairs = [(kind, text) for kind, texts in value.items() if isinstance(texts, list) for text in texts]
    else:
        return Counter()
    return Counter((kind, text) for kind, text in pairs if isinstance(kind, str) and isinstance(text, str) and text)


def _entity_f1(name: str) -> Metric:
    def parts(question: Question, answer: Answer) -> Parts:
        given, expected = (_entities(_top(text, name)) for text in (answer.text, question.reference))
        return 2.0 * (given & expected).total(), float(given.total() + expected.total())

    text = f"F1 over the entities of {name}, of the right type and with the right text as a whole (CoNLL)"
    return Metric(f"entity_f1.{name}", text, parts, by_case=False, chart=F1.place())
