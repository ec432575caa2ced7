"""adapterctl backup | restore, and what `doctor --repair` does"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from adapterctl.output import StageProgress, Styled, ask, at_terminal, emit_json, examples, fields, json_option, say

if TYPE_CHECKING:
    from adapterd.home import Home
    from adapterd.housekeeping.rebuild import Rebuilt

TEXT_STAYS = "it holds feedback: `adapterctl feedback remove` does not reach it"


@click.command(
    epilog=examples(
        "adapterctl backup ~/backups                    a file there, named by the time",
        "adapterctl backup /media/disk/adapterd.tar.gz",
    )
)
@click.argument("target", metavar="FILE|DIR", type=click.Path(path_type=Path))
@json_option
def backup(target: Path, as_json: bool) -> None:
    """Back up the home into one file: database, configuration, feedback, adapters, lineage, evaluations, data cards.

    The daemon may go on meanwhile. Models in Ollama, caches and logs are not in it. The file can be read by its owner
    only; `adapterctl restore` puts it back.
    """
    from adapterctl.app import App
    from adapterd.housekeeping.backup.make import make_backup
    from adapterd.housekeeping.collect import in_words

    app = App()
    with StageProgress(quiet=as_json) as progress:
        made = make_backup(
            app.store, app.home, app.settings, target,
            lambda doing, share: progress("backup", {"share": share, "doing": doing}),
        )  # fmt: skip
        progress("backup", {"share": 1.0})
    if as_json:
        emit_json(made)
        return
    say(Styled(f"{made.file}: {made.files} files, {in_words(made.size_bytes)}", "green"))
    for left_out in made.left_out:
        say(f"not in it: {left_out}")
    say(f"{TEXT_STAYS}; restoring it takes out what was taken back since")


@click.command(
    epilog=examples(
        "adapterctl restore ~/backups/adapterd-20260601-030000.tar.gz",
        "adapterctl restore adapterd.tar.gz --home ~/other-home",
    )
)
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--home", "root", metavar="DIR", type=click.Path(path_type=Path), help="Make it the home there, not the usual one."
)
@click.option("--force", is_flag=True, help="Do not ask, although there is a home already.")
@json_option
def restore(file: Path, root: Path | None, force: bool, as_json: bool) -> None:
    """Put a backup back as the home; the home that is there is kept aside.

    The backup is checked first, every file by its digest. What was taken back since (`feedback remove`) is taken out of
    it. Tags in Ollama stay as they are, and versions that are made from then on have numbers above all that are there.
    """
    from adapterctl.app import own_home
    from adapterd.errors import InputError
    from adapterd.home import Home
    from adapterd.removal.recovery.restore import is_used
    from adapterd.removal.recovery.restore import restore as put_back
    from adapterd.system.files import named_path

    home = Home(named_path(root)) if root else own_home()
    if is_used(home) and not force:
        if not at_terminal():
            raise InputError(f"{home.root} is a home already", hint="--force puts the backup in its place")
        ask(f"put {file} in the place of {home.root}, which is kept aside?")
    with StageProgress(quiet=as_json) as progress:
        made = put_back(file, home, lambda doing, share: progress("restore", {"share": share, "doing": doing}))
        progress("restore", {"share": 1.0})
    if as_json:
        emit_json(made)
        return
    say(Styled(f"{made.home} is as it was at {made.made_at}", "green"))
    if made.removed:
        say(f"{made.removed} records that were taken back since are removed from it")
    for note in made.notes:
        say(f"note: {note}")
    if made.aside:
        say(f"note: {TEXT_STAYS}")


def repair(home: "Home", *, yes: bool, as_json: bool) -> None:
    """Rebuild the database if it cannot be used; asks first."""
    from adapterd.errors import InputError
    from adapterd.removal.recovery.repair import fault_of_store, repair_store

    fault = fault_of_store(home)
    if fault is None:
        emit_json({"repaired": False}) if as_json else say("the state database is sound; there is nothing to repair")
        return
    if not yes:
        if not at_terminal():
            raise InputError(fault, hint="`adapterctl doctor --repair --yes` rebuilds it from what is there")
        say(fault, err=True)
        ask("rebuild it from versions, runs and tags? The old one is kept; a backup would have more")
    made = repair_store(home)
    if as_json:
        emit_json({"repaired": True, **vars(made)})
    else:
        _tell(made)


def _tell(made: "Rebuilt") -> None:
    say(Styled("the state database was rebuilt", "green"))
    for name, model in made.models.items():
        say(Styled(name, bold=True))
        fields(
            [
                ("  live", model.live),
                ("  previous", model.previous),
                ("  versions", ", ".join(model.versions)),
                ("  records", f"{model.records} could be read; files in the feedback folder are read again"),
                ("  frozen sets", model.evaluation_sets),
            ]
        )
    if made.tokens:
        say(f"tokens that count as before: {', '.join(made.tokens)}; `adapterctl token revoke` for one that must not")
    for what in made.lost:
        say(f"lost: {what}")
    if made.aside:
        say(f"the old one is {made.aside}; remove it when nothing of it is missed")
        say(f"note: {TEXT_STAYS}")
