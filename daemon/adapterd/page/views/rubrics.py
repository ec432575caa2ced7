"""Rubrics: an answer to a frozen case at a time, its key facts ticked off, on topic or not."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from adapterd.errors import InputError
from adapterd.evidence.marked import TARGETS, marked
from adapterd.page.desk import Desk, go
from adapterd.page.forms import number, query
from adapterd.review.facts import MOST_FACTS, edited
from adapterd.review.marking import Item, Key, Marking, undo_last
from adapterd.store.reviews.rubrics import Mark, facts_hash

TOPICS = {"on": True, "off": False}
TO_MARK, BEGUN = "answer to mark", "mark that was begun"
"""What a sealed value is, which its first entry says."""


KEPT = "The facts are kept with the case; tick off those that the answer has."


@dataclass(frozen=True)
class Shown:
    """What a form has filled in when it is shown: places of facts that are ticked off, and the topic if it is chosen.
    `said` is what is told of it."""

    ticked: Collection[int] = ()
    topic: str = ""
    said: str = ""


def show(desk: Desk) -> str:
    """GET /rubrics/MODEL: the next one; `?version` names whose, `?after` the one before, `?at` one as it was begun."""
    marking = Marking.of(desk.store, desk.model, desk.query.get("version") or None)
    item, shown = marking.next(_after(desk)), Shown()
    again = _unsealed(desk, desk.query.get("at", ""), BEGUN)
    if again and (begun := marking.items.get((again[0], again[1]))):
        item, shown = begun, Shown(*again[2:])
    elif item:
        shown = _as_marked(item, item.mark)
    return desk.page(
        "rubrics", "Rubrics", item=item, shown=shown, left=marking.left, version=desk.query.get("version", ""),
        marked={name: marked(desk.store, desk.model, name) for name in marking.versions}, targets=TARGETS,
        sealed=desk.entry.seal([TO_MARK, *item.key, facts_hash(item.facts)]) if item else "", most=MOST_FACTS,
        can_undo=bool(desk.store.rubrics.marks(desk.model)),
    )  # fmt: skip


def mark(desk: Desk) -> Response:
    """POST /rubrics/MODEL: keep what is said of an answer, or other facts, which are ticked off anew then."""
    form = desk.form
    marking = Marking.of(desk.store, desk.model, form.text("version") or None)
    sealed = _unsealed(desk, form.text("item"), TO_MARK)
    if not sealed:
        raise InputError("the form is none of this page, or too old", hint="load the page anew")
    item = marking.item((sealed[0], sealed[1]))
    if form.text("do") == "skip":
        return _next(desk, item.key)
    if sealed[2] != facts_hash(item.facts):
        raise InputError("the facts of this case were changed meanwhile", hint="load the page anew")
    ticked, topic = [number(each) for each in form.all("tick")], form.text("topic")
    facts = edited(form.text("facts"))
    if facts != item.facts or form.text("do") == "facts":
        marking.change_facts(item, facts)
        stay = {item.facts[place] for place in ticked if place < len(item.facts)}
        kept = [place for place, fact in enumerate(facts) if fact in stay]
        return _again(desk, item.key, Shown(kept, topic, KEPT))
    if topic not in TOPICS:
        raise InputError("it is not said whether the answer is on topic", hint="choose that, or skip the answer")
    marking.mark(item, ticked, on_topic=TOPICS[topic])
    return _next(desk, item.key)


def undo(desk: Desk) -> Response:
    """POST /rubrics/MODEL/undo: take the last mark back, and show its answer again."""
    last = undo_last(desk.store, desk.model)
    key = (last.case, last.answer)
    here = Marking.of(desk.store, desk.model, desk.form.text("version") or None)
    item = here.items.get(key)
    return _again(desk, key, _as_marked(item, last)) if item else go(_path(desk))


def _as_marked(item: Item, mark: Mark | None) -> Shown:
    """What a mark on an item said; where that was with other facts than those of today, only its topic is left."""
    if mark is None:
        return Shown()
    return Shown(mark.ticked if mark.facts == facts_hash(item.facts) else (), "on" if mark.on_topic else "off")


def _unsealed(desk: Desk, sealed: str, kind: str) -> list[Any] | None:
    """The values of this kind that this page has sealed, None of anything else."""
    found: Any = desk.entry.unseal(sealed)
    return found[1:] if isinstance(found, list) and found[:1] == [kind] else None


def _after(desk: Desk) -> Key | None:
    case, dot, answer = desk.query.get("after", "").partition(".")
    return (case, answer) if dot else None


def _next(desk: Desk, key: Key) -> Response:
    return go(_path(desk, after=".".join(key)))


def _again(desk: Desk, key: Key, shown: Shown) -> Response:
    return go(_path(desk, at=desk.entry.seal([BEGUN, *key, list(shown.ticked), shown.topic, shown.said])))


def _path(desk: Desk, **values: str) -> str:
    version = {"version": given} if (given := desk.form.text("version")) else {}
    return query(f"/rubrics/{desk.model}", **version, **values)
