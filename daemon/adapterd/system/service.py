"""The daemon as a service of the user: which service manager this platform has.

A launch agent on macOS (launchd.py), a systemd user unit on Linux (systemd.py); never as root.
"""

import os
import sys

from adapterd.errors import AdapterdError
from adapterd.home import Home
from adapterd.system.commands import FOREGROUND
from adapterd.system.python import module_command
from adapterd.system.service_manager import Service, ServiceSpec


def service_for(spec: ServiceSpec, platform: str = sys.platform, uid: int | None = None) -> Service:
    """The service manager of this platform and user; raises AdapterdError where there is none, and for root."""
    _refuse_root(platform, os.getuid() if uid is None else uid)
    if platform == "darwin":
        from adapterd.system.launchd import LaunchdService

        return LaunchdService(spec)
    if platform == "linux":
        from adapterd.system.systemd import SystemdService

        return SystemdService(spec)
    raise AdapterdError(f"no service manager is known for the platform {platform!r}", hint=FOREGROUND)


def own_service(home: Home) -> Service:
    """The daemon on this home as the service of this user; raises AdapterdError as `service_for` does."""
    return service_for(ServiceSpec(tuple(module_command("adapterd", "--service")), home.root, home.logs))


def capture_service(home: Home, listen: str, upstream: str) -> Service:
    """Capture's pass-through as a service of this user, which listens and asks Ollama at these places (`HOST:PORT`);
    raises AdapterdError as `service_for` does."""
    command = capture_command(home, listen, upstream)
    return service_for(
        ServiceSpec(tuple(command), home.root, home.logs, "dev.adapterd-capture", "adapterctl capture on")
    )


def capture_command(home: Home, listen: str, upstream: str) -> list[str]:
    """The command that runs the pass-through."""
    return module_command("adapterd.capture", "--listen", listen, "--upstream", upstream, "--home", home.root)


def why_not_running(home: Home) -> str:
    """What the service manager knows of a daemon that does not run; empty where nothing is known."""
    try:
        return own_service(home).status().why_not
    except AdapterdError:
        return ""


def _refuse_root(platform: str, uid: int) -> None:
    """Root on macOS has no graphical session to run it in. On Linux a root who logged in as root has a systemd of its
    own; under sudo it would be root's service on another user's files."""
    user = os.environ.get("SUDO_USER") or "root"
    if uid != 0 or (platform == "linux" and user == "root"):
        return
    hint = "log in as the user whose models it is for" if user == "root" else f"do it as {user}, without sudo"
    raise AdapterdError("the service belongs to a user and never runs as root", hint=hint)
