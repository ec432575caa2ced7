"""adapterctl status | triage | doctor"""

import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click

from adapterctl.output import (
    Break,
    Styled,
    ago,
    emit_json,
    examples,
    fields,
    json_option,
    local,
    name_argument,
    say,
    table,
    time_left,
)

if TYPE_CHECKING:
    from adapterd.insight.status import ModelStatus, RunStatus, Status

NEEDS_ATTENTION = 10
INDENT = 12
"""Of a value's further lines."""
MARKS = {"ok": ("ok  ", "green"), "warning": ("warn", "yellow"), "fault": ("FAIL", "red")}


@click.command(
    epilog=examples(
        "adapterctl status",
        "adapterctl status newsbrief-synth --json",
        "adapterctl status --check           for monitors: exit code 10 and a line for each thing to look at",
    )
)
@name_argument
@click.option("--check", is_flag=True, help="Print only what needs attention; exit code 10 if anything does.")
@json_option
def status(name: str | None, check: bool, as_json: bool) -> None:
    """Show what is live, which run is in progress, and what comes next, on one screen."""
    from adapterctl.app import App
    from adapterd.insight.status import status as look

    app = App()
    found = look(app.home, app.settings, only=app.model(name) if name else None)
    if as_json:
        emit_json({**vars(found), "faults": found.faults})
    elif check:
        for fault in found.faults or ["nothing needs attention"]:
            say(fault)
    else:
        _show_all(found)
    if check and found.faults:
        sys.exit(NEEDS_ATTENTION)


def _show_all(found: "Status") -> None:
    daemon = "running" if found.daemon_running else "not running (adapterctl service install, or run `adapterd`)"
    runtime = f"{found.runtime.name} {found.runtime.version}" if found.runtime.version else None
    fields([("daemon", daemon), ("runtime", runtime), ("home", found.home)])
    if found.runtime.fault:
        say(Styled(f"runtime  {found.runtime.fault}", "red"))
        say(f"         {found.runtime.hint}")
    if not found.models:
        say()
        say("no model yet; begin with: adapterctl init NAME --base TAG")
    for model in found.models:
        say()
        _show(model)


def _show(model: "ModelStatus") -> None:
    say(Styled(model.name, bold=True))
    live: list[object] = [f"{model.live} ({ago(model.live_since)})" if model.live else "nothing"]
    if model.served_as_recorded is False:
        live.append(Styled("  but the runtime serves something else under this name", "red"))
    paused = f"{model.paused} (adapterctl resume)" if model.paused else None
    fields(
        [
            ("  live", live),
            ("  previous", model.previous),
            ("  newest", f"{model.newest} {model.newest_reason or model.newest_state}" if model.newest else None),
            ("  run", _run(model.run) if model.run else None),
            ("  feedback", _feedback(model)),
            ("  next run", _next(model)),
            ("  paused", [Styled(paused, "yellow")] if paused else None),
            ("  base", [model.base, *_drift(model)]),
        ]
    )


def _run(run: "RunStatus") -> list[object]:
    pieces: list[object] = [f"{run.id} {run.state}"]
    if run.stage:
        pieces.append(f" at {run.stage}")
    if run.share is not None:
        pieces.append(f" ({run.share:.0%}{_more(run)})")
    if run.error:
        pieces.append(Styled(f": {run.error}", "red"))
        pieces += [Break(INDENT), run.hint] if run.hint else []
    if run.retry_at:
        pieces += [Break(INDENT), f"tried again at {_clock(run.retry_at)} ({run.attempts} failed so far)"]
    return pieces


def _more(run: "RunStatus") -> str:
    """What else the stage says of its progress."""
    said = [str(run.progress["doing"])] if run.progress.get("doing") else []
    if run.progress.get("steps"):
        said.append(f"step {run.progress.get('step')} of {run.progress['steps']}")
    if left := time_left(run.progress.get("remaining_s")):
        said.append(left)
    return "".join(f", {each}" for each in said)


def _feedback(model: "ModelStatus") -> str:
    text = f"{model.records} records, {model.new_records} new"
    if model.new_records and model.oldest_new:
        text += f" (since {ago(model.oldest_new)})"
    return f"{text}, {model.quarantined} in quarantine" if model.quarantined else text


def _next(model: "ModelStatus") -> list[object]:
    if model.due:
        since = f" since {_clock(model.due_since)}" if model.due_since else ""
        waits = [Break(INDENT), Styled(f"waits: {model.blocked_by}", "yellow")] if model.blocked_by else []
        return [f"due{since} ({model.due})", *waits]
    when = _clock(model.next_run) if model.next_run else model.schedule
    missing = model.min_new_records - model.new_records
    return [f"{when}, if {missing} more records arrive" if missing > 0 else when]


def _drift(model: "ModelStatus") -> list[object]:
    return [Styled("  was pulled anew; the one of init stays in use", "yellow")] if model.base_drift else []


def _clock(moment: datetime) -> str:
    return f"{local(moment):%a %d %b %H:%M}"


@click.command(epilog=examples("adapterctl triage", "adapterctl triage newsbrief-synth --json"))
@name_argument
@json_option
def triage(name: str | None, as_json: bool) -> None:
    """Say whether training is worth it: how often each failure occurs, and how many corrections there are."""
    from adapterctl.app import App
    from adapterd.insight.triage import triage as weigh

    app = App()
    found = weigh(app.store, app.model(name))
    if as_json:
        emit_json(found)
        return
    rows = [(each.tag, each.failures, f"{each.share:.0%}", each.corrections, each.advice) for each in found.tags]
    table(["FAILURE", "OUTPUTS", "SHARE", "CORRECTIONS", "ADVICE"], rows, empty="nobody has told of a failure yet")
    say()
    say(Styled(found.advice, "green" if found.worth_training else "yellow"))


@click.command(epilog=examples("adapterctl doctor", "adapterctl doctor --json"))
@json_option
def doctor(as_json: bool) -> None:
    """Check everything that is needed: what is installed, reachable, slow or missing, and what to do."""
    from adapterd.home import Home
    from adapterd.insight.doctor import run_checks

    checks = run_checks(Home.locate())
    if as_json:
        emit_json(checks)
    else:
        for check in checks:
            mark, colour = MARKS[check.level]
            say(Styled(mark, colour), f"  {check.what:<16} {check.detail}")
            if check.hint:
                say(f"                        {check.hint}")
    if any(check.level == "fault" for check in checks):
        raise click.exceptions.Exit(1)
