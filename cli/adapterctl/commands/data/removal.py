"""adapterctl feedback show | remove"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from adapterctl.output import (
    StageProgress,
    Styled,
    ask,
    emit_json,
    examples,
    fields,
    json_option,
    local,
    model_option,
    say,
    table,
)

if TYPE_CHECKING:
    from adapterd.removal.remove import RemovalReport
    from adapterd.removal.shown import ShownRecord
    from adapterd.store.feedback import StoredFeedback
    from adapterd.store.taken_back.removals import VersionMark

WEIGHTS = "what a version has learned stays in its weights"
LISTED, PROMPT_WIDTH = 20, 60
"""So many records are listed before they are removed, with so many characters of their prompts."""
DATES = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"])


@click.command(epilog=examples("adapterctl feedback show 12", "adapterctl feedback show 5f0c3a --json"))
@click.argument("record_id", metavar="ID")
@model_option
@json_option
def show(record_id: str, model: str | None, as_json: bool) -> None:
    """Show one record: all of it, where it came from, the frozen sets it is in, and the versions that know it.

    ID is that of `feedback list`, or the beginning of the record's content hash.
    """
    from adapterctl.app import App
    from adapterd.intake.screening import held_records
    from adapterd.removal.selection import find_record
    from adapterd.removal.shown import shown

    app = App()
    name = app.model(model)
    found = shown(app.store, name, find_record(app.store, name, record_id))
    held = next(
        (h.reason for h in held_records(app.store, name, app.model_settings(name).feedback) if h.id == found.id), ""
    )
    if as_json:
        emit_json({**vars(found), "held": bool(held)})
    else:
        _show(found, held)


def _show(found: "ShownRecord", held: str) -> None:
    record = found.record
    fields(
        [
            ("id", found.id),
            ("hash", found.content_hash),
            ("from", f"{found.origin}: {found.file}:{found.line}"),
            ("application", _application(found)),
            ("created", _minute(found.created_at)),
            ("arrived", _minute(found.received_at)),
            *((message["role"], message["content"]) for message in record["messages"]),
            *((label, record.get(name)) for label, name in _JUDGED),
            ("tags", " ".join(record.get("failure_tags") or ())),
            ("teaches", ": ".join(filter(None, (" + ".join(found.teaches), found.reason)))),
            ("held", held.removeprefix("held: ")),
            ("frozen sets", ", ".join(map(str, found.evaluation_sets))),
            ("versions", _versions(found.versions)),
        ]
    )


def _application(found: "ShownRecord") -> str | None:
    """Who sent it, by the token, and who the record says did."""
    claimed = found.record.get("claimed_application")
    return f"{found.application} (the record says {claimed})" if claimed else found.application


_JUDGED = (
    ("output", "output"),
    ("rating", "rating"),
    ("correction", "correction"),
    ("notes", "correction_notes"),
    ("rejected", "rejected_output"),
    ("source", "source_id"),
    ("output type", "output_type"),
)


@click.command(
    epilog=examples(
        "adapterctl feedback remove 12 5f0c3a",
        'adapterctl feedback remove --matching "Jane Doe" --dry-run',
        "adapterctl feedback remove --source article-7 --yes --retrain",
        "adapterctl feedback remove --before 2026-01-01 --from http",
    )
)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--source", metavar="S", help="Records with this source_id.")
@click.option("--file", metavar="F", help="What came from this file, by its path or name.")
@click.option(
    "--from",
    "origin",
    metavar="APP",
    help="What came from this application, or on this way: http, add, import, file.",
)
@click.option("--before", type=DATES, metavar="T", help="What was created before this local date or time.")
@click.option(
    "--matching", metavar="TEXT", help="What has this text in prompt, answers or notes; case does not matter."
)
@click.option("--dry-run", is_flag=True, help="Only say what would go, and list the first records of it.")
@click.option("--retrain", is_flag=True, help="Then make a version without it, as `retrain --now` does.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@model_option
@json_option
def remove(
    ids: tuple[str, ...], dry_run: bool, retrain: bool, yes: bool, model: str | None, as_json: bool, **given: Any
) -> None:
    """Remove records for good: all for which everything that is given holds.

    Their text goes from everywhere that is ours: the database, copies in the inbox, quarantine, runs, frozen sets, kept
    answers, caches and reports. A hash stays, so that the same statement is not taken again from an old file. Files of
    applications in the inbox are named, and not changed. Weights cannot be cleaned: versions that learned a record are
    named and marked.
    """
    from adapterctl.app import App
    from adapterctl.commands.retrain import run_afresh
    from adapterd.removal.remove import finish_removals, preview
    from adapterd.removal.remove import remove as remove_selection
    from adapterd.removal.selection import Criteria, select

    criteria = Criteria(ids=ids, before=_aware(given.pop("before")), **given)
    if criteria.is_empty:
        raise click.UsageError("give the ids of records, or one of --source, --file, --from, --before and --matching")
    if criteria.matching is not None and not criteria.matching.strip():
        raise click.UsageError("the text of --matching is blank: every record has it; give a text to look for")
    app = App()
    name = app.model(model)
    if not dry_run:
        finish_removals(app.store, app.home, app.settings)
    selection = select(app.store, app.home, name, criteria)
    report = preview(app.store, app.home, app.settings, name, selection)
    if dry_run or not (report.records or report.pieces or report.found):
        if not as_json:
            _list(selection.records)
        _tell(report, as_json, done=False)
        return
    if not yes:
        _tell(report, False, done=False, err=True)
        ask(f"remove {_count(report)} of {name} for good?")
    with StageProgress(quiet=as_json) as progress:
        report = remove_selection(
            app.store, app.home, app.settings, name, selection,
            progress=lambda place, share: progress("removing", {"share": share, "doing": place}),
        )  # fmt: skip
    if not as_json:
        _tell(report, as_json, done=True)
    made = run_afresh(app, name, as_json) if retrain else None
    if as_json:
        emit_json({**vars(report), "removed": True, "retrain": made})


def _list(records: "Sequence[StoredFeedback]") -> None:
    """The first of the records that would go."""
    if records:
        table(
            ["ID", "WHEN", "PROMPT"],
            [(each.id, _minute(each.created_at), _beginning(each)) for each in records[:LISTED]],
            empty="",
            unbroken=("ID", "WHEN"),
        )
    if len(records) > LISTED:
        say(f"and {len(records) - LISTED} more")


def _beginning(record: "StoredFeedback") -> str:
    asked = " ".join(json.loads(record.record)["messages"][-1]["content"].split())
    return f"{asked[:PROMPT_WIDTH]}…" if len(asked) > PROMPT_WIDTH else asked


def _aware(before: datetime | None) -> datetime | None:
    """A local date as a time; raises UsageError for one at the ends of the calendar."""
    try:
        return before.astimezone() if before else None
    except (ValueError, OverflowError) as exc:
        raise click.UsageError(f"--before {before} is no time that a record can have") from exc


def _tell(report: "RemovalReport", as_json: bool, *, done: bool, err: bool = False) -> None:
    if as_json:
        emit_json({**vars(report), "removed": done})
        return
    if not (report.records or report.pieces or report.found):
        say(f"nothing of {report.model} is selected; nothing is removed")
        return
    say(Styled(f"{_count(report)} of {report.model} {'removed' if done else 'would be removed'}", "green"), err=err)
    for place, found in report.found.items():
        more = f", and {len(found) - 3} more" if len(found) > 3 else ""
        say(f"  {place}: {', '.join(found[:3])}{more}", err=err)
    for file in report.foreign:
        lines = ", ".join(map(str, file.lines[:10])) + (", …" if len(file.lines) > 10 else "")
        say(
            f"{file.file} is your application's file: its lines ({lines}) stay and are not taken again; "
            "delete them there if they should go",
            err=err,
        )
    for copy in report.copies:
        say(f"{copy} is a copy from before: it keeps what it has; `adapterctl restore` takes it out", err=True)
    if report.run:
        say(f"run {report.run}, which uses it, {'was' if done else 'would be'} given up", err=err)
    if report.versions:
        say(f"versions that know it: {_versions(report.versions)}; {WEIGHTS}", err=err)
        say("`adapterctl retrain --now` makes one without it, `adapterctl gc` removes old ones", err=err)


def _count(report: "RemovalReport") -> str:
    pieces = f" and {report.pieces} pieces in quarantine" if report.pieces else ""
    return f"{report.records} record{'' if report.records == 1 else 's'}{pieces}"


def _versions(marks: "dict[str, VersionMark]") -> str:
    return ", ".join(f"{version} ({in_words(mark)})" for version, mark in marks.items())


def in_words(mark: "VersionMark") -> str:
    """What a version had of removed records."""
    parts = [f"trained on {mark.learned}"] if mark.learned else []
    return ", ".join([*parts, *([f"judged by {mark.judged}"] if mark.judged else [])])


def _minute(moment: datetime) -> str:
    return local(moment).isoformat(" ", "minutes")[:16]
