"""adapterctl register"""

from pathlib import Path

import click

from adapterctl.output import StageProgress, examples, json_option, model_option

EPILOG = examples(
    "adapterctl register ~/adapters/news                        one that mlx_lm.lora or PEFT has made",
    "adapterctl register ~/adapters/news --as minor             and count it as a new adapter",
    "adapterctl register ~/.local/share/adapterd/models/newsbrief-synth/1.1.0 --model newsbrief-synth",
)


@click.command(epilog=EPILOG)
@click.argument("adapter", metavar="ADAPTER_DIR", type=click.Path(path_type=Path))
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

    ADAPTER_DIR is a folder with adapter_config.json and adapters.safetensors (mlx-lm) or adapter_model.safetensors
    (PEFT): plain LoRA on linear projections, trained on the model that the base is a GGUF of. It goes the same way as
    one that is trained here, and there has to be feedback to judge it by. It is done here also if the daemon is
    running. A run that stopped half-way goes on when the same command is given again; `adapterctl retrain` gives it up.
    """
    from adapterctl.app import App
    from adapterctl.commands.retrain import pipeline, show_outcome, take_feedback
    from adapterd.runs.register import register as register_adapter
    from adapterd.runs.version_numbers import Increment

    app = App()
    name = app.model(model)
    take_feedback(app, name, as_json)
    with StageProgress(quiet=as_json) as progress:
        outcome = register_adapter(pipeline(app, progress, as_json), name, adapter, Increment(increment))
    show_outcome(outcome, name, as_json)
