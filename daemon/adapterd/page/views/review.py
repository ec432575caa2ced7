"""Review: one captured answer at a time, rated, tagged, mended, skipped, or taken back."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from itertools import takewhile
from re import findall
from typing import Any

from starlette.responses import Response

from adapterd.capture.captures import Capture
from adapterd.capture.tags.checks import schema_of
from adapterd.config import Task
from adapterd.errors import InputError
from adapterd.evaluation.metrics.json_answers.schema import JsonSchema, read_schema
from adapterd.evaluation.metrics.json_answers.values import INVALID, parse_json
from adapterd.page.desk import Desk, go
from adapterd.page.rendering import rendered
from adapterd.record import FailureTag
from adapterd.review.frame import Frame
from adapterd.review.json_fields import Kind, json_fields, with_field
from adapterd.review.queue import Item, Queue
from adapterd.review.repairs import Repair, repaired
from adapterd.review.share import Share
from adapterd.review.verdicts import Verdict, give, give_all, grouped, undo_last
from adapterd.store.reviews.reviews import Outcome, Slice

RATINGS = range(1, 6)
MOST_COMPARED = 4_000_000
"""So many pairs of words are compared at most for a difference, which is made anew as somebody types."""


@dataclass(frozen=True)
class Piece:
    """A run of words of a difference: `same`, `removed` or `added`."""

    kind: str
    text: str


def show(desk: Desk) -> str:
    """GET /review/MODEL: the next one, or what `?capture` names; `?after` names the one that was judged last."""
    if not desk.home.captures.is_file():
        return desk.page("review", "Review", item=None, count=0, failing=Share(0, 0), group=None)
    frame = Frame.of(desk.store, desk.captures, desk.model)
    queue = Queue.of(frame, desk.model_settings)
    wanted, again = desk.query.get("capture"), desk.query.get("again")
    item = _unsealed(desk, frame, again) if again else queue.item(wanted) if wanted else queue.next()
    sealed = _sealed(desk, item) if item else ""
    return desk.page(
        "review", "Review", item=item, sealed=sealed, failing=queue.failing, count=len(queue.reviews),
        tags=list(FailureTag), ratings=RATINGS, group=_group(desk, frame),
        suggested=queue.suggested(item) if item else None, fields=json_fields(item.capture.answer) if item else (),
    )  # fmt: skip


def judge(desk: Desk) -> Response:
    """POST /review/MODEL: keep a verdict."""
    frame, form = Frame.of(desk.store, desk.captures, desk.model), desk.form
    item = _unsealed(desk, frame, form.text("item"))
    if form.text("do") == "skip":
        give(frame, item, Verdict())
        return go(f"/review/{desk.model}")
    verdict = _verdict(desk, item.capture)
    if verdict.outcome is Outcome.SKIPPED:
        raise InputError("nothing is said of the answer", hint="rate it, tag it, mend it, or skip it")
    give(frame, item, verdict)
    return go(f"/review/{desk.model}?after={item.capture.id}")


def undo(desk: Desk) -> Response:
    """POST /review/MODEL/undo: take the last verdict back, and show its answer again."""
    review = undo_last(desk.store, desk.model)
    capture = desk.captures.get(review.capture) if review.slice is not Slice.GROUP else None
    if capture is None:
        return go(f"/review/{desk.model}")
    item = Item(capture, review.slice, review.why, review.chosen_at)
    return go(f"/review/{desk.model}?again={_sealed(desk, item)}")


def check(desk: Desk) -> str:
    """POST /review/MODEL/check: how a correction differs from the answer, and what is wrong with it as JSON."""
    frame = Frame.of(desk.store, desk.captures, desk.model)
    capture, text, faults = _unsealed(desk, frame, desk.form.text("item")).capture, desk.form.text("correction"), []
    for change in _changes(desk):
        try:
            text = with_field(text, *change)
        except InputError as exc:
            faults.append(str(exc))
    is_changed = text != desk.form.text("correction")
    return rendered(
        "check", pieces=difference(capture.answer, text) if text != capture.answer else (),
        faults=[*faults, *_faults(desk, capture, text)], fields=json_fields(text), text=text if is_changed else None,
    )  # fmt: skip


def _changes(desk: Desk) -> Iterator[tuple[str, Kind, str]]:
    """The fields of an object that were changed by themselves: name, kind and value of each."""
    names, kinds, values = (desk.form.all(name) for name in ("field", "kind", "value"))
    try:
        yield from zip(names, map(Kind, kinds), values, strict=True)
    except ValueError as exc:
        raise InputError("the form has a field that there is not", hint="load the page anew") from exc


def mend_group(desk: Desk) -> Response:
    """POST /review/MODEL/group: mend further answers as the last one was."""
    frame = Frame.of(desk.store, desk.captures, desk.model)
    shown: Any = desk.entry.unseal(desk.form.text("group")) or ["", []]
    found = _group(desk, frame, shown[0])
    fits = [(item, text) for item, text in found.fits if item.capture.id in shown[1]] if found else []
    if found is None or not fits:
        raise InputError("there is nothing that the same repair fits any more")
    why = f"mended as {found.source} was"
    give_all(frame, [(grouped(item, why), Verdict(correction=text)) for item, text in fits])
    return go(f"/review/{desk.model}")


def difference(before: str, after: str) -> list[Piece]:
    """The words that stayed, went and came, in their order; white space goes with the word before it. What is between
    the first and the last change is compared word by word, unless that would take seconds."""
    one, other = (findall(r"\S+\s*|\s+", text) for text in (before, after))
    start = _alike(one, other)
    end = _alike(reversed(one[start:]), reversed(other[start:]))
    found = [Piece("same", "".join(one[:start]))]
    for removed, added in _changes_of(one[start : len(one) - end], other[start : len(other) - end]):
        if removed == added:
            found.append(Piece("same", "".join(removed)))
        else:
            found += [Piece("removed", "".join(removed)), Piece("added", "".join(added))]
    found.append(Piece("same", "".join(one[len(one) - end :])))
    return [piece for piece in found if piece.text]


def _alike(one: Iterable[str], other: Iterable[str]) -> int:
    """How many are alike from the first on."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _changes_of(one: list[str], other: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Runs of words and what they became."""
    if len(one) * len(other) > MOST_COMPARED:
        yield one, other
        return
    for _, a, b, c, d in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        yield one[a:b], other[c:d]


@dataclass(frozen=True)
class Group:
    """Answers that the same repair fits as that of `source`, each with what it becomes; `sealed` for a form."""

    source: str
    repair: Repair
    fits: list[tuple[Item, str]]
    sealed: str


def _group(desk: Desk, frame: Frame, after: str | None = None) -> Group | None:
    source = after or desk.query.get("after") or ""
    review = desk.store.reviews.get(desk.model, source) if source else None
    capture = desk.captures.get(source) if review and review.record else None
    if capture is None or review is None:
        return None
    correction = _correction_of(desk, str(review.record))
    repair = Repair.of(capture.answer, correction) if correction else None
    if repair is None:
        return None
    now = desk.store.clock()
    fits = [(Item(each, Slice.GROUP, "", now), text) for each, text in repaired(frame, repair)]
    sealed = desk.entry.seal([source, [item.capture.id for item, _ in fits]])
    return Group(source, repair, fits, sealed) if fits else None


def _correction_of(desk: Desk, record: str) -> str | None:
    for row in desk.store.feedback.some(
        desk.model, list(desk.store.feedback.ids.of_contents(desk.model, [record]).values())
    ):
        found: str | None = json.loads(row.record).get("correction")
        return found
    return None


def _sealed(desk: Desk, item: Item) -> str:
    """An item as a form carries it."""
    return desk.entry.seal([item.capture.id, item.slice, item.why, item.chosen_at.isoformat()])


def _unsealed(desk: Desk, frame: Frame, sealed: str) -> Item:
    """The item of a form."""
    found: Any = desk.entry.unseal(sealed)
    capture = frame.captures.get(found[0]) if found else None
    if capture is None or not frame.has(capture):
        raise InputError("this answer is not there any more", hint="load the page anew")
    return Item(capture, Slice(found[1]), found[2], datetime.fromisoformat(found[3]))


def _verdict(desk: Desk, capture: Capture) -> Verdict:
    form, correction = desk.form, desk.form.text("correction")
    for change in _changes(desk):
        correction = with_field(correction, *change)
    rating = form.text("rating")
    try:
        tags = tuple(FailureTag(name) for name in form.all("tag"))
        stars = int(rating) if rating else None
    except ValueError as exc:
        raise InputError("the form has a rating or a tag that there is not", hint="load the page anew") from exc
    if stars is not None and stars not in RATINGS:
        raise InputError(f"a rating is 1 to 5, not {stars}")
    before = capture.answer.replace("\r\n", "\n").replace("\r", "\n").strip()  # as a browser gives it back
    changed = correction if correction.strip() and correction.strip() != before else None
    return Verdict(stars, tags, changed, form.text("notes").strip() or None)


def _wants_json(desk: Desk) -> bool:
    return desk.model_settings.task is Task.JSON or bool(desk.model_settings.schema)


def _faults(desk: Desk, capture: Capture, text: str) -> list[str]:
    """What is wrong with a text as JSON, where JSON is wanted; in words."""
    if not (_wants_json(desk) or capture.schema):
        return []
    if parse_json(text) is INVALID:
        return [f"no valid JSON{_where(text)}"]
    given = desk.model_settings.schema
    asked = capture.schema
    schema = schema_of(asked) if isinstance(asked, dict) else read_schema(given) if given else None
    try:
        fault = JsonSchema(schema).fault_of(text) if schema else None
    except (TimeoutError, RecursionError):
        return ["the schema cannot tell in time"]
    return [fault] if fault else []


def _where(text: str) -> str:
    """What Python finds wrong, where it does: the gates are stricter."""
    try:
        json.loads(text)
    except (ValueError, RecursionError) as exc:
        return f": {exc}"
    return ", as its readers do not agree on it"
