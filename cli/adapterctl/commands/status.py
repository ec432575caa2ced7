"""adapterctl status | triage | doctor"""

import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click

from adapterctl.commands.access.http_lines import show_http
from adapterctl.commands.capture.line import show_capture
from adapterctl.commands.data.removal import in_words
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
    roughly,
    say,
    table,
    time_left,
)

if TYPE_CHECKING:
    from adapterd.insight.status import ModelStatus, RunStatus, RuntimeStatus, Status

NEEDS_ATTENTION = 10
SAMPLE = 50
"""How many examples the base is asked, unless it is said."""
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
    why = found.daemon_why_not or "adapterctl service install, or run `adapterd`"
    daemon: list[object] = ["running" if found.daemon_running else f"not running ({why})"]
    if found.other_release:
        daemon.append(Styled(f", but {found.other_release} (adapterctl service restart)", "yellow"))
    runtime = (
        f"{found.runtime.name} {found.runtime.version}{_address(found.runtime)}" if found.runtime.version else None
    )
    fields([("daemon", daemon), ("runtime", runtime), ("home", found.home)])
    if found.runtime.fault:
        say(Styled(f"runtime  {found.runtime.fault}", "red"))
        say(f"         {found.runtime.hint}")
        if found.runtime.address_from == "OLLAMA_HOST":
            say(f"         {found.runtime.address} is from OLLAMA_HOST")
    if found.runtime.note:
        say(Styled(f"note     {found.runtime.note}", "yellow"))
    show_http(found.http)
    show_capture(found.capture)
    if not found.models:
        say()
        say("no model yet; begin with: adapterctl init NAME --base TAG")
    for model in found.models:
        say()
        _show(model)


def _address(runtime: "RuntimeStatus") -> str:
    """Where the runtime is asked, if that needs saying."""
    if runtime.address_from in (None, "default"):
        return ""
    return f" at {runtime.address}{' (from OLLAMA_HOST)' if runtime.address_from == 'OLLAMA_HOST' else ''}"


def _show(model: "ModelStatus") -> None:
    say(Styled(model.name, bold=True))
    live: list[object] = [f"{model.live} ({ago(model.live_since)})" if model.live else "nothing"]
    live += [f", of the base {model.live_base}"] if model.live_base else []
    if model.live_fault:
        live += [Styled(f"  but {model.live_fault}", "red"), Break(), f"{model.live_hint}"]
    if model.live_removed:
        live.append(
            Styled(f"  {in_words(model.live_removed)} that were removed since; it stays in the weights", "yellow")
        )
    paused = f"{model.paused} (adapterctl resume)" if model.paused else None
    fields(
        [
            ("  live", live),
            ("  previous", _previous(model)),
            ("  newest", f"{model.newest} {model.newest_reason or model.newest_state}" if model.newest else None),
            ("  challenger", _challenger(model)),
            ("  watch", model.watch.text if model.watch else None),
            ("  run", _run(model.run) if model.run else None),
            ("  feedback", _feedback(model)),
            ("  unreadable", _unreadable(model)),
            ("  examples", "; ".join(map(str, model.enough))),
            ("  prompts", _prompts(model)),
            ("  teachers", _teachers(model)),
            (
                "  removal",
                "begun and not finished; the daemon or the next `feedback remove` does" if model.removing else None,
            ),
            ("  next run", _next(model)),
            ("  paused", [Styled(paused, "yellow")] if paused else None),
            ("  base", [model.base, *_drift(model)]),
        ]
    )


def _previous(model: "ModelStatus") -> str | None:
    return f"{model.previous}, of the base {model.previous_base}" if model.previous_base else model.previous


def _challenger(model: "ModelStatus") -> str | None:
    return f"{model.challenger.version} waits: {model.challenger.text}" if model.challenger else None


def _run(run: "RunStatus") -> list[object]:
    is_over = run.state in ("promoted", "held")  # what became of its version since, `newest` says
    pieces: list[object] = [f"{run.id} made {run.version}" if is_over else f"{run.id} {run.state}"]
    if run.stage:
        pieces.append(f" at {run.stage}")
    if run.share is not None:
        pieces.append(f" ({run.share:.0%}{_more(run)})")
    if run.error:
        pieces.append(Styled(f": {run.error}", "red"))
        pieces += [Break(), run.hint] if run.hint else []
    if run.retry_at:
        pieces += [Break(), f"tried again at {_clock(run.retry_at)} ({run.attempts} failed so far)"]
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
    text += f", {model.quarantined} in quarantine" if model.quarantined else ""
    return f"{text}, {model.held} held for secrets or personal data" if model.held else text


def _unreadable(model: "ModelStatus") -> list[object] | None:
    found: list[object] = []
    for each in model.unreadable:
        found += [Break()] if found else []
        found.append(Styled(f"{each.path}: {each.reason}", "red"))
        found += [Break(), each.hint] if each.hint else []
    return found or None


def _prompts(model: "ModelStatus") -> str | None:
    pool = model.prompts
    return f"{pool.prompts} without answers imported, {pool.answered} answered since" if pool.prompts else None


def _teachers(model: "ModelStatus") -> list[object] | None:
    """What the last round made, and what waits for a person."""
    if model.teaching is None:
        return None
    last, waiting = model.teaching.last_round, model.teaching.unsure
    told: list[object] = [f"{last.teacher}, {ago(last.at)}: {last.made}" if last else str(model.teaching.of_all)]
    return [*told, Break(), f"{waiting} wait for `adapterctl synthetic review`"] if waiting else told


def _next(model: "ModelStatus") -> list[object]:
    takes = f"; takes about {roughly(model.next_takes.seconds)}" if model.next_takes else ""
    if model.due:
        since = f" since {_clock(model.due_since)}" if model.due_since else ""
        waits = [Break(), Styled(f"waits: {model.blocked_by}", "yellow")] if model.blocked_by else []
        return [f"due{since} ({model.due}){takes}", *waits]
    when = _clock(model.next_run) if model.next_run else model.schedule
    missing = model.min_new_records - model.new_records
    return [(f"{when}, if {missing} more records arrive" if missing > 0 else when) + takes]


def _drift(model: "ModelStatus") -> list[object]:
    if model.base_fault:
        return [Break(), Styled(model.base_fault, "red")]
    return [Styled("  was pulled anew; the one of init stays in use", "yellow")] if model.base_drift else []


def _clock(moment: datetime) -> str:
    return f"{local(moment):%a %d %b %H:%M}"


@click.command(
    epilog=examples(
        "adapterctl triage",
        "adapterctl triage newsbrief-synth --json",
        "adapterctl triage --ask --sample 100     the base answers 100 of the examples' prompts",
    )
)
@name_argument
@click.option("--ask", is_flag=True, help="Let the base answer a sample of the examples; tells what it takes first.")
@click.option("--sample", type=click.IntRange(1), help="With --ask: how many examples.  [default: 50]")
@click.option("-y", "--yes", is_flag=True, help="With --ask: do not ask whether to.")
@json_option
def triage(name: str | None, ask: bool, sample: int | None, yes: bool, as_json: bool) -> None:
    """Say whether training is worth it: by the failures that people told of, or by the base's own answers."""
    from adapterctl.app import App
    from adapterctl.commands.data.asked_triage import triage_by_asking
    from adapterd.insight.triage import triage as weigh

    app = App()
    if ask:
        triage_by_asking(app, app.model(name), sample or SAMPLE, yes=yes, as_json=as_json)
        return
    if sample or yes:
        raise click.UsageError("--sample and --yes go with --ask")
    name = app.model(name)
    found = weigh(app.store, name, app.model_settings(name))
    if as_json:
        emit_json(found)
        return
    rows = [(each.tag, each.failures, f"{each.share:.0%}", each.corrections, each.advice) for each in found.tags]
    table(["FAILURE", "OUTPUTS", "SHARE", "CORRECTIONS", "ADVICE"], rows, empty="no output has a failure tag yet")
    say()
    say(f"examples: {'; '.join(map(str, found.enough))}")
    say(Styled(found.advice, "green" if found.worth_training else "yellow"))


@click.command(
    epilog=examples(
        "adapterctl doctor",
        "adapterctl doctor --json",
        "adapterctl doctor --repair          rebuild a state database that is damaged, empty or gone",
    )
)
@click.option("--repair", is_flag=True, help="Rebuild the state database if it cannot be used; keeps the old one.")
@click.option("-y", "--yes", is_flag=True, help="With --repair: do not ask.")
@json_option
def doctor(repair: bool, yes: bool, as_json: bool) -> None:
    """Check everything that is needed: what is installed, reachable, slow or missing, and what to do."""
    from adapterctl.app import own_home
    from adapterctl.commands.data.backup import repair as repair_store
    from adapterd.home import Home
    from adapterd.insight.doctor import run_checks

    if repair:
        repair_store(own_home(), yes=yes, as_json=as_json)
        return
    if yes:
        raise click.UsageError("--yes goes with --repair")
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
