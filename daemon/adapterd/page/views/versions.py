"""Versions: what became of each and why; promote, roll back, pin, by the same rules and words as the command line."""

from http import HTTPStatus

from starlette.responses import HTMLResponse, Response

from adapterd.deployment.history import require_version
from adapterd.deployment.promote_by_hand import promote_by_hand
from adapterd.errors import InputError
from adapterd.evidence.marked import TARGETS, marked
from adapterd.formats.data_card import DATA_CARD, in_words
from adapterd.housekeeping.policy import pin as pin_version
from adapterd.insight.report import write_report
from adapterd.insight.season.compared import open_of
from adapterd.insight.versions_table import list_versions
from adapterd.page.desk import Desk, go
from adapterd.store.evidence.comparisons import Purpose
from adapterd.teachers.rounds import made_by_teachers

REPORT_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"


def show(desk: Desk) -> str:
    """GET /versions/MODEL."""
    return _page(desk, said=desk.entry.unseal(desk.query.get("said", "")) or "")


def one(desk: Desk) -> str:
    """GET /versions/MODEL/VERSION."""
    found = require_version(desk.store, desk.model, desk.path["version"])
    card = DATA_CARD.read(desk.home.version(desk.model, found.version))
    scores = found.metrics.get("scores", {})
    return desk.page(
        "version", f"{desk.model} {found.version}", version=found, card=in_words(card) if card else (),
        scores={role: each.get("metrics", {}) for role, each in scores.items() if each}, targets=TARGETS,
        marked={found.version: marked(desk.store, desk.model, found.version)},
    )  # fmt: skip


def report(desk: Desk) -> Response:
    """GET /versions/MODEL/VERSION/report: the page on why it was promoted or held, on which nothing is run."""
    file = write_report(desk.store, desk.home, desk.model, desk.path["version"])
    return HTMLResponse(file.read_text("utf-8"), headers={"Content-Security-Policy": REPORT_POLICY})


def promote(desk: Desk) -> Response:
    """POST /versions/MODEL/promote: what was held, dropped or withdrawn is asked about first."""
    version, force = desk.form.text("version"), desk.form.text("force") == "yes"
    try:
        swap = promote_by_hand(desk.deployer, desk.model, version, force=force)
    except InputError as exc:
        if force:
            raise
        return HTMLResponse(_page(desk, asked=version, objection=str(exc)), HTTPStatus.CONFLICT)
    return _told(desk, f"{desk.model} {swap.live} is live; {swap.replaced} was before")


def rollback(desk: Desk) -> Response:
    """POST /versions/MODEL/rollback: from the version that was live when the button was shown, to the one it named."""
    shown, to = desk.form.text("live"), desk.form.text("to")
    deployment = desk.store.versions.deployment(desk.model)
    if deployment is None or (deployment.live, deployment.previous) != (shown, to):
        raise InputError("another version went live meanwhile", hint="load the page anew, and look again")
    swap = desk.deployer.rollback(desk.model, to)
    return _told(desk, f"{desk.model} {swap.live} is live again; {swap.replaced} is withdrawn ({swap.swap_ms:.0f} ms)")


def pin(desk: Desk) -> Response:
    """POST /versions/MODEL/pin: keep a version whatever else is collected, or no longer."""
    version = desk.form.text("version")
    pin_version(desk.store, desk.model, version, pinned=desk.form.text("pinned") == "yes")
    return go(f"/versions/{desk.model}")


def _told(desk: Desk, said: str) -> Response:
    """To the page of all versions, which tells this; loading it anew does nothing twice."""
    return go(f"/versions/{desk.model}?said={desk.entry.seal(said)}")


def _page(desk: Desk, *, said: str = "", asked: str = "", objection: str = "") -> str:
    return desk.page(
        "versions", "Versions", rows=list_versions(desk.store, desk.home, desk.model, desk.model_settings), said=said,
        asked=asked, objection=objection, challenger=open_of(desk.store, desk.model, Purpose.CHALLENGE),
        watch=open_of(desk.store, desk.model, Purpose.WATCH), deployment=desk.store.versions.deployment(desk.model),
        made=made_by_teachers(desk.store, desk.model),
    )  # fmt: skip
