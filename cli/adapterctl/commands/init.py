"""adapterctl init | rebase"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from adapterctl.given_file import GivenFile
from adapterctl.output import StageProgress, Styled, emit_json, examples, fields, json_option, name_argument, say

if TYPE_CHECKING:
    from adapterd.config import Settings
    from adapterd.home import Home
    from adapterd.runs.by_hand.rebase import Rebase

EPILOG = examples(
    "adapterctl init newsbrief-synth --base qwen2.5:7b --task json --schema schema.json",
    "adapterctl init titles --base ~/models/smollm2.gguf --feedback ~/titles/feedback",
    "adapterctl init labels --base llama3.2:1b --task classification --set training.rank=8",
)
REBASE_EPILOG = examples(
    "adapterctl rebase --base qwen2.5:14b --dry-run             prove it, and show what would change",
    "adapterctl rebase newsbrief-synth --base qwen2.5:14b --now",
    "adapterctl rebase titles --base ~/models/smollm3.gguf --set evaluation.num_ctx=8192",
)


@click.command(epilog=EPILOG)
@click.argument("name")
@click.option("--base", required=True, metavar="TAG|FILE.gguf", help="What to start from; it is pinned by its digest.")
@click.option(
    "--task",
    type=click.Choice(["json", "classification", "generation", "grounded_qa"]),
    default="generation",
    show_default=True,
    help="What the model is asked to produce.",
)
@click.option("--feedback", type=click.Path(path_type=Path), help="Folder where applications put feedback files.")
@click.option(
    "--schema",
    type=GivenFile(),
    help="JSON Schema that answers should follow.",
)
@click.option("--template", type=GivenFile(), help="Chat template for a .gguf base that has none (Ollama's syntax).")
@click.option("--system", help="System prompt for a .gguf base.")
@click.option("--host", help="Where Ollama answers, if not at the usual address. Only for a new configuration.")
@click.option(
    "--runtime", type=click.Choice(["ollama", "embedded"]), help="What serves the models. Only for a new configuration."
)
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Any setting of the model, e.g. training.epochs=2."
)
@json_option
def init(
    name: str,
    base: str,
    task: str,
    feedback: Path | None,
    schema: Path | None,
    template: Path | None,
    system: str | None,
    host: str | None,
    runtime: str | None,
    changes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a model that can be trained: pin its base, serve it under NAME, write the configuration.

    Applications can use NAME at once; until a version is better, it is the base. Giving the command again for a
    model that exists puts back tags that are missing.
    """
    from adapterctl.app import App
    from adapterd.config import Task
    from adapterd.deployment.create_model import NewModel, create_model, general_settings, read_template

    app = App()
    settings = general_settings(app.settings, app.home, host=host, runtime=runtime)
    new = NewModel(
        name=name, base=base, task=Task(task), feedback=feedback, schema=schema,
        template=read_template(template) if template else None, system=system, changes=tuple(changes),
    )  # fmt: skip
    notes = _address_note(app.home, settings, given=host is not None)
    with StageProgress(quiet=as_json) as progress:
        made = create_model(
            app.home, settings, new, report=lambda share: progress("base", {"share": share}), notify=notes.append
        )
    if as_json:
        emit_json({"model": name, "config": app.home.config_file, **vars(made), "notes": notes})
        return
    say(f"{name} is ready: applications can ask it now, and it will learn from feedback.")
    fields(
        [
            ("base", f"{made.base} ({made.base_digest[:19]}…)"),
            ("feedback", made.feedback.folder),
            ("configuration", app.home.config_file),
        ]
    )
    for note in [*notes, *_places(made.feedback.folder or app.home.inbox(name), Path(base))]:
        say(f"note: {note}")


def _address_note(home: "Home", settings: "Settings", *, given: bool) -> list[str]:
    """That a first configuration gets its address from the environment, which the daemon may not have."""
    from adapterd.config import RuntimeKind
    from adapterd.config.addresses.ollama_host import HostSource, named_host

    found = named_host(home, settings)
    if given or home.config_file.is_file() or settings.runtime is not RuntimeKind.OLLAMA:
        return []
    if found.source is not HostSource.ENVIRONMENT:
        return []
    return [f"{found.shown}, from OLLAMA_HOST, is in the configuration now; the daemon uses it, too"]


def _places(*places: Path) -> list[str]:
    """A sentence for each place that macOS may keep the daemon from reading."""
    from adapterd.system.host.rights import SAFE, protected

    return [
        f"macOS may keep the daemon from reading {place}: it protects {SAFE}; `adapterctl status` says so if it does"
        for place in places
        if protected(place)
    ]


@click.command(epilog=REBASE_EPILOG)
@name_argument
@click.option("--base", required=True, metavar="TAG|FILE.gguf", help="The new base; it is pinned by its digest.")
@click.option("--template", type=GivenFile(), help="Chat template for a .gguf base that has none (Ollama's syntax).")
@click.option("--system", help="System prompt for a .gguf base.")
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="A setting of the model that changes with the base."
)
@click.option("--dry-run", is_flag=True, help="Prove the base and show what would change; nothing is changed.")
@click.option("--now", is_flag=True, help="Make a version of it at once.")
@json_option
def rebase(
    name: str | None,
    base: str,
    template: Path | None,
    system: str | None,
    changes: tuple[str, ...],
    dry_run: bool,
    now: bool,
    as_json: bool,
) -> None:
    """Give a model another base: the next version is trained on it, and judged against what is live.

    The base is proven as `init` does, before anything is changed. Feedback, frozen evaluation sets, prompts and
    versions stay. What is live stays live until a version of the new base is better, and `rollback` goes back to it,
    although it is of another base; only where the untouched base itself is live, the new base is live at once.
    """
    from adapterctl.app import App
    from adapterctl.commands.retrain import run_afresh
    from adapterd.deployment.checked_base import GivenBase
    from adapterd.deployment.create_model import read_template
    from adapterd.runs.by_hand.rebase import rebase as change_base

    app = App()
    name = app.model(name)
    given = GivenBase(name, base, read_template(template) if template else None, system)
    with StageProgress(quiet=as_json) as progress:
        found = change_base(
            app.store, app.home, app.settings, given, changes, only_look=dry_run,
            report=lambda share: progress("base", {"share": share}),
        )  # fmt: skip
    if not as_json:
        _show(found, dry_run=dry_run, now=now)
    run = run_afresh(App(), name, as_json) if now and not dry_run else None
    if as_json:
        emit_json({**vars(found), "dry_run": dry_run, "run": run})


def _show(found: "Rebase", *, dry_run: bool, now: bool) -> None:
    would = "would be" if dry_run else "is"
    say(Styled(f"{found.model} {would} made of {found.base} from now on", "yellow" if dry_run else "green"))
    fields(
        [
            ("base", f"{found.old_base} ({found.old_digest[:19]}…) → {found.base} ({found.base_digest[:19]}…)"),
            *((each.what, f"{each.old or 'none'} → {each.new or 'none'}") for each in found.differences),
            *((key, f"{value} (setting)") for key, value in found.settings.items()),
            ("stays", _kept(found)),
            ("live", _live(found)),
            ("next version", f"{found.next_version}, {_next(found, dry_run=dry_run, now=now)}"),
            ("given up", f"run {found.gives_up}, which stopped, is of the other base" if found.gives_up else None),
        ]
    )
    for note in found.notes:
        say(f"note: {note}")


def _kept(found: "Rebase") -> str:
    frozen = f"the frozen evaluation set ({found.cases} cases)" if found.cases else "no evaluation set is frozen yet"
    prompts = f"{found.prompts} prompts without answers, " if found.prompts else ""
    return f"{found.records} records, {prompts}{frozen}, {found.versions} versions"


def _live(found: "Rebase") -> str:
    if found.live_follows:
        return f"the new base, as the base was live; `adapterctl rollback {found.model}` goes back to the old one"
    return f"{found.live} stays live until a version is better, and `adapterctl rollback` can go back to it then"


def _next(found: "Rebase", *, dry_run: bool, now: bool) -> str:
    if not found.records:
        return "when there is feedback to learn from"
    against = "the new base" if found.live_follows else found.live
    if now and not dry_run:
        return f"judged against {against}"
    return f"judged against {against}; the daemon makes it, `adapterctl retrain {found.model}` makes it at once"
