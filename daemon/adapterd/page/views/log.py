"""What happened, and what the daemon wrote."""

from adapterd.page.desk import Desk
from adapterd.supervisor.logs import read

EVENTS, LINES = 200, 200


def show(desk: Desk) -> str:
    """GET /log."""
    events = desk.store.events.latest(limit=EVENTS)
    return desk.page("log", "Log", events=events, lines=read(desk.home.logs, last=LINES)[::-1])
