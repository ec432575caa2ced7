"""adapterctl teach"""

from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from adapterctl.output import (
    StageProgress,
    Styled,
    emit_json,
    examples,
    json_option,
    name_argument,
    say,
    warn,
)

if TYPE_CHECKING:
    from adapterctl.app import App
    from adapterd.teachers.prepare import Round
    from adapterd.teachers.teach import Taught
    from adapterd.teachers.work import Outcome, WorkProgress

KINDS = ("answer", "repair", "grounded", "synthesis", "refusal", "variation", "worse")
MOST_NAMED = 5


@click.command(
    epilog=examples(
        "adapterctl teach --dry-run                     what would be asked, and about how many tokens that takes",
        "adapterctl teach --kind answer --limit 50      50 answers to prompts that nobody answered yet",
        "adapterctl teach --documents ~/handbook        questions and answers from documents, too",
    )
)
@name_argument
@click.option(
    "--kind", "kinds", type=click.Choice(KINDS), multiple=True, help="Only examples of this kind; repeatable."
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="So many examples in all, at most.")
@click.option(
    "--documents", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A folder of documents."
)
@click.option("--dry-run", is_flag=True, help="Only tell what would be asked.")
@json_option
def teach(
    name: str | None, kinds: tuple[str, ...], limit: int | None, documents: Path | None, dry_run: bool, as_json: bool
) -> None:
    """Have the model's teacher make examples, and keep what all filters let through.

    Teachers are in the configuration ([teachers.NAME]). What is kept is trained on beside people's feedback, is marked,
    and never judges. Ctrl-C keeps what there is; the same command goes on, and asks nothing twice.
    """
    from adapterctl.app import App
    from adapterd.judges.examples import judge_of_examples
    from adapterd.teachers.prepare import prepare
    from adapterd.teachers.request import Kind

    app = App()
    model = app.model(name)
    wanted = [Kind(each) for each in kinds]
    judge = judge_of_examples(app.store, app.home, app.settings, model)
    with StageProgress(quiet=as_json) as progress:
        asked = prepare(
            app.store, app.home, app.settings, model, judge=judge, kinds=wanted, limit=limit, documents=documents,
            on_scan=_shares(progress, "scanning"), on_read=_shares(progress, "reading"),
        )  # fmt: skip
    if dry_run:
        _show_plan(asked, as_json)
        return
    if asked.is_empty:
        _show_nothing(app, asked, as_json)
        return
    _warn_of_family(asked)
    with StageProgress(quiet=as_json) as progress:
        taught = asked.ask(
            "teach", lambda done: progress("asking", _told(done)), lambda done: progress("judging", _told(done))
        )
    _show(asked, taught, as_json)


def _shares(progress: StageProgress, what: str) -> Callable[[float], None]:
    """Shows the share of the records that are scanned, or of the documents that are read, and how long the others
    take."""
    from adapterd.runs.stage import under_way

    began = monotonic()

    def told(share: float) -> None:
        done = {"share": share}
        progress(what, under_way(done, monotonic() - began) if share < 1 else done)

    return told


def _told(done: "WorkProgress") -> dict[str, Any]:
    share = done.done / done.of if done.of else 1.0
    said = f"{done.done} of {done.of}, {done.per_minute:.0f}/min"
    return {"share": share, "doing": said, "remaining_s": done.left_s}


def _warn_of_family(asked: "Round") -> None:
    for each in asked.judge.warnings if asked.judge else ():
        warn(each, f"`adapterctl config set models.{asked.model}.teaching.judge NAME` names another one")


def _show_plan(asked: "Round", as_json: bool) -> None:
    from adapterd.teachers.last_filter import CALLS_EACH

    if as_json:
        emit_json({
            "teacher": asked.teacher, "counts": asked.counts, "prompt_tokens": asked.prompt_tokens,
            "judge": asked.judge.name if asked.judge else None, "most_verdicts": asked.most_verdicts,
            "unjudged": asked.judge.waiting if asked.judge else 0,
            "warnings": asked.judge.warnings if asked.judge else (),
        })  # fmt: skip
        return
    counts = ", ".join(f"{count} {kind}" for kind, count in asked.counts.items() if count) or "nothing"
    say(f"{asked.model}: {asked.teacher} ({asked.of_teacher.model}) would be asked for {counts}")
    say(f"about {asked.prompt_tokens:,} tokens of prompts; answers have {asked.of_teacher.num_predict} each at most")
    if asked.judge:
        say(
            f"and the judge {asked.judge.name} ({asked.judge.model}) {CALLS_EACH} times about each example that all "
            f"filters let through, and about {asked.judge.waiting} that wait: {asked.most_verdicts} requests more, "
            "at most"
        )
    _warn_of_family(asked)
    _name_left_out(asked)


def _show_nothing(app: "App", asked: "Round", as_json: bool) -> None:
    if as_json:
        emit_json({"teacher": asked.teacher, "counts": asked.counts, "yield": None})
        return
    say(f"{asked.model}: there is nothing new to ask {asked.teacher} for")
    if not app.store.prompts.counts(asked.model).prompts and not app.home.captures.is_file():
        say("  prompts come by `adapterctl prompts import FILE` or `adapterctl capture on`")
    _name_left_out(asked)


def _show(asked: "Round", taught: "Taught", as_json: bool) -> None:
    from adapterd.teachers.teach import sentences_of

    if as_json:
        emit_json({
            "teacher": taught.teacher, "made": taught.made, "yield": taught.counted, "formless": taught.formless,
            "outcome": _plain(taught.outcome), "left_out": asked.left_out, "judge": _plain_judged(taught),
        })  # fmt: skip
        return
    say(Styled(f"{asked.model}: {taught}", "green" if taught.counted.kept else "yellow"))
    for each in taught.counted.filters:
        if (each.dropped or each.unsure) and each.examples:
            say(f"  {each.said or each.name}: {each.examples[0]}")
    if taught.counted.unsure:
        say(f"`adapterctl synthetic review` shows what a person has to look at ({taught.counted.unsure})")
    for said in sentences_of(taught):
        warn(said, "the same command goes on")
    _name_left_out(asked)


def _plain(outcome: "Outcome") -> dict[str, Any]:
    return {**vars(outcome), "error": str(outcome.error) if outcome.error else None}


def _plain_judged(taught: "Taught") -> dict[str, Any] | None:
    judged = taught.judged
    if judged is None:
        return None
    return {
        "outcome": _plain(judged.outcome), "unjudged": judged.waiting, "same_judge": not judged.is_another,
        "earlier": taught.earlier,
    }  # fmt: skip


def _name_left_out(asked: "Round") -> None:
    for each in asked.left_out[:MOST_NAMED]:
        say(f"  not read: {each}")
    if len(asked.left_out) > MOST_NAMED:
        say(f"  and {len(asked.left_out) - MOST_NAMED} more")
