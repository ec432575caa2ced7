"""adapterctl feedback check, and what of the other feedback commands tells what records teach."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from adapterctl.given_file import GivenFile
from adapterctl.output import StageProgress, bytes_read, emit_json, examples, json_option, model_option, say, table
from adapterctl.reading_options import read_options, reading_of_file

if TYPE_CHECKING:
    from adapterctl.app import App
    from adapterd.insight.feedback_check import CheckedRecord, FeedbackCheck
    from adapterd.intake.ingest import IngestReport
    from adapterd.intake.teaching import TeachingCounts

PROMPT_WIDTH = 48
_IMPORTED = re.compile(r"^import-[0-9a-f]{16}-")


@click.command(
    epilog=examples(
        "adapterctl feedback check corrections.jsonl",
        "adapterctl feedback check export.jsonl --map rating=score --scale 1..10 --limit 200",
    )
)
@click.argument("file", type=GivenFile())
@reading_of_file
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many records are listed.")
@model_option
@json_option
def check(
    file: Path,
    mapped: tuple[str, ...],
    scale: str | None,
    ignored: tuple[str, ...],
    limit: int,
    model: str | None,
    as_json: bool,
) -> None:
    """Show what each record of a file would teach, and why not; nothing is stored, and nothing is copied.

    What the model has already is taken into account: of each answer the last verdict counts. Exit code 6 if nothing of
    the file would be taken.
    """
    from adapterctl.app import App
    from adapterd.feedback.inbox import refuse_other_endings
    from adapterd.insight.feedback_check import check_file

    refuse_other_endings(file)
    app, options = App(), read_options(mapped, scale, ignored)
    name = app.model(model)
    with StageProgress(quiet=as_json) as progress:
        checked = check_file(
            app.store, name, file, options.over(app.reading(name)), thinks=app.thinks(name),
            on_progress=bytes_read(progress),
        )  # fmt: skip
    if as_json:
        emit_json({**vars(checked), "records": [_as_plain(each) for each in checked.records]})
    else:
        _show(checked, file, limit)
    _refuse_if_nothing(sum(not each.teaches.is_refused for each in checked.records), checked.counts)


def report_import(name: str, report: "IngestReport", counts: "TeachingCounts") -> None:
    """Say what an import came to: what the new records teach, and why others were not taken."""
    say(f"{name}: {counts}")
    withdrawn = f", {report.withdrawn} withdrawn, for their file says something else now" if report.withdrawn else ""
    say(f"  {report.accepted} new, {report.duplicates} known already{withdrawn}{report.removed_text}")
    say_kept_aside(report.metadata)
    if report.clamped:
        say(f"  {report.clamped} with a time that is still to come: that of their place in the file counts")
    if report.quarantined:
        say("  `adapterctl feedback quarantine` shows what was refused, and where")


def say_kept_aside(metadata: Sequence[str]) -> None:
    """Name the fields that are kept aside, once."""
    if metadata:
        say(f"  kept aside, as they say nothing of an answer: {', '.join(metadata)}")


def counts_of_import(
    app: "App", name: str, report: "IngestReport", last_id: int, files: Sequence[Path], as_json: bool
) -> "TeachingCounts":
    """What the records teach that came after the given id, and why others of these files are in quarantine."""
    from adapterd.feedback.listing import name_of
    from adapterd.intake.teaching import TeachingCounts, teachings_since

    paths = {name_of(str(file.absolute())) for file in files}
    faults = [each.reason for each in app.store.feedback.quarantined(name) if each.file in paths]
    with StageProgress(quiet=as_json) as progress:
        teachings = teachings_since(
            app.store, name, last_id, thinks=app.thinks(name), on_progress=_parts_looked_at(progress)
        )
        return TeachingCounts.of(teachings, faults, not_judged=report.passed_over)


def _parts_looked_at(progress: StageProgress) -> Callable[[int, int], None]:
    def show(done: int, parts: int) -> None:
        if parts > 1:
            progress("teaches", {"share": done / parts})

    return show


def refuse_if_nothing_was_taken(
    app: "App", name: str, files: Sequence[Path], counts: "TeachingCounts", *, removed: int
) -> None:
    """Raise InputError if none of these files of the inbox gave a record that says something, be it one that was known;
    `removed` pieces were taken back earlier."""
    from adapterd.errors import InputError
    from adapterd.feedback.listing import name_of

    paths = {name_of(str(file.absolute())) for file in files}
    read = [file for file in app.store.feedback.files(name) if file.path in paths]
    known = sum(file.duplicates for file in read)
    taken = known + (sum(file.accepted for file in read) if counts.taken else 0)
    if removed and not taken:
        raise InputError("all of it was taken back earlier, and is not taken again")
    _refuse_if_nothing(taken, counts)


def _refuse_if_nothing(taken: int, counts: "TeachingCounts") -> None:
    from adapterd.errors import InputError

    if not taken:
        raise InputError(
            f"nothing can be taken: {counts.without_reasons}"
            if counts.refused or counts.not_judged
            else "nothing can be taken: there is no record",
            hint="docs/feedback-formats.md has the formats; --map, --scale and --ignore say how to read other fields",
        )


def _show(checked: "FeedbackCheck", file: Path, limit: int) -> None:
    shown = checked.records[:limit]
    table(
        ["LINE", "FORMAT", "TEACHES", "PROMPT"],
        [(each.line or "all", each.format, each.teaches, first_words(each.prompt)) for each in shown],
        empty=checked.refused or f"{file.name} has no record",
    )
    if len(checked.records) > limit:
        say(f"… and {len(checked.records) - limit} more; --limit shows them, --json all")
    is_whole = len(checked.records) <= limit
    say(f"{file.name}: {checked.counts.without_reasons if is_whole else checked.counts}")
    say_kept_aside(checked.metadata)


def _as_plain(each: "CheckedRecord") -> dict[str, object]:
    return {"line": each.line, "format": each.format, **each.teaches.as_dict(), "prompt": each.prompt}


def name_of_import(name: str) -> str:
    """The name of a file of the inbox as the person knows it: of a copy that an import made, that of the imported."""
    return _IMPORTED.sub("", name)


def first_words(text: str) -> str:
    """The beginning of a text, as it fits into a table."""
    whole = " ".join(text[: 10 * PROMPT_WIDTH].split())
    return whole if len(whole) <= PROMPT_WIDTH else whole[: PROMPT_WIDTH - 1] + "…"
