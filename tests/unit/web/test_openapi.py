"""The description of the interface."""

import json
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator

from adapterd.web.openapi import description


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_the_openapi_document_is_json_and_all_that_it_refers_to_is_there() -> None:
    document = json.loads(json.dumps(description(4711)))
    schemas = document["components"]["schemas"]
    found = set(references(document))
    assert found == {f"#/components/schemas/{name}" for name in schemas}
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


def test_the_openapi_document_names_the_port_the_token_and_every_status() -> None:
    document = description(4711)
    post = document["paths"]["/v1/feedback"]["post"]
    assert document["servers"] == [{"url": "http://127.0.0.1:4711"}]
    assert post["security"] == [{"token": []}]
    assert sorted(map(int, post["responses"])) == [202, 400, 401, 403, 404, 408, 413, 415, 421, 422, 429, 503]
