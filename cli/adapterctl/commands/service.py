"""adapterctl service install | uninstall | start | stop | status"""

import sys

import click

from adapterctl.output import emit_json, examples, fields, json_option


@click.group(epilog=examples("adapterctl service install", "adapterctl service status --json"))
def service() -> None:
    """Run the daemon in the background: a LaunchAgent on macOS, a systemd user unit on Linux. Never needs sudo."""


def _command(name: str, doing: str, done: str) -> None:
    @service.command(name, help=doing)
    @json_option
    def act(as_json: bool) -> None:
        from adapterd.home import Home
        from adapterd.system.service import ServiceSpec, service_for

        home = Home.locate()
        home.create()
        manager = service_for(ServiceSpec((sys.executable, "-m", "adapterd"), home.root, home.logs))
        if name != "status":
            getattr(manager, name)()
        found = manager.status()
        if as_json:
            emit_json(found)
            return
        if done:
            click.echo(done)
        fields(
            [
                ("installed", "yes" if found.installed else "no (adapterctl service install)"),
                ("running", f"yes, process {found.pid}" if found.running else "no"),
                ("file", found.file),
                ("details", found.detail),
            ]
        )


_command("install", "Write the service definition and start the daemon now and at every login.", "installed")
_command("uninstall", "Stop the daemon and remove the service definition. Models and feedback stay.", "uninstalled")
_command("start", "Start the installed daemon.", "started")
_command("stop", "Stop the daemon until the next login or start.", "stopped")
_command("status", "Tell whether the daemon is installed and running.", "")
