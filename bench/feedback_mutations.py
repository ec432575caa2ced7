"""Feedback records that are wrong in the ways in which records are: for the fuzzing of the intake.

Each is made of a good one: the example of a format, or a record of a file of `feedback_files`.
"""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from random import Random
from typing import Any

from adapterd.feedback.formats import FORMATS

Value = Any
ODD_TEXTS = (
    "", " ", "\u200b", "\ufeff", "\x00", "\ud800", "e\u0301", "\u202eabc", "🧑‍🚀" * 40, "ﷺ" * 30, "NaN", "null",
    "-0", "1e400",
    "<|im_end|>", "{" * 50, '{"a": ', "[1, 2", "\r\n\t", "a" * 5000, "0001-01-01", "👍", "no", "false",
)  # fmt: skip
ODD_VALUES: tuple[Value, ...] = (
    None, True, False, 0, -1, 1, 5, 10, 10**30, -(10**400), 0.5, -0.0, 1e308, 19.90, [], {}, [[]], [None], {"": ""},
    [[[[1]]]],
)  # fmt: skip
NAMES = (
    "rating", "score", "label", "kto_tag", "thumbs", "weight", "loss", "correction", "chosen", "rejected", "output",
    "created_at", "source_id", "failure_tags", "messages", "prompt", "history", "images", "system", "metadata",
    "annotation",
    "Rating", "expected-output", "is_good", "verdict", "x", "", "a" * 300, "\u202e", "rating ", "conversation_id",
    "turns",
)  # fmt: skip
VERDICT_NAMES = (
    "good", "is_correct", "thumbs", "thumbsUp", "liked", "label", "score", "quality", "vote", "approved", "passed",
    "verdict",
    "human_eval", "stars", "sentiment", "outcome", "accepted", "useful", "helpfulness", "reward", "flag", "ok", "grade",
    "review", "feedback", "annotation", "preference", "reaction", "Rating", "user-rating", "hallucinated", "weight",
)  # fmt: skip
VERDICTS = (
    False,
    0,
    -1,
    0.0,
    "bad",
    "down",
    "thumbs_down",
    "rejected",
    "wrong",
    "incorrect",
    "dislike",
    "no",
    "👎",
    "1/5",
)
DISLIKED = "DISLIKED"


def good_records(files: Iterator[Value]) -> list[Value]:
    """The examples of all formats, and these records."""
    return [*(dict(each.example) for each in FORMATS), *files]


def mutated(record: Value, random: Random) -> Value:
    """The record with up to three things changed."""
    changed = json.loads(json.dumps(record))
    for _ in range(random.randint(0, 3)):
        changed = random.choice(CHANGES)(changed, random)
    return changed


def _places(value: Value) -> list[tuple[Value, Any]]:
    """All (container, key) pairs of a value, but for those deeper than anybody can look."""
    found: list[tuple[Value, Any]] = []
    level = [value]
    while level and len(found) < 200:
        each = level.pop()
        keys = list(each) if isinstance(each, dict) else range(len(each)) if isinstance(each, list) else ()
        found += [(each, key) for key in keys]
        level += [each[key] for key in keys if isinstance(each[key], dict | list)]
    return found


def _odd_value(random: Random) -> Value:
    return deepcopy(random.choice((random.choice(ODD_TEXTS), random.choice(ODD_VALUES))))


def _replace(value: Value, random: Random) -> Value:
    if places := _places(value):
        container, key = random.choice(places)
        container[key] = _odd_value(random)
        return value
    return _odd_value(random)


def _rename(value: Value, random: Random) -> Value:
    named = [(container, key) for container, key in _places(value) if isinstance(container, dict)]
    if named:
        container, key = random.choice(named)
        container[random.choice((*NAMES, str(key).upper(), f" {key}", f"{key}_2"))] = container.pop(key)
    return value


def _add(value: Value, random: Random) -> Value:
    objects = [value, *(container[key] for container, key in _places(value))]
    chosen = random.choice([each for each in objects if isinstance(each, dict)] or [{}])
    chosen[random.choice(NAMES)] = _odd_value(random)
    return value


def _drop(value: Value, random: Random) -> Value:
    if places := _places(value):
        container, key = random.choice(places)
        del container[key]
    return value


def _swap(value: Value, random: Random) -> Value:
    places = _places(value)
    if len(places) > 1:
        (one, first), (other, second) = random.sample(places, 2)
        copy = json.loads(json.dumps([one[first], other[second]]))
        one[first], other[second] = copy[1], copy[0]
    return value


def _nest(value: Value, random: Random) -> Value:
    depth = random.choice((1, 2, 60, 70, 200))
    nested = value if depth < 3 else "x"
    for _ in range(depth):
        nested = [nested] if random.random() < 0.5 else {random.choice(NAMES): nested}
    if depth < 3 or not isinstance(value, dict):
        return nested
    value[random.choice(NAMES)] = nested
    return value


def _wrap(value: Value, random: Random) -> Value:
    return random.choice(
        ([value], {"data": [value]}, {"records": value}, json.dumps(value), [value, value], {"": value})
    )


CHANGES: tuple[Callable[[Value, Random], Value], ...] = (
    _replace,
    _replace,
    _rename,
    _add,
    _add,
    _drop,
    _swap,
    _nest,
    _wrap,
)


def written(value: Value, random: Random) -> bytes:
    """One line of JSON, now and then as no strict reader takes it; never with a line end within."""
    text = json.dumps(value, ensure_ascii=random.random() < 0.5)
    line = text.encode("utf-8", "surrogatepass")
    sort = random.random()
    if sort < 0.05:
        return line[: random.randint(0, len(line))]
    if sort < 0.08 and line:
        place = random.randrange(len(line))
        return line[:place] + bytes([random.choice([0x00, 0xFF, 0x22, 0x5C, 0x7B])]) + line[place + 1 :]
    if sort < 0.1:
        return line.replace(b"}", b', "rating": 1, "rating": 5}', 1)
    return line


def disliked(random: Random, number: int) -> Value:
    """A record of any shape whose answer, marked, has a negative verdict under some name, somewhere."""
    answer = f"{DISLIKED} {number} answer"
    shapes: tuple[Value, ...] = (
        {"messages": [{"role": "user", "content": f"Asked {number}?"}, {"role": "assistant", "content": answer}]},
        {"instruction": f"Asked {number}?", "input": "", "output": answer},
        {"conversations": [{"from": "human", "value": f"Asked {number}?"}, {"from": "gpt", "value": answer}]},
        {"prompt": f"Asked {number}?", "completion": answer},
        {"prompt": f"Asked {number}?", "output": answer, "rating": 5},
        {"question": f"Asked {number}?", "answer": answer},
        {"instruction": f"Asked {number}?", "context": "", "response": answer},
    )
    record = random.choice(shapes)
    name, verdict = random.choice(VERDICT_NAMES), random.choice(VERDICTS)
    inside = list((record.get("messages") or record.get("conversations") or [])[-1:])
    place = random.choice([record, record, *inside])
    depth = random.choice((0, 0, 0, 1, 2))
    said: Value = verdict
    for _ in range(depth):
        said = {name: said} if random.random() < 0.7 else [{name: said}]
        name = random.choice(("annotation", "meta", "extra", "info", "evaluation"))
    if name not in place:
        place[name] = said
    else:
        place["verdict"] = said
    return record
