"""A large JSON value is decoded in steps, so that whoever else is at work in the process does not wait for it."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.errors import InputError
from adapterd.feedback import strict_json
from adapterd.feedback.contents.pieces import MAX_LINE_BYTES
from adapterd.feedback.strict_json import decode, decode_at, decode_line, end_of_value, glance

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
    max_leaves=40,
)
SIZE = 3 << 20
DENSE = {
    "numbers": "[" + "1," * (SIZE // 2) + "1]",
    "fractions": "[" + "1.5," * (SIZE // 4) + "1]",
    "objects": "[" + "{}," * (SIZE // 3) + "{}]",
    "lists in lists": "[" + ("[" + "[]," * 900 + "[]],") * (SIZE // 2700) + "[]]",
    "fields": "{" + ",".join(f'"{number:x}":1' for number in range(SIZE // 10)) + "}",
}


class Watched:
    """A decoder that notes how many characters of a list or an object it was in at once."""

    def __init__(self, decoder: json.JSONDecoder) -> None:
        self._decoder = decoder
        self.longest = 0
        self.looked_at = 0

    def raw_decode(self, text: str, start: int = 0) -> tuple[Any, int]:
        if text[start : start + 1] in ("[", "{"):
            self.longest = max(self.longest, len(text) - start)
        try:
            value, end = self._decoder.raw_decode(text, start)
        except json.JSONDecodeError as exc:
            self.looked_at += exc.pos - start
            raise
        self.looked_at += end - start
        return value, end


@pytest.fixture
def decoders(monkeypatch: pytest.MonkeyPatch) -> list[Watched]:
    """Python's decoders, watched."""
    found = [Watched(strict_json._STRICT), Watched(strict_json._LENIENT)]
    for name, each in zip(("_STRICT", "_LENIENT"), found, strict=True):
        monkeypatch.setattr(strict_json, name, each)
    return found


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is larger than a few characters is taken apart."""
    monkeypatch.setattr(strict_json, "FIRST", 4)
    monkeypatch.setattr(strict_json, "AT_ONCE", 12)


@pytest.mark.parametrize("text", DENSE.values(), ids=list(DENSE))
def test_of_no_list_or_object_python_decodes_more_than_a_little_at_once(decoders: list[Watched], text: str) -> None:
    with pytest.raises(InputError, match=r"has more than 250,000 values in it, the most that one may have"):
        decode(text)
    assert end_of_value(text, 0) == len(text)
    assert 0 < max(each.longest for each in decoders) <= strict_json.AT_ONCE


def test_a_quick_look_at_a_long_line_does_no_more_at_once(decoders: list[Watched]) -> None:
    with pytest.raises(InputError, match="values in it"):
        glance(DENSE["numbers"].encode())
    assert 0 < decoders[0].longest <= strict_json.AT_ONCE


def test_other_texts_may_have_any_number_of_values(decoders: list[Watched]) -> None:
    text = json.dumps([{"prompt": f"p{number}", "rating": 1} for number in range(100_000)])
    assert decode(text, most_values=math.inf) == json.loads(text)
    assert decoders[0].longest <= strict_json.AT_ONCE


def test_the_longest_line_of_text_is_a_value_as_any_other() -> None:
    record = {"prompt": "who met, and where? " * 1000, "notes": [{"at": number} for number in range(5000)]}
    record["correction"] = "the council, " * ((MAX_LINE_BYTES - len(json.dumps(record)) - 100) // 13)
    raw = json.dumps(record).encode()
    assert MAX_LINE_BYTES - 200 < len(raw) < MAX_LINE_BYTES
    assert decode_line(raw) == glance(raw) == record


LEVELS = strict_json.MAX_LEVELS - 2
NUMBERS = "1," * strict_json.AT_ONCE + "1"


@pytest.mark.parametrize(
    "text",
    [
        "[" + ",".join(["[" * LEVELS + NUMBERS + "]" * LEVELS] * 3) + "]",
        '{"a":' * LEVELS + f"[{NUMBERS}]" + "}" * LEVELS,
        "[" * 9 + ",".join(["[" * 80 + "1," * 1100 + "1" + "]" * 80] * 200) + "]" * 9,
        "[" * 12 + "1" + (",[" + NUMBERS + "]]") * 12,
    ],
    ids=["lists", "objects", "small ones within large ones", "large ones behind each other"],
)
def test_large_values_within_each_other_are_not_tried_again_and_again(decoders: list[Watched], text: str) -> None:
    assert decode(text, most_values=math.inf) == json.loads(text)
    most = (strict_json.MOST_TRIED + 2) * (len(text) + strict_json.AT_ONCE)
    assert decoders[0].looked_at < most, "with a try for each of them it is ten times as much"
    with pytest.raises(InputError, match="values in it"):
        decode(text, most_values=strict_json.AT_ONCE // 2)


@pytest.mark.usefixtures("small_steps")
class TestInSteps:
    """The steps find what Python's decoder finds at once."""

    @given(value=JSON, indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
    def test_values_and_their_ends(self, value: object, indent: int | None, ascii_only: bool) -> None:
        text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
        assert decode(text) == value
        assert decode_at(f"  {text} , 1", 2) == (value, len(text) + 2)
        assert end_of_value(f"  {text} , 1", 2) == len(text) + 2

    @given(value=JSON, at=st.integers(0, 10_000), other=st.sampled_from(list('[]{},:"\\ax1 .-')))
    def test_faults(self, value: object, at: int, other: str) -> None:
        text = json.dumps({"a": [value, value]})
        text = text[: at % len(text)] + other + text[at % len(text) + 1 :]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(strict_json, "AT_ONCE", 1 << 16)
            expected = outcome(text)
        assert outcome(text) == expected

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ('{"a": "bbbbbbbbbbbb", "c": 1, "a": 2}', "has the key 'a' twice"),
            ("[1, 2, 3, 4, 5, 6, 7, NaN, 8]", "has NaN, which is not JSON"),
            ("[1, 2, 3, 4, 5, 6, 7, 8", "is not JSON: expecting ',' delimiter at column 24"),
            ('{"aaaaaaaaaaaa": 1, "b" 2}', "is not JSON: expecting ':' delimiter at column 25"),
            ("[" * 3000 + "]" * 3000, "nested too deeply"),
            ("[1, 2, 3, 4, 5, 6, 7, 8] 9", "something follows after the end of the value"),
        ],
    )
    def test_a_fault_is_said_with_its_place(self, text: str, said: str) -> None:
        with pytest.raises(InputError) as caught:
            decode(text)
        assert said in str(caught.value)


def outcome(text: str) -> tuple[str, object]:
    """The value, or what kind of fault is found; which of several faults is told first may differ."""
    try:
        return "value", decode(text)
    except InputError:
        return "fault", None


@pytest.mark.parametrize("inside", ["x" * 50, '\\"' * 25, "\\\\" * 25])
def test_a_text_that_is_too_long_is_refused(small_steps: None, monkeypatch: pytest.MonkeyPatch, inside: str) -> None:
    text = f'{{"prompt": "{inside}", "n": 1}}'
    monkeypatch.setattr(strict_json, "MAX_TEXT", 52)
    assert decode(text) == json.loads(text)
    monkeypatch.setattr(strict_json, "MAX_TEXT", 50)
    with pytest.raises(InputError, match="has a text of more than"):
        decode(text)


def test_a_record_of_too_many_values_spoils_itself_only(tmp_path: Path) -> None:
    from adapterd.feedback.contents.documents import read_document

    file = tmp_path / "feedback.json"
    file.write_text(f'[{{"prompt": "a"}}, {DENSE["numbers"]}, {{"prompt": "b"}}]', encoding="utf-8")
    with file.open("rb") as stream:
        pieces: Iterator[Any] = read_document(stream)
        found = [getattr(piece, "reason", None) or piece.value for piece in pieces]
    assert found == [
        {"prompt": "a"}, "the element has more than 250,000 values in it, the most that one may have", {"prompt": "b"}
    ]  # fmt: skip
