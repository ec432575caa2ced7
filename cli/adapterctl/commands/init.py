"""adapterctl init"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from adapterctl.given_file import GivenFile
from adapterctl.output import StageProgress, emit_json, examples, fields, json_option, say

if TYPE_CHECKING:
    from adapterd.config import Settings
    from adapterd.home import Home

EPILOG = examples(
    "adapterctl init newsbrief-synth --base qwen2.5:7b --task json --schema schema.json",
    "adapterctl init titles --base ~/models/smollm2.gguf --feedback ~/titles/feedback",
    "adapterctl init labels --base llama3.2:1b --task classification --set training.rank=8",
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
    from adapterd.config.ollama_host import HostSource, named_host

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
