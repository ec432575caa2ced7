"""adapterctl synthetic list | show | keep | drop"""

from typing import TYPE_CHECKING

import click

from adapterctl.output import ago, emit_json, examples, json_option, model_option, say, table

if TYPE_CHECKING:
    from adapterctl.app import App
    from adapterd.store.teaching.examples import ExampleState

STATES = ("kept", "dropped", "unsure")
FIRST_CHARACTERS = 60
ID = click.IntRange(1, (1 << 63) - 1)
"""What the database takes."""


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
        empty="no teacher made anything yet; `adapterctl teach`",
    )  # fmt: skip


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
    say(f"{found.kind} by {found.teacher} ({found.teacher_model}), {ago(found.created_at)}: {found.state}")
    if found.reason:
        say(f"  {found.filter}: {found.reason}")
    for turn in found.messages:
        say(f"{turn['role']}:")
        say(turn["content"])
    say("answer:")
    say(found.answer)
    if found.rejected is not None:
        say("worse answer:")
        say(found.rejected)


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
    """Note what a person says of examples, of all or of none."""
    from adapterd.errors import InputError, NotFoundError
    from adapterd.store.teaching.examples import BY_PERSON, FORM, ExampleState

    name = app.model(model)
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
