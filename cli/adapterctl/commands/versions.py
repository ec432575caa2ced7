"""adapterctl versions | label | history | show | promote | rollback"""

from typing import TYPE_CHECKING, Any

import click

from adapterctl.commands.data.removal import in_words as removed_in_words
from adapterctl.output import (
    Styled,
    ago,
    ask,
    emit_json,
    examples,
    fields,
    json_option,
    local,
    model_option,
    name_argument,
    say,
    table,
)

if TYPE_CHECKING:
    from adapterctl.app import App
    from adapterd.deployment.deploy import Swap
    from adapterd.evidence.marked import Marked
    from adapterd.insight.versions_table import PrimaryScore, VersionRow
    from adapterd.serving.runtime import Runtime

MOST_NAMED = 10
WITHOUT_RECORD = (
    "nothing is noted of it; `adapterctl doctor --repair` reads it from the tags, a backup does not know it"
)


@click.command(epilog=examples("adapterctl history", "adapterctl history --limit 200 --json"))
@name_argument
@click.option("--limit", type=click.IntRange(1), default=30, show_default=True, help="How many events, newest last.")
@json_option
def history(name: str | None, limit: int, as_json: bool) -> None:
    """Show everything that happened, oldest first."""
    from adapterctl.app import App

    app = App()
    events = app.store.events.latest(model=app.model(name) if name else None, limit=limit)[::-1]
    if as_json:
        emit_json(events)
        return
    from datetime import datetime

    rows = [
        (f"{local(datetime.fromisoformat(event.at)):%Y-%m-%d %H:%M:%S}", event.kind, event.text) for event in events
    ]
    table(["WHEN", "WHAT", "DETAILS"], rows, empty="nothing has happened yet")


@click.command(epilog=examples("adapterctl versions", "adapterctl versions newsbrief-synth --json"))
@name_argument
@json_option
def versions(name: str | None, as_json: bool) -> None:
    """List the versions, newest first: state, age, base, primary score, size, pin and label.

    A version that was trained on records that were removed since, or judged by them, says of how many. Behind a score
    stands its difference from what was live when the version was judged, or from the base, with the
    interval in which the true difference lies.
    """
    from adapterctl.app import App
    from adapterd.insight.versions_table import list_versions

    app = App()
    name = app.model(name)
    rows = list_versions(app.store, app.home, name, app.model_settings(name))
    if as_json:
        emit_json(rows)
        return
    heads = ["VERSION", "STATE", "WHEN", "BASE", "PRIMARY SCORE", "SIZE", "PIN", "LABEL"]
    if any(row.removed for row in rows):
        heads.append("REMOVED RECORDS")
    table(heads, map(_cells, rows), empty=f"{name} has no version yet; `adapterctl retrain` makes one")


def _cells(row: "VersionRow") -> list[object]:
    from adapterd.housekeeping.collect import in_words

    return [
        row.version,
        f"{row.state} ({row.role})" if row.role else row.state,
        ago(row.created_at),
        row.base or f"{row.base_digest[:19]}…",
        _score(row.primary) if row.primary else None,
        in_words(row.size_bytes),
        "pinned" if row.pinned else None,
        row.label,
        *([removed_in_words(row.removed)] if row.removed else []),
    ]


def _score(primary: "PrimaryScore") -> str:
    text, gain = f"{primary.metric} {primary.value:.3f}", primary.gain
    if gain is None:
        return text
    return f"{text} ({gain.difference:+.3f} over {gain.over}, {gain.low:+.3f} to {gain.high:+.3f} by {gain.level:.0%})"


@click.command(
    epilog=examples(
        'adapterctl label 1.2.0 "before the new prompts"',
        'adapterctl label 1.2.0 ""        takes the label away',
    )
)
@click.argument("version")
@click.argument("text")
@model_option
@json_option
def label(version: str, text: str, model: str | None, as_json: bool) -> None:
    """Give a version a label of one line, shown by `versions` and `show`; an empty TEXT takes it away."""
    from adapterctl.app import App
    from adapterd.deployment.labels import label_version

    app = App()
    name = app.model(model)
    found = label_version(app.store, name, version, text)
    if as_json:
        emit_json(found)
        return
    say(f"{name} {version} is now called {found.label}" if found.label else f"{name} {version} has no label any more")


@click.command(epilog=examples("adapterctl show 1.0.0", "adapterctl show 1.0.0 --json"))
@click.argument("version")
@model_option
@json_option
def show(version: str, model: str | None, as_json: bool) -> None:
    """Show what a version is made of, how it did, and why it is live or not."""
    from adapterctl.app import App
    from adapterctl.commands.retrain import table_of_scores
    from adapterd.deployment.history import require_version
    from adapterd.evidence.marked import marked
    from adapterd.formats.data_card import DATA_CARD
    from adapterd.formats.evaluation import EVALUATION
    from adapterd.formats.lineage import LINEAGE

    app = App()
    name = app.model(model)
    found = require_version(app.store, name, version)
    folder = app.home.version(name, version)
    lineage, card = LINEAGE.read(folder), DATA_CARD.read(folder)
    bridge = (EVALUATION.read(folder) or {}).get("bridge")
    deployment = app.store.versions.deployment(name)
    live = deployment is not None and deployment.live == version
    mark, by_people = app.store.removals.marks(name).get(version), marked(app.store, name, version)
    if as_json:
        more = {"removed": mark, "lineage": lineage, "data_card": card, "bridge": bridge, "by_people": by_people}
        emit_json({**vars(found), "live": live, **more})
        return
    with LINEAGE.used(folder):
        base = f"{lineage['base']['tag']} ({found.base_digest[:19]}…)" if lineage else found.base_digest
        if found.base_digest != app.model_settings(name).base_digest:
            base += f"; the next version is made of {app.model_settings(name).base}"
        made = _made(lineage) if lineage else []
    fields(
        [
            ("version", f"{name} {version}{' (live)' if live else ''}"),
            ("state", f"{found.state}, {ago(found.created_at)}"),
            ("label", found.label),
            ("why", found.reason),
            ("removed records", removed_in_words(mark) if mark else None),
            ("digest", found.digest),
            ("base", base),
            ("files", folder if folder.is_dir() else None),
        ]
    )
    fields(made)
    if bridge:
        fields([("set has grown", _bridge(bridge))])
    if card:
        _show_card(card)
    _show_marked(by_people)
    say()
    table_of_scores(found.metrics.get("scores", {}), found.metrics.get("baselines", {}))


def _bridge(plain: dict[str, Any]) -> str:
    from adapterd.formats.evaluation import Bridge
    from adapterd.serialization import from_plain

    return from_plain(plain, Bridge).sentence()


def _show_card(card: dict[str, Any]) -> None:
    """What the version was taught."""
    from adapterd.formats.data_card import in_words

    say()
    say(Styled("data card", bold=True))
    fields((f"  {label}", text) for label, text in in_words(card))


def _show_marked(found: "Marked") -> None:
    """What people marked in its answers, if they did."""
    figures = [(f"  {name}", figure) for name, figure in found.figures.items() if figure.value is not None]
    if figures:
        say()
        say(Styled("what people marked (95% intervals)", bold=True))
        fields([*figures, ("  note", found.notes)])


def _made(lineage: dict[str, Any]) -> list[tuple[str, object]]:
    merged = lineage["stages"]["merging"]
    return [
        *(_given(lineage) if lineage.get("given") else _trained(lineage["stages"])),
        *_left_out(lineage["stages"]["dataset"]),
        ("merged", f"{merged['touched']} of {merged['tensors']['total']} tensors, types unchanged"),
        ("adapter kept", _kept(merged.get("retention"))),
    ]


def _left_out(dataset: dict[str, Any]) -> list[tuple[str, object]]:
    """What became of the newest records, and of those that could not be used."""
    odd = [*dataset.get("unusable", ()), *dataset.get("unaskable", ())]
    return [
        *(("data", note) for note in dataset.get("notes", ())),
        *(("left out", f"record {each['record'][:12]}: {each['reason']}") for each in odd[:MOST_NAMED]),
    ]


def _kept(retention: dict[str, Any] | None) -> str:
    """How much of the adapter is left in the file, by llama.cpp."""
    if retention is None or retention["kept"] is None:
        return "not measured, or there was nothing to keep"
    text = f"{retention['kept']:.1%}; same first choice for {retention['top1']:.1%} of {retention['tokens']} tokens"
    by_type = ", ".join(f"{name} {kept:.1%}" for name, kept in retention.get("by_type", {}).items())
    return f"{text} ({by_type})" if by_type else text


def _given(lineage: dict[str, Any]) -> list[tuple[str, object]]:
    given, imported = lineage["given"], lineage["stages"]["importing"]
    left_out = f", {unused} left out, as the base has no use for them" if (unused := imported.get("unused")) else ""
    return [
        ("registered from", f"{given['source']} ({given['format']}, {given['digest'][:19]}…)"),
        ("adapter", f"rank {imported['rank']} on {imported['modules']} modules{left_out}"),
    ]


def _trained(stages: dict[str, Any]) -> list[tuple[str, object]]:
    from adapterd.formats.judged_step import judged_steps

    train = stages["training"]
    first, best = train["first_validation_loss"], train["best_validation_loss"]
    losses = f"{first:.3f} → {best:.3f}" if first is not None and best is not None else "not measured"
    return [
        ("trained on", f"{stages['dataset']['train']['examples']} examples, {train['steps']} steps"),
        ("validation loss", f"{losses} (step {train['best_step']})"),
        *([("of the end of turn", f"{end:.3f}")] if (end := train.get("end_of_turn_loss")) is not None else []),
        *[("choice by answers", line) for line in judged_steps(train)],
    ]


@click.command(epilog=examples("adapterctl promote 1.2.0", "adapterctl promote 1.2.0 --force --yes"))
@click.argument("version")
@click.option(
    "--force", is_flag=True, help="Also if it was held, dropped or withdrawn, or over a changed live tag; asks first."
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@model_option
@json_option
def promote(version: str, force: bool, yes: bool, model: str | None, as_json: bool) -> None:
    """Make a version live by hand. One that was held, dropped or withdrawn needs --force.

    A challenger, or a version that waits to become one, is not proven to be better: that is said, and it is watched
    like any other.
    """
    from adapterctl.app import App
    from adapterd.deployment.promote_by_hand import not_proven, promote_by_hand

    app = App()
    name = app.model(model)
    unproven = not_proven(app.store, name, version)
    swap = promote_by_hand(app.deployer, name, version, force=force, confirm=(lambda _: None) if yes else ask)
    if as_json:
        emit_json({**vars(swap), "not_proven": unproven})
        return
    say(Styled(f"{name} {swap.live} is live; {swap.replaced} was before", "green"))
    if unproven:
        say(f"note: nothing proves that it is better: it was {unproven}; `adapterctl rollback` goes back")
    if swap.kept:
        say(f"note: {swap.note}")


@click.command(epilog=examples("adapterctl rollback", "adapterctl rollback newsbrief-synth --to 1.0.0"))
@name_argument
@click.option("--to", metavar="VERSION", help="Go back to this version instead of the previous one.")
@click.option("--no-warm", is_flag=True, help="Do not load the version afterwards; the first request will.")
@json_option
def rollback(name: str | None, to: str | None, no_warm: bool, as_json: bool) -> None:
    """Roll back: the version that was live before serves at once. Works without the daemon.

    The version that was live is marked as withdrawn and is not promoted again by itself; `adapterctl promote --force`
    can still do so.
    """
    from adapterctl.app import App
    from adapterd.errors import DamagedStoreError, NewerStoreError
    from adapterd.serving.tags import ModelTags

    app = App()
    name = app.model(name)
    try:
        swap, noted = _roll_back(app, name, to), ""
    except (DamagedStoreError, NewerStoreError) as exc:  # rollback works whatever else does not
        swap, noted = _roll_back_by_tags(app, name, to), f"done by the tags alone: {exc}"
    if as_json:
        emit_json(swap)
    else:
        done = f"{name} {swap.live} is live again; {swap.replaced} is withdrawn ({swap.swap_ms:.0f} ms)"
        say(Styled(done, "green"))
    if noted:
        say(noted, err=True)
        say(WITHOUT_RECORD, err=True)
    if not no_warm:
        _warm(app.runtime, ModelTags(name).live)


def _warm(runtime: "Runtime", tag: str) -> None:
    """Have the tag loaded. A runtime that does not come to it is told of: what was asked for is done."""
    from adapterd.errors import RuntimeUnavailableError

    try:
        runtime.load(tag)
    except RuntimeUnavailableError as exc:
        say(f"it is not loaded, the first request does that: {exc}", err=True)


def _roll_back(app: "App", name: str, to: str | None) -> "Swap":
    from adapterd.deployment.history import require_version
    from adapterd.serving.tags import is_base

    if to is not None and not is_base(to):
        require_version(app.store, name, to)
    return app.deployer.rollback(name, to)


def _roll_back_by_tags(app: "App", name: str, to: str | None) -> "Swap":
    from adapterd.deployment.rollback_by_tags import rollback_by_tags

    return rollback_by_tags(app.home, app.runtime, name, to)
