"""adapterctl judge run | card | scores"""

from typing import TYPE_CHECKING, Any

import click

from adapterctl.output import StageProgress, Styled, emit_json, examples, json_option, name_argument, say, warn

if TYPE_CHECKING:
    from adapterctl.app import App
    from adapterd.judges.round import JudgedNow, JudgeRound
    from adapterd.review.choices import Pair
    from adapterd.teachers.work import Outcome, WorkProgress

OURS = click.option("--ours", metavar="VERSION", help="A version to judge, in place of the challenger.")
THEIRS = click.option("--theirs", metavar="VERSION", help="What it is compared with, in place of live.")


@click.group(epilog=examples("adapterctl judge run --dry-run", "adapterctl judge card"))
def judge() -> None:
    """A model that says which of two answers is better, and how far people's votes show that it is right."""


@judge.command(
    "run",
    epilog=examples(
        "adapterctl judge run --dry-run       what would be asked, and about how many tokens that takes",
        "adapterctl judge run --pairs 200     has 200 more prompts answered first, for the judge and for people",
    ),
)
@name_argument
@OURS
@THEIRS
@click.option("--pairs", type=click.IntRange(1, 10_000), metavar="N", help="Make so many new pairs of answers first.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Ask about so many pairs at most.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be asked.")
@json_option
def run(
    name: str | None,
    ours: str | None,
    theirs: str | None,
    pairs: int | None,
    limit: int | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Ask the model's judge which answer of the blind choices is better, in both orders.

    Judges are in the configuration ([judges.NAME]). It is asked of the pairs that people voted on, and of those that
    wait. Ctrl-C keeps what there is; the same command goes on, and asks nothing twice. Where gates.judged_preference is
    set, a look at what the verdicts show is taken once enough votes are there.
    """
    from adapterctl.app import App
    from adapterd.judges.round import prepare

    app = App()
    model = app.model(name)
    pair = _pair(app, model, ours, theirs)
    if pairs and not dry_run:
        _make(app, model, pair, pairs, as_json)
    asked = prepare(app.store, app.home, app.settings, model, pair, limit)
    if dry_run:
        _show_plan(asked, pairs or 0, as_json)
        return
    with StageProgress(quiet=as_json) as progress:
        done = asked.ask(lambda now: progress("asking", _told(now)))
    _show(asked, done, as_json)


@judge.command("card", epilog=examples("adapterctl judge card", "adapterctl judge card newsbrief-synth --json"))
@name_argument
@OURS
@THEIRS
@json_option
def card(name: str | None, ours: str | None, theirs: str | None, as_json: bool) -> None:
    """Show how far the judge agrees with people, what sways it, and what its verdicts add to their votes.

    The share of votes that a version would have if people voted on all (judged_preference) stands beside that of the
    votes alone (human_preference), with intervals of 95 %, or with why it is advice only.
    """
    from adapterctl.app import App
    from adapterd.judges.card import shown_judge

    app = App()
    model = app.model(name)
    found = shown_judge(app.store, app.settings, model, _pair(app, model, ours, theirs))
    if as_json:
        emit_json({**vars(found), "sentences": found.sentences()})
        return
    say(Styled(f"{model}: {found.judge}", bold=True))
    for each in found.sentences():
        say(f"  {each}")


@judge.command(
    "scores", epilog=examples("adapterctl judge scores --dry-run", "adapterctl judge scores --version 1.2.0 --limit 50")
)
@name_argument
@click.option("--version", metavar="VERSION", help="Whose answers; the challenger's, else live's, if none is named.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Ask about so many answers at most.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be asked, and show the scores that are there.")
@json_option
def scores(name: str | None, version: str | None, limit: int | None, dry_run: bool, as_json: bool) -> None:
    """Have the judge score a version's answers to the frozen set: key facts, topic, faithfulness.

    They stand beside what people marked, who calibrate them once they have marked 30 answers or more. No gate reads
    them.
    """
    from adapterctl.app import App
    from adapterd.judges.scores import prepare_scores, scored
    from adapterd.teachers.teach import ended_sentence

    app = App()
    model = app.model(name)
    asked = prepare_scores(app.store, app.home, app.settings, model, version or _newest(app, model), limit)
    ended, is_same, outcome = "", True, None
    if not dry_run:
        with StageProgress(quiet=as_json) as progress:
            outcome, is_same = asked.ask(lambda now: progress("asking", _told(now)))
        ended = ended_sentence(outcome, "judge")
    found = scored(asked)
    if as_json:
        emit_json({
            "judge": asked.judge, "version": asked.version, "asked": len(asked.open), "dry_run": dry_run,
            "prompt_tokens": asked.prompt_tokens, "same_judge": is_same, "ended": ended, "scores": found,
        })  # fmt: skip
        return
    what = f"{len(asked.open)} of {len(asked.answers)} answers of {asked.version}"
    tokens = f"would be asked about {what}, with about {asked.prompt_tokens:,} tokens"
    say(Styled(f"{model}: {asked.judge} {tokens if dry_run else f'was asked about {what}'}", bold=True))
    if not is_same:
        _warn_of_another(asked.judge.judge_model)
    for each in found:
        say(f"  {each}")
    if outcome:
        _warn_of_unanswered(outcome, asked.judge.name)
        if limit is None and is_same and not outcome.left:
            _warn_of_unscored(len(asked.answers) - max(each.judged for each in found), asked.judge.name)
    if ended:
        warn(ended, "the same command goes on")


def _newest(app: "App", model: str) -> str:
    """The challenger, else live."""
    from adapterd.errors import NotFoundError
    from adapterd.store.evidence.comparisons import Purpose

    comparison, live = app.store.comparisons.open(model, Purpose.CHALLENGE), app.store.versions.deployment(model)
    if comparison is None and live is None:
        raise NotFoundError(f"{model} has no version that is live yet", hint=f"adapterctl retrain {model}")
    return comparison.ours if comparison else live.live if live else ""


def _warn_of_another(name: str) -> None:
    warn(f"other weights answer as {name} than when it was asked, so nothing is kept", "give the command again")


def _warn_of_unanswered(outcome: "Outcome", judge: str) -> None:
    """Say why some have no verdict or score, where the judge answers the others."""
    from adapterd.teachers.work import Ended

    if outcome.ended is Ended.UNAVAILABLE or not outcome.refused + outcome.failed:
        return
    said = f"{outcome.refused} requests were refused, and {outcome.failed} failed: {outcome.error}"
    warn(said, f"where a prompt is too long, raise judges.{judge}.num_ctx; the same command asks again what failed")


def _warn_of_unscored(count: int, judge: str) -> None:
    if count:
        said = "1 answer has" if count == 1 else f"{count} answers have"
        warn(f"{said} no score that can be read", _enough_tokens(judge))


def _enough_tokens(judge: str) -> str:
    return f"where thoughts take all tokens, raise judges.{judge}.num_predict, or set judges.{judge}.think to off"


def _warn_of_unread(unread: int, judge: str) -> None:
    warn(
        "1 pair has no verdict that can be read, and counts as a tie of the judge"
        if unread == 1
        else f"{unread} pairs have no verdict that can be read, and count as ties of the judge",
        _enough_tokens(judge),
    )


def _pair(app: "App", model: str, ours: str | None, theirs: str | None) -> "Pair":
    from adapterd.review.choices import pair_of

    return pair_of(app.store, model, ours, theirs)


def _make(app: "App", model: str, pair: "Pair", count: int, as_json: bool) -> None:
    from adapterd.judges.pairs import make_pairs

    with StageProgress(quiet=as_json) as progress:
        made = make_pairs(
            app.store, app.home, app.settings, model, pair, count,
            lambda done, of: progress("answering", {"share": done / of, "doing": f"{done} of {of} pairs"}),
        )  # fmt: skip
    if made < count:
        warn(
            f"{made} of {count} pairs are new: both answer the other captured prompts alike, or none is left",
            "more come as applications ask; `adapterctl capture status` tells how many are recorded",
        )


def _told(done: "WorkProgress") -> dict[str, Any]:
    share = done.done / done.of if done.of else 1.0
    said = f"{done.done} of {done.of}, {done.per_minute:.0f}/min"
    return {"share": share, "doing": said, "remaining_s": done.left_s}


def _counts(asked: "JudgeRound") -> dict[str, int]:
    voted = {each.id for each in asked.pairs.votes}
    of_votes = sum(each.id in voted for each in asked.open)
    return {"votes": of_votes, "pool": len(asked.open) - of_votes, "requests": asked.calls}


def _show_plan(asked: "JudgeRound", pairs: int, as_json: bool) -> None:
    counts = _counts(asked)
    if as_json:
        emit_json({
            "judge": asked.judge, **counts, "prompt_tokens": asked.prompt_tokens, "judged": asked.judged,
            "new_pairs": pairs,
        })  # fmt: skip
        return
    say(
        f"{asked.model}: {asked.judge} would be asked about {len(asked.open)} pairs of {asked.pair.ours} and "
        f"{asked.pair.theirs}: {counts['votes']} that people voted on, {counts['pool']} that wait"
    )
    say(f"that is {counts['requests']} requests with about {asked.prompt_tokens:,} tokens; {asked.judged} are judged")
    if pairs:
        say(f"{pairs} new pairs, which would be made first, are not counted here")


def _show(asked: "JudgeRound", done: "JudgedNow", as_json: bool) -> None:
    from adapterd.evidence.judged import look_sentence
    from adapterd.teachers.teach import ended_sentence

    if as_json:
        outcome = {**vars(done.outcome), "error": str(done.outcome.error) if done.outcome.error else None}
        emit_json({"judge": asked.judge, **vars(done), "outcome": outcome, "open": len(asked.open) - done.judged})
        return
    if done.is_another:
        _warn_of_another(asked.judge.judge_model)
        return
    none = f"no pair of {asked.pair.ours} and {asked.pair.theirs} is new to {asked.judge}"
    said = f"{asked.judge} judged {done.judged} pairs of {asked.pair.ours} and {asked.pair.theirs}"
    say(Styled(f"{asked.model}: {said if asked.open else none}", "green" if done.judged else "yellow"))
    for look in done.looks:
        say(f"  {look_sentence(look)}{f'; {look.advice}' if look.advice else ''}")
    _warn_of_unanswered(done.outcome, asked.judge.name)
    if done.unread:
        _warn_of_unread(done.unread, asked.judge.name)
    if said := ended_sentence(done.outcome, "judge"):
        warn(said, "the same command goes on")
    if asked.judge.advice:
        warn(f"it only advises: {asked.judge.advice}", f"adapterctl config set judges.{asked.judge.name}.pinned true")
    say(f"`adapterctl judge card {asked.model}` shows how far it agrees with people")
