"""Synthetic examples that a filter is unsure of: one at a time, with what it rests on; kept, dropped, or taken back."""

from typing import Any

from starlette.responses import Response

from adapterd.errors import InputError
from adapterd.page.desk import Desk, go
from adapterd.page.forms import number, query
from adapterd.review.unsure import can_undo, decide, next_unsure, undo_last
from adapterd.store.teaching.examples import ExampleState
from adapterd.teachers.rounds import made_by_teachers

TO_DECIDE = "example to decide on"
"""What a sealed value is, which its first entry says."""


def show(desk: Desk) -> str:
    """GET /synthetic/MODEL: the next one behind `?after`; `?undone` names one whose decision was taken back."""
    after, wanted = (number(desk.query.get(name) or "0") for name in ("after", "undone"))
    item = desk.store.teaching.examples.get(desk.model, wanted) if wanted else None
    again = f"Example {item.id} is {item.state} again." if item else ""
    if item is None or item.state is not ExampleState.UNSURE:
        item = next_unsure(desk.store, desk.model, after)
    return desk.page(
        "synthetic", "Synthetic", item=item, said=again, made=made_by_teachers(desk.store, desk.model),
        sealed=desk.entry.seal([TO_DECIDE, item.id]) if item else "", can_undo=can_undo(desk.store, desk.model),
        why=": ".join(filter(None, (item.filter, item.reason))) if item else "",
        sources=_sources(item.sources, item.source_ids) if item else (),
    )  # fmt: skip


def judge(desk: Desk) -> Response:
    """POST /synthetic/MODEL: keep or drop an example, or leave it for later."""
    sealed: Any = desk.entry.unseal(desk.form.text("item"))
    if not isinstance(sealed, list) or sealed[:1] != [TO_DECIDE]:
        raise InputError("the form is none of this page, or too old", hint="load the page anew")
    example: int = sealed[1]
    if desk.form.text("do") != "skip":
        decide(desk.store, desk.model, example, desk.form.text("do"))
    return go(query(f"/synthetic/{desk.model}", after=str(example)))


def undo(desk: Desk) -> Response:
    """POST /synthetic/MODEL/undo: take back what was decided last, and show its example again."""
    return go(query(f"/synthetic/{desk.model}", undone=str(undo_last(desk.store, desk.model).id)))


def _sources(texts: tuple[str, ...], names: tuple[str, ...]) -> list[tuple[str, str]]:
    """Each text that an example rests on, with its name where it has one."""
    named = [*names, *[""] * (len(texts) - len(names))]
    return list(zip(named, texts, strict=False))
