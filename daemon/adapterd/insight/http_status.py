"""Feedback over HTTP: where the daemon listens, who posts, what was refused."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from adapterd.config import Settings
from adapterd.errors import AdapterdError
from adapterd.home import Home
from adapterd.store import Store
from adapterd.store.http_access.places import Place
from adapterd.store.http_access.traffic import WITHOUT_TOKEN
from adapterd.system.sockets.loopback import listen_on_loopback
from adapterd.system.sockets.unix import socket_identity

UNIX = "unix"
TCP = "tcp"


@dataclass(frozen=True)
class HttpStatus:
    """`addresses` are those where the daemon listens now; `refusals` are those since yesterday, by status and name.
    A place that is wanted and not had is in `faults`; where only the Unix socket is missing and TCP was not asked for,
    in `warnings`. `applications` have a token that counts.
    """

    addresses: list[str] = field(default_factory=list)
    faults: list[Place] = field(default_factory=list)
    warnings: list[Place] = field(default_factory=list)
    applications: list[str] = field(default_factory=list)
    last_post: datetime | None = None
    last_poster: str | None = None
    refusals: dict[str, int] = field(default_factory=dict)


def http_status(store: Store, settings: Settings, *, running: bool) -> HttpStatus:
    """What the daemon said last of the places, if it is running, and what it counted."""
    wanted = {UNIX: settings.http.unix_socket, TCP: settings.http.enabled}
    places = [_as_it_is(each) for each in store.http_places.all() if running and wanted[each.place]]
    wrong = [each for each in places if each.fault]
    posts = {name: each for name, each in store.http_traffic.posts().items() if each.last_at}
    last = max(posts, key=lambda name: str(posts[name].last_at), default=None)
    return HttpStatus(
        addresses=[each.address for each in places if not each.fault],
        faults=wrong if settings.http.enabled else [],
        warnings=[] if settings.http.enabled else wrong,
        applications=[each.name for each in store.http_tokens.all() if each.revoked_at is None],
        last_post=posts[last].last_at if last is not None else None,
        last_poster=None if last in (None, WITHOUT_TOKEN) else last,
        refusals=store.http_traffic.refusals_since_yesterday(),
    )


def taken_port(settings: Settings) -> AdapterdError | None:
    """Why the daemon, which is not running, could not listen on the port that it is to; None if it could."""
    if not settings.http.enabled or settings.http.port == 0:
        return None
    try:
        for each in listen_on_loopback(settings.http.port):
            each.close()
    except AdapterdError as exc:
        return exc
    return None


def http_checks(home: Home, settings: Settings, *, running: bool) -> Iterator[tuple[str, str, str]]:
    """For `doctor`: the level of each check, what was found, and what to do."""
    with Store(home.database) as store:
        found = http_status(store, settings, running=running)
    if found.addresses:
        yield "ok", f"feedback is taken at {', '.join(found.addresses)}", ""
    for each in (*found.faults, *found.warnings):
        yield "fault" if each in found.faults else "warning", each.fault or "", each.hint or ""
    if not running and (fault := taken_port(settings)):
        yield "fault", str(fault), fault.hint


def _as_it_is(place: Place) -> Place:
    """The place, with a fault if it is a Unix socket whose name somebody removed."""
    if place.place == UNIX and not place.fault and socket_identity(Path(place.address)) is None:
        return Place(
            UNIX,
            place.address,
            f"the Unix socket {place.address} was removed",
            "`adapterctl service restart`, or start adapterd anew",
        )
    return place
