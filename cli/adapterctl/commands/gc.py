"""adapterctl gc | pin | unpin"""

from typing import TYPE_CHECKING

import click

from adapterctl.output import emit_json, examples, json_option, model_option, name_argument, say, table

if TYPE_CHECKING:
    from adapterd.housekeeping.collect import Collection


@click.command(
    epilog=examples(
        "adapterctl gc --dry-run              what would go, and how much that gives back",
        "adapterctl gc newsbrief-synth        collect what one model does not need",
    )
)
@name_argument
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@json_option
def gc(name: str | None, dry_run: bool, as_json: bool) -> None:
    """Free disk space: remove old versions that nothing needs, and what finished runs and crashes left behind.

    The newest versions stay (versions.keep in the configuration), and whatever is live, previous, pinned, or needed to
    go back further; the base always does. Of a collected version the adapter stays, so that it can be merged again.
    Requests to teachers go that were never answered, 30 days after they were last asked.
    The daemon collects by itself after every run.
    """
    from adapterctl.app import App
    from adapterd.housekeeping.collect import plan_collection, run_collection
    from adapterd.serving.runtimes import runtime_for

    app = App()
    only = app.model(name) if name else None
    act = plan_collection if dry_run else run_collection
    collection = act(app.store, app.home, app.settings, runtime_for(app.settings, app.home), only=only)
    if as_json:
        emit_json({**vars(collection), "size_bytes": collection.size_bytes, "dry_run": dry_run})
        return
    _show(collection, dry_run=dry_run)


def _show(collection: "Collection", *, dry_run: bool) -> None:
    from adapterd.housekeeping.collect import in_words

    rows = [(item.what, item.why, in_words(item.size_bytes)) for item in collection.items]
    left = "nothing was collected" if collection.notes else "nothing to collect: everything that is there is needed"
    table(["WHAT", "WHY", "SIZE"], rows, empty=left)
    if rows:
        say(f"{in_words(collection.size_bytes)} {'would be given back' if dry_run else 'given back'}")
    for note in collection.notes:
        say(f"note: {note}", err=True)


@click.command(epilog=examples("adapterctl pin 1.2.0", "adapterctl pin 1.2.0 --model newsbrief-synth"))
@click.argument("version")
@model_option
@json_option
def pin(version: str, model: str | None, as_json: bool) -> None:
    """Keep a version whatever its age: `gc` never collects it."""
    _pin(version, model, as_json, pinned=True)


@click.command(epilog=examples("adapterctl unpin 1.2.0", "adapterctl unpin 1.2.0 --model newsbrief-synth"))
@click.argument("version")
@model_option
@json_option
def unpin(version: str, model: str | None, as_json: bool) -> None:
    """Unpin a version: `gc` may collect it when it is old enough."""
    _pin(version, model, as_json, pinned=False)


def _pin(version: str, model: str | None, as_json: bool, *, pinned: bool) -> None:
    from adapterctl.app import App
    from adapterd.housekeeping.policy import pin

    app = App()
    name = app.model(model)
    found = pin(app.store, name, version, pinned=pinned)
    if as_json:
        emit_json(found)
        return
    say(f"{name} {version} is {'kept whatever its age' if pinned else 'no longer pinned'}")
