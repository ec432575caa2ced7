"""adapterctl status"""

from typing import TYPE_CHECKING

import click

from adapterctl.output import ago, emit_json, examples, fields, json_option, name_argument

if TYPE_CHECKING:
    from adapterd.lifecycle.status import ModelStatus, RunStatus


@click.command(epilog=examples("adapterctl status", "adapterctl status newsbrief-synth --json"))
@name_argument
@json_option
def status(name: str | None, as_json: bool) -> None:
    """Show what is live, what is going on, and what comes next, on one screen."""
    from adapterctl.app import App
    from adapterd.lifecycle.status import status as look

    app = App()
    found = look(app.home, app.settings, only=app.model(name) if name else None)
    if as_json:
        emit_json(found)
        return
    daemon = "running" if found.daemon_running else "not running (adapterctl service install, or run `adapterd`)"
    runtime = f"{found.runtime.name} {found.runtime.version}" if found.runtime.version else None
    fields([("daemon", daemon), ("runtime", runtime), ("home", found.home)])
    if found.runtime.fault:
        click.secho(f"runtime  {found.runtime.fault}", fg="red")
        click.echo(f"         {found.runtime.hint}")
    if not found.models:
        click.echo("\nno model yet; begin with: adapterctl init NAME --base TAG")
    for model in found.models:
        click.echo()
        _show(model)


def _show(model: "ModelStatus") -> None:
    click.secho(model.name, bold=True)
    live = f"{model.live} ({ago(model.live_since)})" if model.live else "nothing"
    if model.served_as_recorded is False:
        live += click.style("  but the runtime serves something else under this name", fg="red")
    fields(
        [
            ("  live", live),
            ("  previous", model.previous),
            ("  newest", f"{model.newest} {model.newest_reason or model.newest_state}" if model.newest else None),
            ("  run", _run(model.run) if model.run else None),
            ("  feedback", _feedback(model)),
            ("  next run", _next(model)),
            ("  base", model.base),
        ]
    )


def _run(run: "RunStatus") -> str:
    text = f"{run.id} {run.state}"
    if run.stage:
        text += f" at {run.stage}"
    if run.share is not None:
        text += f" ({run.share:.0%})"
    if run.error:
        text += click.style(f": {run.error}", fg="red") + (f"\n            {run.hint}" if run.hint else "")
    return text


def _feedback(model: "ModelStatus") -> str:
    text = f"{model.records} records, {model.new_records} new"
    return f"{text}, {model.quarantined} in quarantine" if model.quarantined else text


def _next(model: "ModelStatus") -> str:
    when = f"{model.next_run.astimezone():%a %d %b %H:%M}" if model.next_run else f'at "{model.cron}" (cron)'
    missing = model.min_new_records - model.new_records
    return f"{when}, if {missing} more records arrive" if missing > 0 else when
