"""Who is let in: programs of this machine that name it as such, and to post, those that have the token.

A page on the web can make a browser send requests to loopback, under a name of its own that it lets point here (DNS
rebinding) or from its own origin. Both show in the headers.
"""

import hmac
import re
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from adapterd.web.replies import Answer, problem

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_LOOPBACK_ORIGIN = re.compile(rf"https?://({'|'.join(map(re.escape, LOOPBACK_NAMES))})(:[0-9]{{1,5}})?", re.IGNORECASE)


class Gate:
    """Lets requests through to `app` whose Host is this machine and whose Origin, if there is one, is too."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = {host for name in LOOPBACK_NAMES for host in (name, f"{name}:{port}")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, headers: Headers) -> Answer | None:
        if headers.get("host", "").lower() not in self._hosts:
            return problem(
                HTTPStatus.MISDIRECTED_REQUEST,
                "the Host header does not name this machine's loopback address",
                "use http://127.0.0.1 and the port that is configured",
            )
        if not all(_LOOPBACK_ORIGIN.fullmatch(origin) for origin in headers.getlist("origin")):
            return problem(
                HTTPStatus.FORBIDDEN,
                "the request comes from a page that is not on this machine",
                "post from a program of your own",
            )
        return None


def token_refusal(headers: Headers, token: str) -> Answer | None:
    """The answer to a request that does not have the token; None if it has."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
        return None
    fault = ', error="invalid_token"' if given else ""
    return problem(
        HTTPStatus.UNAUTHORIZED,
        "the token is wrong" if given else "a token is needed",
        "send the line in the file http-token of adapterd's home as `Authorization: Bearer …`",
        headers={"WWW-Authenticate": f'Bearer realm="adapterd"{fault}'},
    )
