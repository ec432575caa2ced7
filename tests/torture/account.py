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
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
SNIFFED_BYTES = 8_000
NOTES = 10_000
"""So many pieces are noted one by one, and the rest in one more note."""


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
        stored = {row[0] for row in self._store.rows("SELECT content_hash FROM feedback")}
        found = Counter(stored=len(stored), lost=abs(len(stored) - sum(each.accepted for each in read.values())))
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
    found = []
    told = file.accepted + file.duplicates + file.quarantined
    if file.lines != told:
        found.append(f"of {file.lines} pieces, {told} are accounted for")
    readings = _readings(name, content)
    reading = next((each for each in readings if each is not None and len(each) == told), None)
    if reading is None and not (None in readings and file.quarantined):
        found.append(f"{told} pieces were found, not {' or '.join(str(len(each or ())) for each in readings)}")
    missing = sum(content_hash not in stored for content_hash in map(_content_hash, reading or ()) if content_hash)
    if missing > file.quarantined:
        found.append(f"{missing} good records are not stored, and {file.quarantined} pieces are in quarantine")
    if len(notes) != min(file.quarantined, NOTES + 1):
        found.append(f"{file.quarantined} pieces are in quarantine, with {len(notes)} notes")
    return found


def _readings(name: str, content: bytes) -> list[list[Any] | None]:
    """The values in a file, in every way in which it may be read; None for a document that breaks off somewhere."""
    if content.startswith(UTF16_BOMS) or b"\0" in content[:SNIFFED_BYTES]:
        return [[None]]
    lines = [piece for raw in content.split(b"\n") if (piece := raw.removeprefix(BOM).strip(b" \t\r\n"))]
    if not name.lower().endswith(".json") or not lines:
        return [lines]
    try:
        value = json.loads(content.decode().removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return [lines, None]
    return [lines, value if isinstance(value, list) else [value]]


def _content_hash(piece: Any) -> str | None:
    """What a record is known by, None if the piece is none."""
    try:
        value = json.loads(piece.decode()) if isinstance(piece, bytes) else piece
        return parse(value, received_at=NOW).content_hash
    except (InputError, ValueError, RecursionError):
        return None
