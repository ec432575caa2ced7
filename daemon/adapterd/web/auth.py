"""Authentication: a post needs the token of this home (RFC 6750, bearer tokens)."""

import hmac
from http import HTTPStatus

from starlette.datastructures import Headers

from adapterd.web.replies import JSONReply, error_reply


def token_refusal(headers: Headers, token: str) -> JSONReply | None:
    """The reply to a request that does not have the token; None if it has."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
        return None
    fault = ', error="invalid_token"' if given else ""
    return error_reply(
        HTTPStatus.UNAUTHORIZED,
        "the token is wrong" if given else "a token is needed",
        "send the line in the file http-token of adapterd's home as `Authorization: Bearer …`",
        headers={"WWW-Authenticate": f'Bearer realm="adapterd"{fault}'},
    )
