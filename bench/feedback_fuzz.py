"""Thousands of odd feedback files through the real intake into a real store, with an account of every piece."""

import csv
import gzip
import io
import json
import tempfile
import traceback
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from adapterd.dataset.statements import resolve
from adapterd.errors import InputError
from adapterd.feedback.formats import parse
from adapterd.feedback.listing import inbox_file, name_of
from adapterd.feedback.reader import ParsedPiece, RejectedPiece, read_file
from adapterd.home import Home
from adapterd.intake.ingest import ingest
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from bench.feedback_files import stated_files
from bench.feedback_mutations import DISLIKED, disliked, good_records, mutated, written

MODEL = "fuzz"
AT_ONCE = 250
"""So many files lie in one inbox."""
NOW = datetime(2026, 1, 1, tzinfo=UTC)
Value = Any


@dataclass(frozen=True)
class OddFile:
    """A file, and its lines as they were written; None where the file may break off, or is no list of lines."""

    ending: str
    content: bytes
    lines: tuple[bytes, ...] | None


def fuzz(files: int = 10_000, seed: int = 17) -> dict[str, int]:
    """What became of so many files.

    `crashes` are faults that nobody thought of; `lost` are pieces that are neither stored nor known nor in quarantine
    nor without a verdict; `imitated` are answers that a verdict of any name called bad, and that are taught.
    """
    random, found = Random(seed), Counter[str]()
    records = good_records(iter(_records_of_files()))
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for place in range(0, files, AT_ONCE):
            count = min(AT_ONCE, files - place)
            odd = [_odd_file(random, records, place + number) for number in range(count)]
            found += _take(Path(folder) / str(place), odd)
    return {name: found[name] for name in ("files", "pieces", "stored", "quarantined", "crashes", "lost", "imitated")}


def _records_of_files() -> list[Value]:
    found: list[Value] = []
    for file in stated_files():
        if file.name.endswith(".jsonl"):
            found += map(json.loads, file.content.splitlines())
        elif file.name.endswith(".json"):
            value = json.loads(file.content)
            found += value if isinstance(value, list) else [value]
    return found


def _odd_file(random: Random, records: Sequence[Value], number: int) -> OddFile:
    values = [
        disliked(random, 10 * number + place) if random.random() < 0.3 else mutated(random.choice(records), random)
        for place in range(random.randint(1, 4))
    ]
    sort = random.random()
    if sort < 0.15:
        return OddFile(".json", _document(values, random), None)
    if sort < 0.25:
        return OddFile(".csv", _table(values, random), None)
    lines = tuple(written(value, random) for value in values)
    content = b"\n".join(lines)
    if sort < 0.35:
        packed = gzip.compress(content)
        cut = random.random() < 0.3
        return OddFile(".jsonl.gz", packed[: random.randint(0, len(packed))] if cut else packed, None if cut else lines)
    return OddFile(".jsonl", content, None if b"\0" in content else lines)


def _document(values: Sequence[Value], random: Random) -> bytes:
    value: Value = random.choice(
        (list(values), {"data": list(values)}, {"records": list(values), "page": 1}, values[0])
    )
    text = json.dumps(value, indent=random.choice((None, 1))).encode("utf-8", "surrogatepass")
    return text if random.random() < 0.8 else text[: random.randint(0, len(text))]


def _table(values: Sequence[Value], random: Random) -> bytes:
    rows = [value for value in values if isinstance(value, dict)] or [{"prompt": "a"}]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=random.choice(",;\t"))
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer.writerow(names)
    for row in rows:
        cells = [row.get(name, "") for name in names]
        writer.writerow([cell if isinstance(cell, str) else json.dumps(cell) for cell in cells])
    content = text.getvalue().encode("utf-8", "replace")
    is_cut = random.random() < 0.2 and DISLIKED.encode() not in content  # which might cut off the verdict
    return content[: random.randint(0, len(content))] if is_cut else content


def _take(folder: Path, odd: Sequence[OddFile]) -> Counter[str]:
    """Take the files in together, and count what became of them."""
    inbox, home = folder / "inbox", Home(folder / "home")
    inbox.mkdir(parents=True)
    home.create()
    given = {}
    for number, file in enumerate(odd):
        path = inbox / f"{number:04}{file.ending}"
        path.write_bytes(file.content)
        given[name_of(str(path))] = file
    with Store(home.database) as store:
        try:
            ingest(store, home, MODEL, inbox, settle_s=0.0)
        except Exception:
            traceback.print_exc()
            return Counter(files=len(odd), crashes=1)
        return Counter(files=len(odd)) + _account(store, given)


def _account(store: Store, given: dict[str, OddFile]) -> Counter[str]:
    read = {each.path: each for each in store.feedback.files(MODEL)}
    notes: dict[str, set[int]] = defaultdict(set)
    for note in store.feedback.quarantined(MODEL):
        notes[note.file].add(note.line)
    stored = {row[0] for row in store.rows("SELECT content_hash FROM feedback")}
    found = Counter(stored=len(stored), quarantined=sum(map(len, notes.values())), imitated=_imitated(store))
    for name, file in given.items():
        if name not in read:
            found["lost"] += not notes[name]
            continue
        found["pieces"] += read[name].lines
        if read[name].lines == 1 and notes[name]:  # a file may be stopped as a whole
            continue
        pieces = _pieces(name)
        lost = abs(len(pieces) - read[name].lines) + abs(_missing_lines(file, pieces))
        lost += sum(not _is_accounted_for(piece, notes[name], stored) for piece in pieces)
        if lost:
            print(f"{lost} lost of {name}: {file.content[:500]!r}", flush=True)
        found["lost"] += lost
    return found


def _pieces(name: str) -> list[ParsedPiece | RejectedPiece]:
    """The pieces of a file, as far as it can be read."""
    path = Path(name)
    found: list[ParsedPiece | RejectedPiece] = []
    with suppress(InputError):
        found += read_file(inbox_file(name, path.stat(), path.parent))
    return found


def _missing_lines(file: OddFile, pieces: Sequence[ParsedPiece | RejectedPiece]) -> int:
    """How many lines of a file, whose lines are known, the reader has not seen; an empty list is no piece."""
    wanted = {place for place, line in enumerate(file.lines or (), start=1) if line.strip(b" \t\r\n")}
    wanted -= {place for place in wanted if (file.lines or ())[place - 1].endswith(b'": []}')}
    return len(wanted - {piece.line for piece in pieces}) if file.lines else 0


def _is_accounted_for(piece: ParsedPiece | RejectedPiece, noted: set[int], stored: set[str]) -> bool:
    if isinstance(piece, RejectedPiece):
        return piece.line in noted
    try:
        reading = parse(piece.value, received_at=NOW)
    except InputError:
        return piece.line in noted
    return piece.line in noted or all(record.content_hash in stored for record in reading.records)


def _imitated(store: Store) -> int:
    """How many answers are taught that were given as disliked."""
    records = [FeedbackRecord.from_json(row.record) for row in store.feedback.all(MODEL)]
    taught = [example for example in resolve(records).examples if DISLIKED in example.completion]
    for example in taught:
        print(example)
    return len(taught)
