"""Removing feedback: what goes is noted first, then taken out of every place, then out of the database's free pages.

From the first step on nothing that goes is taken again, listed or trained on. After a kill at any moment the next
removal, or the daemon, does the rest: every step gives the same result twice.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from adapterd.config import Settings
from adapterd.dataset.judgements import judgement_of
from adapterd.errors import AdapterdError
from adapterd.feedback.own_copies import hash_of_piece, is_ours
from adapterd.home import Home
from adapterd.housekeeping.backup.contents import copies
from adapterd.insight.capture.noted import note_set_aside
from adapterd.record import FeedbackRecord
from adapterd.removal.outliving import write_removed
from adapterd.removal.places import PLACES
from adapterd.removal.removed import Removed, Scene
from adapterd.removal.selection import Selection
from adapterd.runs import training_jobs
from adapterd.store import Store
from adapterd.store.feedback import StoredFeedback
from adapterd.store.origin import POSTED
from adapterd.store.runs import Run, RunState
from adapterd.store.taken_back.removals import FILE, PIECE, RECORD, TEXT, BeingRemoved, Removal, VersionMark
from adapterd.system.locks import exclusive

RUN_LOCK_TIMEOUT_S = 30.0
"""How long a run that was cancelled may take to end."""
BY_HAND = "asked for by hand"
BUSY = "a run is going on; what is to be removed is not trained on any more, but its text is not everywhere gone yet"
IS_FINISHED_LATER = "put that right; the daemon, or `adapterctl feedback remove` given again, does the rest"
RUN_IS_OUTDATED = "a record that it uses is removed"

Progress = Callable[[str, float], object]
"""Hears which place is being cleaned, and the share of all work that is done, 0…1."""


@dataclass(frozen=True)
class ForeignLines:
    """A file of an application in the inbox that still has lines of removed records."""

    file: str
    lines: tuple[int, ...]


@dataclass(frozen=True)
class RemovalReport:
    """What was removed, or would be: `found` names by place what is there, `foreign` files of applications that keep
    their lines, `versions` were trained on the records or on what teachers made of them, or judged by them, `run` was
    given up. `copies` are backups and what was kept aside, which nothing is taken out of."""

    model: str
    records: int
    pieces: int
    found: dict[str, list[str]]
    foreign: tuple[ForeignLines, ...]
    versions: dict[str, VersionMark]
    run: str | None = None
    ids: tuple[int, ...] = field(default=())
    copies: tuple[str, ...] = ()


def preview(store: Store, home: Home, settings: Settings, model: str, selection: Selection) -> RemovalReport:
    """What removing the selection would do; nothing is changed."""
    note_set_aside(store, home)
    going = list(_going(selection))
    with _undone(store):
        _begin(store, model, selection, BY_HAND)
        scene = Scene(store, home, settings, Removed.of(store, model, going))
        found = {place.name: place.find(scene) for place in PLACES}
    run = _run_with(store, model, selection)
    return _report(store, model, selection, found, run.id if run else None)


def remove(
    store: Store,
    home: Home,
    settings: Settings,
    model: str,
    selection: Selection,
    *,
    why: str = BY_HAND,
    wait_s: float = RUN_LOCK_TIMEOUT_S,
    progress: Progress = lambda _place, _share: None,
) -> RemovalReport:
    """Remove the selection for good, and finish what earlier removals left.

    An unfinished run of the model that has one of the records is given up. Raises BusyError where another run, or a
    reader of the database, goes on for longer: the removal is finished later, by the next one or by the daemon.
    """
    note_set_aside(store, home)
    run = _run_with(store, model, selection)
    report = _report(store, model, selection, {}, run.id if run else None)
    removal = begin_removal(store, model, selection, why)
    found = finish_removals(store, home, settings, wait_s=wait_s, progress=progress)
    there = {name: what for name, what in found.get(removal, {}).items() if what}
    return RemovalReport(**{**vars(report), "found": there})


def begin_removal(store: Store, model: str, selection: Selection, why: str) -> int:
    """Note that the selection is removed, from which moment on nothing of it is used; `finish_removals` does the rest.
    Returns the removal's id."""
    with store.transaction():
        return _begin(store, model, selection, why)


def finish_removals(
    store: Store,
    home: Home,
    settings: Settings,
    *,
    wait_s: float = RUN_LOCK_TIMEOUT_S,
    progress: Progress = lambda _place, _share: None,
) -> dict[int, dict[str, list[str]]]:
    """Finish every removal that was begun, of all models; returns by its id what was found where. Raises BusyError, and
    InTheWayError where a file cannot be cleaned."""
    write_removed(store, home)
    unfinished = store.removals.unfinished()
    if not unfinished:
        return {}
    found: dict[int, dict[str, list[str]]] = {}
    for removal in unfinished:
        _ask_run_to_end(store, removal)
    with exclusive(home.run_lock, timeout_s=wait_s, busy=BUSY), store.larger_cache():
        for removal in unfinished:
            _abandon_run(store, removal)
            try:
                found[removal.id] = _clean(store, home, settings, removal, progress)
            except OSError as exc:
                raise InTheWayError(_in_the_way(exc), hint=IS_FINISHED_LATER) from exc
        progress("free pages of the database", 1.0)
        store.compact()
        for removal in unfinished:
            store.removals.done(removal.id)
    return found


class InTheWayError(AdapterdError):
    """A file that holds what is removed cannot be read or written."""


def _in_the_way(exc: OSError) -> str:
    where = f": {exc.filename}" if exc.filename else ""
    return f"what is to be removed is not used any more, but is not everywhere gone yet: {exc.strerror or exc}{where}"


class _NotMeantError(Exception):
    """Ends a transaction whose writes are only looked at."""


@contextmanager
def _undone(store: Store) -> Iterator[None]:
    """Whatever is written in the block is taken back."""
    with suppress(_NotMeantError), store.transaction():
        yield
        raise _NotMeantError


def _clean(store: Store, home: Home, settings: Settings, removal: Removal, progress: Progress) -> dict[str, list[str]]:
    going = store.removals.going(removal.id)
    if not going:
        return {}
    scene = Scene(store, home, settings, Removed.of(store, removal.model, going))
    found = {}
    for number, place in enumerate(PLACES):
        progress(place.name, number / len(PLACES))
        found[place.name] = place.remove(scene)
    store.removals.cleaned(removal.id)
    return found


def _begin(store: Store, model: str, selection: Selection, why: str) -> int:
    """Note the removal and its hashes, and take the rows out; belongs into a transaction."""
    removal = store.removals.begin(
        model, why,
        going=list(_going(selection)),
        hashes=_hashes(selection),
        versions=versions_with(store, model, selection.records),
    )  # fmt: skip
    store.feedback.forget(row.id for row in selection.records)
    store.screenings.forget(model, {row.content_hash for row in selection.records})
    store.feedback.forget_pieces(piece.id for piece, _ in selection.pieces)
    store.events.add("feedback.removed", _sentence(model, selection, why), model=model)
    return removal


def _sentence(model: str, selection: Selection, why: str) -> str:
    """What the history says, without any text of what goes."""
    counts = f"{len(selection.records)} records, {len(selection.pieces)} pieces in quarantine"
    return f"{model}: removed for good: {counts} ({why})"


def _going(selection: Selection) -> Iterable[BeingRemoved]:
    for row in selection.records:
        yield BeingRemoved(RECORD, row.record, row.file, row.line)
    for piece, raw in selection.pieces:
        yield BeingRemoved(PIECE, (raw or b"").hex(), piece.file, piece.line)
    yield from (BeingRemoved(TEXT, text, "", 0) for text in selection.texts)
    yield from (BeingRemoved(FILE, "", file, 0) for file in selection.files)


def _hashes(selection: Selection) -> Iterable[str]:
    for row in selection.records:
        record = FeedbackRecord.from_json(row.record)
        yield from {row.content_hash, record.content_hash, record.statement_hash, record.prompt_hash}
    for _, raw in selection.pieces:
        if raw:
            yield hash_of_piece(raw)


def versions_with(store: Store, model: str, rows: Iterable[StoredFeedback]) -> dict[str, VersionMark]:
    """The versions whose run had one of the records: how many it could train on, themselves or by what a teacher made
    of them, and how many judged the version."""
    records = [(row, _teaches(row)) for row in rows]
    made_at = _made_at(store, model, [row for row, _ in records])
    marks = {}
    for version in store.versions.all(model):
        with suppress(KeyError):  # a run that the journal does not know any more
            run = store.runs.get(version.run_id)
            mark = _mark(run, _judged_in(store, run), records, made_at)
            if mark.learned or mark.judged:
                marks[version.version] = mark
    return marks


def _mark(
    run: Run,
    judged: frozenset[str],
    records: list[tuple[StoredFeedback, bool]],
    made_at: Mapping[int, datetime],
) -> VersionMark:
    in_set = [row for row, _ in records if row.content_hash in judged]
    learned = [
        row
        for row, teaches in records
        if (teaches and row.id <= run.last_feedback_id and row.content_hash not in judged)
        or (row.id in made_at and made_at[row.id] <= run.created_at)
    ]
    return VersionMark(learned=0 if run.adapter_source else len(learned), judged=len(in_set))


def _made_at(store: Store, model: str, rows: Sequence[StoredFeedback]) -> dict[int, datetime]:
    """When a teacher first made an example of a record, or of its prompt that nobody else asked, by the record's id; of
    those examples that a training may have had."""
    of_record, of_prompt = dict[str, datetime](), dict[str, datetime]()
    for each in store.teaching.examples.ever_kept(model):  # the oldest first
        of_prompt.setdefault(each.prompt_hash, each.created_at)
        for name in each.records:
            of_record.setdefault(name, each.created_at)
    if not of_prompt:
        return {}
    going = {row.id for row in rows}
    asked = {row.prompt_hash for row in rows} & of_prompt.keys()
    of_others = {row.prompt_hash for row in store.feedback.about(model, asked) if row.id not in going}
    found = {}
    for row in rows:
        names = {row.content_hash, FeedbackRecord.from_json(row.record).content_hash}
        times = [of_record[name] for name in names if name in of_record]
        if row.prompt_hash in asked - of_others:
            times.append(of_prompt[row.prompt_hash])
        if times:
            found[row.id] = min(times)
    return found


def _judged_in(store: Store, run: Run) -> frozenset[str]:
    """The content hashes of the records in the frozen set by which a run judged."""
    results: Iterable[Mapping[str, list[Mapping[str, str]]]] = (row.result or {} for row in store.runs.stages(run.id))
    return frozenset(case["record"] for result in results for case in result.get("evaluation_cases", ()))


def _teaches(row: StoredFeedback) -> bool:
    says = judgement_of(FeedbackRecord.from_json(row.record))
    return says.good is not None or bool(says.preferences)


def _run_with(store: Store, model: str, selection: Selection) -> Run | None:
    """The model's unfinished run, if its snapshot has one of the records."""
    run, ids = store.runs.latest(model), [row.id for row in selection.records]
    return run if run and run.state.open and ids and min(ids) <= run.last_feedback_id else None


def _outdated_run(store: Store, removal: Removal) -> Run | None:
    """The model's unfinished run, if it began before the removal: its snapshot may have what goes."""
    run = store.runs.latest(removal.model)
    return run if run and run.state.open and run.created_at <= removal.begun_at and removal.records else None


def _ask_run_to_end(store: Store, removal: Removal) -> None:
    run = _outdated_run(store, removal)
    if run and not run.cancelled:
        with store.transaction():
            store.runs.request_cancel(run.id, RUN_IS_OUTDATED)
            store.schedule_state.not_due(removal.model, blocked_by=RUN_IS_OUTDATED)
            store.events.add("run.cancelled", f"run {run.id}: {RUN_IS_OUTDATED}", model=removal.model)


def _abandon_run(store: Store, removal: Removal) -> None:
    """Give up the run while nobody works on it."""
    if run := _outdated_run(store, removal):
        store.runs.set_state(run.id, RunState.ABANDONED, error=RUN_IS_OUTDATED)
        training_jobs.give_up(store, run.id)


def _report(
    store: Store, model: str, selection: Selection, found: dict[str, list[str]], run: str | None
) -> RemovalReport:
    return RemovalReport(
        model=model,
        records=len(selection.records),
        pieces=len(selection.pieces),
        found={name: what for name, what in found.items() if what},
        foreign=tuple(_foreign(selection)),
        versions=versions_with(store, model, selection.records),
        run=run,
        ids=tuple(row.id for row in selection.records),
        copies=tuple(copies(store)),
    )


def _foreign(selection: Selection) -> Iterable[ForeignLines]:
    """Files of applications that have lines of what goes, as far as they are still there."""
    lines: dict[str, list[int]] = {}
    for file, line in [
        *((row.file, row.line) for row in selection.records),
        *((piece.file, piece.line) for piece, _ in selection.pieces),
    ]:
        lines.setdefault(file, []).append(line)
    for file, numbers in sorted(lines.items()):
        if file != POSTED and not is_ours(Path(file)) and os.path.lexists(file):
            yield ForeignLines(file, tuple(sorted(set(numbers))))
