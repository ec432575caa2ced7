"""adapterctl config show | get | set | unset | edit | check"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from adapterctl.given_file import GivenFile
from adapterctl.output import (
    at_terminal,
    complain,
    confirmed,
    emit_json,
    examples,
    json_option,
    say,
    table,
)

if TYPE_CHECKING:
    from adapterd.config.effective import Entry
    from adapterd.deployment.config_file import Draft
    from adapterd.home import Home


of_model = click.option("-m", "--model", metavar="NAME", help="KEY is that of a setting of this model.")


@click.group(
    epilog=examples(
        "adapterctl config show --docs",
        "adapterctl config set models.newsbrief-synth.training.rank 8",
        "adapterctl config edit",
    )
)
def config() -> None:
    """Show, change and check the settings; your comments and the order of the file stay."""


@config.command(
    epilog=examples(
        "adapterctl config show                           every setting in force",
        "adapterctl config show ollama --docs             one section, and what its settings mean",
        "adapterctl config show -m newsbrief-synth schedule",
    )
)
@click.argument("key", required=False, metavar="[KEY]")
@click.option("--docs", is_flag=True, help="Also say what each setting means and which values it takes.")
@of_model
@json_option
def show(key: str | None, docs: bool, model: str | None, as_json: bool) -> None:
    """Show the settings in force, and which of them are defaults."""
    found = _entries(key, model)
    if as_json:
        emit_json([entry.plain() for entry in found])
        return
    rows = [[entry.key, _shown(entry), entry.source] for entry in found]
    if docs:
        rows = [[*row, entry.setting.kind, entry.setting.doc.sentence] for row, entry in zip(rows, found, strict=True)]
    table(["KEY", "VALUE", "FROM", *(["TYPE", "MEANING"] if docs else [])], rows, empty="no settings")


def _entries(key: str | None, model: str | None, *, one: bool = False) -> "list[Entry]":
    """What is in force below that key; with `one`, the key has to be that of a setting."""
    from adapterctl.app import App
    from adapterd.config.effective import entries, path_of, require_setting
    from adapterd.deployment.config_file import written_settings

    app = App()
    path, written = path_of(key or "", app.model(model) if model else None), written_settings(app.home)
    if one:
        require_setting(path, written)
    return entries(app.settings, written, path)


def _shown(entry: "Entry") -> str:
    from adapterd.config.keys import write_value

    return f"({entry.setting.doc.unset})" if entry.value is None else write_value(entry.value)


def _change(key: str, model: str | None, as_json: bool, change: "Callable[[Home, Sequence[str]], bool]") -> None:
    from adapterctl.app import App
    from adapterd.config.effective import path_of
    from adapterd.config.keys import write_value

    changed = change(App().home, path_of(key, model))
    (entry,) = _entries(key, model, one=True)
    if as_json:
        emit_json({**entry.plain(), "changed": changed})
    elif changed:
        say(f"{entry.key} = {_shown(entry)}" if entry.is_set else f"{entry.key} = {_shown(entry)} by default")
    else:
        say(f"{entry.key} is {write_value(entry.value)} already")


@config.command(
    epilog=examples("adapterctl config get ollama.host", "adapterctl config get -m newsbrief-synth training.rank")
)
@click.argument("key")
@of_model
@json_option
def get(key: str, model: str | None, as_json: bool) -> None:
    """Print one setting in force: its value only, nothing where it is unset."""
    from adapterd.config.keys import write_value

    (entry,) = _entries(key, model, one=True)
    if as_json:
        emit_json(entry.plain())
    elif entry.value is not None:
        say(entry.value if isinstance(entry.value, str) else write_value(entry.value))


@config.command(
    "set",
    context_settings={"ignore_unknown_options": True},  # a value may begin with a hyphen
    epilog=examples(
        "adapterctl config set ollama.host http://127.0.0.1:11434",
        "adapterctl config set -m newsbrief-synth training.rank 8",
        "adapterctl config set -m newsbrief-synth schedule.quiet_hours 08:00-18:00",
        "adapterctl config set 'models.\"qwen2.5-news\".gates.field_f1.min' 0.8",
    ),
)
@click.argument("key")
@click.argument("value")
@of_model
@json_option
def set_(key: str, value: str, model: str | None, as_json: bool) -> None:
    """Change one setting in the configuration file; a wrong value is refused.

    A key is dotted, as in TOML, with quotes around a name that has a dot of its own. The daemon takes a change over by
    itself.
    """
    from adapterd.deployment.config_file import set_setting

    _change(key, model, as_json, lambda home, path: set_setting(home, path, value))


@config.command(epilog=examples("adapterctl config unset -m newsbrief-synth training.learning_rate"))
@click.argument("key")
@of_model
@json_option
def unset(key: str, model: str | None, as_json: bool) -> None:
    """Take one setting out of the configuration file: its default holds again."""
    from adapterd.deployment.config_file import unset_setting

    _change(key, model, as_json, unset_setting)


@config.command(epilog=examples("adapterctl config edit", "EDITOR=nano adapterctl config edit"))
def edit() -> None:
    """Open a copy of the configuration in $VISUAL or $EDITOR; it is checked before it is used.

    A text with faults, or one that was begun before somebody else changed the configuration, is kept aside and named.
    """
    from adapterctl.app import App
    from adapterd.deployment.config_file import Draft

    app = App()
    say(f"{app.home.config_file} was changed" if _edited(Draft.begin(app.home)) else "nothing was changed")


def _edited(draft: "Draft") -> bool:
    """Edit until the text is right or the person gives up; returns whether anything changed."""
    from adapterd.errors import ConfigError, InputError

    while True:
        try:
            click.edit(filename=str(draft.path))
            return draft.adopt()
        except ConfigError as exc:
            if not at_terminal():
                raise
            complain(str(exc), exc.hint, as_json=False)
            if not confirmed("Open the editor again?"):
                sys.exit(exc.exit_code)
        except click.ClickException as exc:
            raise InputError(exc.format_message(), hint=draft.give_up()) from exc
        except KeyboardInterrupt as exc:
            raise click.Abort(draft.give_up()) from exc


@config.command(
    epilog=examples("adapterctl config check", "adapterctl config check draft.toml    another file, before it is used")
)
@click.argument("file", required=False, type=GivenFile())
@json_option
def check(file: Path | None, as_json: bool) -> None:
    """List everything that is wrong with the configuration, or with another FILE; exit code 3 if anything is."""
    from adapterctl.app import App
    from adapterd.deployment.config_file import faults_of_file
    from adapterd.errors import ConfigError

    app = App()
    source = file or app.home.config_file
    faults = faults_of_file(source, app.home.root)
    if as_json:
        emit_json({"file": source, "faults": faults})
    for fault in faults if not as_json else ():
        say(fault)
    if faults:
        sys.exit(ConfigError.exit_code)
    if not as_json:
        say(f"{source}: nothing is wrong" if source.is_file() else f"{source} is not there yet: defaults hold")
