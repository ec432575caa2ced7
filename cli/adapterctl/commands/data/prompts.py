"""adapterctl prompts import | list"""

from pathlib import Path

import click

from adapterctl.output import ago, emit_json, examples, json_option, model_option, say, table

MOST_NAMED = 10
FIRST_CHARACTERS = 60


@click.group()
def prompts() -> None:
    """Prompts without answers: a pool to be answered, reviewed or taught from later."""


@prompts.command(
    "import",
    epilog=examples(
        "adapterctl prompts import questions.jsonl",
        "adapterctl prompts import --captured",
        "adapterctl prompts import 'sqlite:app.db?SELECT id, text AS prompt FROM requests'",
        "adapterctl prompts import 'sqlite:SELECT prompt_hash FROM ratings' --database app.db",
    ),
)
@click.argument("source", metavar="FILE|sqlite:PATH?QUERY", required=False)
@click.option("--captured", is_flag=True, help="Those that capture recorded of this model, instead of a file.")
@click.option(
    "--database", type=click.Path(dir_okay=False, path_type=Path), help="The SQLite file that sqlite:QUERY is asked of."
)
@model_option
@json_option
def import_(source: str | None, captured: bool, database: Path | None, model: str | None, as_json: bool) -> None:
    """Take prompts from a file, from a query on a SQLite database, which is only read, or from what capture recorded.

    A row has the prompt side of any feedback format: prompt, messages, conversations, instruction or question; answers
    in it are passed over. A row that has only the key of a prompt (id, prompt_id, prompt_hash, …), or a digest of its
    text, joins the prompt that is known by it. Each prompt is kept once; rows that cannot be used are named.
    """
    from adapterctl.app import App
    from adapterd.intake.prompt_intake import import_captured, import_prompts

    if captured == bool(source) or (captured and database):
        raise click.UsageError("give a FILE, a query, or --captured")
    app = App()
    name = app.model(model)
    report = import_prompts(app.store, name, source, database) if source else import_captured(app.store, app.home, name)
    if as_json:
        emit_json(report)
        return
    say(
        f"{name}: {_counted(report.rows, 'row')} read, {_counted(report.added, 'new prompt')}, "
        f"{report.known} known already, {report.joined} joined to a known one, {len(report.refused)} refused"
    )
    for each in report.refused[:MOST_NAMED]:
        say(f"  {each.place}: {each.reason}")
    if len(report.refused) > MOST_NAMED:
        say(f"  and {len(report.refused) - MOST_NAMED} more (--json names all)")


@prompts.command("list", epilog=examples("adapterctl prompts list --open", "adapterctl prompts list --json"))
@click.option("--open", "only_open", is_flag=True, help="Only those without feedback that are in no frozen set.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many, newest first.")
@model_option
@json_option
def list_(only_open: bool, limit: int, model: str | None, as_json: bool) -> None:
    """Show the prompts of the pool, newest first, and what became of them.

    What is in a frozen evaluation set is marked: it is never taught.
    """
    from adapterctl.app import App

    app = App()
    name = app.model(model)
    found = app.store.prompts.newest(name, limit, only_open=only_open)
    if as_json:
        emit_json(found)
        return
    table(
        ["ID", "ADDED", "STATE", "SOURCE", "FROM", "PROMPT"],
        [
            (each.id, ago(each.added_at), _state(each.answered, each.frozen), each.source_id, each.origin,
             _first_words(each.messages[-1]["content"]))
            for each in found
        ],
        empty="no prompts were imported yet; `adapterctl prompts import FILE`",
    )  # fmt: skip


def _state(answered: bool, frozen: bool) -> str:
    return "frozen" if frozen else "answered" if answered else "open"


def _first_words(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= FIRST_CHARACTERS else words[: FIRST_CHARACTERS - 1] + "…"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
