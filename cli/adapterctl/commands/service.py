"""adapterctl service install | uninstall | start | stop | restart | status"""

from typing import TYPE_CHECKING

import click

from adapterctl.output import emit_json, examples, fields, json_option, say

if TYPE_CHECKING:
    from adapterd.system.service_manager import ServiceStatus


@click.group(epilog=examples("adapterctl service install", "adapterctl service status --json"))
def service() -> None:
    """Run the daemon in the background: a LaunchAgent on macOS, a systemd user unit on Linux.

    It belongs to you and runs as you, while you are logged in; it never needs sudo, and refuses it. Each command may
    be given twice. After an upgrade, `install` brings the service up to date.
    """


def _command(name: str, doing: str, done: str) -> None:
    @service.command(name, help=doing)
    @json_option
    def act(as_json: bool) -> None:
        from adapterctl.app import own_home
        from adapterd.system.service import own_service

        manager = own_service(own_home())
        if name != "status":
            getattr(manager, name)()
        found = manager.status()
        if as_json:
            emit_json(found)
            return
        if done:
            say(done)
        _show(found)


def _show(found: "ServiceStatus") -> None:
    fields(
        [
            ("installed", _installed(found)),
            ("loaded", "yes" if found.loaded else "no"),
            ("running", f"yes, process {found.pid}" if found.running else "no"),
            ("last exit", found.last_exit),
            ("state", found.detail),
            ("why not", found.why_not or None),
            ("file", found.file),
            ("log", found.log if found.installed else None),
        ]
    )


def _installed(found: "ServiceStatus") -> str:
    if not found.installed:
        return "no (adapterctl service install)"
    return "yes, by another version or for another home (adapterctl service install)" if found.outdated else "yes"


_command("install", "Write the service definition and start the daemon, now and at every login.", "installed")
_command("uninstall", "Stop the daemon and remove the service definition. Models and feedback stay.", "uninstalled")
_command("start", "Start the installed daemon, if it does not run.", "started")
_command("stop", "Stop the daemon until the next login or start.", "stopped")
_command("restart", "Start the installed daemon afresh; a run in progress goes on where it was.", "restarted")
_command("status", "Tell whether the daemon is installed, up to date and running, and how it last ended.", "")
