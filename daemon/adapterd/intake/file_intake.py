"""The storing of what was read of one feedback file, with an account of what became of it."""

from typing import Self

from adapterd.feedback.kinds import Layout
from adapterd.intake.file_reading import NOTHING_FOUND, BatchLimit, FileToRead, PieceBatch
from adapterd.store import Store
from adapterd.store.feedback import FileRead
from adapterd.store.statements import Reading

BATCH_PIECES = 8000
BATCH_BYTES = 16 << 20
FOLLOWED = "followed"
"""The digest of a file that was read in parts, in place of one of all its pieces."""


def full_batch() -> BatchLimit:
    """The limit where nobody else waits for the store."""
    return BatchLimit(BATCH_PIECES, BATCH_BYTES)


class FileIntake:
    """The intake of one file, batch by batch in their order, which may be read anywhere.

    What its last reading said and it no longer says is `withdrawn` where it says something else instead, or with
    `withdraw_vanished` in any case. `removed_lines` are those of pieces that were taken back earlier, which are neither
    stored nor noted.
    """

    def __init__(self, model: str, given: FileToRead, *, withdraw_vanished: bool = False) -> None:
        self._model = model
        self.given = given
        self._previous = given.previous
        self._withdraw_vanished = withdraw_vanished
        self._is_first_batch = self._is_as_it_was = True
        self._document = ""
        self._removed_records: list[int] = []
        self.found = NOTHING_FOUND
        """What was found in the file, once it has ended."""
        self.name = given.file.name
        self.accepted = self.duplicates = self.withdrawn = 0

    def anew(self) -> Self:
        """The intake of the same file, which is read once more; what was stored of it is not new then."""
        again = type(self)(self._model, self.given, withdraw_vanished=self._withdraw_vanished)
        again.accepted, again.duplicates = self.accepted, -self.accepted
        return again

    @property
    def removed_lines(self) -> list[int]:
        """The lines of what was taken back earlier."""
        return [*self.found.removed_lines, *self._removed_records]

    def store(self, store: Store, batch: PieceBatch) -> None:
        """Store a batch within a transaction; with the last one, remember that the file was read."""
        if self._is_first_batch:
            self._begin(store)
        allowed, removed = store.removals.divide(self._model, batch.records)
        self._removed_records += [record.line for record in removed]
        read_before = len(allowed)
        if self._is_as_it_was:
            gone = set(map(id, removed))
            read_before = sum(id(record) not in gone for record in batch.records[: batch.read_before])
        reading = Reading(
            read_before,
            watched=self._previous is not None and self.given.resume is None,
            apart=self._withdraw_vanished,
            read_by_earlier_release=self._previous is not None and not self._previous.digest,
            document=self._document,
        )
        accepted = store.feedback.add_many(self._model, allowed, reading)
        self.accepted += accepted
        self.duplicates += len(allowed) - accepted
        for note in batch.notes:
            store.feedback.quarantine(self._model, file=self.name, **vars(note))
        self.found = batch.account or self.found
        if self.found.is_complete:
            self._end(store)

    def _begin(self, store: Store) -> None:
        """Look whether the file was read meanwhile under another name, as an import that was corrected is."""
        self._is_first_batch = False
        last = store.feedback.last_reading(self._model, self.name)
        self._is_as_it_was = last == self._previous
        self._document = store.feedback.followed.document(self._model, self.name)
        if self.given.resume is not None:
            return
        self._previous = last
        if last is not None:
            store.feedback.statements.begin()

    def _end(self, store: Store) -> None:
        found, is_whole = self.found, self.given.resume is None
        is_changed = self._previous is not None and not (found.is_grown and self._is_as_it_was)
        if is_changed and not found.is_stopped and is_whole:
            self.withdrawn = store.feedback.statements.end(
                self._model, self.name, self._document, vanished=self._withdraw_vanished
            )
        if is_whole:
            store.feedback.forget_quarantine_except(self._model, file=self.name, lines_kept=found.noted)
        store.feedback.forget_former_imports(self._model, self.name)
        store.feedback.record_file(self._model, self._account(), self._document)
        store.feedback_reading.note_read(self._model, self.name, self.given.options.digest)

    def _account(self) -> FileRead:
        """Of a file that was growing the time is left out, so that it counts as changed, and is read again."""
        found, file, is_whole = self.found, self.given.file, self.given.resume is None
        before = None if is_whole else self._previous
        has_lines = file.kind.layout is not Layout.DOCUMENT
        return FileRead(
            path=self.name,
            size_bytes=file.size_bytes,
            mtime_ns=0 if file.is_growing else file.mtime_ns,
            lines=found.lines + (before.lines if before else 0),
            accepted=self.accepted + (before.accepted if before else 0),
            duplicates=self.duplicates + (before.duplicates if before else 0),
            quarantined=found.quarantined + (before.quarantined if before else 0),
            digest="" if found.is_stopped else found.digest if is_whole else FOLLOWED,
            inode="{}:{}".format(*file.identity) if has_lines and file.identity else "",
            position=found.position.to_json() if found.position else "",
            log=file.log if has_lines else "",
        )
