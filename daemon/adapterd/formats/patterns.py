"""Regular expressions of strangers, compiled within bounds; matching takes a `timeout`, which `regex` keeps to.

`regex` writes repeats out while it compiles: `a{9999999}` takes minutes and gigabytes, before anything is matched.
"""

import re
from typing import Any

import regex

MOST_WRITTEN_OUT = 50_000
"""Parts that the repeats of a pattern may be written out to; one that validates a UUID has a hundred."""
_REPEAT = re.compile(r"\{(\d*)(,?)(\d*)\}")
_VERBOSE = re.compile(r"\(\?[a-zA-Z0-9]*x")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]?", re.DOTALL)
_COMMENT = re.compile(r"\(\?#[^)]*\)?")


def compiled(pattern: str, *, most_letters: int, form: str = "{}") -> "regex.Pattern[str]":
    """The pattern, put into `form`; raises ValueError for one that is none or would take too much."""
    if len(pattern) > most_letters:
        raise ValueError(f"a pattern of {len(pattern)} letters, and {most_letters} are the most")
    if _VERBOSE.search(pattern):
        raise ValueError("a pattern with the flag x, which is not taken")
    if written_out(pattern) > MOST_WRITTEN_OUT:
        raise ValueError("a pattern whose repeats are too many")
    try:
        return regex.compile(form.replace("{}", pattern))
    except (regex.error, OverflowError, RecursionError, MemoryError) as exc:
        raise ValueError(f"no regular expression: {exc!s:.200}") from exc


def written_out(pattern: str) -> int:
    """How many parts a pattern has with its repeats written out, at most."""
    totals, last, at = [0], 0, 0
    while at < len(pattern):
        letter, skipped = pattern[at], _skipped(pattern, at)
        if skipped:
            at, last = skipped, 1
            totals[-1] += 1
        elif comment := _COMMENT.match(pattern, at):
            at = comment.end()
        elif letter == "{" and (repeat := _REPEAT.match(pattern, at)):
            times = max((int(count[:9]) if count else 0) * 10 ** max(0, len(count) - 9) for count in repeat.group(1, 3))
            totals[-1] += last * (max(times, 1) - 1)
            last *= max(times, 1)
            at = repeat.end()
        else:
            at += 1
            if letter == "(":
                totals.append(1)
            elif letter == ")" and len(totals) > 1:
                last = totals.pop()
                totals[-1] += last
            elif letter not in "*+?":
                last = 1
                totals[-1] += 1
        if totals[-1] > MOST_WRITTEN_OUT:
            return totals[-1]
    return sum(totals)


def _skipped(pattern: str, at: int) -> int:
    """The place behind a character class or an escaped character that begins here, 0 if none does."""
    if pattern[at] == "\\":
        return at + 2
    found: Any = _CLASS.match(pattern, at) if pattern[at] == "[" else None
    return found.end() if found else 0
