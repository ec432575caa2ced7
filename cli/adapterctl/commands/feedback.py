"""adapterctl feedback add | import | list | quarantine"""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adapterctl.output import (
    StageProgress,
    bytes_read,
    emit_json,
    examples,
    json_option,
    local,
    model_option,
    say,
    table,
)

if TYPE_CHECKING:
    from adapterctl.app import App
    from adapterd.intake.ingest import IngestReport
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
    """What people said of answers: give it, list it, see what could not be used."""


@feedback.command(
    epilog=examples(
        "adapterctl feedback add --prompt 'Title for: …' --output 'A title' --correction 'A better title'",
        "adapterctl feedback add --prompt 'Title for: …' --output 'A title' --rating 5",
        "cat record.json | adapterctl feedback add -",
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
@model_option
@json_option
def add(source: str | None, model: str | None, as_json: bool, **given: Any) -> None:
    """Give one record by options, or one or more as JSON Lines on standard input ("-").

    The record goes into the model's feedback folder first, so it is not lost whatever happens next.
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
    app = App()
    name = app.model(model)
    data = sys.stdin.buffer.read() if source else json.dumps(record, ensure_ascii=False).encode()
    file = write_records(app.inbox(name), data)
    _report(app, name, _take(app, name, as_json), as_json, only=file)


@feedback.command("import", epilog=examples("adapterctl feedback import corrections.jsonl more/*.json"))
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@model_option
@json_option
def import_(files: tuple[Path, ...], model: str | None, as_json: bool) -> None:
    """Take records from files: ours, OpenAI chat, Alpaca or ShareGPT, as JSON or JSON Lines.

    The files are copied into the model's feedback folder. Lines that cannot be used go to quarantine with the reason.
    """
    from adapterctl.app import App
    from adapterd.feedback.inbox import import_file

    app = App()
    name = app.model(model)
    for file in files:
        import_file(app.inbox(name), file)
    _report(app, name, _take(app, name, as_json), as_json)


@feedback.command(
    "list", epilog=examples("adapterctl feedback list --tag format_error", "adapterctl feedback list --json")
)
@click.option("--tag", type=click.Choice(TAGS), help="Only records with this failure tag.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many, newest first.")
@model_option
@json_option
def list_(tag: str | None, limit: int, model: str | None, as_json: bool) -> None:
    """Show the records that were taken, newest first."""
    from adapterctl.app import App

    app = App()
    name = app.model(model)
    records = [r for r in reversed(app.store.feedback.all(name)) if tag is None or tag in r.failure_tags][:limit]
    if as_json:
        emit_json([{**vars(record), "record": json.loads(record.record)} for record in records])
        return
    table(
        ["ID", "WHEN", "RATING", "TAGS", "PROMPT", "FROM"],
        [
            (r.id, _minute(r.created_at), r.rating, " ".join(r.failure_tags), _first_words(r.record), _place(r))
            for r in records
        ],
        empty=f"no feedback yet; put files into {app.inbox(name)}, or use `adapterctl feedback add`",
    )


@feedback.command(epilog=examples("adapterctl feedback quarantine", "adapterctl feedback quarantine --json"))
@model_option
@json_option
def quarantine(model: str | None, as_json: bool) -> None:
    """Show what could not be used, and why. The bytes are kept; correct the file and it is read again."""
    from adapterctl.app import App

    app = App()
    name = app.model(model)
    pieces = app.store.feedback.quarantined(name)
    if as_json:
        emit_json(pieces)
        return
    table(
        ["FILE", "LINE", "REASON", "BEGINS WITH"],
        [(Path(p.file).name, p.line or "all", p.reason, p.excerpt[:40]) for p in pieces],
        empty="nothing is in quarantine",
    )


def _take(app: "App", name: str, as_json: bool) -> "IngestReport":
    """Take everything that is in the inbox at once: what was just put there is whole."""
    from adapterd.intake.ingest import ingest

    with StageProgress(quiet=as_json) as progress:
        return ingest(app.store, app.home, name, app.inbox(name), settle_s=0.0, on_progress=bytes_read(progress))


def _report(app: "App", name: str, report: "IngestReport", as_json: bool, only: Path | None = None) -> None:
    if as_json:
        emit_json(report)
    else:
        say(
            f"{name}: {report.lines} records read, {report.accepted} new, {report.duplicates} known already, "
            f"{report.quarantined} in quarantine"
        )
    if only is not None:
        _refuse_quarantined(app, name, only)


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
    return f"{Path(record.file).name}:{record.line}"


def _first_words(record: str) -> str:
    text = " ".join(json.loads(record)["messages"][-1]["content"].split())
    return text if len(text) <= 48 else text[:47] + "…"
