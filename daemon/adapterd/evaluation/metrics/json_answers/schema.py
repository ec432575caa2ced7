"""A JSON Schema that answers should follow: read with care, and checked in bounded time, without a network.

The jsonschema library does the work. Its keywords that a single answer could make slow are ours: patterns (regular
expressions that backtrack), unique items (every pair compared), references (schemas that recurse twice at each level),
and multiples, which the library divides as floats.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import regex

from adapterd.chat import Answer
from adapterd.errors import InputError
from adapterd.evaluation.metrics.chart import VALIDITY
from adapterd.evaluation.metrics.json_answers.schema_faults import REFERENCES, faults
from adapterd.evaluation.metrics.json_answers.values import INVALID, canonical, parse_json
from adapterd.evaluation.metrics.metric import Metric, Question, share_of

PATTERN_S = 1.0
"""Seconds that one pattern gets for one text."""
MOST_REFERENCES, MOST_BY_CHARACTER = 2_000, 10
"""So many references an answer may make the schema follow, and so many more for each of its characters."""


@dataclass(frozen=True)
class JsonSchema:
    """A schema that answers should follow."""

    schema: Mapping[str, Any]

    @cached_property
    def _kind(self) -> Any:
        return _bounded(_kind_of(self.schema), self._left)

    @cached_property
    def _left(self) -> list[int]:
        """How many references may still be followed."""
        return [0]

    @cached_property
    def _validator(self) -> Any:
        from jsonschema_specifications import REGISTRY

        return self._kind(self.schema, format_checker=self._kind.FORMAT_CHECKER, registry=REGISTRY)

    def allows(self, text: str) -> bool:
        """Whether the text is JSON that the schema allows; raises TimeoutError or RecursionError where telling that
        takes too long or leads too deep."""
        value = parse_json(text)
        self._left[0] = MOST_REFERENCES + MOST_BY_CHARACTER * len(text)
        return value is not INVALID and bool(self._validator.is_valid(value))

    def metric(self) -> Metric:
        """How often answers follow it."""

        def follows(_: Question, answer: Answer) -> bool:
            return self.allows(answer.text)

        text = "share of answers that are JSON which the schema allows"
        return share_of("schema_valid", text, follows, chart=VALIDITY.place())


def read_schema(path: Path) -> dict[str, Any]:
    """The JSON Schema in a file; raises InputError, with what is wrong, for one that cannot check answers."""
    from jsonschema import FormatChecker
    from jsonschema.exceptions import SchemaError

    try:
        schema = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refused, parse_float=_number)
        if not isinstance(schema, dict):
            raise InputError(f"{path} is not a JSON Schema that says anything: it is no JSON object")
        if not isinstance(schema.get("$schema", ""), str):
            raise InputError(f"{path} is not a valid JSON Schema: $schema has to be the name of a draft")
        _kind_of(schema).check_schema(schema, format_checker=FormatChecker(formats=()))
        fault = next(faults(schema), None)
    except (OSError, ValueError, TypeError, AttributeError) as exc:
        raise InputError(f"{path} is not a readable JSON Schema: {exc}") from exc
    except SchemaError as exc:
        raise InputError(f"{path} is not a valid JSON Schema: {exc.message}") from exc
    except RecursionError as exc:
        raise InputError(f"{path} is not a JSON Schema that can be used: it is nested too deeply") from exc
    if fault:
        raise InputError(f"{path} is not a JSON Schema that can be used: {fault}")
    return schema


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _number(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"no number is as large as {text[:20]}")
    return value


def _kind_of(schema: Mapping[str, Any]) -> Any:
    """The validator of the schema's draft; the newest where it names none that is known."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for

    return validator_for(schema, default=Draft202012Validator)


def _bounded(kind: Any, left: list[int]) -> Any:
    """The validator with keywords of which none takes long; `left` has how many references may still be followed."""
    from jsonschema import validators

    def reference(original: Any) -> Any:
        def follow(validator: Any, target: str, instance: Any, schema: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise TimeoutError("the schema has no end of references for this answer")
            return original(validator, target, instance, schema)

        return follow

    own = {
        "pattern": _pattern, "patternProperties": _named, "additionalProperties": _more, "uniqueItems": _unique,
        "multipleOf": _multiple,
    }  # fmt: skip
    references = {word: reference(kind.VALIDATORS[word]) for word in REFERENCES if word in kind.VALIDATORS}
    known = {word: use for word, use in own.items() if word in kind.VALIDATORS}
    return validators.extend(kind, {**known, **references})  # type: ignore[no-untyped-call]


def _found(pattern: str, text: str) -> bool:
    return regex.search(pattern, text, timeout=PATTERN_S) is not None


def _pattern(validator: Any, pattern: str, instance: Any, _: Any) -> Iterator[Any]:
    if validator.is_type(instance, "string") and not _found(pattern, instance):
        yield _error(f"a text does not match {pattern!r}")


def _named(validator: Any, patterns: Mapping[str, Any], instance: Any, _: Any) -> Iterator[Any]:
    if validator.is_type(instance, "object"):
        for pattern, inner in patterns.items():
            for name in [name for name in instance if _found(pattern, name)]:
                yield from validator.descend(instance[name], inner, path=name, schema_path=pattern)


def _more(validator: Any, allowed: Any, instance: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
    if not validator.is_type(instance, "object"):
        return
    patterns = schema.get("patternProperties", {})
    others = [name for name in instance if name not in schema.get("properties", {})]
    for name in [name for name in others if not any(_found(pattern, name) for pattern in patterns)]:
        yield from validator.descend(instance[name], allowed, path=name)


def _unique(validator: Any, wanted: bool, instance: Any, _: Any) -> Iterator[Any]:
    if wanted and validator.is_type(instance, "array") and len({canonical(each) for each in instance}) < len(instance):
        yield _error("a list has an item twice")


def _multiple(validator: Any, unit: float, instance: Any, _: Any) -> Iterator[Any]:
    """As decimal numbers: 19.99 is a multiple of 0.01."""
    if validator.is_type(instance, "number") and Fraction(str(instance)) % Fraction(str(unit)):
        yield _error(f"a number is no multiple of {unit}")


def _error(message: str) -> Any:
    from jsonschema.exceptions import ValidationError

    return ValidationError(message)
