"""JSON Schemas with hostile references, patterns and sizes, and answers that make the most of them."""

import json
from pathlib import Path
from random import Random
from typing import Any

from adapterd.chat import Answer
from adapterd.evaluation.metrics.json_answers import bounds
from adapterd.evaluation.metrics.json_answers.schema import JsonSchema, read_schema
from adapterd.evaluation.metrics.metric import Question
from tests.torture.strangers.odd_values import mutated, odd

_DRAFTS = (
    "http://json-schema.org/draft-07/schema#",
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
    "http://json-schema.org/draft-04/schema#",
    "http://127.0.0.1:9/schema",
    "http://json-schema.org/draft-03/schema#",
)
_PATTERNS = ("^(a|aa)+$", r"^(\w|\.|\w\w)+[^\w.]$", "[", "(a*)*b", "a{1,9999}" * 5, "", "^n_", "\\p{L}+", "(?<x>a)")
_FORMATS = ("regex", "date", "date-time", "email", "idn-hostname", "ipv6", "uri", "uuid", "time", "json-pointer", "x")
_ONE = (
    "not",
    "if",
    "then",
    "else",
    "items",
    "contains",
    "additionalProperties",
    "propertyNames",
    "unevaluatedProperties",
    "unevaluatedItems",
    "additionalItems",
)
_SEVERAL = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_NAMED = ("properties", "$defs", "definitions", "dependentSchemas", "dependencies")
_TEXTS = ("", "a", "a" * 60 + "b", "n_1", "2020-01-01", "[" * 500, "(a{99999999999}", "\u202e", "ß." * 200)


class Schemas:
    """Makes a schema and an answer, and measures the one by the other."""

    def __init__(self, folder: Path, canary: str) -> None:
        bounds.PATTERN_S, bounds.MOST_STEPS = 0.05, 100_000
        self._file, self._canary = folder / "schema.json", canary

    def try_one(self, random: Random) -> None:
        """Read the schema, and check an answer; raises AdapterdError for what is refused."""
        schema = self._schema(random, 0)
        if random.random() < 0.3:
            schema["$schema"] = random.choice(_DRAFTS)
        text = json.dumps(schema)
        if random.random() < 0.02:
            text = '{"not": ' * random.choice((50, 3_000)) + text + "}" * random.choice((50, 3_000))
        data = text.encode()
        self._file.write_bytes(mutated(random, data, within=len(data)) if random.random() < 0.1 else data)
        metric = JsonSchema(read_schema(self._file)).metric()
        texts = [json.dumps(self._answer(random, 0)) for _ in range(3)]
        metric.rows([Question("q", (), "{}")] * 3, [Answer(each, "stop", 1, 1, 1.0, 1.0) for each in texts])

    def _schema(self, random: Random, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for _ in range(random.choice((1, 2, 4))):
            kind = random.randrange(9)
            if kind == 0:
                made[random.choice(("$ref", "$dynamicRef", "$recursiveRef"))] = self._reference(random)
            elif kind == 1:
                made["pattern"] = random.choice(_PATTERNS)
            elif kind == 2:
                made["format"] = random.choice(_FORMATS)
            elif kind == 3:
                made["patternProperties"] = {random.choice(_PATTERNS): self._within(random, depth) for _ in range(3)}
            elif kind == 4:
                word = random.choice(
                    (
                        "multipleOf",
                        "maximum",
                        "minimum",
                        "maxLength",
                        "minItems",
                        "type",
                        "required",
                        "enum",
                        "const",
                        "uniqueItems",
                        "$id",
                        "$anchor",
                        "$schema",
                        "default",
                    )
                )
                fitting = {
                    "multipleOf": 1e-300,
                    "type": "object",
                    "enum": [1, [1] * 50],
                    "uniqueItems": True,
                    "required": ["a"],
                    "$id": "http://127.0.0.1:9/x",
                    "$anchor": "x",
                    "$schema": random.choice(_DRAFTS),
                }
                made[word] = odd(random, self._canary) if random.random() < 0.2 else fitting.get(word, 1)
            elif kind == 5:
                made[random.choice(_ONE)] = self._within(random, depth)
            elif kind == 6:
                made[random.choice(_SEVERAL)] = [
                    self._within(random, depth) for _ in range(random.choice((1, 2, 2, 40)))
                ]
            else:
                made[random.choice(_NAMED)] = {name: self._within(random, depth) for name in ("a", "b", "n_1")}
        return made

    def _within(self, random: Random, depth: int) -> Any:
        if depth > 4 or random.random() < 0.4:
            return random.choice((True, False, {}, {"$ref": self._reference(random)}, {"type": "integer"}))
        return self._schema(random, depth + 1)

    def _reference(self, random: Random) -> str:
        places = (
            "#",
            "#/$defs/a",
            "#/properties/a",
            "#/definitions/b",
            "#/allOf/0",
            "#/enum/1",
            "#x",
            "a",
            "#/%ff",
            "#/" + "~1" * 50,
            "http://[",
            "http://127.0.0.1:9/x",
            f"file://{self._canary}",
            self._canary,
        )
        return random.choice(places)

    def _answer(self, random: Random, depth: int) -> Any:
        if depth > 5 or random.random() < 0.3:
            return random.choice((None, True, 0, 1, 1.5, 10**300, *_TEXTS))
        if random.random() < 0.5:
            return [self._answer(random, depth + 1)] * random.choice((0, 1, 3, 60 if depth == 0 else 2))
        return {random.choice(("a", "b", "n_1", "a" * 40)): self._answer(random, depth + 1) for _ in range(4)}
