"""Which records and which pieces in quarantine a removal is of."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from adapterd.errors import InputError, NotFoundError
from adapterd.feedback.listing import name_of
from adapterd.feedback.own_copies import hash_of_piece, pieces_of
from adapterd.home import Home
from adapterd.record import FeedbackRecord
from adapterd.removal.in_inbox import RAW
from adapterd.removal.removed import readings_of
from adapterd.removal.texts import folded
from adapterd.store import Store
from adapterd.store.feedback import Quarantined, StoredFeedback
from adapterd.store.origin import OriginKind, origin_of

SHORTEST_PREFIX = 6
HASH_CHARACTERS = 64
IMPORT_PREFIX = len("import-0123456789abcdef-")


@dataclass(frozen=True)
class Criteria:
    """What has to hold of everything that is selected: all that is given of these. `ids` are row ids or beginnings of
    content hashes, `origin` is an application or the way on which something came (`OriginKind`), `before` the time when
    a record was created, or a piece received, `arrived_before` that when it came."""

    ids: tuple[str, ...] = ()
    source: str | None = None
    file: str | None = None
    origin: str | None = None
    before: datetime | None = None
    matching: str | None = None
    arrived_before: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was given, and so everything would be selected."""
        return self == Criteria()


@dataclass(frozen=True)
class Selection:
    """The records, and the pieces in quarantine with their bytes (none for a whole file). Of `texts` nothing stays
    anywhere, and of our copies of `files` neither."""

    records: tuple[StoredFeedback, ...] = ()
    pieces: tuple[tuple[Quarantined, bytes | None], ...] = ()
    texts: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.records or self.pieces or self.texts or self.files)


def select(store: Store, home: Home, model: str, criteria: Criteria) -> Selection:
    """Everything of the model that the criteria hold for, and what says the same at another time.

    Raises NotFoundError for an id that there is not, InputError for the beginning of a hash that is too short or of
    several records, and for a text to match of which nothing is seen.
    """
    if criteria.matching is not None and not folded(criteria.matching).strip():
        raise InputError("the text to look for is blank: every record has it", hint="give another text")
    rows = store.feedback.everything(model)
    named = {_named(rows, each, model).id for each in criteria.ids}
    chosen = {row.content_hash for row in rows if (not named or row.id in named) and _holds(criteria, row)}
    records = tuple(row for row in rows if row.content_hash in chosen)
    if criteria.ids or criteria.source:  # a piece in quarantine has neither
        return Selection(records)
    pieces = _with_bytes(home, store.feedback.quarantined(model))
    return Selection(
        records,
        tuple((piece, raw) for piece, raw in pieces if _piece_holds(criteria, piece, raw)),
        (criteria.matching,) if criteria.matching and criteria == Criteria(matching=criteria.matching) else (),
        tuple(_files_named(store, model, criteria.file)) if criteria == Criteria(file=criteria.file) else (),
    )


def select_removed(store: Store, home: Home, model: str, hashes: frozenset[str]) -> Selection:
    """What is there of the model although it was taken back by these hashes: it is of a backup that was put back."""
    records = [
        row
        for row in store.feedback.everything(model)
        if row.content_hash in hashes or FeedbackRecord.from_json(row.record).statement_hash in hashes
    ]
    pieces = _with_bytes(home, store.feedback.quarantined(model))
    return Selection(
        tuple(records), tuple((piece, raw) for piece, raw in pieces if raw and hash_of_piece(raw) in hashes)
    )


def _files_named(store: Store, model: str, given: str | None) -> Iterator[str]:
    read = (file.path for file in store.feedback.files(model))
    return (path for path in read if given is not None and _is_file(given, path))


def find_record(store: Store, model: str, given: str) -> StoredFeedback:
    """The record of that row id, or with a content hash that begins so; raises NotFoundError and InputError."""
    return _named(store.feedback.everything(model), given, model)


def _named(rows: Sequence[StoredFeedback], given: str, model: str) -> StoredFeedback:
    if given.isascii() and given.isdigit() and len(given) < HASH_CHARACTERS:
        found = [row for row in rows if row.id == int(given)]
        if found:
            return found[0]
    if len(given) < SHORTEST_PREFIX:
        raise NotFoundError(f"{model} has no record {given!r}", hint="`adapterctl feedback list` shows the ids")
    found = [row for row in rows if row.content_hash.startswith(given.lower())]
    if len(found) > 1:
        raise InputError(f"{len(found)} records have hashes that begin with {given!r}", hint="give more of the hash")
    if not found:
        raise NotFoundError(f"{model} has no record {given!r}", hint="`adapterctl feedback list` shows the ids")
    return found[0]


def _holds(criteria: Criteria, row: StoredFeedback) -> bool:
    return (
        criteria.source in (None, row.source_id)
        and (criteria.file is None or _is_file(criteria.file, row.file))
        and criteria.origin in (None, row.origin, row.application)
        and (criteria.before is None or row.created_at < criteria.before)
        and (criteria.arrived_before is None or row.received_at < criteria.arrived_before)
        and (criteria.matching is None or _matches(criteria.matching, row))
    )


def _piece_holds(criteria: Criteria, piece: Quarantined, raw: bytes | None) -> bool:
    wanted = folded(criteria.matching) if criteria.matching else None
    return (
        bool(piece.kept)
        and (criteria.file is None or _is_file(criteria.file, piece.file))
        and criteria.origin in (None, origin_of(piece.file).kind)
        and (criteria.before is None or piece.received_at < criteria.before)
        and (criteria.arrived_before is None or piece.received_at < criteria.arrived_before)
        and (wanted is None or (raw is not None and any(wanted in folded(text) for text in readings_of(raw))))
    )


def _is_file(given: str, stored: str) -> bool:
    """Whether a stored path is the given file: by its path, by its name, or by the name that it was imported under."""
    if stored in (given, name_of(str(Path(given).absolute()))):
        return True
    wanted, name = (unicodedata.normalize("NFC", Path(each).name) for each in (given, stored))
    if origin_of(stored).kind is OriginKind.IMPORT:
        return wanted in (name, name[IMPORT_PREFIX:])
    return Path(given).name == given and wanted == name


def _matches(text: str, row: StoredFeedback) -> bool:
    """Whether a text is in the prompt, in an answer or in the notes, without regard to case."""
    wanted = folded(text)
    return any(wanted in folded(each) for each in _said(FeedbackRecord.from_json(row.record)))


def _said(record: FeedbackRecord) -> Iterator[str]:
    yield from (message.content for message in record.messages)
    for text in (record.output, record.correction, record.correction_notes, record.rejected_output):
        if text:
            yield text


def _with_bytes(home: Home, noted: Iterable[Quarantined]) -> Iterator[tuple[Quarantined, bytes | None]]:
    """The pieces with their bytes, each as it was kept, or out of the copy of its whole file."""
    copies = dict[str, dict[int, bytes | None]]()
    for piece in noted:
        path = home.quarantine / piece.kept
        if path.suffix == RAW:
            yield piece, path.read_bytes() if path.is_file() else None
            continue
        if piece.kept not in copies:
            copies[piece.kept] = {each.line: each.raw for each in pieces_of(path)} if piece.kept else {}
        yield piece, copies[piece.kept].get(piece.line)
