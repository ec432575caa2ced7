"""adapterctl pause | resume | cancel"""

import click

from adapterctl.output import emit_json, examples, json_option, name_argument, say


@click.command(epilog=examples("adapterctl pause", 'adapterctl pause newsbrief-synth --reason "on holiday"'))
@name_argument
@click.option("--reason", default="", metavar="TEXT", help="Shown by status, so that nobody wonders.")
@json_option
def pause(name: str | None, reason: str, as_json: bool) -> None:
    """Let nothing begin by itself, for one model or for all, until `resume`.

    A run that is going on is finished (`adapterctl cancel` ends it), and `adapterctl retrain` still works.
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
    """Take a pause back. Without NAME the pause of everything; one model's own pause ends by its name."""
    from adapterctl.app import App
    from adapterd.scheduling.pause import resume as resume_runs

    app = App()
    name = app.model(name) if name else None
    ended = resume_runs(app.store, name)
    if as_json:
        emit_json({"resumed": name or "all", "was_paused": ended})
        return
    say(f"{name or 'everything'} goes on" if ended else f"{name or 'nothing'} was {'not ' if name else ''}paused")


@click.command(epilog=examples("adapterctl cancel", 'adapterctl cancel --reason "wrong settings"'))
@name_argument
@click.option("--reason", default="cancelled by hand", show_default=True, metavar="TEXT", help="For the history.")
@json_option
def cancel(name: str | None, reason: str, as_json: bool) -> None:
    """End the run that is going on, or give up one that waits to be continued. What is live stays live."""
    from adapterctl.app import App
    from adapterd.runs.cancel import cancel as end

    app = App()
    name = app.model(name)
    run_id = end(app.store, app.home, name, reason)
    if as_json:
        emit_json({"cancelled": run_id, "reason": reason})
        return
    say(f"run {run_id} ends; its feedback stays new, and nothing that is live was touched")
