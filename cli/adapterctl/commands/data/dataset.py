"""adapterctl dataset export"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from adapterctl.output import (
    StageProgress,
    Styled,
    binary_output,
    emit_json,
    examples,
    json_option,
    name_argument,
    say,
)

if TYPE_CHECKING:
    from adapterd.insight.dataset_export.export import DatasetExport

FORMATS = ("openai", "openai-preference", "trl", "trl-preference", "alpaca", "sharegpt", "mlx-lm")
FOLDERS = ("mlx-lm",)
SETS = ("train", "validation", "evaluation")
SYNTHETIC = ("marked", "any", "none")
LONG = 5_000
"""Of so many records the progress is shown."""


@click.group()
def dataset() -> None:
    """What the feedback of a model teaches, as files for programs that train elsewhere."""


@dataset.command(
    epilog=examples(
        "adapterctl dataset export newsbrief-synth --format trl -o news.jsonl",
        "adapterctl dataset export --format mlx-lm -o news      then: mlx_lm.lora --train --mask-prompt --data news",
        "adapterctl dataset export --format openai-preference -o - | head -1",
        "adapterctl dataset export --format alpaca --set validation -o check.jsonl --json",
    )
)
@name_argument
@click.option("--format", "form", type=click.Choice(FORMATS), default="openai", show_default=True, help="See above.")
@click.option(
    "-o", "--output", metavar="FILE|-|FOLDER", help="Where to; as a rule a new file or folder where you are. "
    "- is standard output.",
)  # fmt: skip
@click.option(
    "--set", "part", type=click.Choice((*SETS, "all")), help="Only this set; all adds the frozen evaluation set."
)
@click.option(
    "--synthetic", type=click.Choice(SYNTHETIC), default="marked", show_default=True,
    help="What teachers made: only where the format says so of each record, in any format, or not at all.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace files that are there already.")
@json_option
def export(
    name: str | None, form: str, output: str | None, part: str | None, synthetic: str, force: bool, as_json: bool
) -> None:
    """Write the examples and preference pairs that the feedback of a model teaches.

    \b
    openai             messages, for OpenAI's supervised fine-tuning
    openai-preference  an input and two outputs, for OpenAI's preference fine-tuning
    trl                prompt and completion, for TRL's SFTTrainer
    trl-preference     prompt, chosen and rejected, for TRL's DPOTrainer
    alpaca             instruction and output
    sharegpt           conversations
    mlx-lm             a folder with train.jsonl and valid.jsonl, for mlx_lm.lora

    What is taught is what a run would teach: of each prompt the answer that was last called good, and what teachers
    made and is kept, marked by the field synthetic. Without --set it is all but the frozen evaluation set, which
    judges. What a format cannot carry is counted, with the reason. `adapterctl feedback import` takes each of these
    files back, but for what is marked as a model's.
    """
    from adapterctl.app import App
    from adapterd.dataset.export import Part, export_format
    from adapterd.insight.dataset_export.export import Exporter
    from adapterd.insight.dataset_export.of_teachers import OfTeachers
    from adapterd.insight.dataset_export.taught import TaughtFeedback
    from adapterd.runs.plan import teacher_examples

    if output == "-" and as_json:
        raise click.UsageError("--json and the records cannot both go to standard output; give a file")
    if output == "-" and form in FOLDERS:
        raise click.UsageError(f"{form} is a folder of files; give one with --output")
    app, chosen = App(), export_format(form)
    model = app.model(name)
    by_teachers = [] if synthetic == "none" else teacher_examples(app.store, model)
    parts = set(Part) if part == "all" else {Part(part)} if part else {Part.TRAIN, Part.VALIDATION}
    own = [app.home.root, *(each.feedback.folder for each in app.settings.models.values() if each.feedback.folder)]
    is_long = app.store.feedback.count(model) >= LONG
    with StageProgress(quiet=as_json or not is_long) as progress:
        taught = TaughtFeedback(
            app.store, model, app.model_settings(model), lambda share: progress("scanning", {"share": share}),
            OfTeachers(by_teachers),
        )  # fmt: skip
        exporter = Exporter(
            model, chosen, lambda: taught.left_out, marks=bool(by_teachers), unmarked=synthetic == "any"
        )
        items = taught.items(
            parts,
            divide=bool(chosen.files) or part in SETS,
            progress=lambda share: progress("export", {"share": share}),
        )
        if output == "-":
            made = exporter.to_stream(items, binary_output())
        else:
            made = exporter.to_place(items, Path(output or _place(model, form)), own=own, force=force)
    if as_json:
        emit_json(made)
    else:
        _report(made)


def _place(model: str, form: str) -> str:
    """The file or folder that is made where none is named."""
    plain = "".join(sign if sign.isalnum() or sign in "-_." else "-" for sign in model)
    return f"{plain}.{form}" if form in FOLDERS else f"{plain}.{form}.jsonl"


def _report(made: "DatasetExport") -> None:
    """What was written and what was not, on standard error where the records went to standard output."""
    err = any(each.path is None for each in made.files)
    for each in made.files:
        if each.path:
            say(Styled(each.path, "green"), f"  {each.records} record{'' if each.records == 1 else 's'}", err=err)
    said = ", ".join(f"{count} {name}" for name, count in made.sets.items())
    of_teachers = f"; teachers made {made.by['teachers']} of these" if made.by["teachers"] else ""
    say(f"{made.model} as {made.format}: {said}{of_teachers}", err=err)
    for left_out in made.left_out:
        say(f"  left out: {left_out}", err=err)
    if made.not_known_right:
        say(
            f"  of {made.not_known_right} of these nobody said that the better answer is right, which the format has "
            "no word for: `adapterctl feedback import` would take it for right",
            err=err,
        )
    if made.unmarked:
        say(
            f"  of {made.unmarked} of these the format has no place to say that teachers made them: "
            "`adapterctl feedback import` would take them for people's",
            err=err,
        )
    for path in made.kept:
        say(f"  {path} is from before, and stays", err=err)
    if made.on_turns:
        say(
            f"  {made.several_turns} of these have earlier answers, which are not to be trained on: {made.on_turns}",
            err=err,
        )
