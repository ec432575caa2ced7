"""Authentication: a post needs the token of an application (RFC 6750, bearer tokens), or comes over the Unix socket."""

from collections.abc import Callable
from http import HTTPStatus

from starlette.datastructures import Headers

from adapterd.web.replies import JSONReply, Refusal, error_reply


def application_of(headers: Headers, owner: Callable[[str], str | None], *, needed: bool = True) -> str | None:
    """The application whose token the request has; None if it has none and none is `needed`.

    `owner` knows whose a token is, None of one that counts for nobody. Raises Refusal.
    """
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if not needed and not scheme:
        return None
    token = given.strip() if scheme.lower() == "bearer" else ""
    if token and (application := owner(token)):
        return application
    raise Refusal(refusal_of(given))


def refusal_of(given: str) -> JSONReply:
    """The reply to this token, which counts for nobody; empty: to none."""
    fault = ', error="invalid_token"' if given else ""
    return error_reply(
        HTTPStatus.UNAUTHORIZED,
        "the token is wrong, or was revoked" if given else "a token is needed",
        "`adapterctl token add NAME` makes a token; send it as `Authorization: Bearer …`",
        headers={"WWW-Authenticate": f'Bearer realm="adapterd"{fault}'},
    )
