"""Only requests from this machine are let in, over TCP only by one of its loopback names; none that says two things.

A page on the web can make a browser send requests to loopback, under a name of its own that it lets point here (DNS
rebinding) or from its own origin. Both show in the headers. It cannot reach the Unix socket, where any name will do.
"""

import re
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from adapterd.web.replies import JSONReply, error_reply
from adapterd.web.well_formed import fault_of_headers, of_absolute_form

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_LOOPBACK_ORIGIN = re.compile(rf"https?://({'|'.join(map(re.escape, LOOPBACK_NAMES))})(:[0-9]{{1,5}})?", re.IGNORECASE)


class LoopbackOnly:
    """Middleware: requests go on to `app` if their Host is this machine, and their Origin, if there is one, is too."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = {host for name in LOOPBACK_NAMES for host in (name, f"{name}:{port}")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if absolute := of_absolute_form(scope):
            scope, host = absolute
        refusal = fault_of_headers(headers) or self._refusal(headers, host, is_unix=_is_unix(scope))
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, headers: Headers, host: str, *, is_unix: bool) -> JSONReply | None:
        if not is_unix and host not in self._hosts:
            return error_reply(
                HTTPStatus.MISDIRECTED_REQUEST,
                "the Host header does not name this machine's loopback address",
                "use http://127.0.0.1 and the port that is configured",
            )
        if not all(_LOOPBACK_ORIGIN.fullmatch(origin) for origin in headers.getlist("origin")):
            return error_reply(
                HTTPStatus.FORBIDDEN,
                "the request comes from a page that is not on this machine",
                "post from a program of your own",
            )
        return None


def _is_unix(scope: Scope) -> bool:
    peer = scope.get("peer")
    return peer is not None and peer.is_unix
