"""Metrics of answers that are to be JSON: validity, schema, fields, numbers, entities.

Empty values are no fields: an empty answer cannot score by agreeing on emptiness, and a field that is empty in both is
left out. What agreeing on emptiness would score is shown as a baseline instead (catalogue.py).
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from adapterd.chat import Answer
from adapterd.errors import InputError
from adapterd.evaluation.metric import Better, Metric, Parts, Question, Unit, mean_of, share_of
from adapterd.evaluation.statistics import Array

INVALID: Any = object()
"""What `parse_json` gives for text that is no JSON."""
_MAX_DEPTH = 64  # as much as an answer in a feedback record may have
Field = tuple[tuple[str | None, ...], str]
Entity = tuple[str, str]


def parse_json(text: str) -> Any:
    """The JSON value that the whole text is (white space around it allowed), else INVALID.

    NaN and Infinity, which Python would take, are not JSON, and what is nested too deeply counts as no JSON either.
    A whole number is an int however it is written, for JSON knows one kind of number.
    """
    try:
        value = json.loads(text, parse_constant=_refused, parse_float=_number)
    except (ValueError, RecursionError):
        return INVALID
    return INVALID if _is_deeper(value, _MAX_DEPTH) else value


def json_metrics(questions: Sequence[Question], schema: Mapping[str, Any] | None) -> list[Metric]:
    """Those of the whole answer, then those of each field that the references have."""
    objects = [value for question in questions if isinstance(value := parse_json(question.reference), dict)]
    names = sorted({name for value in objects for name in value})
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


@dataclass(frozen=True)
class JsonSchema:
    """A schema that answers should follow (JSON Schema, by the jsonschema library)."""

    schema: Mapping[str, Any]

    @cached_property
    def _validator(self) -> Any:
        from jsonschema.validators import validator_for

        kind = validator_for(self.schema)
        return kind(self.schema, format_checker=kind.FORMAT_CHECKER)

    def allows(self, text: str) -> bool:
        """Whether the text is JSON that the schema allows."""
        value = parse_json(text)
        return value is not INVALID and bool(self._validator.is_valid(value))

    def metric(self) -> Metric:
        """How often answers follow it."""
        return share_of(
            "schema_valid", "share of answers that are JSON which the schema allows", lambda _, a: self.allows(a.text)
        )


def read_schema(path: Path) -> dict[str, Any]:
    """The JSON Schema in a file; raises InputError if there is none that makes sense."""
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
        validator_for(schema).check_schema(schema)
    except (OSError, ValueError, TypeError, AttributeError) as exc:
        raise InputError(f"{path} is not a readable JSON Schema: {exc}") from exc
    except SchemaError as exc:
        raise InputError(f"{path} is not a valid JSON Schema: {exc.message}") from exc
    return dict(schema)


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _number(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() else value


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in inner)


def _canonical(value: Any) -> str:
    """Text that is the same for equal JSON values only; in Python, true and 1 are equal as well."""
    return json.dumps(value, sort_keys=True)


def is_exact(question: Question, answer: Answer) -> bool:
    """Whether the answer is the reference: equal as JSON if the reference is JSON, else equal as text."""
    expected = parse_json(question.reference)
    if expected is INVALID:
        return answer.text.strip() == question.reference.strip()
    given = parse_json(answer.text)
    return given is not INVALID and _canonical(given) == _canonical(expected)


def fields(value: Any, path: tuple[str | None, ...] = ()) -> Iterator[Field]:
    """Every field that is not empty, as its path and its value; None in a path stands for an element of a list."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from fields(inner, (*path, name))
    elif isinstance(value, list):
        for inner in value:
            yield from fields(inner, (*path, None))
    elif value is not INVALID and value is not None and value != "":
        yield path, _canonical(value)


def _counted(question: Question, answer: Answer) -> tuple[int, int, int]:
    """Fields that are right, that were given, and that were expected."""
    given, expected = (Counter(fields(parse_json(text))) for text in (answer.text, question.reference))
    return (given & expected).total(), given.total(), expected.total()


def _field_f1(question: Question, answer: Answer) -> float:
    right, given, expected = _counted(question, answer)
    return 2 * right / (given + expected) if right else 0.0


def _jaccard(question: Question, answer: Answer) -> float:
    right, given, expected = _counted(question, answer)
    return right / (given + expected - right) if right else 0.0


JSON_VALID = share_of(
    "json_valid", "share of answers that are one JSON value as a whole", lambda _, a: parse_json(a.text) is not INVALID
)
FIELD_F1 = mean_of(
    "field_f1", "F1 over an answer's fields (right path and value; lists by element, in any order), mean over cases",
    _field_f1,
)  # fmt: skip
JACCARD = mean_of("jaccard", "fields that are right, of all fields given or expected, mean over cases", _jaccard)
EXACT = share_of("exact", "share of answers that are the reference, as JSON if it is JSON, else as text", is_exact)


def _top(text: str, name: str) -> Any:
    value = parse_json(text)
    return value.get(name) if isinstance(value, dict) else None


def _of_field(name: str) -> tuple[Metric, Metric, Metric]:
    """Precision, recall and F1 of one field over the whole set."""

    def counted(question: Question, answer: Answer) -> tuple[int, int, int]:
        given, expected = (Counter(fields(_top(text, name))) for text in (answer.text, question.reference))
        return (given & expected).total(), given.total(), expected.total()

    def parts(pick: Any) -> Any:
        def of(question: Question, answer: Answer) -> Parts | None:
            right, given, expected = counted(question, answer)
            return pick(right, given, expected) if given or expected else None

        return of

    made = (
        ("precision", f"values given for {name} that are right", lambda r, g, _: (r, g)),
        ("recall", f"values expected for {name} that were given", lambda r, _, e: (r, e)),
        ("f1", f"F1 of {name} over the whole set", lambda r, g, e: (2 * r, g + e)),
    )
    first, second, third = (Metric(f"{kind}.{name}", text, parts(pick), by_case=False) for kind, text, pick in made)
    return first, second, third


def _numbers(objects: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    """The field's values in the references, if they are numbers that differ."""
    values = [value[name] for value in objects if value.get(name) is not None]
    numbers = [float(value) for value in values if _is_number(value)]
    return numbers if len(numbers) == len(values) and len(set(numbers)) > 1 else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _of_number(name: str, references: Sequence[float]) -> tuple[Metric, Metric, Metric]:
    """Errors of a numeric field. An answer without a number counts as the worst of all constant guesses."""
    low, high = min(references), max(references)

    def pair(question: Question, answer: Answer) -> tuple[float, float] | None:
        expected = _top(question.reference, name)
        if not _is_number(expected):
            return None
        given = _top(answer.text, name)
        worst = low if expected - low > high - expected else high
        return (float(given) if _is_number(given) else worst), float(expected)

    def absolute(question: Question, answer: Answer) -> float | None:
        found = pair(question, answer)
        return None if found is None else abs(found[0] - found[1])

    def squares(question: Question, answer: Answer) -> Parts | None:
        found = pair(question, answer)
        return None if found is None else ((found[0] - found[1]) ** 2, found[1], found[1] ** 2, 1.0)

    missing = "a missing number counts as the worst constant guess"
    return (
        mean_of(
            f"mae.{name}", f"mean absolute error of {name}; {missing}", absolute,
            better=Better.LOWER, unit=Unit.NUMBER,
        ),
        Metric(
            f"rmse.{name}", f"root of the mean squared error of {name}; {missing}", squares, _rmse,
            Better.LOWER, Unit.NUMBER, by_case=False,
        ),
        Metric(
            f"r2.{name}", f"share of the variance of {name} that is explained; {missing}", squares, _r2,
            unit=Unit.NUMBER, by_case=False,
        ),
    )  # fmt: skip


def _rmse(sums: Array) -> Array:
    result: Array = np.sqrt(sums[..., 0] / sums[..., 3])
    return result


def _r2(sums: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Array = 1 - sums[..., 0] / (sums[..., 2] - sums[..., 1] ** 2 / sums[..., 3])
    return result


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
    return Metric(f"entity_f1.{name}", text, parts, by_case=False)
