"""adapterctl retrain"""

import time
from typing import TYPE_CHECKING, Any

import click

from adapterctl.output import StageProgress, bytes_read, emit_json, examples, json_option, name_argument

if TYPE_CHECKING:
    from adapterctl.app import App
    from adapterd.lifecycle.pipeline import Outcome
    from adapterd.store.runs import Run

POLL_S = 0.3


@click.command(
    epilog=examples(
        "adapterctl retrain                  make a version from what is new; go on with one that stopped",
        "adapterctl retrain --follow         and watch it, if the daemon does the work",
        "adapterctl retrain --now            even if nothing is new",
    )
)
@name_argument
@click.option("--now", is_flag=True, help="Train even if nothing is new since the last version.")
@click.option("--follow", is_flag=True, help="If the daemon does the work, stay and show its progress.")
@json_option
def retrain(name: str | None, now: bool, follow: bool, as_json: bool) -> None:
    """Make a new version from the feedback, prove it, and promote it if it is better.

    If the daemon is running, it does the work; else it is done here. A run that stopped half-way goes on where it
    stopped. Ends with exit code 0 also if the version is held: being held is a result.
    """
    from adapterctl.app import App
    from adapterd.lifecycle.locks import is_held

    app = App()
    name = app.model(name)
    _take_feedback(app, name, as_json)
    if not now:
        _require_something_new(app, name)
    if is_held(app.home.daemon_lock):
        _ask_daemon(app, name, None if now else _going_on(app, name), follow, as_json)
        return
    _show(_run_here(app, name, as_json), name, as_json)


def _take_feedback(app: "App", name: str, as_json: bool) -> None:
    from adapterd.lifecycle.ingest import ingest

    with StageProgress(quiet=as_json) as progress:
        report = ingest(app.store, app.home, name, app.inbox(name), on_progress=bytes_read(progress))
    if not as_json and report.lines:
        click.echo(f"feedback: {report.accepted} new records, {report.quarantined} in quarantine", err=True)
    for file in report.unsettled:
        click.echo(f"{file.name} is still being written and is taken next time", err=True)


def _require_something_new(app: "App", name: str) -> None:
    from adapterd.errors import NotEnoughDataError

    last = app.store.runs.latest(name)
    if last and last.state.open:
        return
    if app.store.feedback.count(name, after_id=app.store.runs.last_learned_id(name)) == 0:
        raise NotEnoughDataError(
            f"{name} has no feedback that is new since its last version", hint="--now trains all the same"
        )


def _run_here(app: "App", name: str, as_json: bool) -> "Outcome":
    from adapterd.lifecycle.pipeline import Pipeline

    with StageProgress(quiet=as_json) as progress:
        return Pipeline(app.store, app.home, app.settings, listen=progress).run(name, "asked for by hand")


def _going_on(app: "App", name: str) -> "Run | None":
    """The run that somebody works on now, if nothing has come that it does not learn from."""
    from adapterd.lifecycle.locks import is_held
    from adapterd.store.runs import RunState

    run = app.store.runs.latest(name)
    is_at_it = run is not None and run.state is RunState.RUNNING and is_held(app.home.run_lock)
    return run if run and is_at_it and run.last_feedback_id == app.store.feedback.last_id(name) else None


def _ask_daemon(app: "App", name: str, going_on: "Run | None", follow: bool, as_json: bool) -> None:
    run_id = going_on.id if going_on else None
    request = None if going_on else app.store.runs.request(name, "asked for by hand")
    if not follow:
        if as_json:
            emit_json({"model": name, "request": request, "run": run_id})
        else:
            click.echo("the daemon does it now; `adapterctl status` or `adapterctl retrain --follow` shows how it goes")
        return
    _follow(app, name, run_id, request, as_json)


def _follow(app: "App", name: str, run_id: str | None, request: int | None, as_json: bool) -> None:
    """Show what the daemon's run writes into the journal until it ends."""
    from adapterd.errors import StageError
    from adapterd.lifecycle.locks import is_held
    from adapterd.store.runs import StageState

    with StageProgress(quiet=as_json) as progress:
        while True:
            error = None
            if request is not None:
                run_id, error = app.store.runs.request_answer(request)
            if run_id:
                for stage in app.store.runs.stages(run_id):
                    done = stage.state is StageState.DONE
                    progress(stage.name, {**(stage.progress or {}), **({"share": 1.0} if done else {})})
                run = app.store.runs.get(run_id)
                if not run.state.open:
                    break
                error = run.error if run.state != "running" else error
            if error:
                raise StageError(error, hint="`adapterctl retrain` goes on where it stopped")
            if not is_held(app.home.daemon_lock):
                raise StageError("the daemon ended", hint="`adapterctl retrain` goes on where it stopped")
            time.sleep(POLL_S)
    version = app.store.versions.get(name, run.version or "")
    _show_version(name, vars(version) if version else {}, as_json)


def _show_version(name: str, version: dict[str, Any], as_json: bool) -> None:
    if as_json:
        emit_json(version)
    else:
        click.echo(f"{name} {version['version']} {version['reason']}")


def _show(outcome: "Outcome", name: str, as_json: bool) -> None:
    if as_json:
        emit_json(outcome)
        return
    table_of_scores(outcome.scores)
    colour = "green" if outcome.promoted else "yellow"
    click.secho(f"{name} {outcome.version} {outcome.reason}", fg=colour)
    click.echo(
        f"live now; `adapterctl rollback` takes it back, `ollama run {name}` asks it"
        if outcome.promoted
        else f"what was live is live; `adapterctl show {outcome.version}` tells more"
    )


def table_of_scores(scores: dict[str, Any]) -> None:
    """Metrics by what was asked, beside the trivial baseline."""
    from adapterctl.output import table

    if not scores:
        return
    subjects = list(scores)
    rows: list[list[object]] = [
        [metric, *(f"{scores[s]['metrics'][metric]:.3f}" for s in subjects), f"{baseline:.3f}"]
        for metric, baseline in scores[subjects[0]]["baselines"].items()
    ]
    for label, unit in (("truncated", ""), ("latency_s", " s"), ("first_token_s", " s")):
        rows.append([label.removesuffix("_s"), *(f"{scores[s][label]:.3f}{unit}" for s in subjects), ""])
    table(["METRIC", *[s.upper() for s in subjects], "EMPTY ANSWER"], rows, empty="")
