"""adapterctl feedback quarantine | release"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adapterctl.feedback_uses import name_of_import
from adapterctl.output import StageProgress, emit_json, examples, json_option, model_option, say, table

if TYPE_CHECKING:
    from adapterctl.app import App
    from adapterd.intake.screening import HeldRecord


@click.command(epilog=examples("adapterctl feedback quarantine", "adapterctl feedback quarantine --json"))
@model_option
@json_option
def quarantine(model: str | None, as_json: bool) -> None:
    """Show what could not be used, and why, and what is held for secrets or personal data.

    The bytes of what could not be used are kept; correct the file and it is read again. So it is when feedback.fields,
    feedback.scale or feedback.ignore change, and when it is imported again with --map, --scale or --ignore. What is
    held is taught once `adapterctl feedback release` or the setting feedback.allow says so; until then it is in no set.
    """
    from adapterctl.app import App

    app = App()
    name = app.model(model)
    held, pieces = _held(app, name, as_json), app.store.feedback.quarantined(name)
    if as_json:
        emit_json([*({"kind": "unusable", **vars(each)} for each in pieces), *map(_plain_held, held)])
        return
    table(
        ["FILE", "LINE", "RECORD", "REASON", "BEGINS WITH"],
        [
            *((name_of_import(Path(p.file).name), p.line or "all", None, p.reason, p.excerpt[:40]) for p in pieces),
            *((name_of_import(Path(h.file).name), h.line, h.id, h.reason, h.excerpt) for h in held),
        ],
        empty="nothing is in quarantine",
        unbroken=("LINE", "RECORD"),
    )


@click.command(
    epilog=examples(
        "adapterctl feedback release 12 13",
        "adapterctl feedback release --all",
        'adapterctl config set models.NAME.feedback.allow \'["phone", "*@example.org"]\'   a rule instead',
    )
)
@click.argument("ids", nargs=-1, type=int, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="Every record that is held now.")
@model_option
@json_option
def release(ids: tuple[int, ...], everything: bool, model: str | None, as_json: bool) -> None:
    """Have records taught that are held for secrets or personal data; `quarantine` shows their IDs."""
    from adapterctl.app import App
    from adapterd.intake.screening import release as let_go

    if bool(ids) == everything:
        raise click.UsageError("give IDs, or --all")
    app = App()
    name = app.model(model)
    held = _held(app, name, as_json)
    wanted = [each.id for each in held] if everything else ids
    released = let_go(app.store, name, app.model_settings(name).feedback, wanted)
    if as_json:
        emit_json([_plain_held(each) for each in released])
        return
    for each in released:
        say(f"record {each.id} may be taught ({', '.join(each.kinds)}): {each.excerpt}")
    if not released:
        say("nothing is held")


def _held(app: "App", name: str, as_json: bool) -> "list[HeldRecord]":
    """What is held, after what was not scanned yet was."""
    from adapterd.intake.screening import held_records, scan_new

    settings = app.model_settings(name).feedback
    with StageProgress(quiet=as_json) as progress:
        scan_new(app.store, name, settings, on_progress=lambda share: progress("scanning", {"share": share}))
    return held_records(app.store, name, settings)


def _plain_held(held: "HeldRecord") -> dict[str, Any]:
    return {"kind": "held", **vars(held), "reason": held.reason}
