"""adapterctl init"""

from pathlib import Path
from typing import TextIO

import click

from adapterctl.output import StageProgress, emit_json, examples, fields, json_option, say

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
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON Schema that answers should follow.",
)
@click.option("--template", type=click.File(), help="Chat template for a .gguf base that has none (Ollama's syntax).")
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
    template: TextIO | None,
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
    from adapterd.deployment.create_model import NewModel, create_model, general_settings

    app = App()
    settings = general_settings(app.settings, app.home, host=host, runtime=runtime)
    new = NewModel(
        name=name, base=base, task=Task(task), feedback=feedback, schema=schema,
        template=template.read() if template else None, system=system, changes=tuple(changes),
    )  # fmt: skip
    notes: list[str] = []
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
            ("feedback", made.feedback),
            ("configuration", app.home.config_file),
        ]
    )
    for note in notes:
        say(f"note: {note}")
