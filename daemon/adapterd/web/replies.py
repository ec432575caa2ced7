"""Replies are JSON, but for metrics; an error says what is wrong and what to do about it."""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from adapterd.errors import AdapterdError, InputError, NotFoundError
from adapterd.intake.http_intake import FaultyRecordsError

log = logging.getLogger("adapterd")

RETRY_AFTER_S = 5
"""When to try again what failed because the store was full, locked or away, or because too much was going on."""


class JSONReply(JSONResponse):
    """JSON in ASCII, so that no text that was sent to us, and is quoted, can break the reply to it."""

    def __init__(
        self, content: Any, status_code: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(content, status_code, {"Date": formatdate(usegmt=True), **(headers or {})})

    def render(self, content: Any) -> bytes:
        return json.dumps(content).encode()


def of_text(text: str, content_type: str) -> Response:
    """A reply of plain text: the one that is no JSON."""
    return Response(text, headers={"Date": formatdate(usegmt=True), "Content-Type": content_type})


class Refusal(Exception):  # noqa: N818
    """Ends a request with a reply."""

    def __init__(self, reply: JSONReply) -> None:
        super().__init__()
        self.reply = reply


def error_reply(
    status: HTTPStatus, error: str, hint: str = "", *, headers: Mapping[str, str] | None = None, **more: object
) -> JSONReply:
    """The reply to what cannot be done."""
    return JSONReply({"error": error, "hint": hint, **more}, status, headers)


def too_busy() -> JSONReply:
    """The reply to a connection beyond those that are served."""
    headers = {"Retry-After": str(RETRY_AFTER_S), "Connection": "close"}
    return error_reply(
        HTTPStatus.SERVICE_UNAVAILABLE, "too many connections are open", "try again soon", headers=headers
    )


def of_another_user() -> JSONReply:
    """The reply to another user who came over the Unix socket; root is another user, too."""
    return error_reply(
        HTTPStatus.FORBIDDEN,
        "the Unix socket is for the user who runs adapterd",
        f"post as the user with the id {os.getuid()}, or over TCP with a token",
        headers={"Connection": "close"},
    )


async def of_refusal(_request: Request, exc: Exception) -> JSONReply:
    """The reply of a Refusal."""
    assert isinstance(exc, Refusal)
    return exc.reply


async def of_fault(_request: Request, exc: Exception) -> JSONReply:
    """The reply to one of our own errors."""
    assert isinstance(exc, AdapterdError)
    if isinstance(exc, FaultyRecordsError):
        faults = [asdict(fault) for fault in exc.faults]
        return error_reply(HTTPStatus.UNPROCESSABLE_ENTITY, str(exc), exc.hint, faults=faults)
    if isinstance(exc, InputError):
        return error_reply(HTTPStatus.BAD_REQUEST, str(exc), exc.hint)
    if isinstance(exc, NotFoundError):
        return error_reply(HTTPStatus.NOT_FOUND, str(exc), exc.hint)
    log.warning("a post could not be stored: %s", exc)
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return error_reply(HTTPStatus.SERVICE_UNAVAILABLE, _without_paths(exc), "post it again later", headers=headers)


def _without_paths(exc: AdapterdError) -> str:
    """What is wrong with the store, in SQLite's words, which name no file; the whole sentence is in the log."""
    cause = exc.__cause__
    return "nothing can be stored now" + ("" if cause is None or isinstance(cause, OSError) else f": {cause}")


async def of_route(request: Request, exc: Exception) -> JSONReply:
    """The reply where the path or its method does not exist."""
    assert isinstance(exc, HTTPException)
    if exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        error = f"{request.method[:20]} cannot be done here"
    else:
        error = "there is nothing at this address"
    hint = "POST /v1/feedback takes records; GET /openapi.json describes everything"
    return error_reply(HTTPStatus(exc.status_code), error, hint, headers=exc.headers)


async def of_disconnection(_request: Request, _exc: Exception) -> JSONReply:
    """A reply that nobody reads any more: the client has gone."""
    return error_reply(HTTPStatus.BAD_REQUEST, "the connection was closed before the body was there")


async def of_bug(_request: Request, _exc: Exception) -> JSONReply:
    """The reply to any other exception, which is a bug; the log has its traceback."""
    return error_reply(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "this is a bug in adapterd; nothing was stored",
        "details are in the daemon's log",
    )
