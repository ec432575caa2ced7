"""adapterctl bases"""

from typing import TYPE_CHECKING

import click

from adapterctl.output import StageProgress, Styled, emit_json, examples, fields, json_option, say, table

if TYPE_CHECKING:
    from adapterd.insight.bases import BaseRow, Bases

COLUMNS = ("TAG", "ARCHITECTURE", "SIZE", "CAN BE TRAINED", "TRAINING", "MERGING", "EVALUATION", "TIME")

_VERDICTS = {True: "yes", False: "too large here", None: "yes, needs unknown"}


@click.command(
    epilog=examples(
        "adapterctl bases                        every tag that Ollama has here",
        "adapterctl bases qwen2.5:7b llama3.2    these alone, with the reason where one cannot be trained",
        "adapterctl bases ./model.gguf           a file that no tag has yet",
        "adapterctl bases --records 1000 --tokens 800",
        "adapterctl bases --json",
    )
)
@click.argument("tags", nargs=-1, metavar="[TAG|FILE.gguf]...")
@click.option(
    "--records", type=click.IntRange(1, 10_000_000), default=100, show_default=True,
    help="How many records to tell time and memory for.",
)  # fmt: skip
@click.option(
    "--tokens", type=click.IntRange(16, 1_000_000), default=500, show_default=True,
    help="About how many tokens a record has, with its answer.",
)  # fmt: skip
@json_option
def bases(tags: tuple[str, ...], records: int, tokens: int, as_json: bool) -> None:
    """Show which of Ollama's models can be trained here, what that takes, or why not.

    Memory is the peak of each stage, and time that of the training; both are computed from the header of the model's
    file, the time with a speed that is measured now. Versions that adapterd made are left out, unless they are named.
    """
    from adapterctl.app import App
    from adapterd.base_proof.needs import Workload
    from adapterd.config import RuntimeKind
    from adapterd.insight.bases import look_at_bases

    app = App()
    with StageProgress(quiet=as_json) as progress:
        found = look_at_bases(
            app.home, app.settings, app.runtime, tags, work=Workload(records, tokens),
            report=lambda share: progress("headers", {"share": share}),
        )  # fmt: skip
    if as_json:
        emit_json(found)
        return
    _show(found, pulls=app.settings.runtime is RuntimeKind.OLLAMA)


def _show(found: "Bases", *, pulls: bool = True) -> None:
    """`pulls`: whether the runtime is one that models can be pulled into."""
    empty = "there is no model but those that adapterd makes" if found.left_out else "there is no model yet"
    if pulls:
        empty += ": `ollama pull qwen2.5:7b` brings one"
    table(COLUMNS, map(_row, found.rows), empty=empty, unbroken=("TAG",))
    for row in found.rows:
        if row.why_not:
            say()
            say(Styled(row.tag, bold=True), Styled(f"  {row.why_not}", "yellow" if row.trainable else "red"))
            if row.hint:
                say(f"  {row.hint}")
    if any(row.needs for row in found.rows):
        say()
        _explain(found)
    if found.left_out:
        say(f"left out: {found.left_out} tags of models that adapterd makes")


def _explain(found: "Bases") -> None:
    speed = found.operations_per_s
    of = f"{found.work.records} records of about {found.work.tokens} tokens, with the settings of a new model"
    time = f"by products of matrices, measured now: {speed / 1e9:.0f} GFLOP/s" if speed else "was not measured"
    fields([("for", of), ("memory of this machine", _gigabytes(found.memory_bytes)), ("time", time)])


def _row(row: "BaseRow") -> tuple[object, ...]:
    needs = row.needs
    verdict = _VERDICTS[row.fits] if row.trainable else "no"
    kind = " ".join(filter(None, (row.architecture, row.quantization)))
    tag = f"{row.tag} (of {row.version_of})" if row.version_of else row.tag
    size = _gigabytes(row.size_bytes) if row.size_bytes else None
    if needs is None:
        return tag, kind, size, verdict, None, None, None, None
    stages = (needs.training_bytes, needs.merging_bytes, needs.evaluation_bytes)
    return tag, kind, size, verdict, *map(_gigabytes, stages), _time(needs.training_s)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


def _time(seconds: float | None) -> str:
    """A rough time in words."""
    for size, word in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds and seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {word}"
    return "a minute" if seconds else ""
