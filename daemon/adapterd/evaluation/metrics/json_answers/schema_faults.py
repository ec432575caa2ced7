"""What is wrong with a schema that is valid as such, but by which answers could not be checked.

References have to lead to something in the same file (nothing is ever fetched), no schema may apply itself to the same
value for ever, and patterns have to be regular expressions.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapterd.formats.patterns import compiled

MOST_SCHEMAS, MOST_PATTERN = 10_000, 5_000
"""Schemas in a file, and characters of a pattern in one."""
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_ONE, _SEVERAL, _NAMED = (
    ("not", "if", "then", "else"),
    ("allOf", "anyOf", "oneOf"),
    ("dependentSchemas", "dependencies"),
)
"""Keywords whose schemas are for the same value: their value is a schema, a list of some, or some by name."""


def faults(schema: Mapping[str, Any], first_error: Callable[[Any], str]) -> Iterator[str]:
    """What would go wrong while answers are checked, in the schema, all schemas within it, and those that references
    find elsewhere in the file; `first_error` says what makes something no valid schema."""
    from jsonschema_specifications import REGISTRY
    from referencing.jsonschema import DRAFT202012, specification_with

    specification = specification_with(str(schema.get("$schema", "")), default=DRAFT202012)
    resource, circles = specification.create_resource(schema), _Circles(specification)
    waiting = [(resource, REGISTRY.resolver_with_root(resource))]
    seen: set[int] = set()
    while waiting:
        begin, at = waiting.pop()
        for inner, resolver in _resources(begin, at):
            if id(inner.contents) in seen:
                continue
            seen.add(id(inner.contents))
            if len(seen) > MOST_SCHEMAS:
                yield f"it has more than {MOST_SCHEMAS} schemas"
                return
            if isinstance(inner.contents, dict):
                if inner.contents.get("$schema", schema.get("$schema")) != schema.get("$schema"):
                    yield "a schema within it names another draft ($schema); write all of it in one"
                yield from circles.faults(inner.contents, resolver)
                yield from _pattern_faults(inner.contents)
        for contents, resolver in {id(found[0]): found for found in circles.found}.values():
            if id(contents) not in seen:
                yield from _fault_of_found(contents, first_error)
                waiting.append((specification.create_resource(contents), resolver))
        circles.found.clear()


def _fault_of_found(contents: Any, first_error: Callable[[Any], str]) -> Iterator[str]:
    if not isinstance(contents, dict | bool):
        yield f"a reference leads to {contents!r:.80}, which is no schema"
    elif error := first_error(contents):
        yield f"a reference leads to what is no valid schema: {error}"


def _resources(resource: Any, resolver: Any) -> Iterator[tuple[Any, Any]]:
    """The schema and all schemas within it, each with what resolves its references."""
    resolver = resolver.in_subresource(resource)
    yield resource, resolver
    for inner in resource.subresources():
        yield from _resources(inner, resolver)


def _pattern_faults(contents: Mapping[str, Any]) -> Iterator[str]:
    named = contents.get("patternProperties")
    for pattern in [*(named if isinstance(named, dict) else ()), contents.get("pattern")]:
        try:
            if isinstance(pattern, str):
                compiled(pattern, most_letters=MOST_PATTERN)
        except ValueError as exc:
            yield f"the pattern {pattern!r:.80} is {exc}"
    if named and "unevaluatedProperties" in contents:
        yield "unevaluatedProperties beside patternProperties cannot be checked; use additionalProperties instead"


@dataclass(frozen=True)
class _Circles:
    """Finds references that lead to nothing, and schemas that apply themselves to the same value; `ending` are those
    that are known not to."""

    specification: Any
    ending: set[int] = field(default_factory=set)
    found: list[tuple[Any, Any]] = field(default_factory=list)
    """What references led to, each with what resolves its own."""

    def faults(self, contents: Mapping[str, Any], resolver: Any) -> Iterator[str]:
        """Those of one schema."""
        from referencing.exceptions import Unresolvable

        try:
            if self._never_ends(contents, resolver, ()):
                where = next((f"{word} {contents[word]!r}" for word in REFERENCES if word in contents), "it")
                yield f"{where} leads back to where it stands without looking into the value, which never ends"
        except Unresolvable as exc:
            yield f"the reference {exc.ref!r} leads to nothing in the file, and nothing is fetched from elsewhere"

    def _never_ends(self, contents: Any, resolver: Any, above: tuple[int, ...]) -> bool:
        if not isinstance(contents, dict) or id(contents) in self.ending:
            return False
        if id(contents) in above:
            return True
        below = self._in_place(contents, resolver)
        if any(self._never_ends(inner, under, (*above, id(contents))) for inner, under in below):
            return True
        self.ending.add(id(contents))
        return False

    def _in_place(self, contents: Mapping[str, Any], resolver: Any) -> Iterator[tuple[Any, Any]]:
        """The schemas that this one applies to the same value, each with what resolves its references."""
        for word in REFERENCES:
            if isinstance(contents.get(word), str):
                found = resolver.lookup(contents[word])
                self.found.append((found.contents, found.resolver))
                yield found.contents, found.resolver
        for inner in _inner(contents):
            if isinstance(inner, dict):
                yield inner, resolver.in_subresource(self.specification.create_resource(inner))


def _inner(contents: Mapping[str, Any]) -> Iterator[Any]:
    yield from (contents[word] for word in _ONE if word in contents)
    for word in _SEVERAL:
        yield from contents.get(word, ())
    for word in _NAMED:
        yield from contents.get(word, {}).values()
