"""The ASGI application: its routes, and the checks that a post has to pass before its body is read."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from adapterd import __version__
from adapterd.errors import AdapterdError, InputError
from adapterd.feedback.checks import shown
from adapterd.insight.metrics import CONTENT_TYPE
from adapterd.web import replies
from adapterd.web.auth import application_of
from adapterd.web.listening.connections import Peer, has_its_share
from adapterd.web.loopback import LoopbackOnly
from adapterd.web.openapi import description
from adapterd.web.rate_limit import TokenBucket
from adapterd.web.replies import JSONReply, Refusal, error_reply
from adapterd.web.writer import Writer

BODIES_AT_ONCE = 4
"""So many bodies of an application are held in memory at a time; its further posts wait."""


class Turn:
    """What one application may do now: its rate, and the bodies that are read at a time."""

    def __init__(self, per_minute: int) -> None:
        self.rate_limit = TokenBucket(per_minute)
        self.bodies = asyncio.Semaphore(BODIES_AT_ONCE)


@dataclass(frozen=True)
class Api:
    """The routes. `owner` knows whose a token is, `peers` are those who are connected; `max_body_bytes` limits the body
    of a post, `per_minute` how many posts an application may send; `exposition` has the metrics."""

    writer: Writer
    owner: Callable[[str], str | None]
    peers: Iterable[Peer]
    per_minute: int
    max_body_bytes: int
    port: int
    exposition: Callable[[], str]
    _counting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _turns: dict[str | None, Turn] = field(default_factory=dict)

    def app(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/v1/feedback", self.feedback, methods=["POST"]),
            Route("/healthz", self.health, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
            Route("/openapi.json", self.openapi, methods=["GET"]),
        ]
        app = Starlette(
            routes=routes,
            middleware=[Middleware(LoopbackOnly, port=self.port)],
            exception_handlers={
                Refusal: replies.of_refusal,
                AdapterdError: replies.of_fault,
                HTTPException: replies.of_route,
                ClientDisconnect: replies.of_disconnection,
                Exception: replies.of_bug,
            },
        )
        app.router.redirect_slashes = False
        return app

    async def feedback(self, request: Request) -> JSONReply:
        """POST /v1/feedback: store the records of a post."""
        application = self._application(request)
        turn = self._turns.setdefault(application, Turn(self.per_minute))
        _admit(request, turn.rate_limit)
        async with turn.bodies:
            posted = await self.writer.take(await self._body(request), _named(request), application)
        return JSONReply(posted.as_dict(), HTTPStatus.ACCEPTED)

    async def health(self, _request: Request) -> JSONReply:
        """GET /healthz."""
        return JSONReply({"status": "ok", "version": __version__})

    async def metrics(self, _request: Request) -> Response:
        """GET /metrics; they are counted in a thread, once at a time."""
        async with self._counting:
            text = await asyncio.to_thread(self.exposition)
        return replies.of_text(text, CONTENT_TYPE)

    async def openapi(self, _request: Request) -> JSONReply:
        """GET /openapi.json."""
        return JSONReply(description(self.port))

    def _application(self, request: Request) -> str | None:
        """The application that posts, None over the Unix socket without a token; raises Refusal for anybody else."""
        peer: Peer = request.scope["peer"]
        try:
            application = application_of(request.headers, self.owner, needed=not peer.is_unix)
        except Refusal:
            peer.show(None)
            raise
        if application is not None and has_its_share(peer, application, self.peers):
            raise Refusal(replies.too_busy())
        peer.show(application)
        return application

    async def _body(self, request: Request) -> bytes:
        """The body, of which no more is read than is allowed."""
        if int(request.headers.get("content-length", "0")) > self.max_body_bytes:
            raise Refusal(self._too_large())
        body = bytearray()
        async with aclosing(request.stream()) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > self.max_body_bytes:
                    raise Refusal(self._too_large())
        return bytes(body)

    def _too_large(self) -> JSONReply:
        return error_reply(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"the body is larger than {self.max_body_bytes} bytes",
            "send several posts, put a file into the inbox, or raise http.max_body_mb in the configuration",
        )


def _admit(request: Request, rate_limit: TokenBucket) -> None:
    """Raise Refusal for a post whose body is not to be read."""
    if wait_s := rate_limit.take():
        raise Refusal(
            error_reply(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too many posts in too short a time",
                "wait as Retry-After says, or send several records in one post",
                headers={"Retry-After": str(wait_s)},
            )
        )
    if not _is_json(request):
        raise Refusal(
            error_reply(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "the body must be plain JSON in UTF-8",
                "send `Content-Type: application/json`",
            )
        )


def _is_json(request: Request) -> bool:
    kinds = request.headers.getlist("content-type")
    if len(kinds) != 1 or {each.lower() for each in request.headers.getlist("content-encoding")} - {"identity"}:
        return False
    kind, *parameters = (part.strip().lower() for part in kinds[0].split(";"))
    if kind != "application/json":
        return False
    charsets = [part.partition("=")[2].strip('"') for part in parameters if part.startswith("charset=")]
    return all(charset in ("utf-8", "utf8", "us-ascii") for charset in charsets)


def _named(request: Request) -> str | None:
    """The model that the query names; raises InputError if it names two, or says anything else."""
    named = request.query_params.getlist("model")
    others = request.query_params.keys() - {"model"}
    if others:
        raise InputError(f"the query has {shown(min(others))}; only model may stand there")
    if len(set(named)) > 1:
        raise InputError("the query names two different models")
    return named[0] if named else None
