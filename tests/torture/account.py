"""An inbox of odd files, and an account of what became of every piece of them, made without the product's reader."""

import json
import os
import shutil
import tempfile
import traceback
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from adapterd.errors import InputError
from adapterd.feedback.formats import parse
from adapterd.feedback.listing import name_of
from adapterd.home import Home
from adapterd.intake.ingest import ingest
from adapterd.store import Store
from adapterd.store.feedback import FileRead, Quarantined
from tests.acceptance.person import MODEL
from tests.torture.report import say

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BOM = b"\xef\xbb\xbf"
NO_TEXT = (b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b", b"PK\x03\x04")
"""How files begin that are UTF-16 or packed."""
SNIFFED_BYTES = 8_000
NOTES = 10_000
"""So many pieces are noted one by one, and the rest in one more note."""
STOPPED = "nothing of this file was taken"
"""The reason of the one note about a file in which a rating lies beyond its scale begins so."""


class Inbox:
    """A home with an inbox into which files are put; they are taken in together."""

    def __init__(self, folder: Path) -> None:
        self._inbox = folder / "inbox"
        self._inbox.mkdir(parents=True)
        self._home = Home(folder / "home")
        self._home.create()
        self._store = Store(self._home.database)
        self._given: dict[str, bytes] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.close()

    def put(self, file: tuple[str, bytes]) -> None:
        """Write a file under a name that ends like that, where the file system takes it."""
        ending, content = file
        path = self._inbox / f"{len(self._given):05}{ending}"
        try:
            path.write_bytes(content)
        except OSError:
            path = self._inbox / f"{len(self._given):05}{os.path.splitext(ending)[1]}"  # noqa: PTH122
            path.write_bytes(content)
        self._given[name_of(str(path))] = content

    def take(self) -> Counter[str]:
        """Take all of them in, and count what became of them."""
        found = Counter(files=len(self._given))
        try:
            ingest(self._store, self._home, MODEL, self._inbox, settle_s=0.0)
        except Exception:
            place = shutil.copytree(self._inbox, Path(tempfile.mkdtemp(prefix="fuzz-crash-")), dirs_exist_ok=True)
            say(f"fuzz: {traceback.format_exc()}the files are in {place}")
            return found + Counter(crashes=1)
        return found + self._account()

    def _account(self) -> Counter[str]:
        read = {each.path: each for each in self._store.feedback.files(MODEL)}
        notes: dict[str, list[Quarantined]] = defaultdict(list)
        for note in self._store.feedback.quarantined(MODEL):
            notes[note.file].append(note)
        rows = self._store.rows("SELECT content_hash, repeats FROM feedback")
        stored = {row["content_hash"] for row in rows}
        new, accepted = sum(row["repeats"] is None for row in rows), sum(each.accepted for each in read.values())
        found = Counter(stored=len(stored), lost=abs(new - accepted))
        for name, content in self._given.items():
            file = read.get(name)
            faults = _faults(name, content, file, notes[name], stored) if file else ["it was not read"]
            faults += [f"line {note.line} is not kept" for note in notes[name] if not self._is_kept(note, content)]
            for fault in faults:
                say(f"fuzz: {name} ({content[:200]!r}): {fault}")
            found.update(lost=len(faults), pieces=file.lines if file else 0)
        return found

    def _is_kept(self, note: Quarantined, content: bytes) -> bool:
        kept = self._home.quarantine / note.kept
        return bool(note.kept) and kept.is_file() and kept.read_bytes() in content


def _faults(name: str, content: bytes, file: FileRead, notes: list[Quarantined], stored: set[str]) -> list[str]:
    """What is wrong with the account of a file, in sentences."""
    if file.lines == 1 and [note.reason.startswith(STOPPED) for note in notes] == [True]:
        return []
    found = []
    readings = _readings(name, content)
    fitting = [each for each in readings if each is not None and len(each) == file.lines]
    if not fitting and not (None in readings and file.quarantined):
        found.append(f"{file.lines} pieces were found, not {' or '.join(str(len(each or ())) for each in readings)}")
    unusable = min((sum(not _is_stored(piece, stored) for piece in each) for each in fitting), default=0)
    if unusable > file.quarantined:
        found.append(f"{unusable} pieces are not stored, and {file.quarantined} are in quarantine")
    if len(notes) != min(file.quarantined, NOTES + 1):
        found.append(f"{file.quarantined} pieces are in quarantine, with {len(notes)} notes")
    return found


def _readings(name: str, content: bytes) -> list[list[Any] | None]:
    """The values in a file, in every way in which it may be read; None for a document that breaks off somewhere."""
    if content.startswith(NO_TEXT) or b"\0" in content[:SNIFFED_BYTES]:
        return [[None]]
    lines = [piece for raw in content.split(b"\n") if (piece := raw.removeprefix(BOM).strip(b" \t\r\n"))]
    if not name.lower().endswith(".json") or not lines:
        return [lines]
    try:
        value = json.loads(content.decode().removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return [lines, None]
    return [lines, value if isinstance(value, list) else [value]]


def _is_stored(piece: Any, stored: set[str]) -> bool:
    """Whether a piece can be used, and each of its records is stored; there may be none or several."""
    try:
        value = json.loads(piece.decode()) if isinstance(piece, bytes) else piece
        return all(record.content_hash in stored for record in parse(value, received_at=NOW).records)
    except (InputError, ValueError, RecursionError):
        return False
