"""Validators of jsonschema that end: what a stranger's schema may cost for one value is counted, and has a limit.

The library does the work. Its keywords that a single value could make slow are ours: patterns (regular expressions
that backtrack), unique items (every pair compared), and multiples, which the library divides as floats. Each keyword
that is applied costs what it goes through, references besides, as schemas may recurse twice at each level.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import regex

from adapterd.evaluation.metrics.json_answers.schema_faults import MOST_PATTERN, REFERENCES
from adapterd.evaluation.metrics.json_answers.values import canonical
from adapterd.formats.patterns import compiled

PATTERN_S = 1.0
"""Seconds on the processor that all patterns get for one value."""
MOST_STEPS = 2_000_000
"""Some seconds; an answer of a hundred fields takes a thousand."""
MOST_REFERENCES, MOST_BY_CHARACTER = 2_000, 10
"""So many references a value may make the schema follow, and so many more for each of its characters."""
MOST_FORMATTED = 10_000
"""Characters of a text that a format is looked for in; a longer one has none."""


@dataclass
class Budget:
    """What is left for one value."""

    steps: int = 0
    references: int = 0
    pattern_s: float = 0.0
    _patterns: dict[str, "regex.Pattern[str]"] = field(default_factory=dict)

    def begin(self, characters: int) -> None:
        """Before a value of so many characters."""
        self.steps, self.pattern_s = MOST_STEPS, PATTERN_S
        self.references = MOST_REFERENCES + MOST_BY_CHARACTER * characters

    def take(self, *parts: Any) -> None:
        """One step, and one for each member of lists and objects; raises TimeoutError."""
        self.steps -= 1 + sum(len(part) for part in parts if isinstance(part, list | dict))
        if self.steps < 0:
            raise TimeoutError("the schema takes too long for this value")

    def follow(self) -> None:
        """One reference; raises TimeoutError."""
        self.references -= 1
        if self.references < 0:
            raise TimeoutError("the schema has no end of references for this value")

    def found(self, pattern: str, text: str) -> bool:
        """Whether the text has a match; raises TimeoutError."""
        self.take()
        if pattern not in self._patterns:
            self._patterns[pattern] = compiled(pattern, most_letters=MOST_PATTERN)
        begun_s = time.process_time()
        try:
            return self._patterns[pattern].search(text, timeout=max(self.pattern_s, 1e-6)) is not None
        finally:
            self.pattern_s -= time.process_time() - begun_s


def bounded(kind: Any, budget: Budget) -> Any:
    """The validator with keywords that take from the budget; so do those of all schemas within, whatever draft they
    name."""
    from jsonschema import validators

    own = {
        "pattern": _pattern, "patternProperties": _named, "additionalProperties": _more, "uniqueItems": _unique,
        "multipleOf": _multiple,
    }  # fmt: skip
    keywords = {word: _counted(own.get(word, use), budget, word) for word, use in kind.VALIDATORS.items()}
    made: Any = validators.extend(kind, keywords)  # type: ignore[no-untyped-call]
    fields = [(each.name, each.alias) for each in made.__attrs_attrs__ if each.init]

    def evolve(validator: Any, **changes: Any) -> Any:
        return made(**{alias: getattr(validator, name) for name, alias in fields} | changes)

    made.evolve, made.budget = evolve, budget
    return made


def format_checker(kind: Any) -> Any:
    """The formats of the validator's draft, of which none takes long or raises."""
    from jsonschema import FormatChecker

    checker = FormatChecker(formats=())
    checker.checkers = {name: (_short(check), Exception) for name, (check, _) in kind.FORMAT_CHECKER.checkers.items()}
    if "regex" in checker.checkers:
        checker.checkers["regex"] = (_short(_is_pattern, 1_000), Exception)
    return checker


def _short(check: Any, most: int = MOST_FORMATTED) -> Any:
    def is_one(value: object) -> bool:
        return not isinstance(value, str) or (len(value) <= most and bool(check(value)))

    return is_one


def _is_pattern(text: str) -> bool:
    return compiled(text, most_letters=1_000) is not None


def _counted(use: Any, budget: Budget, word: str) -> Any:
    def apply(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        budget.take(value, instance)
        if word in REFERENCES:
            budget.follow()
        return use(validator, value, instance, schema)

    return apply


def _pattern(validator: Any, pattern: str, instance: Any, _: Any) -> Iterator[Any]:
    if validator.is_type(instance, "string") and not validator.budget.found(pattern, instance):
        yield _error(f"a text does not match {pattern!r}")


def _named(validator: Any, patterns: Mapping[str, Any], instance: Any, _: Any) -> Iterator[Any]:
    if validator.is_type(instance, "object"):
        for pattern, inner in patterns.items():
            for name in [name for name in instance if validator.budget.found(pattern, name)]:
                yield from validator.descend(instance[name], inner, path=name, schema_path=pattern)


def _more(validator: Any, allowed: Any, instance: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
    if not validator.is_type(instance, "object"):
        return
    patterns, found = schema.get("patternProperties", {}), validator.budget.found
    others = [name for name in instance if name not in schema.get("properties", {})]
    for name in [name for name in others if not any(found(pattern, name) for pattern in patterns)]:
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
