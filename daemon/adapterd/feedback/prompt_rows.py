"""Rows that have a prompt and no answer, in any feedback format, or only the key of a prompt that is known already."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from adapterd.chat import Prompt, Role
from adapterd.errors import InputError
from adapterd.feedback import checks
from adapterd.feedback.formats import parse
from adapterd.feedback.strict_json import decode
from adapterd.system.files import open_given

KEYS = ("prompt_hash", "prompt_id", "prompt_key", "hash", "sha256", "md5", "key", "id")
"""The fields by which an application knows a prompt."""
MARKS = ("messages", "conversations", "prompt", "instruction", "question")
"""The fields one of which has the prompt."""
ABOUT = ("system", "inputs", "input", "context", "contexts", "history", "images")
"""What belongs to the prompt besides."""
MOST_BYTES = 256 << 20
_TURNS = ("messages", "conversations")
_ENVELOPES = ("prompts", "data", "rows", "records", "items")
_ANYTHING = "…"
"""Stands in for the answer, which a feedback format wants."""


@dataclass(frozen=True)
class PromptRow:
    """A prompt, None where only its keys were given, and what else is said of it."""

    messages: Prompt | None
    keys: tuple[str, ...]
    source_id: str | None
    output_type: str | None


def read_row(value: object) -> PromptRow:
    """The prompt of a row; raises InputError with a sentence that says why there is none."""
    if not isinstance(value, dict):
        raise InputError(f"a row must be a JSON object, not {checks.shown(value)}")
    fields = {name: each for name, each in value.items() if each not in (None, "")}
    keys = tuple(str(fields[name]) for name in KEYS if isinstance(fields.get(name), str | int))
    source_id, output_type = (_text(fields, name) for name in ("source_id", "output_type"))
    mark = next((name for name in MARKS if name in fields), None)
    if mark is None and not keys:
        raise InputError(f"it has no prompt: none of {', '.join(MARKS)} is there, nor a key ({', '.join(KEYS)})")
    return PromptRow(_prompt(fields, mark) if mark else None, keys, source_id, output_type)


def _prompt(fields: Mapping[str, object], mark: str) -> Prompt:
    """What is asked, read as the feedback format of the row reads it."""
    asked = {name: fields[name] for name in (mark, *ABOUT) if name in fields}
    if mark in _TURNS or (mark == "prompt" and isinstance(asked[mark], list)):
        asked["messages" if mark == "prompt" else mark] = _without_answer(mark, asked[mark])
        if mark == "prompt":
            del asked[mark]
    elif mark == "question":
        asked["prompt"] = asked.pop(mark)
    return parse({**asked, "correction": _ANYTHING}, received_at=datetime.now(UTC)).records[0].messages


def _without_answer(mark: str, turns: object) -> object:
    """The turns before the last answer; a column of a table may have them as JSON."""
    if isinstance(turns, str):
        try:
            turns = decode(turns)
        except InputError as exc:
            raise InputError(f"{mark} is a text that {exc}") from exc
    if not isinstance(turns, list):
        return turns
    answering = {"assistant", "gpt", str(Role.ASSISTANT)}
    while turns and isinstance(turns[-1], dict) and (turns[-1].get("role") or turns[-1].get("from")) in answering:
        turns = turns[:-1]
    return turns


def _text(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    return str(value) if isinstance(value, str | int) else None


def rows_of_file(path: Path) -> Iterator[tuple[str, object]]:
    """The rows of a file, with the place of each (`line 3`): JSON, JSON Lines, CSV or TSV with a header, also gzipped.

    What is not JSON is an InputError in the place of the row. Raises InputError if the file cannot be read.
    """
    name = path.name.lower().removesuffix(".gz")
    text = _text_of(path)
    if name.endswith((".csv", ".tsv")):
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if name.endswith(".tsv") else ",")
        try:
            yield from ((f"line {rows.line_num}", row) for row in rows)
        except csv.Error as exc:
            raise InputError(f"{path.name} cannot be read behind line {rows.line_num}: {exc}") from exc
    elif name.endswith((".jsonl", ".ndjson")):
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                yield f"line {number}", _decoded(line)
    elif name.endswith(".json"):
        yield from ((f"row {number}", each) for number, each in enumerate(_items(_decoded(text)), start=1))
    else:
        raise InputError(
            f"{path.name} is none of .json, .jsonl, .ndjson, .csv and .tsv", hint="or sqlite:PATH?SELECT …"
        )


def _text_of(path: Path) -> str:
    try:
        with open_given(path) as given, _unpacked(path, given) as file:
            raw = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as exc:
        raise InputError(f"{path} cannot be read: {getattr(exc, 'strerror', None) or exc}") from exc
    if len(raw) > MOST_BYTES:
        raise InputError(f"{path} has more than {MOST_BYTES >> 20} MiB", hint="divide it")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise InputError(f"{path} is not UTF-8: {exc.reason} at byte {exc.start}") from exc


def _unpacked(path: Path, stream: BinaryIO) -> gzip.GzipFile | BinaryIO:
    return gzip.open(stream) if path.name.lower().endswith(".gz") else stream


def _decoded(text: str) -> object:
    try:
        return decode(text)
    except InputError as exc:
        return exc


def _items(document: object) -> list[object]:
    if isinstance(document, dict):
        for name in _ENVELOPES:
            if isinstance(document.get(name), list):
                return list(document[name])
    return list(document) if isinstance(document, list) else [document]
