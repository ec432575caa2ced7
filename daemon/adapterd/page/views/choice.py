"""Blind choice: two answers side by side, whose they are is told once one was chosen."""

from starlette.responses import Response

from adapterd.capture.captures import Captures
from adapterd.errors import AdapterdError, InputError, NotFoundError
from adapterd.page.desk import Desk, go
from adapterd.page.forms import number
from adapterd.page.jobs import Report
from adapterd.page.rendering import rendered
from adapterd.removal.outliving import open_store
from adapterd.review.choices import make_choices, meter, next_choice, pair_of
from adapterd.review.choices import vote as keep_vote
from adapterd.review.frame import Frame
from adapterd.store.reviews.choices import Choice, Vote

AT_ONCE = 10
"""So many choices are made when somebody asks for some."""
LEFT, RIGHT = "left", "right"


def show(desk: Desk) -> str:
    """GET /choice/MODEL: the next one of the pair, `?ours` and `?theirs` name another one; `?last` the one before."""
    ours, theirs = (desk.query.get(name) or None for name in ("ours", "theirs"))
    progress = next(iter(desk.jobs.of(_kind(desk))), None)
    if "part" in desk.query:
        return rendered("making", progress=progress)
    try:
        pair = pair_of(desk.store, desk.model, ours, theirs)
    except (NotFoundError, InputError) as exc:
        return desk.page("choice_none", "Blind choice", why=str(exc), hint=exc.hint, versions=_versions(desk))
    return desk.page(
        "choice", "Blind choice", pair=pair, choice=next_choice(desk.store, desk.model, pair), last=_last(desk),
        meter=meter(desk.store, desk.model, desk.model_settings, pair), progress=progress, versions=_versions(desk),
        at_once=AT_ONCE,
    )  # fmt: skip


def vote(desk: Desk) -> Response:
    """POST /choice/MODEL: keep a vote for the left or the right one, for both alike, or neither."""
    found = desk.store.choices.get(desk.model, number(desk.form.text("choice")))
    if found is None:
        raise NotFoundError("this choice is not there any more", hint="load the page anew")
    given = _vote(found, desk.form.text("vote"))
    correction = desk.form.text("correction").strip() or None
    keep_vote(desk.store, desk.model, desk.model_settings, found, given, correction)
    return go(f"/choice/{desk.model}?ours={found.ours}&theirs={found.theirs}&last={found.id}")


def make(desk: Desk) -> Response:
    """POST /choice/MODEL/make: have both versions answer more prompts."""
    pair = pair_of(desk.store, desk.model, desk.form.text("ours") or None, desk.form.text("theirs") or None)
    home, model, settings, runtime = desk.home, desk.model, desk.model_settings, desk.runtime
    if not home.captures.is_file():
        raise NotFoundError("no prompt is captured yet", hint="adapterctl capture on")

    def work(report: Report) -> str:
        with open_store(home) as store, Captures(home.captures) as captures:
            made = make_choices(Frame.of(store, captures, model), pair, runtime, settings, AT_ONCE, report)
        return f"{made} new" if made else "both answer all captured prompts alike, or none is left"

    desk.jobs.start(_kind(desk), "", work)
    return go(f"/choice/{model}?ours={pair.ours}&theirs={pair.theirs}")


def _kind(desk: Desk) -> str:
    return f"choices of {desk.model}"


def _vote(choice: Choice, side: str) -> Vote:
    """What a side means, which only the store knows."""
    sides = (Vote.OURS, Vote.THEIRS) if choice.ours_first else (Vote.THEIRS, Vote.OURS)
    meant = dict(zip((LEFT, RIGHT), sides, strict=True)) | {"tie": Vote.TIE, "bad": Vote.BOTH_BAD}
    if side not in meant:
        raise InputError("a vote is for one of the two, for both alike, or for neither")
    return meant[side]


def _last(desk: Desk) -> Choice | None:
    """The choice that was made last, which may be told of now."""
    try:
        found = desk.store.choices.get(desk.model, number(desk.query.get("last", "")))
    except AdapterdError:
        return None
    return found if found and found.vote else None


def _versions(desk: Desk) -> list[str]:
    return [each.version for each in desk.store.versions.all(desk.model)]
