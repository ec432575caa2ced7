"""Home: what is live, what runs, what waits and why, what the evidence says, and whether all is well."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from adapterd.capture.rates import Rate, by_day, first_day
from adapterd.errors import NotFoundError, StoreError
from adapterd.insight.status import ModelStatus, status
from adapterd.page.desk import Desk, go
from adapterd.page.rendering import rendered
from adapterd.review.frame import Frame
from adapterd.review.queue import Queue
from adapterd.review.share import Share
from adapterd.runs.by_hand.requests import ask_daemon, require_something_new

DAYS = 7
"""So many days are shown of the answers' quality."""


@dataclass(frozen=True)
class Quality:
    """How often answers of a name in Ollama have which fault, by day: `faults` has the rate of each of the `days`, None
    where nothing was answered."""

    model: str
    days: Sequence[str]
    faults: dict[str, list[Rate | None]]


def show(desk: Desk) -> str:
    """GET / and /home/MODEL; with `?part` what changes by itself alone."""
    found = status(desk.home, desk.settings, only=desk.model if "model" in desk.path else None)
    failing = {each.name: _failing(desk, each.name) for each in found.models}
    values = {"found": found, "next_run": _next_run, "failing": failing, "quality": _quality(desk)}
    if "part" in desk.query:
        return rendered("home_part", **values)
    return desk.page("home", "adapterd", **values)


def retrain(desk: Desk) -> Response:
    """POST /home/MODEL/retrain: ask the daemon for a run."""
    require_something_new(desk.store, desk.home, desk.model, desk.model_settings)
    ask_daemon(desk.store, desk.home, desk.model, afresh=False)
    return go(f"/home/{desk.model}")


def _failing(desk: Desk, model: str) -> Share:
    try:
        return Queue.of(Frame.of(desk.store, desk.captures, model)).failing
    except (NotFoundError, StoreError):  # the status tells what is wrong with the file
        return Share(0, 0)


def _quality(desk: Desk) -> list[Quality]:
    try:
        rates = by_day(desk.captures.counted(first_day(time.time(), DAYS)))
    except (NotFoundError, StoreError):
        return []
    days = sorted({str(each.day) for each in rates})
    found = {(each.model, each.fault, each.day): each for each in rates}
    faults: dict[str, list[str]] = {}
    for each in rates:
        if each.fault not in faults.setdefault(each.model, []):
            faults[each.model].append(each.fault)
    return [
        Quality(model, days, {fault: [found.get((model, fault, day)) for day in days] for fault in names})
        for model, names in faults.items()
    ]


def _next_run(model: ModelStatus) -> str:
    """When the next run begins, or why it does not."""
    if model.paused:
        return f"paused: {model.paused}"
    if model.due:
        return f"due ({model.due})" + (f", waits: {model.blocked_by}" if model.blocked_by else "")
    missing = model.min_new_records - model.new_records
    when = f"{model.next_run.astimezone():%Y-%m-%d %H:%M}" if model.next_run else model.schedule
    return f"{when}, if {missing} more records arrive" if missing > 0 else when
