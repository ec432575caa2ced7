"""adapterctl demo"""

from pathlib import Path

import click

from adapterctl.output import examples


@click.command(epilog=examples("adapterctl demo", "adapterctl demo --runtime embedded", "adapterctl demo --page"))
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".demo"),
    show_default=True,
    help="Where the demo lives; emptied first.",
)
@click.option(
    "--runtime",
    type=click.Choice(["ollama", "embedded"]),
    default="ollama",
    show_default=True,
    help="What serves the models.",
)
@click.option(
    "--ollama",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The ollama to use; default: the one on PATH.",
)
@click.option("--page", is_flag=True, help="Instead: two versions, answers to judge, and the page open, until Ctrl-C.")
@click.option("--setup-seconds", type=float, default=0.0, hidden=True)
def demo(folder: Path, runtime: str, ollama: Path | None, page: bool, setup_seconds: float) -> None:
    """Show the whole cycle on a small real model, in a folder of its own: feedback, training, proof, rollback.

    Starts its own Ollama server on a free port; a running one is not touched. Takes some minutes.
    """
    if page:
        from adapterd.demo.page import run_demo_page

        run_demo_page(folder.absolute(), ollama)
        return
    from adapterd.demo.cycle import run_demo

    run_demo(folder.absolute(), runtime=runtime, ollama=ollama, setup_seconds=setup_seconds)
