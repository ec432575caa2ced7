"""adapterctl evidence | challenger drop | watch on, off"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from adapterctl.output import (
    StageProgress,
    Styled,
    ago,
    ask,
    emit_json,
    examples,
    fields,
    json_option,
    local,
    name_argument,
    say,
    table,
)

if TYPE_CHECKING:
    from adapterctl.app import App
    from adapterd.insight.season.compared import Compared
    from adapterd.insight.season.evidence import BudgetLeft, Evidence
    from adapterd.store import Store

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(
    epilog=examples(
        "adapterctl evidence",
        "adapterctl evidence newsbrief-synth --json",
        "adapterctl evidence --now                   asks what came since, without waiting for the night",
        "adapterctl evidence --picture season.svg    also draws its nights",
    )
)
@name_argument
@click.option("--now", is_flag=True, help="Ask the fresh cases now, and do what follows from what they say.")
@click.option("--picture", type=FILE, metavar="FILE", help="Also draw the newest comparison into this SVG file.")
@json_option
def evidence(name: str | None, now: bool, picture: Path | None, as_json: bool) -> None:
    """Show what fresh cases say of the challenger and of what is live, night by night.

    What decides stands apart from what is only shown. Of each comparison: the gain with its interval, how far it is
    from a proof, and the guard rails; of the error budget what is left; of ended comparisons how they ended.
    """
    from adapterctl.app import App
    from adapterd.insight.season.evidence import evidence_of

    app = App()
    name = app.model(name)
    if now:
        _ask_now(app, name, as_json)
    found = evidence_of(app.store, name, app.model_settings(name))
    if picture:
        _draw(app.store, name, picture)
    if as_json:
        emit_json({**vars(found), "picture": picture})
        return
    _show(found)
    if picture:
        say()
        say(f"drawn: {picture}")


def _ask_now(app: "App", name: str, as_json: bool) -> None:
    """A night without training, at once: also if the daemon is running, which waits for it."""
    from adapterctl.commands.retrain import pipeline, take_feedback

    take_feedback(app, name, as_json)
    with StageProgress(quiet=as_json) as progress:
        decision = pipeline(app, progress, as_json).evidence(name)
    if decision and not as_json:
        say(f"{name} {decision.version}: {decision.reason}")
        say()


def _draw(store: "Store", name: str, file: Path) -> None:
    from adapterd.errors import InputError, NotFoundError
    from adapterd.insight.season.picture import newest_picture

    if file.suffix.lower() != ".svg":
        raise InputError(f"{file} is no name of an SVG file", hint="give one that ends in .svg")
    drawn = newest_picture(store, name)
    if drawn is None:
        raise NotFoundError(f"no night of {name} has compared anything yet", hint=f"adapterctl evidence {name}")
    file.write_text(drawn, encoding="utf-8")


def _show(found: "Evidence") -> None:
    say(Styled(found.model, bold=True))
    fields([("live", found.live), ("waiting", ", ".join(found.waiting))])
    for compared in found.open:
        say()
        _show_open(compared)
    if found.why_none:
        say()
        say(f"no challenger: {found.why_none}")
        say(f"  {found.what_to_do}")
    say()
    for budget in found.budgets:
        say(_budget(budget))
    if found.ended:
        say()
        rows = [
            (each.purpose, each.version, each.against, ago(each.ended_at), each.state, each.text)
            for each in found.ended
        ]
        table(["ENDED", "VERSION", "AGAINST", "WHEN", "HOW", "WHY"], rows, empty="")


def _budget(budget: "BudgetLeft") -> str:
    what = {"challenge": "error budget", "watch": "budget of the watch"}[budget.purpose]
    return f"{what}: {budget.left:.4f} of {budget.yearly:g} a year is left, {budget.staked:.4f} is staked"


def _show_open(compared: "Compared") -> None:
    what = {"challenge": "challenger {}", "watch": "watch: {}, which was live before,"}[compared.purpose]
    say(Styled(f"{what.format(compared.version)} against {compared.against}, which is live", bold=True))
    standing = compared.standing
    pairs: list[tuple[str, object]] = [
        ("  begun", f"{ago(compared.since)}, with a level of {compared.level:.4f}"),
        ("  stands", compared.text),
    ]
    if standing:
        interval = f"{standing.low:+.3f} to {standing.high:+.3f} by 95 %, at any night"
        pairs += [
            ("  decide", f"{standing.cases} fresh cases, {standing.votes} votes"),
            ("  shown only", _shown(compared)),
            (
                f"  gain of {compared.version}",
                f"{standing.primary} {standing.gain:+.3f} ({interval})" * bool(standing.units),
            ),
            *((f"  guard rail {rail.metric}", f"{rail.mean:+.3f}, {_way(rail.way)}") for rail in standing.rails),
        ]
    fields(pairs)
    rows = [
        (f"{local(night.at):%Y-%m-%d}", night.cases, night.shown or None, _signed(night.difference), f"{night.way:.0%}")
        for night in compared.nights
    ]
    say()
    table(["NIGHT", "CASES", "SHOWN ONLY", "DIFFERENCE", "WAY AFTER IT"], rows, empty="  no night yet")


def _shown(compared: "Compared") -> str | None:
    standing = compared.standing
    if standing is None or not standing.shown:
        return None
    corrections = "correction" if standing.shown == 1 else "corrections"
    return (
        f"{standing.shown} {corrections} of what one of the two had answered ({standing.shown_gain:+.3f}): only "
        f"mistakes are corrected, so any other version is better there"
    )


def _way(way: float) -> str:
    from adapterd.evidence.standing import GUARD_LIMIT

    proof = f"proven to fall by less than {GUARD_LIMIT:g}"
    return proof if way >= 1 else f"{way:.0%} of the way to being {proof}"


def _signed(value: float | None) -> str | None:
    return None if value is None else f"{value:+.3f}"


@click.group(epilog=examples("adapterctl challenger drop", "adapterctl challenger drop newsbrief-synth --yes"))
def challenger() -> None:
    """What is done by hand with the version that collects evidence; `evidence` shows it."""


@challenger.command(epilog=examples("adapterctl challenger drop", "adapterctl challenger drop newsbrief-synth --yes"))
@name_argument
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@json_option
def drop(name: str | None, yes: bool, as_json: bool) -> None:
    """Let the challenger collect no more evidence. It does not begin again by itself; `promote` can still do so.

    What is left of its stake goes back into the error budget, and the next night chooses another challenger.
    """
    from adapterctl.app import App
    from adapterd.runs.by_hand.challenger import challenger_of, drop_challenger

    app = App()
    name = app.model(name)
    found = challenger_of(app.store, name)
    if not yes:
        ask(f"{name} {found.ours} is compared with {found.theirs} since {ago(found.began_at)}. Drop it?")
    ended = drop_challenger(app.store, name, app.model_settings(name))
    if as_json:
        emit_json({"model": name, "dropped": ended.ours, "against": ended.theirs, "state": ended.state})
        return
    say(Styled(f"{name} {ended.ours} is dropped; the next night chooses another challenger, if one waits", "green"))


@click.group(epilog=examples("adapterctl watch on", "adapterctl watch off newsbrief-synth"))
def watch() -> None:
    """Whether live is taken back by itself where fresh cases prove that the version before is better.

    Fresh cases compare the two either way, and `status` says what they tell.
    """


@watch.command(epilog=examples("adapterctl watch on", "adapterctl watch on newsbrief-synth --json"))
@name_argument
@json_option
def on(name: str | None, as_json: bool) -> None:
    """Take live back by itself where the version before is proven to be better."""
    _set_watch(name, as_json, on=True)


@watch.command(epilog=examples("adapterctl watch off", "adapterctl watch off newsbrief-synth --json"))
@name_argument
@json_option
def off(name: str | None, as_json: bool) -> None:
    """Only say so where the version before is proven to be better; `rollback` takes live back."""
    _set_watch(name, as_json, on=False)


def _set_watch(name: str | None, as_json: bool, *, on: bool) -> None:
    from adapterctl.app import App
    from adapterd.deployment.config_file import set_setting

    app = App()
    name = app.model(name)
    changed = set_setting(app.home, ("models", name, "watch", "auto_rollback"), "true" if on else "false")
    if as_json:
        emit_json({"model": name, "auto_rollback": on, "changed": changed})
        return
    already = "" if changed else " already"
    does = "is taken back by itself" if on else "is not taken back by itself, and `status` and `doctor` say so"
    say(f"{name}: the watch is {'on' if on else 'off'}{already}; what is proven to be worse {does}")
