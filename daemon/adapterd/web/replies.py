"""What is answered: always JSON, and for every error a sentence and what to do about it."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from adapterd.errors import AdapterdError, InputError, NotFoundError
from adapterd.intake.http_intake import FaultyRecordsError

RETRY_AFTER_S = 5
"""When to try again what failed because the store was full, locked or away, or because too much was going on."""


class Answer(JSONResponse):
    """JSON in ASCII, so that no text that was sent to us, and is quoted, can break the answer to it."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content).encode()


class Refusal(Exception):  # noqa: N818
    """Ends a request with an answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


def problem(
    status: HTTPStatus, error: str, hint: str = "", *, headers: Mapping[str, str] | None = None, **more: object
) -> Answer:
    """The answer for something that is wrong."""
    return Answer({"error": error, "hint": hint, **more}, status, headers)


def too_busy() -> Answer:
    """The answer to a connection that is one too many."""
    headers = {"Retry-After": str(RETRY_AFTER_S), "Connection": "close"}
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections are open", "try again soon", headers=headers)


async def of_refusal(_request: Request, exc: Exception) -> Answer:
    """The answer that a Refusal holds."""
    assert isinstance(exc, Refusal)
    return exc.answer


async def of_fault(_request: Request, exc: Exception) -> Answer:
    """The answer for one of our own errors."""
    assert isinstance(exc, AdapterdError)
    if isinstance(exc, FaultyRecordsError):
        faults = [asdict(fault) for fault in exc.faults]
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(exc), exc.hint, faults=faults)
    if isinstance(exc, InputError):
        return problem(HTTPStatus.BAD_REQUEST, str(exc), exc.hint)
    if isinstance(exc, NotFoundError):
        return problem(HTTPStatus.NOT_FOUND, str(exc), exc.hint)
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(exc), exc.hint or "post it again later", headers=headers)


async def of_route(request: Request, exc: Exception) -> Answer:
    """The answer where the path or its method does not exist."""
    assert isinstance(exc, HTTPException)
    if exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        error = f"{request.method[:20]} cannot be done here"
    else:
        error = "there is nothing at this address"
    hint = "POST /v1/feedback takes records; GET /openapi.json describes everything"
    return problem(HTTPStatus(exc.status_code), error, hint, headers=exc.headers)


async def of_disconnection(_request: Request, _exc: Exception) -> Answer:
    """An answer that nobody reads any more."""
    return problem(HTTPStatus.BAD_REQUEST, "the connection was closed before the body was there")


async def of_mistake(_request: Request, _exc: Exception) -> Answer:
    """The answer where we are at fault; what it was stands in the log."""
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, "adapterd made a mistake; nothing was stored", "the daemon's log says more"
    )
