"""Ingesting an inbox: its files become rows of the store, and what cannot be used goes into quarantine.

It may be killed at any moment and started again. A file counts as read only when its last batch is stored, and a
record is stored once however often it is read, so that reading a file again loses nothing and doubles nothing.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain, count
from pathlib import Path

from adapterd.errors import WorkerLostError
from adapterd.feedback.following.open_file import Look, go_on
from adapterd.feedback.formats import ReadingOptions
from adapterd.feedback.inbox import pending
from adapterd.feedback.listing import InboxFile, name_of
from adapterd.feedback.own_copies import is_ours
from adapterd.feedback.settling import SettleTracker
from adapterd.home import Home
from adapterd.intake.file_intake import FileIntake, full_batch
from adapterd.intake.file_reading import (
    BatchLimit,
    FileToRead,
    PieceBatch,
    ReadingRules,
    read_files,
    transaction_groups,
)
from adapterd.intake.ingest_report import IngestReport, add_to_history
from adapterd.intake.own_copies import cut_own_copy
from adapterd.intake.rare_collections import rare_collections
from adapterd.intake.reading_apart import divided, reading_apart
from adapterd.intake.rotation import Rotation
from adapterd.intake.vanished import deleted
from adapterd.store import Store

__all__ = ["IngestReport", "ingest"]

FILES_AT_ONCE = 500
"""Files that are looked up at the same time."""
_STORED = ("accepted", "duplicates", "withdrawn")
_FOUND = ("lines", "quarantined", "not_judged", "passed_over", "clamped")
DEFAULT_OPTIONS = ReadingOptions()


def ingest(
    store: Store,
    home: Home,
    model: str,
    inbox: Path,
    *,
    options: ReadingOptions = DEFAULT_OPTIONS,
    clock: Callable[[], float] = time.time,
    settle_s: float = 1.0,
    tracker: SettleTracker | None = None,
    withdraw_vanished: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    paths: Collection[str] | None = None,
    look: Look = go_on,
    limit: BatchLimit | None = None,
) -> IngestReport:
    """Ingest every new or changed file of the inbox.

    `options` are the model's settings for reading feedback; a file that was read with others is read again. `clock`
    gives seconds since the epoch. `tracker` is kept by a caller that scans the inbox repeatedly. `on_progress` gets the
    bytes done and in total after every transaction. With `withdraw_vanished` records that are no longer in their file,
    or whose file is gone, are not in force any more. With `paths` no other files are looked at. `look` is called before
    each 64 KiB that are read here, and ten times a second while a process of its own reads; it may raise to end the
    ingest: what was stored stays. `limit` is that of a transaction.
    Raises InputError if the inbox cannot be listed and StoreError if something cannot be stored or kept; a file that
    cannot be read is noted in quarantine, and tried again the next time.
    """
    folder = inbox.absolute()
    reading = _Reading(store, home, model, options, withdraw_vanished, look, limit or full_batch())
    rotation = reading.rotation
    found = pending(
        folder, reading.known, now=clock(), settle_s=settle_s, tracker=tracker, paths=paths,
        follow_renames=rotation.follow_renames, has_grown=rotation.has_grown,
    )  # fmt: skip
    rotation.find_copies(found.ready)
    gone = _withdraw_gone(store, model, folder, paths) if withdraw_vanished else 0
    done_bytes, total_bytes = 0, sum(file.size_bytes for file in found.ready)
    counts, unreadable = _Counts(), dict[str, str]()
    with (
        rare_collections(),
        store.larger_cache(),
        closing(reading.groups(found.ready)) as groups,
        store.commits_behind(),
    ):
        for group in groups:
            with store.transaction():
                ended = [intake for batch in group if (intake := reading.store(batch))]
            done_bytes += sum(batch.size_bytes for batch in group)
            if on_progress:
                on_progress(done_bytes, total_bytes)
            for intake in ended:
                cut_own_copy(store, home, model, intake)
                counts.add(intake)
                unreadable |= {intake.name: intake.found.refusal} if intake.found.refusal else {}
            group.clear()  # nothing of it has to be there while the next one is read
    refused = _note_refusals(store, model, {**found.refused, **unreadable}, paths)
    report = counts.report(refused, found.unsettled, gone)
    if refused or report.withdrawn or (report.files and report.lines):
        add_to_history(store, model, report)
    return report


class _Reading:
    """The reading of an inbox: which files are known, how each is read, and the intakes of those that are begun."""

    def __init__(
        self,
        store: Store,
        home: Home,
        model: str,
        options: ReadingOptions,
        withdraw_vanished: bool,
        look: Look,
        limit: BatchLimit,
    ) -> None:
        self._store, self._model, self._options = store, model, options
        self._withdraw_vanished, self._look = withdraw_vanished, look
        self._given = {
            path: ReadingOptions.from_json(text) for path, text in store.feedback_reading.given(model).items()
        }
        self._rules = ReadingRules(model, home.quarantine, store.removals.hashes(model), limit)
        self._intakes: dict[int, FileIntake] = {}
        self._numbers = count()
        self.rotation = Rotation(store, home, model, keeps_lost=not withdraw_vanished, look=look)

    def known(self, name: str) -> tuple[int, int] | None:
        """The stamp of a file that was read with the options that hold for it now."""
        found = self._store.feedback.followed.stamp(self._model, name)
        if found is None:
            return None
        stamp, read_with, has_faults = found
        if read_with is None and not has_faults:  # by a release without options, and nothing was wrong with it
            return stamp
        return stamp if (read_with or DEFAULT_OPTIONS.digest) == self._for_file(name).digest else None

    def groups(self, files: Sequence[InboxFile]) -> Generator[list[PieceBatch], None, None]:
        """The batches of all files, grouped by transaction. Where there is much to read, most is read by a process of
        its own; if that is lost, what is not stored is read here."""
        first, others = divided(files)
        here, apart = self._looked_up(first), self._looked_up(others)
        try:
            if others:
                with reading_apart(apart, self._rules, self._store.clock, self._look) as read:
                    yield from self._grouped(chain(self._read(here), read))
        except WorkerLostError:
            here = chain(here, [self._once_more()], apart)
        yield from self._grouped(self._read(here))

    def _grouped(self, batches: Iterable[PieceBatch]) -> Iterator[list[PieceBatch]]:
        return transaction_groups(batches, self._rules.limit)

    def _read(self, files: Iterable[Sequence[FileToRead]]) -> Iterator[PieceBatch]:
        return read_files(chain.from_iterable(files), self._rules, self._store.clock, self._look)

    def _looked_up(self, files: Sequence[InboxFile]) -> Iterator[list[FileToRead]]:
        """Files, some at once, with what is known of them, so that a reading need not wait until the files before are
        committed; the intake of each is begun."""
        for start in range(0, len(files), FILES_AT_ONCE):
            found = [self._to_read(file) for file in files[start : start + FILES_AT_ONCE]]
            for each in found:
                self._intakes[each.number] = FileIntake(self._model, each, withdraw_vanished=self._withdraw_vanished)
            yield found

    def _to_read(self, file: InboxFile) -> FileToRead:
        is_followed = self.known(file.name) is not None and not is_ours(file.path)  # ours never grow
        previous = self._store.feedback.last_reading(self._model, file.name)
        resume = self.rotation.begin(file) if is_followed else None
        return FileToRead(next(self._numbers), file, self._for_file(file.name), previous, resume)

    def _once_more(self) -> list[FileToRead]:
        """The files that were to be read, and are not stored to their end; the intake of each is begun anew."""
        self._intakes = {number: intake.anew() for number, intake in self._intakes.items()}
        return [intake.given for intake in self._intakes.values()]

    def store(self, batch: PieceBatch) -> FileIntake | None:
        """Store a batch within a transaction; returns the intake of its file if that has ended."""
        self._intakes[batch.number].store(self._store, batch)
        return self._intakes.pop(batch.number) if batch.account else None

    def _for_file(self, name: str) -> ReadingOptions:
        return self._given[name].over(self._options) if name in self._given else self._options


def _withdraw_gone(store: Store, model: str, inbox: Path, paths: Collection[str] | None) -> int:
    """Withdraw what files of the inbox said that are gone; returns how many records these are."""
    read = store.feedback.stamps(model) if paths is None else map(name_of, paths)
    missing = [name for name in read if name.startswith(f"{inbox}/") and "\\x" not in name and _is_gone(name)]
    gone = deleted(store, model, inbox, missing)
    if not gone:
        return 0
    followed = store.feedback.followed
    with store.transaction():
        return sum(
            store.feedback.statements.withdraw_file(model, name, followed.document(model, name)) for name in gone
        )


def _is_gone(name: str) -> bool:
    """Whether there is no such file; one in a folder that cannot be looked into is not known to be gone."""
    try:
        os.lstat(name)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _note_refusals(store: Store, model: str, refused: Mapping[str, str], paths: Collection[str] | None) -> int:
    """Keep the notes about what cannot be read in step with what is there; returns how many are new.

    A note is written once, not at every scan: a scan that finds nothing new writes nothing.
    """
    current = {name: reason.encode(errors="backslashreplace").decode() for name, reason in refused.items()}
    noted = store.feedback.refusals(model)
    new = {name: reason for name, reason in current.items() if noted.get(name) != reason}
    seen = noted.keys() if paths is None else noted.keys() & set(map(name_of, paths))
    gone = seen - current.keys()
    if new or gone:
        with store.transaction():
            store.feedback.forget_refusals(model, gone)
            for name, reason in new.items():
                store.feedback.quarantine(model, file=name, line=0, reason=reason, excerpt="", kept="")
    return len(new)


class _Counts:
    """What became of the files, added up."""

    def __init__(self) -> None:
        self._counts = Counter[str]()
        self._metadata = set[str]()

    def add(self, intake: FileIntake) -> None:
        """Add the account of one file."""
        found = intake.found
        self._counts.update({name: getattr(intake, name) for name in _STORED})
        self._counts.update({name: getattr(found, name) for name in _FOUND})
        self._counts["files"] += found.is_complete
        self._counts["removed"] += len(intake.removed_lines)
        self._metadata |= found.metadata

    def report(self, refused: int, unsettled: tuple[Path, ...], gone: int) -> IngestReport:
        """The account of all, and of what is refused or gone."""
        self._counts.update({"lines": refused, "quarantined": refused, "withdrawn": gone})
        fields = {name: self._counts[name] for name in (*_STORED, *_FOUND, "files", "removed")}
        return IngestReport(**fields, unsettled=unsettled, metadata=tuple(sorted(self._metadata)))
