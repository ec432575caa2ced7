"""Home: what is live, what runs, what waits and why, what the evidence says, and whether all is well."""

from starlette.responses import Response

from adapterd.capture.standing import standing
from adapterd.errors import AdapterdError, ConfigError
from adapterd.insight.status import ModelStatus, status
from adapterd.page.desk import Desk, go
from adapterd.page.rendering import rendered
from adapterd.review.frame import Frame
from adapterd.review.queue import Queue
from adapterd.runs.by_hand.requests import ask_daemon, require_something_new

OPEN = ("running", "failed", "pending")


def show(desk: Desk) -> str:
    """GET / and /home/MODEL; with `?part` what changes by itself alone."""
    found = status(desk.home, desk.settings, only=desk.model if "model" in desk.path else None)
    failing = {model.name: _failing(desk, model.name) for model in found.models}
    values = {"found": found, "failing": failing, "capture": _capture(desk), "next_run": _next_run}
    if "part" in desk.query:
        return rendered("home_part", **values)
    return desk.page("home", "adapterd", **values)


def retrain(desk: Desk) -> Response:
    """POST /home/MODEL/retrain: ask the daemon for a run."""
    require_something_new(desk.store, desk.home, desk.model, desk.model_settings)
    ask_daemon(desk.store, desk.home, desk.model, afresh=False)
    return go(f"/home/{desk.model}")


def _failing(desk: Desk, model: str) -> object:
    if not desk.home.captures.is_file():
        return None
    return Queue.of(Frame.of(desk.store, desk.captures, model)).failing


def _capture(desk: Desk) -> object:
    try:
        return standing(desk.home, desk.settings)
    except (ConfigError, AdapterdError):
        return None


def _next_run(model: ModelStatus) -> str:
    """When the next run begins, or why it does not."""
    if model.paused:
        return f"paused: {model.paused}"
    if model.due:
        return f"due ({model.due})" + (f", waits: {model.blocked_by}" if model.blocked_by else "")
    missing = model.min_new_records - model.new_records
    when = f"{model.next_run:%Y-%m-%d %H:%M}" if model.next_run else model.schedule
    return f"{when}, if {missing} more records arrive" if missing > 0 else when
