"""Schemas that answers should follow: refused when they could not check anything, and checked in bounded time."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from adapterd.errors import InputError
from adapterd.evaluation.evaluate import Answers, score
from adapterd.evaluation.metrics.json_answers import bounds
from adapterd.evaluation.metrics.json_answers.schema import JsonSchema, read_schema
from tests.unit.evaluation.asking import answer, question

DRAFTS = ["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2019-09/schema", None]


def written(folder: Path, schema: Any) -> Path:
    path = folder / "schema.json"
    path.write_text(schema if isinstance(schema, str) else json.dumps(schema), encoding="utf-8")
    return path


@pytest.fixture
def nobody_connects(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What anybody tried to connect to."""
    tried: list[Any] = []

    def connect(self: socket.socket, address: Any) -> None:
        tried.append(address)
        raise OSError("no network here")

    monkeypatch.setattr(socket.socket, "connect", connect)
    return tried


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"$ref": "#"}, "never ends"),
        (
            {"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"anyOf": [{"type": "null"}, {"$ref": "#"}]}}},
            "never ends",
        ),
        ({"properties": {"a": {"$ref": "#/properties/a"}}}, "never ends"),
        ({"not": {"if": {"$ref": "#"}}}, "never ends"),
        ({"properties": {"a": {"$ref": "#/$defs/nowhere"}}}, "leads to nothing"),
        ({"items": {"$ref": "#anchor"}}, "leads to nothing"),
        ({"$ref": "other.json"}, "leads to nothing"),
        ({"properties": {"a": {"$ref": "http://127.0.0.1:9/schema.json"}}}, "leads to nothing"),
        ({"$ref": "https://example.org/schema"}, "leads to nothing"),
        ({"properties": {"a": {"pattern": "(["}}}, "no regular expression"),
        ({"patternProperties": {"*": {}}}, "no regular expression"),
        ({"type": "objekt"}, "not a valid JSON Schema"),
        ({"multipleOf": 0}, "not a valid JSON Schema"),
        ("true", "no JSON object"),
        ("[]", "no JSON object"),
        ('{"maximum": NaN}', "NaN is not JSON"),
        ('{"multipleOf": 1e400}', "1e400"),
        ('{"maximum": ' + "9" * 5000 + "}", "digits"),
        ('{"not": ' * 100_000 + "{}" + "}" * 100_000, "nested too deeply"),
        ('{"not": ' * 900 + "{}" + "}" * 900, "nested too deeply"),
        ("{", "not a readable JSON Schema"),
        ('{"$schema": 7}', "not a valid JSON Schema"),
        ('{"$schema": []}', "not a valid JSON Schema"),
        ({"$schema": "http://json-schema.org/draft-03/schema#", "extends": {"$ref": "#"}}, "a draft from 4 on"),
        ({"$ref": "#/x", "x": [1]}, r"leads to \[1\], which is no schema"),
        ({"$ref": "#/x", "x": {"multipleOf": 0}}, "what is no valid schema: 0 is less"),
        ({"$ref": "#/x", "x": {"items": {"pattern": "("}}}, "no regular expression"),
        ({"$ref": "#/x", "x": {"items": {"$ref": "#/y"}}}, "leads to nothing"),
        ({"items": {"$schema": "http://json-schema.org/draft-07/schema#"}}, "names another draft"),
        ({"pattern": "a" * 5_001}, "5001 letters"),
        ({"patternProperties": {"a{9999999}": {}}}, "repeats are too many"),
    ],
)
def test_a_schema_that_could_not_check_answers_is_refused(
    tmp_path: Path, nobody_connects: list[Any], schema: Any, reason: str
) -> None:
    with pytest.raises(InputError, match=reason) as refused:
        read_schema(written(tmp_path, schema))
    assert str(refused.value).startswith(str(tmp_path / "schema.json"))
    assert nobody_connects == []


TREE = {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}, "required": ["name"]}
NODE = {
    "$ref": "#/definitions/node",
    "definitions": {
        "node": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"$ref": "#/definitions/node"}}]}
    },
}


@pytest.mark.parametrize("draft", DRAFTS)
@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (TREE, '{"name": "x", "children": [{"name": "y"}]}', '{"name": "x", "children": [{}]}'),
        (NODE, "[1, [2, [3]]]", '[1, ["x"]]'),
        ({"properties": {"a": {"pattern": "^[A-Z]\\d+$"}}}, '{"a": "B12"}', '{"a": "b12"}'),
        ({"patternProperties": {"^n_": {"type": "integer"}}}, '{"n_a": 1, "b": "x"}', '{"n_a": "x"}'),
        ({"patternProperties": {"^n_": {}}, "additionalProperties": False}, '{"n_a": 1}', '{"m_a": 1}'),
        ({"properties": {"a": {}}, "additionalProperties": {"type": "string"}}, '{"a": 1, "b": "x"}', '{"b": 1}'),
        ({"uniqueItems": True}, '[1, true, "1", [1], [true]]', '[{"a": 1, "b": 2}, {"b": 2, "a": 1.0}]'),
        ({"multipleOf": 0.01}, "19.99", "19.999"),
    ],
)
def test_schemas_that_make_sense_are_read_and_followed(
    tmp_path: Path, draft: str | None, schema: dict[str, Any], good: str, bad: str
) -> None:
    read = JsonSchema(read_schema(written(tmp_path, {**({"$schema": draft} if draft else {}), **schema})))
    assert (read.allows(good), read.allows(bad)) == (True, False)


def test_a_schema_may_embed_others_under_their_own_names(tmp_path: Path) -> None:
    inner = {
        "$id": "https://example.org/inner",
        "$defs": {"word": {"type": "string"}},
        "items": {"$ref": "#/$defs/word"},
    }
    outer = {"$id": "https://example.org/outer", "$defs": {"list": inner}, "properties": {"a": {"$ref": "inner"}}}
    schema = JsonSchema(read_schema(written(tmp_path, outer)))
    assert (schema.allows('{"a": ["x"]}'), schema.allows('{"a": [1]}')) == (True, False)


SLOW, LONG = "^(a|aa)+$", "a" * 200 + "b"


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"properties": {"a": {"pattern": SLOW}}}, json.dumps({"a": LONG})),
        ({"patternProperties": {SLOW: {}}}, json.dumps({LONG: 1})),
        ({"patternProperties": {SLOW: {}}, "additionalProperties": False}, json.dumps({LONG: 1})),
        ({"anyOf": [{"items": {"$ref": "#"}, "minItems": 2}] * 2}, "[[]," * 60 + "[]" + "]" * 60),
        ({"$schema": DRAFTS[0], "items": {"$schema": DRAFTS[0], "pattern": SLOW}}, json.dumps([LONG])),
        (
            {"$schema": DRAFTS[0], "items": {"$ref": "#/definitions/a"}, "definitions": {"a": {"pattern": SLOW}}},
            json.dumps([LONG]),
        ),
        ({"allOf": [{"contains": {"const": 1}}] * 200, "unevaluatedItems": False}, json.dumps([1] * 20_000)),
        ({"items": {"properties": dict.fromkeys(map(str, range(5_000)), True)}}, json.dumps([{}] * 1_000)),
    ],
    ids=[
        "pattern",
        "names",
        "other names",
        "twice at each level",
        "draft named within",
        "reference",
        "unevaluated",
        "wide",
    ],
)
def test_an_answer_that_takes_too_long_to_check_is_a_failure_of_that_answer(
    tmp_path: Path, schema: dict[str, Any], text: str
) -> None:
    metric = JsonSchema(read_schema(written(tmp_path, schema))).metric()
    found = score(Answers("m:1", "d", (answer(text), answer("1"))), [question("1")] * 2, [metric])
    assert found.metrics == {"schema_valid": 0.5}
    assert found.unmeasured == {"schema_valid": 1}


@pytest.mark.parametrize(
    ("unit", "number", "allowed"),
    [
        (0.01, "19.99", True),
        (0.01, "9" * 400, True),
        (7, "9" * 400, False),
        (1e-300, "9" * 4000, True),
        (3, "1e308", False),
    ],
)
def test_multiples_are_recognised_for_any_number(unit: float, number: str, allowed: bool) -> None:
    assert JsonSchema({"multipleOf": unit}).allows(number) is allowed


def test_unique_items_are_recognised_without_comparing_every_pair() -> None:
    many = json.dumps([{"a": number, "b": [number]} for number in range(20_000)])
    assert JsonSchema({"uniqueItems": True}).allows(many)


@pytest.mark.parametrize("text", ["a{99999999999999999999}", "(" * 900 + ")" * 900, "[" + "a" * 2_000_000, "("])
def test_a_text_that_is_no_pattern_is_none(text: str) -> None:
    schema = JsonSchema({"properties": {"a": {"format": "regex"}}})
    assert schema.allows(json.dumps({"a": "a+"}))
    assert not schema.allows(json.dumps({"a": text}))


def test_a_schema_with_a_draft_is_bounded_below_a_reference_to_its_whole(tmp_path: Path) -> None:
    """The library takes its own validator for whatever names a draft, and with it its own patterns."""
    tree = {"$schema": DRAFTS[0], "items": {"$ref": "#"}, "pattern": SLOW}
    with pytest.raises(TimeoutError):
        JsonSchema(read_schema(written(tmp_path, tree))).allows(json.dumps([[[LONG]]]))


def test_a_schema_that_takes_too_long_to_check_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_STEPS", 5_000)
    with pytest.raises(InputError, match="too large to be checked"):
        read_schema(written(tmp_path, {"prefixItems": [{}] * 1_000}))
