"""The settings of what listens at a port: feedback over HTTP, capture, and the page."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from adapterd.config.annotations import Doc, Range


@dataclass(frozen=True)
class HttpSettings:
    """Where applications may post feedback to the daemon: a Unix socket, and a port of loopback."""

    unix_socket: Annotated[
        bool, Doc("take feedback over a Unix socket from programs of the same user", page="feedback-api.md")
    ] = True
    socket_path: Annotated[
        Path | None,
        Doc("the Unix socket, where the home's own path is too long for one", unset="adapterd.sock in the home"),
    ] = None
    enabled: Annotated[
        bool, Doc("take feedback over TCP, too, on 127.0.0.1 and ::1, from who has a token", page="feedback-api.md")
    ] = False
    port: Annotated[int, Range(0, 65_535), Doc("TCP port; 0: any that is free, named in the log")] = 11_480
    max_body_mb: Annotated[float, Range(0.001, 1_024), Doc("megabytes of a request; larger ones get status 413")] = 8.0
    requests_per_minute: Annotated[
        int, Range(1, 1_000_000), Doc("requests per minute of an application; further ones get status 429")
    ] = 600


@dataclass(frozen=True)
class CaptureSettings:
    """What the pass-through records of the conversations that go through it."""

    port: Annotated[int, Range(1, 65_535), Doc("TCP port of loopback at which applications ask", page="capture.md")] = (
        11_481
    )
    models: Annotated[
        frozenset[str],
        Doc("names of models whose conversations are recorded", unset="all that run here", page="capture.md"),
    ] = frozenset()
    sample: Annotated[
        float, Range(0.0, 1.0), Doc("share of the answers that is recorded where no rule keeps them", page="capture.md")
    ] = 1.0
    low_logprob: Annotated[
        float, Range(-100.0, 0.0), Doc("answers with a lower mean log-probability of a token are always recorded")
    ] = -1.5
    again_s: Annotated[
        float,
        Range(0.0, 86_400.0),
        Doc("seconds within which a prompt that is asked again, edited or not, is always recorded"),
    ] = 120.0
    keep_days: Annotated[float, Range(0.01, 36_600), Doc("days after which a recorded conversation is removed")] = 30.0
    keep_gb: Annotated[
        float, Range(0.001, 10_000), Doc("gigabytes of recorded conversations; beyond, the oldest go first")
    ] = 1.0


@dataclass(frozen=True)
class PageSettings:
    """The local page that `adapterctl open` opens."""

    port: Annotated[int, Range(0, 65_535), Doc("TCP port of loopback; 0: any that is free", page="page.md")] = 11_482
    idle_minutes: Annotated[
        float, Range(0.01, 100_000), Doc("minutes without a request after which the page's process ends")
    ] = 60.0
