"""The ASGI application: routes to views, and errors to pages."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from adapterd.errors import AdapterdError, NotFoundError
from adapterd.home import Home
from adapterd.page.desk import Desk
from adapterd.page.entry import SESSION_S, Entry
from adapterd.page.forms import Form
from adapterd.page.guard import ENTRY, POLICY, STATIC, Guard
from adapterd.page.jobs import Jobs
from adapterd.page.rendering import rendered
from adapterd.page.views import (
    choice,
    compare,
    feedback,
    home,
    log,
    quarantine,
    review,
    rubrics,
    settings,
    synthetic,
    versions,
)

View = Callable[[Desk], str | Response]
KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
KEPT = {"Cache-Control": "private, max-age=86400, immutable"}
"""The browser keeps a static file; another release has another address."""
LEAD_ON = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>adapterd</title>'
    '<link rel="icon" href="data:,"><meta http-equiv="refresh" content="0; url=/"><a href="/">Go on</a>'
)
"""Where a link leads first: a cookie for this site alone is sent only once this site itself has led on."""

GET: dict[str, View] = {
    "/": home.show,
    "/home/{model}": home.show,
    "/review/{model}": review.show,
    "/choice/{model}": choice.show,
    "/rubrics/{model}": rubrics.show,
    "/synthetic/{model}": synthetic.show,
    "/versions/{model}": versions.show,
    "/versions/{model}/{version}/report": versions.report,
    "/versions/{model}/{version}": versions.one,
    "/compare/{model}": compare.show,
    "/feedback/{model}": feedback.show,
    "/feedback/{model}/quarantine": quarantine.show,
    "/feedback/{model}/{record}": feedback.one,
    "/settings": settings.show,
    "/log": log.show,
}
POST: dict[str, View] = {
    "/review/{model}": review.judge,
    "/review/{model}/check": review.check,
    "/review/{model}/undo": review.undo,
    "/review/{model}/group": review.mend_group,
    "/choice/{model}": choice.vote,
    "/choice/{model}/make": choice.make,
    "/compare/{model}": compare.ask,
    "/rubrics/{model}": rubrics.mark,
    "/rubrics/{model}/undo": rubrics.undo,
    "/synthetic/{model}": synthetic.judge,
    "/synthetic/{model}/undo": synthetic.undo,
    "/versions/{model}/promote": versions.promote,
    "/versions/{model}/rollback": versions.rollback,
    "/versions/{model}/pin": versions.pin,
    "/feedback/{model}/remove": feedback.remove,
    "/feedback/{model}/release": quarantine.release,
    "/feedback/{model}/fields": quarantine.declare,
    "/home/{model}/retrain": home.retrain,
}

log_of_page = logging.getLogger("adapterd.page")


def application(where: Home, entry: Entry, jobs: Jobs) -> Starlette:
    """The page of a home, for whoever `entry` lets in."""

    def route(path: str, view: View, method: str) -> Route:
        async def answer(request: Request) -> Response:
            form = await Form.of(request) if method == "POST" else Form({})
            values = {name: str(value) for name, value in request.path_params.items()}
            desk = Desk(where, entry, jobs, values, dict(request.query_params), form)
            return await run_in_threadpool(_answered, desk, view)

        return Route(path, answer, methods=[method])

    async def enter(request: Request) -> Response:
        if request.method == "HEAD" or not entry.admits(request.query_params.get("ticket", "")):
            raise NotFoundError("this link was used already, or is too old", hint="adapterctl open makes a new one")
        answer = HTMLResponse(LEAD_ON)
        answer.set_cookie(entry.cookie, entry.session(), max_age=SESSION_S, httponly=True, samesite="strict")
        return answer

    return Starlette(
        routes=[
            Route(ENTRY, enter, methods=["GET"]),
            Route(STATIC + "{name}", _static, methods=["GET"]),
            *(route(path, view, "GET") for path, view in GET.items()),
            *(route(path, view, "POST") for path, view in POST.items()),
        ],
        middleware=[Middleware(Guard, entry=entry)],
        exception_handlers={
            AdapterdError: _of_fault, HTTPException: _of_route, ClientDisconnect: _of_route, Exception: _of_bug
        },
    )  # fmt: skip


def _answered(desk: Desk, view: View) -> Response:
    with desk:
        found = view(desk)
    return HTMLResponse(found) if isinstance(found, str) else found


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    file = files("adapterd.page").joinpath("static", name)
    kind = KINDS.get("." + name.rpartition(".")[2])
    if kind is None or "/" in name or not file.is_file():
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return Response(file.read_bytes(), media_type=kind, headers=KEPT)


def _fault(status: HTTPStatus, text: str, hint: str = "") -> Response:
    page = rendered("fault", title="adapterd", models=(), here=None, text=text, hint=hint)
    return HTMLResponse(page, status, POLICY)  # a bug is answered outside of the guard, which would add this


async def _of_fault(_request: Request, exc: Any) -> Response:
    status = HTTPStatus.NOT_FOUND if isinstance(exc, NotFoundError) else HTTPStatus.CONFLICT
    return _fault(status, str(exc), exc.hint)


async def _of_route(_request: Request, exc: Any) -> Response:
    status = HTTPStatus(getattr(exc, "status_code", HTTPStatus.BAD_REQUEST))
    return _fault(status, f"{status.value}: {status.phrase.lower()}", "the links above lead on")


async def _of_bug(_request: Request, exc: Any) -> Response:
    log_of_page.error("the page failed: %r", exc, exc_info=exc)
    return _fault(HTTPStatus.INTERNAL_SERVER_ERROR, "this failed, and should not have", "logs/page.log has the details")
