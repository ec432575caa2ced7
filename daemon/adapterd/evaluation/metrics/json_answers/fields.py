"""The fields of a JSON value, and how many of them two values share when the items of their lists are paired best.

An attribute belongs to its object: a field is right only if the object around it is the one that is paired with the
object in the other value. Items are paired by optimal assignment (Kuhn 1955), from the innermost lists outwards, so
their order does not matter and none counts twice. Empty values (null, "", {}, []) are no fields.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from adapterd.evaluation.metrics.json_answers.values import INVALID, parse_json, without_notation

MOST_COMPARED = 100_000
"""Two lists whose items would take more comparisons, those that both have left aside, are paired in the order of their
items' text instead: no answer may take hours. 100 objects of ten fields each are within it."""


@dataclass(frozen=True)
class Fields:
    """A JSON value as its fields: `count` of them, in `named` if it is an object, in `items` if it is a list.

    `key` is the same for values with the same fields; the order of a list's items does not show in it. To compare two
    values takes at most `weight` by `weight` comparisons: of two lists each item with each, of two objects those with
    the same name (Cauchy-Schwarz).
    """

    key: str
    count: int
    weight: float
    named: Mapping[str, "Fields"] = field(default_factory=dict)
    items: Sequence["Fields"] = ()


NONE = Fields("", 0, 0.0)


def fields_of(value: Any) -> Fields:
    """The fields of a JSON value; of what is no JSON, none."""
    if isinstance(value, dict):
        found = {name: fields_of(inner) for name, inner in value.items()}
        named = {name: found[name] for name in sorted(found) if found[name].count}
        key = ",".join(f"{json.dumps(name)}:{inner.key}" for name, inner in named.items())
        weight = math.hypot(*(inner.weight for inner in named.values()))
        return Fields(f"{{{key}}}", sum(inner.count for inner in named.values()), weight, named=named)
    if isinstance(value, list):
        items = sorted((inner for inner in map(fields_of, value) if inner.count), key=lambda inner: inner.key)
        count, weight = sum(inner.count for inner in items), sum(inner.weight for inner in items)
        return Fields(f"[{','.join(inner.key for inner in items)}]", count, weight, items=items)
    empty = value is INVALID or value is None or value == ""
    return NONE if empty else Fields(json.dumps(value), 1, 1.0)


@lru_cache(maxsize=2048)
def value_in(text: str) -> Any:
    """The JSON value that a text is, with its texts as `plain`; INVALID for what is no JSON."""
    return without_notation(parse_json(text))


@lru_cache(maxsize=2048)
def fields_in(text: str) -> Fields:
    """The fields of the JSON value that a text is."""
    return fields_of(value_in(text))


def shared(one: Fields, other: Fields) -> int:
    """How many fields two values share: symmetric, at most the count of either, and all only if both have the same."""
    if one.key == other.key:
        return one.count
    named = sum(shared(one.named[name], other.named[name]) for name in one.named.keys() & other.named.keys())
    return named + (_shared_by_items(one.items, other.items) if one.items and other.items else 0)


def _shared_by_items(one: Sequence[Fields], other: Sequence[Fields]) -> int:
    """Items that both have are paired with each other, which costs no pairing its best; texts and numbers can be paired
    in no other way, objects only with objects and lists with lists."""
    same = Counter(item.key for item in one) & Counter(item.key for item in other)
    counts = {item.key: item.count for item in one}
    found = sum(counts[key] * times for key, times in same.items())
    left, right = _without(one, same), _without(other, same)
    found += _best([item for item in left if item.named], [item for item in right if item.named])
    return found + _best([item for item in left if item.items], [item for item in right if item.items])


def _without(items: Sequence[Fields], taken: Mapping[str, int]) -> list[Fields]:
    left, rest = dict(taken), []
    for item in items:
        if left.get(item.key, 0):
            left[item.key] -= 1
        else:
            rest.append(item)
    return rest


def _best(one: Sequence[Fields], other: Sequence[Fields]) -> int:
    """The most fields that any pairing of the items shares."""
    if not one or not other:
        return 0
    if sum(item.weight for item in one) * sum(item.weight for item in other) > MOST_COMPARED:
        return sum(shared(first, second) for first, second in zip(one, other, strict=False))
    table = [[shared(first, second) for second in other] for first in one]
    if len(one) == 1 or len(other) == 1:  # as in most answers
        return max(map(max, table))
    return _assigned(table)


def _assigned(table: list[list[int]]) -> int:
    """The largest sum of entries of which no two are in a row or in a column."""
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    entries = np.array(table)
    return int(entries[linear_sum_assignment(entries, maximize=True)].sum())
