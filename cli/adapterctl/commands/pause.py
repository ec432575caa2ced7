"""adapterctl pause | resume | cancel"""

import click

from adapterctl.output import emit_json, examples, json_option, name_argument, say


@click.command(epilog=examples("adapterctl pause", 'adapterctl pause newsbrief-synth --reason "on holiday"'))
@name_argument
@click.option("--reason", default="", metavar="TEXT", help="The reason, shown by `adapterctl status`.")
@json_option
def pause(name: str | None, reason: str, as_json: bool) -> None:
    """Start no run of one model, or of any, until `resume`, unless somebody asks for it.

    A run in progress is finished (`adapterctl cancel` ends it), and `adapterctl retrain` still works.
    """
    from adapterctl.app import App
    from adapterd.scheduling.pause import pause as pause_runs

    app = App()
    name = app.model(name) if name else None
    pause_runs(app.store, name, reason)
    if as_json:
        emit_json({"paused": name or "all", "reason": reason})
        return
    say(f"{name or 'everything'} is paused; `adapterctl resume{f' {name}' if name else ''}` goes on")


@click.command(epilog=examples("adapterctl resume", "adapterctl resume newsbrief-synth"))
@name_argument
@json_option
def resume(name: str | None, as_json: bool) -> None:
    """End a pause: without NAME that of all models, with NAME that of one model."""
    from adapterctl.app import App
    from adapterd.scheduling.pause import resume as resume_runs
    from adapterd.system.host.wakeup import wake_up

    app = App()
    name = app.model(name) if name else None
    ended = resume_runs(app.store, name)
    wake_up(app.home.wakeup)
    if as_json:
        emit_json({"resumed": name or "all", "was_paused": ended})
        return
    say(f"{name or 'everything'} goes on" if ended else f"{name or 'nothing'} was {'not ' if name else ''}paused")


@click.command(epilog=examples("adapterctl cancel", 'adapterctl cancel --reason "wrong settings"'))
@name_argument
@click.option("--reason", default="cancelled by hand", show_default=True, metavar="TEXT", help="For the history.")
@json_option
def cancel(name: str | None, reason: str, as_json: bool) -> None:
    """Cancel the run in progress, or one that waits to be continued. What is live stays live."""
    from adapterctl.app import App
    from adapterd.runs.by_hand.cancel import cancel as end

    app = App()
    name = app.model(name)
    run_id = end(app.store, app.home, name, reason)
    if as_json:
        emit_json({"cancelled": run_id, "reason": reason})
        return
    say(f"run {run_id} ends; its feedback stays new, and nothing that is live was touched")
