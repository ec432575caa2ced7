"""adapterctl synthetic list | show | review | keep | drop"""

from typing import TYPE_CHECKING

import click

from adapterctl.output import (
    Styled,
    ago,
    choose,
    emit_json,
    examples,
    json_option,
    model_option,
    say,
    say_lines,
    table,
    warn,
)

if TYPE_CHECKING:
    from adapterctl.app import App
    from adapterd.store import Store
    from adapterd.store.teaching.examples import ExampleState, SyntheticExample

STATES = ("kept", "dropped", "unsure")
FIRST_CHARACTERS = 60
ID = click.IntRange(1, (1 << 63) - 1)
"""What the database takes."""
KEYS = "k keeps, d drops, s skips, u undoes the last, q ends"
KEYS_OF = {"k": "keep", "d": "drop"}


@click.group()
def synthetic() -> None:
    """Examples that teachers made: what was kept, what was not and why, and what a person has to look at."""


@synthetic.command(
    "list", epilog=examples("adapterctl synthetic list --state unsure", "adapterctl synthetic list --json")
)
@click.option("--state", type=click.Choice(STATES), help="Only those that are kept, dropped, or to be looked at.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many, newest first.")
@model_option
@json_option
def list_(state: str | None, limit: int, model: str | None, as_json: bool) -> None:
    """Show what teachers made, newest first."""
    from adapterctl.app import App
    from adapterd.store.teaching.examples import ExampleState

    app = App()
    name = app.model(model)
    found = app.store.teaching.examples.all(name, ExampleState(state) if state else None)[::-1][:limit]
    if as_json:
        emit_json(found)
        return
    table(
        ["ID", "MADE", "KIND", "TEACHER", "STATE", "WHY", "PROMPT"],
        [
            (each.id, ago(each.created_at), each.kind, each.teacher, each.state, each.reason,
             each.messages[-1]["content"][:FIRST_CHARACTERS])
            for each in found
        ],
        empty=_why_none(app.store, name, state),
    )  # fmt: skip


def _why_none(store: "Store", model: str, state: str | None) -> str:
    if state and store.teaching.examples.newest(model):
        return f"no example is {state}; `adapterctl synthetic list` shows the others"
    return "no teacher made anything yet; `adapterctl teach`"


@synthetic.command("show", epilog=examples("adapterctl synthetic show 12"))
@click.argument("example", type=ID, metavar="ID")
@model_option
@json_option
def show(example: int, model: str | None, as_json: bool) -> None:
    """Show one example with all that is known of it."""
    from adapterctl.app import App
    from adapterd.errors import NotFoundError

    app = App()
    name = app.model(model)
    found = app.store.teaching.examples.get(name, example)
    if found is None:
        raise NotFoundError(f"{name} has no example {example} of a teacher", hint="adapterctl synthetic list")
    if as_json:
        emit_json(found)
        return
    _show(found)


def _show(found: "SyntheticExample") -> None:
    """An example, with what it rests on and what was said of it."""
    say(Styled(f"{found.id}. {found.kind} by {found.teacher} ({found.teacher_model})", bold=True))
    say(f"made {ago(found.created_at)}; {found.state}")
    for each in (*found.earlier, found.decision):
        if each.filter and each.reason:
            say(f"{each.filter}: {each.reason}")
    for turn in found.messages:
        _text(turn["role"], turn["content"])
    names = [*found.source_ids, *[""] * len(found.sources)]
    for name, text in zip(names, found.sources, strict=False):
        _text(f"source {name}".strip(), text)
    if found.rejected is None:
        _text("answer", found.answer)
    else:
        _text("better answer, by a person", found.answer)
        _text("worse answer, by the teacher", found.rejected)


def _text(head: str, text: str) -> None:
    say(Styled(head, "cyan"))
    say_lines(f"  {text}", indent=2)


@synthetic.command("review", epilog=examples("adapterctl synthetic review", "adapterctl synthetic review --json"))
@model_option
@json_option
def review(model: str | None, as_json: bool) -> None:
    """Look at what a filter is unsure of, one by one, as the page does; with --json tell only what comes next."""
    from adapterctl.app import App
    from adapterd.review.unsure import next_unsure
    from adapterd.teachers.rounds import made_by_teachers

    app = App()
    name = app.model(model)
    if as_json:
        made = made_by_teachers(app.store, name)
        emit_json({"unsure": made.unsure if made else 0, "next": next_unsure(app.store, name)})
        return
    say(KEYS)
    after: int | None = 0
    while after is not None:
        after = _review_next(app.store, name, after)


def _review_next(store: "Store", model: str, after: int) -> int | None:
    """Show the one behind `after`, and do what is said of it; returns which one to go on behind, None at the end."""
    from adapterd.errors import AdapterdError
    from adapterd.review.unsure import decide, undo_last
    from adapterd.store.teaching.examples import ExampleState

    found = store.teaching.examples.next_in(model, ExampleState.UNSURE, after)
    if found is None:
        left = len(store.teaching.examples.ids(model, ExampleState.UNSURE))
        say(f"{left} are left for later" if left else "nothing is left to be looked at")
        return None
    say()
    _show(found)
    said = choose([*KEYS_OF, "s", "u", "q"])
    if said == "q":
        return None
    try:
        if said == "u":
            return undo_last(store, model).id - 1
        if said != "s":
            decide(store, model, found.id, KEYS_OF[said])
    except AdapterdError as exc:  # what cannot be done is said, and the review goes on
        warn(str(exc), exc.hint)
    return found.id if said != "u" else after


@synthetic.command("keep", epilog=examples("adapterctl synthetic keep 12 13"))
@click.argument("ids", type=ID, metavar="ID…", nargs=-1, required=True)
@model_option
@json_option
def keep(ids: tuple[int, ...], model: str | None, as_json: bool) -> None:
    """Train on these, whatever a filter says of them; a frozen set still keeps out what is near it."""
    from adapterctl.app import App
    from adapterd.store.teaching.examples import ExampleState

    _decide(App(), model, ids, ExampleState.KEPT, as_json)


@synthetic.command("drop", epilog=examples("adapterctl synthetic drop 12 13"))
@click.argument("ids", type=ID, metavar="ID…", nargs=-1, required=True)
@model_option
@json_option
def drop(ids: tuple[int, ...], model: str | None, as_json: bool) -> None:
    """Do not train on these."""
    from adapterctl.app import App
    from adapterd.store.teaching.examples import ExampleState

    _decide(App(), model, ids, ExampleState.DROPPED, as_json)


def _decide(app: "App", model: str | None, ids: tuple[int, ...], state: "ExampleState", as_json: bool) -> None:
    """Note what a person says of examples, of all or of none; one that is named twice is one."""
    from adapterd.errors import InputError, NotFoundError
    from adapterd.store.teaching.examples import BY_PERSON, FORM, ExampleState

    name, ids = app.model(model), tuple(dict.fromkeys(ids))
    examples_of = app.store.teaching.examples
    with app.store.transaction():
        for each in ids:
            found = examples_of.get(name, each)
            if state is ExampleState.KEPT and found and found.filter == FORM:
                raise InputError(
                    f"example {each} cannot be kept: {found.reason}",
                    hint="of its answer no prompt and answer were made",
                )
            if not examples_of.decide(name, each, state, BY_PERSON, None):
                raise NotFoundError(f"{name} has no example {each} of a teacher", hint="adapterctl synthetic list")
    if as_json:
        emit_json({"ids": ids, "state": state})
        return
    say(f"{name}: {len(ids)} {state}")
