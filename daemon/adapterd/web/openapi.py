"""The description of the interface in OpenAPI 3.1, as it is served."""

from http import HTTPStatus
from typing import Any

from adapterd import __version__
from adapterd.config import MODEL_NAME
from adapterd.feedback.formats import Schema, record_schemas
from adapterd.web.post import MAX_RECORDS

_CODES = {
    HTTPStatus.BAD_REQUEST: "The request cannot be read: it is not JSON, not a post, or names no model of several.",
    HTTPStatus.UNAUTHORIZED: "The token is missing, wrong or revoked; over the Unix socket none is needed.",
    HTTPStatus.FORBIDDEN: "The request comes from a page that is not on this machine, or from another user.",
    HTTPStatus.NOT_FOUND: "No such model is configured.",
    HTTPStatus.REQUEST_TIMEOUT: "The request did not arrive in time.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large, or has too many records.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not application/json in UTF-8.",
    HTTPStatus.MISDIRECTED_REQUEST: "The Host header does not name this machine.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Records cannot be used. Nothing was stored.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many posts in too short a time.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The store is full or locked, or too many connections are open.",
}
_OF_EVERY_REQUEST = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.MISDIRECTED_REQUEST,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_HEADERS = {
    HTTPStatus.UNAUTHORIZED: "WWW-Authenticate",
    HTTPStatus.TOO_MANY_REQUESTS: "Retry-After",
    HTTPStatus.SERVICE_UNAVAILABLE: "Retry-After",
}


def description(port: int) -> dict[str, Any]:
    """The document for the interface on that port."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "adapterd",
            "version": __version__,
            "description": "Feedback for the models that adapterd keeps, from applications on this machine.",
        },
        "servers": [{"url": f"http://127.0.0.1:{port}"}],
        "paths": {
            "/v1/feedback": {"post": _post()},
            "/healthz": {"get": _get("health", "Whether the daemon is there", _HEALTH)},
            "/metrics": {"get": _metrics()},
            "/openapi.json": {"get": _get("openapi", "This document", {"type": "object"})},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {**record_schemas(), **_SCHEMAS},
        },
    }


def _post() -> dict[str, Any]:
    model = {"type": "string", "pattern": f"^{MODEL_NAME.pattern}$"}
    return {
        "operationId": "postFeedback",
        "summary": "Give feedback",
        "description": "All records are stored, or none is. What was answered with 202 is on the disk. Posting a "
        "record again changes nothing and gives the same id, so whatever got no answer can be sent again.",
        "security": [{"token": []}],
        "parameters": [
            {
                "name": "model",
                "in": "query",
                "description": "Which model; may be left out if there is only one, or if the body names it.",
                "schema": model,
            }
        ],
        "requestBody": {"required": True, "content": _json({"$ref": "#/components/schemas/Post"})},
        "responses": {
            "202": {"description": "Stored.", "content": _json({"$ref": "#/components/schemas/Stored"})},
            **{str(int(status)): _fault(status) for status in _CODES},
        },
    }


def _get(name: str, summary: str, schema: Schema) -> dict[str, Any]:
    faults = {str(int(status)): _fault(status) for status in _OF_EVERY_REQUEST}
    found = {"description": summary, "content": _json(schema)}
    return {"operationId": name, "summary": summary, "responses": {"200": found, **faults}}


def _metrics() -> dict[str, Any]:
    summary = "Counts of capture, feedback and versions, in the text format of Prometheus"
    found = {"description": summary, "content": {"text/plain": {"schema": {"type": "string"}}}}
    return {**_get("metrics", summary, {}), "responses": {**_get("metrics", summary, {})["responses"], "200": found}}


def _fault(status: HTTPStatus) -> dict[str, Any]:
    schema = "Faults" if status is HTTPStatus.UNPROCESSABLE_ENTITY else "Error"
    answer = {"description": _CODES[status], "content": _json({"$ref": f"#/components/schemas/{schema}"})}
    if header := _HEADERS.get(status):
        answer["headers"] = {header: {"schema": {"type": "string"}, "required": True}}
    return answer


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


_HASH = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_USES = ("examples", "preferences", "bad", "replaced", "not_judged", "refused")
_COUNT = {"type": "integer", "minimum": 0}
_SENTENCES = {"error": {"type": "string"}, "hint": {"type": "string"}}
_RECORDS = {"type": "array", "maxItems": MAX_RECORDS, "items": {"$ref": "#/components/schemas/Record"}}
_HEALTH: Schema = {
    "type": "object",
    "required": ["status", "version"],
    "properties": {"status": {"const": "ok"}, "version": {"type": "string"}},
}
_SCHEMAS: dict[str, Schema] = {
    "Post": {
        "description": "One record, a list of records, or a list with the model that it is for. In the place of prompt "
        "and answer a record may name a recorded conversation: `capture`, the id in the header X-Adapterd-Capture, or "
        "the SHA-256 of the answer.",
        "anyOf": [
            {"$ref": "#/components/schemas/Record"},
            _RECORDS,
            {"$ref": "#/components/schemas/Records"},
        ],
    },
    "Records": {
        "type": "object",
        "required": ["records"],
        "additionalProperties": False,
        "properties": {"model": {"type": ["string", "null"]}, "records": _RECORDS},
    },
    "Stored": {
        "description": "`ids` are content hashes in the order of the post; `duplicates` were known already, `removed` "
        "ones were taken back earlier and are not taken again. `teaches` tells how many of the others are used for "
        "what.",
        "type": "object",
        "required": ["ids", "accepted", "duplicates", "removed", "teaches"],
        "additionalProperties": False,
        "properties": {
            "ids": {"type": "array", "items": _HASH},
            **dict.fromkeys(("accepted", "duplicates", "removed"), _COUNT),
            "teaches": {
                "type": "object",
                "required": list(_USES),
                "additionalProperties": False,
                "properties": dict.fromkeys(_USES, _COUNT),
            },
        },
    },
    "Error": {
        "description": "What is wrong, and what to do about it.",
        "type": "object",
        "required": ["error", "hint"],
        "additionalProperties": False,
        "properties": _SENTENCES,
    },
    "Faults": {
        "description": "The same, with the records that cannot be used; `index` counts from 0.",
        "type": "object",
        "required": ["error", "hint", "faults"],
        "additionalProperties": False,
        "properties": {
            **_SENTENCES,
            "faults": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["index", "reason"],
                    "additionalProperties": False,
                    "properties": {"index": _COUNT, "reason": {"type": "string"}},
                },
            },
        },
    },
}
