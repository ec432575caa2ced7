"""Requests that say one thing twice, or two things, are refused: whoever stands between may believe the other one."""

from http import HTTPStatus
from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.types import Scope

from adapterd.web.replies import JSONReply, error_reply

_ONCE = ("authorization", "content-length", "host", "transfer-encoding")
_OF_THE_BODY = ("content-encoding", "content-type")
_CLOSE = {"Connection": "close"}
"""What comes after such a request is not read: it may be its body, or another request."""


def fault_of_headers(headers: Headers) -> JSONReply | None:
    """The reply to a request whose headers contradict one another; None if they do not."""
    if "transfer-encoding" in headers and "content-length" in headers:
        return error_reply(
            HTTPStatus.BAD_REQUEST,
            "the request gives the length of its body in two ways",
            "send Content-Length or Transfer-Encoding, not both",
            headers=_CLOSE,
        )
    for name in (*_ONCE, *_OF_THE_BODY):
        if len(headers.getlist(name)) > 1:
            status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE if name in _OF_THE_BODY else HTTPStatus.BAD_REQUEST
            text = f"the request has the header {name.title()} more than once"
            return error_reply(status, text, "send it once", headers=_CLOSE)
    return None


def of_absolute_form(scope: Scope) -> tuple[Scope, str] | None:
    """The request with its path alone, and the host that its target names; None where the target is a path already.

    `GET http://127.0.0.1:11480/healthz` is as good as `GET /healthz` (RFC 9112, 3.2.2); its host counts, and not Host.
    """
    scheme, separator, rest = scope.get("raw_path", b"").partition(b"://")
    if not separator or scheme.lower() != b"http":
        return None
    host, _, path = rest.partition(b"/")
    raw = b"/" + path
    return {**scope, "path": unquote(raw.decode("ascii")), "raw_path": raw}, host.decode("ascii").lower()
