"""Bodies for POST /v1/feedback as nobody should send them, and some as they should be, for hypothesis.

`bodies()` is used as `@given(bodies())`. Some are good posts, most are nearly right, damaged, or noise.
"""

import json
from functools import cache
from typing import Any

from hypothesis import strategies as st

from adapterd.feedback.formats.answers import EMPTY_CELLS

TAGS = ["format_error", "missed_entity", "hallucination", "truncation"]
FIELDS = [
    "prompt", "messages", "conversations", "instruction", "input", "inputs", "system", "output", "output_json",
    "correction", "chosen", "rating", "failure_tags", "rejected", "rejected_output", "correction_notes",
    "source_id", "output_type", "created_at", "records", "model",
]  # fmt: skip
LONE_SURROGATES = ["\ud800", "a\udfffb", "\udc00\ud800"]
TEXTS = ["", " ", "\u3000\n", "Who met?", "x" * 3000, "nul\0", *LONE_SURROGATES, "👩‍🚀", "\x85", "\ufeff", "\u2028"]
NUMBERS = [0, 1, 5, -1, 2**63, 2**64, 10**400, 1.5, 3.0, -0.0, 1e308, float("inf"), float("nan")]
RAW = [
    b"",
    b" ",
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf[]",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'[{"prompt": "a", "output": ' + b"[" * 70 + b"]" * 70 + b"}]",
    b'{"prompt": "a", "output": "b", "rating": ' + b"9" * 5000 + b"}",
    b'{"prompt": "a", "output": "b", "rating": 1e999999}',
    b'{"prompt": "a", "prompt": "b", "output": "c"}',
    b'{"records": [], "records": []}',
    b'"\\ud800"',
    b"NaN",
    b"-Infinity",
    b"nul",
    b"prompt=a&output=b",
    b'{"prompt": "a", "output": "b"}\n{"prompt": "c", "output": "d"}',
    b"\x00" * 1000,
    b'{"prompt": "\x00", "output": "b"}',
]


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Bytes to post."""
    sort = draw(st.integers(0, 9))  # by number: `|` would weigh each shape of a good record as much as all noise
    if sort < 4:
        return draw(_written())
    if sort < 8:
        return draw(damaged(_written()))
    return draw(st.sampled_from(RAW) if sort == 8 else st.binary(max_size=300))


@st.composite
def posts(draw: st.DrawFn) -> Any:
    """Values in the three forms of a post, and others."""
    sort = draw(st.integers(0, 9))
    if sort < 4:
        return draw(records())
    if sort < 8:
        return draw(_lists())
    return draw(_named_lists() if sort == 8 else odd_values())


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    """Records that are right, and twice as many that may not be."""
    right = draw(good_records())
    return right if draw(st.integers(0, 2)) == 0 else {**right, **draw(_changes())}


@cache
def good_records() -> st.SearchStrategy[dict[str, Any]]:
    """Records in all four shapes that can be used."""
    text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
        lambda text: text.strip() and text not in EMPTY_CELLS
    )
    judged = {
        "rating": st.integers(1, 5),
        "failure_tags": st.lists(st.sampled_from(TAGS), max_size=3),
        "correction": text.map("Rather: {}".format),
        "source_id": text | st.integers(-(2**40), 2**40),
        "created_at": st.datetimes().map(lambda moment: moment.isoformat()),
    }
    chat = st.tuples(text, text).map(lambda said: _turns("role", "content", "user", "assistant", *said))
    sharegpt = st.tuples(text, text).map(lambda said: _turns("from", "value", "human", "gpt", *said))
    return st.one_of(
        st.fixed_dictionaries({"prompt": text, "output": text | st.dictionaries(text, text)}, optional=judged),
        st.fixed_dictionaries({"instruction": text, "input": text, "output": text}, optional=judged),
        st.fixed_dictionaries({"messages": chat}, optional=judged),
        st.fixed_dictionaries({"conversations": sharegpt}, optional=judged),
    )


@cache
def field_names() -> st.SearchStrategy[str]:
    """Names that mean something in a record or a post, and others."""
    return st.sampled_from(FIELDS) | st.text(max_size=5)


@cache
def odd_values() -> st.SearchStrategy[Any]:
    """Any value that JSON can write, and some that it cannot."""
    plain = st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.sampled_from(TEXTS + TAGS) | st.text(max_size=8)
    turn = st.fixed_dictionaries({}, optional={"role": plain, "content": plain, "from": plain, "tool_calls": plain})
    return st.recursive(
        plain | turn,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(field_names(), inner, max_size=4),
        max_leaves=8,
    )


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """The same with a piece cut out and other bytes in its place."""
    body = draw(whole)
    start = draw(st.integers(0, len(body)))
    return body[:start] + draw(st.binary(max_size=6)) + body[start + draw(st.integers(0, 40)) :]


@cache
def _written() -> st.SearchStrategy[bytes]:
    return posts().map(_encoded)


@cache
def _lists() -> st.SearchStrategy[list[Any]]:
    return st.lists(records(), max_size=5)


@cache
def _named_lists() -> st.SearchStrategy[dict[str, Any]]:
    found = _lists() | odd_values()
    return st.fixed_dictionaries({"records": found}, optional={"model": odd_values(), "else": st.none()})


@cache
def _changes() -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(field_names(), odd_values(), min_size=1, max_size=3)


def _encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=len(repr(value)) % 2 == 0).encode(errors="surrogatepass")


def _turns(speaker: str, content: str, user: str, model: str, asked: str, said: str) -> list[dict[str, str]]:
    return [{speaker: user, content: asked}, {speaker: model, content: said}]
