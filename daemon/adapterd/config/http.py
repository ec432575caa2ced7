"""The settings of feedback over HTTP."""

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
