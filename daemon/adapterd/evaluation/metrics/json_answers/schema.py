"""A JSON Schema that answers should follow: read with care, and checked in bounded time, without a network."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from adapterd.chat import Answer
from adapterd.errors import InputError, reason
from adapterd.evaluation.metrics.chart import VALIDITY
from adapterd.evaluation.metrics.json_answers.bounds import Budget, bounded, format_checker
from adapterd.evaluation.metrics.json_answers.schema_faults import faults
from adapterd.evaluation.metrics.json_answers.values import INVALID, parse_json
from adapterd.evaluation.metrics.metric import Metric, Question, share_of
from adapterd.system.files import read_given

MOST_SCHEMA_BYTES = 4 << 20
_DRAFT3 = "http://json-schema.org/draft-03/schema"


@dataclass(frozen=True)
class JsonSchema:
    """A schema that answers should follow."""

    schema: Mapping[str, Any]

    @cached_property
    def _budget(self) -> Budget:
        return Budget()

    @cached_property
    def _validator(self) -> Any:
        from jsonschema_specifications import REGISTRY

        kind = _kind_of(self.schema)
        return bounded(kind, self._budget)(self.schema, format_checker=format_checker(kind), registry=REGISTRY)

    def allows(self, text: str) -> bool:
        """Whether the text is JSON that the schema allows; raises TimeoutError or RecursionError where telling that
        takes too long or leads too deep."""
        value = parse_json(text)
        self._budget.begin(len(text))
        return value is not INVALID and bool(self._validator.is_valid(value))

    def fault_of(self, text: str) -> str | None:
        """What the schema finds wrong first in a text that is JSON, with the place; None if it allows it. Raises
        TimeoutError or RecursionError as `allows` does."""
        self._budget.begin(len(text))
        error = next(iter(self._validator.iter_errors(parse_json(text))), None)
        return f"{error.json_path}: {error.message}" if error else None

    def metric(self) -> Metric:
        """How often answers follow it."""

        def follows(_: Question, answer: Answer) -> bool:
            return self.allows(answer.text)

        text = "share of answers that are JSON which the schema allows"
        return share_of("schema_valid", text, follows, chart=VALIDITY.place())


def read_schema(path: Path) -> dict[str, Any]:
    """The JSON Schema in a file; raises InputError, with what is wrong, for one that cannot check answers."""
    return usable_schema(read_given(path, MOST_SCHEMA_BYTES), str(path))


def usable_schema(data: bytes, path: str) -> dict[str, Any]:
    """The JSON Schema in this text, which `path` names in errors; raises InputError as `read_schema` does."""
    try:
        schema = json.loads(data.decode(), parse_constant=_refused, parse_float=_number)
        if not isinstance(schema, dict):
            raise InputError(f"{path} is not a JSON Schema that says anything: it is no JSON object")
        if not isinstance(named := schema.get("$schema", ""), str) or named.startswith(_DRAFT3):
            raise InputError(f"{path} is not a valid JSON Schema: $schema has to be the name of a draft from 4 on")
        if error := _first_error(_kind_of(schema), schema, len(data)):
            raise InputError(f"{path} is not a valid JSON Schema: {error}")
        fault = next(faults(schema, lambda inner: _first_error(_kind_of(schema), inner, len(data))), None)
    except (ValueError, TypeError, AttributeError) as exc:
        raise InputError(f"{path} is not a readable JSON Schema: {reason(exc)}") from exc
    except RecursionError as exc:
        raise InputError(f"{path} is not a JSON Schema that can be used: it is nested too deeply") from exc
    except TimeoutError as exc:
        raise InputError(f"{path} is not a JSON Schema that can be used: it is too large to be checked") from exc
    if fault:
        raise InputError(f"{path} is not a JSON Schema that can be used: {fault}")
    return schema


def _first_error(kind: Any, schema: Any, characters: int) -> str:
    """What the draft's own schema has against a schema, empty if nothing; raises TimeoutError for one without end."""
    from jsonschema.validators import validator_for
    from jsonschema_specifications import REGISTRY

    budget = Budget()
    budget.begin(characters)
    meta = bounded(validator_for(kind.META_SCHEMA, default=kind), budget)
    error = next(meta(kind.META_SCHEMA, registry=REGISTRY).iter_errors(schema), None)
    return "" if error is None else f"{error.message:.500}"


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
