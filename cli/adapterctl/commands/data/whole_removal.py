"""adapterctl remove | uninstall"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from adapterctl.output import StageProgress, Styled, ask, emit_json, examples, json_option, say

if TYPE_CHECKING:
    from pathlib import Path

    from adapterd.home import Home
    from adapterd.removal.whole.remove_model import ModelRemoval
    from adapterd.removal.whole.uninstall import Uninstallation
    from adapterd.system.service_manager import Service

dry_run_option = click.option("--dry-run", is_flag=True, help="Only say what would go.")
yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")


@click.command(
    epilog=examples(
        "adapterctl remove newsbrief-synth --dry-run       what would go, and what stays",
        "adapterctl remove newsbrief-synth --yes",
        "adapterctl remove newsbrief-synth --keep-feedback",
    )
)
@click.argument("name")
@click.option("--keep-feedback", is_flag=True, help="Leave the model's feedback folder in the home.")
@dry_run_option
@yes_option
@json_option
def remove(name: str, keep_feedback: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Remove a model for good: its tags, versions, runs, settings and records.

    Its run in progress is cancelled first. The base's own tag or file, tags that were not made here, and a feedback
    folder outside of the home stay, and are named. A removal that was interrupted is finished by the same command.
    """
    from adapterctl.app import App
    from adapterd.removal.whole.remove_model import ModelRemover
    from adapterd.serving.runtimes import runtime_for

    app = App()
    runtime = runtime_for(app.settings, app.home)
    remover = ModelRemover(app.store, app.home, app.settings, runtime, name, keep_feedback=keep_feedback)
    found = remover.plan()
    if not dry_run and not yes:
        _tell_model(found, "goes", err=True)
        ask(f"remove {name} for good?")
    if not dry_run:
        with StageProgress(quiet=as_json) as progress:
            found = remover.remove(progress=lambda what, share: progress("removing", {"share": share, "doing": what}))
    if as_json:
        emit_json({**vars(found), "removed": not dry_run})
        return
    _tell_model(found, "would go" if dry_run else "is removed", err=False)


def _tell_model(found: "ModelRemoval", done: str, *, err: bool) -> None:
    say(Styled(f"{found.model} {done}:", "green"), err=err)
    _tell_parts(found.tags, found.paths, found.size_bytes, err=err)
    if found.configured:
        say("  settings: its section of the configuration", err=err)
    if found.rows:
        records = found.rows.get("feedback", 0)
        say(
            f"  records: {records} of feedback, {sum(found.rows.values()) - records} of versions, runs and history",
            err=err,
        )
    if found.run:
        say(f"  run {found.run}, which is not finished", err=err)
    for sentence in found.kept:
        say(sentence, err=err)


@click.command(
    epilog=examples(
        "adapterctl uninstall --dry-run                    what would go, and what stays",
        "adapterctl uninstall --with-tags                  the models' tags, too",
        "adapterctl uninstall --with-tags --with-feedback --yes",
    )
)
@click.option("--with-tags", is_flag=True, help="Delete the tags of the models from the runtime, too.")
@click.option("--with-feedback", is_flag=True, help="Remove the feedback in the home, too.")
@dry_run_option
@yes_option
@json_option
def uninstall(with_tags: bool, with_feedback: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Remove adapterd from this machine: its service and its home.

    Ollama keeps the tags, unless --with-tags is given, and whatever the models were made from. Feedback stays, unless
    --with-feedback is given; what came over HTTP is written into files first. The program itself is removed by pip.
    Works also if Ollama is gone, or if configuration or database are damaged.
    """
    from adapterctl.app import own_home
    from adapterd.page.running import stop
    from adapterd.removal.whole.uninstall import Uninstaller

    home = own_home()
    uninstaller = Uninstaller(home, *_services(home), with_tags=with_tags, with_feedback=with_feedback)
    found = uninstaller.plan()
    if not (found.service or found.capture or found.paths or found.tags):
        _say_nothing(found, as_json)
        return
    if not dry_run and not yes:
        _tell_home(found, "goes", err=True)
        ask("remove all of this for good?")
    if not dry_run:
        stop(home)
        with StageProgress(quiet=as_json) as progress:
            found = uninstaller.run(progress=lambda what, share: progress("removing", {"share": share, "doing": what}))
    notes = [note for note in uninstaller.notes if note not in found.kept]
    if as_json:
        emit_json({**vars(found), "kept": [*found.kept, *notes], "removed": not dry_run})
        return
    _tell_home(found, "would go" if dry_run else "is removed", err=False)
    for note in notes:
        say(note)


def _services(home: "Home") -> "tuple[Service | None, Service | None]":
    """What manages this user's daemon and pass-through, None where there is no service manager."""
    from adapterd.errors import AdapterdError
    from adapterd.system.service import capture_service, own_service

    try:
        return own_service(home), capture_service(home, listen="", upstream="")
    except AdapterdError:
        return None, None


def _say_nothing(found: "Uninstallation", as_json: bool) -> None:
    if as_json:
        emit_json({**vars(found), "removed": False})
        return
    say(f"there is nothing of adapterd: no service, and nothing in {found.home}")
    for sentence in found.kept:
        say(sentence)


def _tell_home(found: "Uninstallation", done: str, *, err: bool) -> None:
    say(Styled(f"adapterd {done}:", "green"), err=err)
    if found.service:
        say(f"  service: {found.service}", err=err)
    if found.capture:
        say(f"  capture's service: {found.capture}", err=err)
    _tell_parts(found.tags, found.paths, found.size_bytes, err=err)
    for sentence in found.kept:
        say(sentence, err=err)


def _tell_parts(tags: Sequence[str], paths: "Sequence[Path]", size_bytes: int, *, err: bool) -> None:
    from adapterd.housekeeping.collect import in_words

    if tags:
        say(f"  tags: {', '.join(tags)}", err=err)
    for path in paths[:MOST_SHOWN]:
        say(f"  {path}", err=err)
    if len(paths) > MOST_SHOWN:
        say(f"  and {len(paths) - MOST_SHOWN} more files and folders", err=err)
    if paths:
        say(f"  {in_words(size_bytes)} in all", err=err)


MOST_SHOWN = 20
"""How many files and folders are named one by one."""
