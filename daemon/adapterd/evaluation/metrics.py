"""What is measured of an answer, each metric with its direction and its trivial baseline.

A baseline is the score of an answer that knows nothing (the empty one); a number is only good beside it.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from adapterd.config import Task
from adapterd.errors import InputError


@dataclass(frozen=True)
class Metric:
    """`score` maps (answer text, reference text) to 0…1 for one case; the metric is the mean over the set."""

    name: str
    score: Callable[[str, str], float]

    def over(self, answers: Sequence[str], references: Sequence[str]) -> float:
        """The mean score; 0 for an empty set."""
        scores = [self.score(answer, reference) for answer, reference in zip(answers, references, strict=True)]
        return sum(scores) / len(scores) if scores else 0.0

    def baseline(self, references: Sequence[str]) -> float:
        """What always answering with nothing would score."""
        return self.over([""] * len(references), references)


@dataclass(frozen=True)
class JsonSchema:
    """A schema that answers should follow (JSON Schema, by the jsonschema library)."""

    schema: Mapping[str, Any]

    @cached_property
    def _validator(self) -> Any:
        from jsonschema.validators import validator_for

        kind = validator_for(self.schema)
        return kind(self.schema, format_checker=kind.FORMAT_CHECKER)

    def score(self, answer: str, _: str) -> float:
        """1 if the answer is JSON that the schema allows."""
        value = parse_json(answer)
        return float(value is not _INVALID and self._validator.is_valid(value))


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


_INVALID: Any = object()
_MAX_DEPTH = 64  # as much as an answer in a feedback record may have


def parse_json(text: str) -> Any:
    """The JSON value that the whole text is (white space around it allowed), else a mark that is no value.

    NaN and Infinity, which Python would take, are not JSON, and what is nested too deeply counts as no JSON either.
    A whole number is an int however it is written, for JSON knows one kind of number.
    """
    try:
        value = json.loads(text, parse_constant=_refused, parse_float=_number)
    except (ValueError, RecursionError):
        return _INVALID
    return _INVALID if _is_deeper(value, _MAX_DEPTH) else value


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


def json_valid(answer: str, _: str) -> float:
    """1 if the whole answer is one JSON value."""
    return float(parse_json(answer) is not _INVALID)


def exact(answer: str, reference: str) -> float:
    """1 if the answer is the reference: equal as JSON if the reference is JSON, else equal as text."""
    expected = parse_json(reference)
    if expected is _INVALID:
        return float(answer.strip() == reference.strip())
    given = parse_json(answer)
    return float(given is not _INVALID and _canonical(given) == _canonical(expected))


def field_f1(answer: str, reference: str) -> float:
    """F1 over the fields of a JSON object: a field is right if its path and value are. Lists count by element, in any
    order. Empty values are no fields, so that an empty answer cannot score by agreeing on emptiness."""
    given, expected = Counter(_fields(parse_json(answer))), Counter(_fields(parse_json(reference)))
    right = (given & expected).total()
    return 2 * right / (given.total() + expected.total()) if right else 0.0


def _fields(value: Any, path: tuple[str | None, ...] = ()) -> Iterator[tuple[tuple[str | None, ...], str]]:
    """Every field that is not empty, as its path and its value; None in a path stands for an element of a list."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _fields(inner, (*path, name))
    elif isinstance(value, list):
        for inner in value:
            yield from _fields(inner, (*path, None))
    elif value is not _INVALID and value is not None and value != "":
        yield path, _canonical(value)


def token_f1(answer: str, reference: str) -> float:
    """F1 over the words of two texts, as in SQuAD (Rajpurkar et al. 2016, arXiv:1606.05250)."""
    given, expected = (Counter(re.findall(r"\w+", text.casefold())) for text in (answer, reference))
    right = (given & expected).total()
    return 2 * right / (given.total() + expected.total()) if right else 0.0


JSON_VALID = Metric("json_valid", json_valid)
FIELD_F1 = Metric("field_f1", field_f1)
EXACT = Metric("exact", exact)
TOKEN_F1 = Metric("token_f1", token_f1)


def metrics_for(task: Task, schema: Mapping[str, Any] | None = None) -> tuple[Metric, ...]:
    """The metrics that make sense for a task; higher is better for all of them."""
    if task is Task.JSON:
        following = (Metric("schema_valid", JsonSchema(schema).score),) if schema else ()
        return (JSON_VALID, *following, FIELD_F1, EXACT)
    return (EXACT,) if task is Task.CLASSIFICATION else (TOKEN_F1, EXACT)


def critical_for(task: Task) -> tuple[str, ...]:
    """The metrics that must not fall for a candidate to be promoted."""
    if task is Task.JSON:
        return (JSON_VALID.name, FIELD_F1.name)
    return (EXACT.name,) if task is Task.CLASSIFICATION else (TOKEN_F1.name,)
