"""adapterctl feedback add | check | import | list | show | remove | quarantine | release"""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adapterctl.commands.data.quarantine import quarantine, release
from adapterctl.commands.data.removal import remove, show
from adapterctl.feedback_uses import (
    check,
    counts_of_import,
    first_words,
    name_of_import,
    refuse_if_nothing_was_taken,
    report_import,
)
from adapterctl.given_file import GivenFile
from adapterctl.output import (
    StageProgress,
    bytes_read,
    emit_json,
    examples,
    json_option,
    local,
    model_option,
    table,
)
from adapterctl.reading_options import read_options, reading_of_file

if TYPE_CHECKING:
    from adapterctl.app import App
    from adapterd.dataset.statements import Teaching
    from adapterd.feedback.formats import ReadingOptions
    from adapterd.intake.ingest import IngestReport
    from adapterd.intake.teaching import TeachingCounts
    from adapterd.store.feedback import StoredFeedback

TAGS = [
    "format_error",
    "missed_entity",
    "wrong_entity",
    "topic_drift",
    "hallucination",
    "duplication",
    "style_mismatch",
    "truncation",
]


@click.group()
def feedback() -> None:
    """What people said of answers: give it, list it, see what it teaches and what could not be used."""


feedback.add_command(check)


feedback.add_command(quarantine)
feedback.add_command(release)
feedback.add_command(show)
feedback.add_command(remove)


@feedback.command(
    epilog=examples(
        "adapterctl feedback add --prompt 'Title for: …' --output 'A title' --correction 'A better title'",
        "adapterctl feedback add --prompt 'Title for: …' --output 'A title' --rating 5",
        "cat record.json | adapterctl feedback add -",
        "cat scored.jsonl | adapterctl feedback add - --map rating=score --scale 1..10",
    )
)
@click.argument("source", required=False, metavar="[-]")
@click.option("--prompt", help="What was asked.")
@click.option("--system", help="The system prompt, if there was one.")
@click.option("--output", help="What the model answered.")
@click.option("--correction", help="What it should have answered.")
@click.option("--rejected", help="An answer that was worse than the output.")
@click.option("--rating", type=click.IntRange(1, 5), help="How good the output is; 4 and 5 are learned from.")
@click.option("--tag", "tags", multiple=True, type=click.Choice(TAGS), help="What is wrong with the output.")
@click.option("--notes", help="Why it was corrected.")
@click.option("--source-id", help="What the prompt was about, in your application's own terms.")
@reading_of_file
@model_option
@json_option
def add(
    source: str | None,
    mapped: tuple[str, ...],
    scale: str | None,
    ignored: tuple[str, ...],
    model: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Give one record by options, or one or more as JSON Lines on standard input ("-").

    The record goes into the model's feedback folder first, so it is not lost whatever happens next. --map, --scale and
    --ignore say how to read what comes on standard input.
    """
    from adapterctl.app import App
    from adapterd.errors import InputError
    from adapterd.feedback.inbox import write_records

    if source not in (None, "-"):
        raise click.UsageError(f"{source!r} is not '-'; files are taken by `adapterctl feedback import`")
    names = {"tags": "failure_tags", "rejected": "rejected_output", "notes": "correction_notes"}
    record = {names.get(key, key): value for key, value in given.items() if value not in (None, ())}
    if source is None and "prompt" not in record:
        raise InputError("a record needs --prompt", hint="adapterctl feedback add --help shows examples")
    app, options = App(), read_options(mapped, scale, ignored)
    name = app.model(model)
    data = sys.stdin.buffer.read() if source else json.dumps(record, ensure_ascii=False).encode()
    last_id = app.store.feedback.last_id(name)
    file = write_records(app.inbox(name), data)
    _give(app, name, file, options)
    _report(app, name, _take(app, name, as_json), as_json, last_id, [file])
    _refuse_quarantined(app, name, file)


@feedback.command(
    "import",
    epilog=examples(
        "adapterctl feedback import corrections.jsonl more/*.json",
        "adapterctl feedback import export.jsonl --map rating=score --scale 1..10 --ignore annotator",
    ),
)
@click.argument("files", nargs=-1, required=True, type=GivenFile())
@reading_of_file
@click.option("--again", is_flag=True, help="Also take what was removed earlier.")
@model_option
@json_option
def import_(
    files: tuple[Path, ...],
    mapped: tuple[str, ...],
    scale: str | None,
    ignored: tuple[str, ...],
    again: bool,
    model: str | None,
    as_json: bool,
) -> None:
    """Take records from files: our own, data sets, and exports of tools.

    They are JSON, JSON Lines, CSV or TSV, also packed with gzip; docs/feedback-formats.md shows every format. The files
    are copied into the model's feedback folder. Lines that cannot be used go to quarantine with the reason.
    The report says what the records teach; exit code 6 if nothing was taken.
    --map, --scale and --ignore hold for these files from now on; import them again to say something else.
    What `feedback remove` removed is not taken again, unless --again says so.
    """
    from adapterctl.app import App
    from adapterd.feedback.inbox import import_file
    from adapterd.removal.again import let_in_again
    from adapterd.removal.remove import finish_removals

    app, options = App(), read_options(mapped, scale, ignored)
    name = app.model(model)
    if again:
        finish_removals(app.store, app.home, app.settings)
        for file in files:
            let_in_again(app.store, app.home, name, file, options.over(app.reading(name)))
    last_id = app.store.feedback.last_id(name)
    taken = [import_file(app.inbox(name), file) for file in files]
    for file in taken:
        _give(app, name, file, options)
    report = _take(app, name, as_json)
    counts = _report(app, name, report, as_json, last_id, taken)
    refuse_if_nothing_was_taken(app, name, taken, counts, removed=report.removed)


@feedback.command(
    "list", epilog=examples("adapterctl feedback list --tag format_error", "adapterctl feedback list --json")
)
@click.option("--tag", type=click.Choice(TAGS), help="Only records with this failure tag.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many, newest first.")
@model_option
@json_option
def list_(tag: str | None, limit: int, model: str | None, as_json: bool) -> None:
    """Show the records that were taken, newest first, and what each of them teaches now.

    A record teaches an example or a preference, was replaced by what was said later, says only that an answer is bad,
    is not judged, or is refused. One that is held for secrets or personal data teaches nothing until it is released.
    """
    from adapterctl.app import App

    app = App()
    name = app.model(model)
    records = [r for r in reversed(app.store.feedback.all(name)) if tag is None or tag in r.failure_tags][:limit]
    teachings, held = _teachings(app, name, records), _held(app, name)
    if as_json:
        emit_json([
            {**vars(r), "record": json.loads(r.record), **teachings[r.id].as_dict(), "held": r.id in held}
            for r in records
        ])  # fmt: skip
        return
    table(
        ["ID", "WHEN", "RATING", "TAGS", "TEACHES", "PROMPT", "FROM"],
        [
            (
                *(r.id, _minute(r.created_at), r.rating, " ".join(r.failure_tags)),
                f"held ({teachings[r.id]})" if r.id in held else teachings[r.id],
                *(_asked(r), _place(r)),
            )
            for r in records
        ],
        empty=f"no feedback yet; put files into {app.inbox(name)}, or use `adapterctl feedback add`",
        unbroken=("ID", "WHEN"),
    )


def _give(app: "App", name: str, file: Path, options: "ReadingOptions") -> None:
    """Remember how a file that was just put into the inbox is to be read."""
    from adapterd.feedback.formats import ReadingOptions
    from adapterd.feedback.listing import name_of

    path = name_of(str(file.absolute()))
    if options != ReadingOptions() or path in app.store.feedback_reading.given(name):
        with app.store.transaction():
            app.store.feedback_reading.give(name, path, options.to_json())


def _take(app: "App", name: str, as_json: bool) -> "IngestReport":
    """Take everything that is in the inbox at once: what was just put there is whole."""
    from adapterd.intake.ingest import ingest

    with StageProgress(quiet=as_json) as progress:
        return ingest(
            app.store,
            app.home,
            name,
            app.inbox(name),
            options=app.reading(name),
            settle_s=0.0,
            withdraw_vanished=app.model_settings(name).feedback.withdraw_vanished,
            on_progress=bytes_read(progress),
        )


def _report(
    app: "App", name: str, report: "IngestReport", as_json: bool, last_id: int, files: Sequence[Path]
) -> "TeachingCounts":
    counts = counts_of_import(app, name, report, last_id, files, as_json)
    if as_json:
        emit_json({**vars(report), "teaches": counts})
    else:
        report_import(name, report, counts)
    return counts


def _refuse_quarantined(app: "App", name: str, file: Path) -> None:
    """What a person gives by hand should be right: say so if it was not."""
    from adapterd.errors import InputError

    faults = [p.reason for p in app.store.feedback.quarantined(name) if p.file == str(file)]
    if faults:
        raise InputError(
            f"the record cannot be used: {faults[0]}", hint="it is kept; see `adapterctl feedback quarantine`"
        )


def _minute(moment: datetime) -> str:
    return local(moment).isoformat(" ", "minutes")[:16]


def _place(record: "StoredFeedback") -> str:
    place = f"{name_of_import(Path(record.file).name)}:{record.line}"
    return f"{record.application}, {place}" if record.application else place


def _held(app: "App", name: str) -> set[int]:
    """The records that were scanned and are held; what was not scanned yet is not."""
    from adapterd.intake.screening import held_records

    return {each.id for each in held_records(app.store, name, app.model_settings(name).feedback)}


def _asked(record: "StoredFeedback") -> str:
    return first_words(json.loads(record.record)["messages"][-1]["content"])


def _teachings(app: "App", name: str, records: "Sequence[StoredFeedback]") -> "dict[int, Teaching]":
    """What each of the records teaches, beside all others about the same prompts."""
    from adapterd.intake.teaching import teachings_of

    rows = app.store.feedback.about(name, {record.prompt_hash for record in records})
    taught = teachings_of(rows, thinks=app.thinks(name))
    return {row.id: teaching for row, teaching in zip(rows, taught, strict=True)}
