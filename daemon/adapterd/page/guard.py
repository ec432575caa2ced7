"""What every request meets first: where it comes from, who sends it, and what the answer forbids the browser.

A page on the web can make a browser send requests to loopback under a name of its own (DNS rebinding), from its own
origin (CSRF), or inside a frame. The first shows in Host, the second in Origin and Sec-Fetch-Site, the third is
forbidden by the answer's policy.
"""

from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapterd.page.entry import Entry

NAMES = ("127.0.0.1", "localhost")
ENTRY, STATIC = "/enter", "/static/"
POLICY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
SAFE = ("GET", "HEAD")
OWN_SITES = ("same-origin", "none")
"""What a browser says of a request that this page, or the person at the browser, has made."""
CLOSED = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>adapterd</title>'
    '<link rel="icon" href="data:,"><h1>This page is closed</h1>'
    "<p>Give <code>adapterctl open</code> in a terminal: it makes a link that lets you in.</p>"
)


class Guard:
    """Middleware around the page."""

    def __init__(self, app: ASGIApp, entry: Entry) -> None:
        self._app, self._entry = app, entry
        self._hosts = {f"{name}:{entry.port}" for name in NAMES}
        self._origins = {f"http://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in POLICY.items():
                    headers.setdefault(name, value)
            await send(message)

        refused = self._refusal(scope["method"], scope["path"], Headers(scope=scope))
        await (refused or self._app)(scope, receive, with_policy)

    def _refusal(self, method: str, path: str, headers: Headers) -> Response | None:
        if headers.getlist("host") != [headers.get("host", "")] or headers.get("host", "").lower() not in self._hosts:
            return _text(HTTPStatus.MISDIRECTED_REQUEST, "The Host header does not name this page.")
        if not self._is_own(method, headers):
            return _text(HTTPStatus.FORBIDDEN, "The request comes from another page.")
        if path == ENTRY or path.startswith(STATIC) or self._entry.knows(_cookie(headers, self._entry.cookie)):
            return None
        return HTMLResponse(CLOSED, HTTPStatus.UNAUTHORIZED)

    def _is_own(self, method: str, headers: Headers) -> bool:
        """Whether a request comes from this page; one that changes something has to prove it."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin is not None and origin.lower() not in self._origins:
            return False
        if method in SAFE:
            return site is None or site in OWN_SITES or headers.get("sec-fetch-mode") == "navigate"
        return site == "same-origin" if site is not None else origin is not None


def _cookie(headers: Headers, name: str) -> str | None:
    """The value of a cookie, whatever those of others beside it look like."""
    pairs = (pair.strip().partition("=") for line in headers.getlist("cookie") for pair in line.split(";"))
    return next((value for each, _, value in pairs if each == name), None)


def _text(status: HTTPStatus, text: str) -> Response:
    return Response(text + "\n", status, media_type="text/plain")
