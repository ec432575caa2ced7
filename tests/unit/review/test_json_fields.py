"""The fields of a JSON object as a form: what is not changed stays to the character."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.errors import InputError
from adapterd.review.json_fields import MOST_FIELDS, JsonField, Kind, json_fields, with_field

ODD = '{ "a": "x\\u00e9",\t"n": 12345678901234567890.50, "l": ["a","b"], "e": [], "o": {"x": null},\n"m":"a\\nb" }\n'
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def test_fields_are_shown_as_they_read() -> None:
    assert json_fields(ODD) == [
        JsonField("a", Kind.TEXT, "xé"),
        JsonField("n", Kind.JSON, "12345678901234567890.50"),
        JsonField("l", Kind.LIST, "a\nb"),
        JsonField("e", Kind.JSON, "[]"),
        JsonField("o", Kind.JSON, '{"x": null}'),
        JsonField("m", Kind.JSON, '"a\\nb"'),
    ]


@pytest.mark.parametrize(
    ("name", "kind", "value", "before", "after"),
    [
        ("a", Kind.TEXT, 'he "said"', '"x\\u00e9"', '"he \\"said\\""'),
        ("n", Kind.JSON, "1.0", "12345678901234567890.50", "1.0"),
        ("l", Kind.LIST, "a\r\n c \n\nd", '["a","b"]', '["a", "c", "d"]'),
        ("l", Kind.LIST, "", '["a","b"]', "[]"),
        ("o", Kind.JSON, '{"x": [1]}', '{"x": null}', '{"x": [1]}'),
    ],
)
def test_only_the_value_that_was_changed_changes(name: str, kind: Kind, value: str, before: str, after: str) -> None:
    assert with_field(ODD, name, kind, value) == ODD.replace(before, after)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1]", "7", "no", '{"a":1', '{"a":1,}', '{,"a":1}', '{"a":1}x', '{"a" 1}', "{1:2}", '{"a":1 "b":2}',
     '{"a":1,"a":2}', "[" * 100_000, '{"a":' + "[" * 100_000, "```json\n{}\n```",
     '{"\\ud800": 1}', '{"\\u0000": 1}',
     json.dumps({str(number): number for number in range(MOST_FIELDS + 1)})],
)  # fmt: skip
def test_what_is_no_object_with_fields_has_none(text: str) -> None:
    assert json_fields(text) == []


@pytest.mark.parametrize(
    ("text", "name", "value"), [(ODD, "z", "1"), ("no", "a", "1"), (ODD, "n", "one"), (ODD, "n", "[" * 100_000)]
)
def test_what_cannot_be_changed_is_told(text: str, name: str, value: str) -> None:
    with pytest.raises(InputError):
        with_field(text, name, Kind.JSON, value)


NAMES = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=6)


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=6), st.sampled_from([None, 0, 2]))
def test_a_field_that_is_given_back_as_shown_changes_nothing(value: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    fields = json_fields(text)
    assert [each.name for each in fields] == list(value)
    for each in fields:
        assert json.loads(with_field(text, each.name, each.kind, each.value)) == value


@pytest.mark.parametrize(
    "value",
    [r'"\ud800"', r'["a", "\udfff"]', '["a", ""]', r'["a\nb"]', "[1]", "[]", "true", r'"a\u0000b"', r'["\u0000"]',
     '["a ", "b"]', '["a", " b"]'],
)  # fmt: skip
def test_what_cannot_stand_in_a_field_is_shown_as_json(value: str) -> None:
    assert json_fields(f'{{"a": {value}}}') == [JsonField("a", Kind.JSON, value)]
