"""adapterctl export"""

from pathlib import Path

import click

from adapterctl.output import StageProgress, Styled, emit_json, examples, json_option, model_option, say

FORMS = ("mlx", "peft", "gguf-lora", "gguf", "modelfile")


@click.command(
    epilog=examples(
        "adapterctl export 1.2.0 --as peft ~/adapters/news          for transformers, vLLM and others",
        "adapterctl export 1.2.0 --as gguf-lora ~/adapters/news     for llama.cpp's --lora and Ollama's ADAPTER",
        "adapterctl export 1.2.0 --as modelfile /media/disk/news    then there: ollama create news -f Modelfile",
    )
)
@click.argument("version")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--as", "form", type=click.Choice(FORMS), required=True, help="In which format; see above.")
@model_option
@json_option
def export(version: str, folder: Path, form: str, model: str | None, as_json: bool) -> None:
    """Take a version elsewhere: write it into a folder in the format of another program.

    \b
    mlx        its adapter for mlx-lm, beside the base's weights of Hugging Face
    peft       its adapter for PEFT, beside the base's weights of Hugging Face
    gguf-lora  its adapter for llama.cpp, beside the base's GGUF
    gguf       the whole model, as Ollama serves it
    modelfile  the same with its Modelfile, for `ollama create`

    The folder is made if it is missing, and no file in it is touched. `adapterctl register` takes each of the adapters
    back.
    """
    from adapterctl.app import App
    from adapterd.deployment.export_version import ExportFormat, export_version

    app = App()
    name = app.model(model)
    with StageProgress(quiet=as_json) as progress:
        made = export_version(
            app.store, app.home, app.runtime, name, app.model_settings(name), version, ExportFormat(form), folder,
            progress=lambda share: progress("export", {"share": share}),
        )  # fmt: skip
        progress("export", {"share": 1.0})
    if as_json:
        emit_json(made)
        return
    for file in made.files:
        say(Styled(str(file), "green"))
    if made.note:
        say(made.note)
