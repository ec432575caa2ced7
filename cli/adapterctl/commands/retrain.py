"""adapterctl retrain | register"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adapterctl.output import (
    StageProgress,
    Styled,
    bytes_read,
    emit_json,
    examples,
    json_option,
    model_option,
    name_argument,
    say,
)

if TYPE_CHECKING:
    from adapterctl.app import App
    from adapterd.runs.by_hand.requests import Asked
    from adapterd.runs.pipeline import Pipeline, RunOutcome

HANDED_OVER = "the daemon does it now; `adapterctl status` or `adapterctl retrain --follow` shows how it goes"


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
    from adapterd.runs.by_hand.requests import require_something_new
    from adapterd.system.locks import is_held

    app = App()
    name = app.model(name)
    take_feedback(app, name, as_json)
    if not now:
        require_something_new(app.store, app.home, name, app.model_settings(name))
    if is_held(app.home.daemon_lock):
        _hand_over(app, name, now, follow, as_json)
        return
    show_outcome(_run_here(app, name, as_json), name, as_json)


def run_afresh(app: "App", name: str, as_json: bool) -> "Asked | RunOutcome":
    """Make a version also if nothing is new, by the daemon if it is running, else here; says what came of it, but for
    programs, to whom the returned value is told."""
    from adapterd.runs.by_hand.requests import ask_daemon
    from adapterd.system.locks import is_held

    if is_held(app.home.daemon_lock):
        asked = ask_daemon(app.store, app.home, name, afresh=True)
        if not as_json:
            say(HANDED_OVER)
        return asked
    outcome = _run_here(app, name, as_json)
    if not as_json:
        show_outcome(outcome, name, as_json)
    return outcome


@click.command(
    epilog=examples(
        "adapterctl register ~/adapters/news                        one that mlx_lm.lora or PEFT has made",
        "adapterctl register ~/adapters/news --as minor             and count it as a new adapter",
        "adapterctl register ~/adapters/news-lora.gguf              one that Ollama's ADAPTER takes",
        "adapterctl register ~/.local/share/adapterd/models/newsbrief-synth/1.1.0 --model newsbrief-synth",
    )
)
@click.argument("adapter", metavar="ADAPTER", type=click.Path(path_type=Path))
@model_option
@click.option(
    "--as",
    "increment",
    type=click.Choice(["patch", "minor"]),
    default="patch",
    show_default=True,
    help="Which part of the version number counts; on another base than the last version's it is the major one.",
)
@json_option
def register(adapter: Path, model: str | None, increment: str, as_json: bool) -> None:
    """Make a version of an adapter that was made elsewhere, prove it, and promote it if it is better.

    ADAPTER is a folder with adapter_config.json and adapters.safetensors (mlx-lm) or adapter_model.safetensors (PEFT),
    or a GGUF of llama.cpp's, as Ollama's ADAPTER takes: plain LoRA on linear projections, trained on the model that the
    base is a GGUF of. It goes the same way as one that is trained here, and there has to be feedback to judge it by. It
    is done here also if the daemon is running. A run that stopped half-way goes on when the same command is given
    again; `adapterctl retrain` gives it up.
    """
    from adapterctl.app import App
    from adapterd.runs.by_hand.register import register as register_adapter
    from adapterd.runs.version_numbers import Increment

    app = App()
    name = app.model(model)
    take_feedback(app, name, as_json)
    with StageProgress(quiet=as_json) as progress:
        outcome = register_adapter(pipeline(app, progress, as_json), name, adapter, Increment(increment))
    show_outcome(outcome, name, as_json)


def take_feedback(app: "App", name: str, as_json: bool) -> None:
    """Take in what is in the model's feedback folder before a run, and tell how much it is."""
    from adapterd.intake.ingest import ingest

    with StageProgress(quiet=as_json) as progress:
        report = ingest(
            app.store, app.home, name, app.inbox(name), options=app.reading(name), on_progress=bytes_read(progress),
            withdraw_vanished=app.model_settings(name).feedback.withdraw_vanished,
        )  # fmt: skip
    if not as_json and report.lines:
        say(f"feedback: {report.accepted} new records, {report.quarantined} in quarantine", err=True)
    for file in report.unsettled:
        say(f"{file.name} is still being written and is taken next time", err=True)


def _run_here(app: "App", name: str, as_json: bool) -> "RunOutcome":
    with StageProgress(quiet=as_json) as progress:
        return pipeline(app, progress, as_json).run(name, "asked for by hand")


def pipeline(app: "App", progress: StageProgress, as_json: bool) -> "Pipeline":
    """What makes versions, showing its progress and telling a person what it gives up."""
    from adapterd.runs.pipeline import Pipeline

    def tell(sentence: str) -> None:
        if not as_json:
            say(sentence, err=True)

    return Pipeline(app.store, app.home, app.settings, listen=progress, notify=tell)


def _hand_over(app: "App", name: str, now: bool, follow: bool, as_json: bool) -> None:
    """Let the daemon do it, and watch if that is wanted."""
    from adapterd.runs.by_hand import requests
    from adapterd.runs.stage import notes_of

    asked = requests.ask_daemon(app.store, app.home, name, afresh=now)
    if follow:
        with StageProgress(quiet=as_json) as progress:
            run = requests.follow(app.store, app.home, asked, progress)
        version = app.store.versions.get(name, run.version or "")
        notes = notes_of({row.name: row.result for row in app.store.runs.stages(run.id)})
        _show_version(name, vars(version) if version else {}, notes, as_json)
    elif as_json:
        emit_json({"model": name, **vars(asked)})
    else:
        say(HANDED_OVER)


def _show_version(name: str, version: dict[str, Any], notes: Sequence[str], as_json: bool) -> None:
    if as_json:
        emit_json({**version, "notes": notes})
    else:
        for note in notes:
            say(note)
        say(f"{name} {version['version']} {version['reason']}")


def show_outcome(outcome: "RunOutcome", name: str, as_json: bool) -> None:
    """How a run ended: the scores, the verdict, and what can be done now."""
    if as_json:
        emit_json(outcome)
        return
    table_of_scores(outcome.scores, outcome.baselines)
    for note in outcome.notes:
        say(note)
    colour = "green" if outcome.promoted else "yellow"
    say(Styled(f"{name} {outcome.version} {outcome.reason}", colour))
    say(
        f"live now; `adapterctl rollback` takes it back, `ollama run {name}` asks it"
        if outcome.promoted
        else f"what was live is live; `adapterctl show {outcome.version}` tells more"
    )


def table_of_scores(scores: dict[str, Any], baselines: dict[str, Any]) -> None:
    """Metrics by what was asked, beside answers that know nothing."""
    from adapterctl.output import table

    if not scores:
        return

    def shown(value: float | None) -> str:
        return "" if value is None else f"{value:.3f}"

    rows: list[list[object]] = [
        [
            metric,
            *(shown(found["metrics"].get(metric)) for found in scores.values()),
            *(shown(baselines.get(metric, {}).get(name)) for name in ("empty", "constant")),
        ]
        for metric in next(iter(scores.values()))["metrics"]
    ]
    rows += [
        [f"median {label.removesuffix('_s')}", *(f"{found[label]:.3f} s" for found in scores.values()), "", ""]
        for label in ("latency_s", "first_token_s")
    ]
    table(["METRIC", *[name.upper() for name in scores], "EMPTY ANSWER", "CONSTANT GUESS"], rows, empty="")
