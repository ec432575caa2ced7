"""Prompts without answers into the pool: each once, rows that cannot be used named with the reason."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from adapterd.capture.captures import Capture, Captures
from adapterd.chat import Message, Prompt, Role, as_dicts
from adapterd.errors import InputError
from adapterd.feedback.prompt_rows import PromptRow, read_row, rows_of_file
from adapterd.home import Home
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.store.prompt_pool.foreign_database import select
from adapterd.store.prompt_pool.prompts import NewPrompt
from adapterd.system.files import named_path

SQLITE = "sqlite:"
CAPTURE = "capture"
"""The origin of recorded prompts in the pool."""
_HASH = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class RefusedRow:
    """A row that cannot be used: where it is, and why."""

    place: str
    reason: str


class Taken(StrEnum):
    """What became of a row: its prompt is new in the pool, was there already, or was only named by a key."""

    ADDED = "added"
    KNOWN = "known"
    JOINED = "joined"


@dataclass(frozen=True)
class PromptReport:
    """How many rows there were, what became of them, and those that cannot be used."""

    rows: int
    added: int
    known: int
    joined: int
    refused: tuple[RefusedRow, ...]


def import_prompts(store: Store, model: str, source: str, database: Path | None = None) -> PromptReport:
    """Take the prompts of a file, or of a query: `sqlite:PATH?SELECT …`, or `sqlite:SELECT …` on the `database`.

    Raises InputError where there is nothing to be read, or none of it can be used; then nothing is kept.
    """
    rows, origin = _rows(source, database)
    taken, refused = Counter[Taken](), list[RefusedRow]()
    with store.transaction():
        pool = _Pool(store, model, origin)
        for place, value in rows:
            try:
                taken[pool.take(_row(value))] += 1
            except InputError as exc:
                refused.append(RefusedRow(place, str(exc)))
        if not taken:
            first = f": {refused[0].place}: {refused[0].reason}" if refused else ", for there is none"
            raise InputError(
                f"no row of {origin} can be used{first}",
                hint="`adapterctl prompts import --help` shows what a row may have",
            )
        text = f"{model}: {taken[Taken.ADDED]} new prompts without answers from {origin}"
        store.events.add("prompts.imported", text, model=model)
    return _report(taken, refused)


def import_captured(store: Store, home: Home, model: str) -> PromptReport:
    """Take the prompts of all recorded conversations with the model, whichever of its tags was asked; each is known by
    the id of its capture, too. Those with images or tools, those that were taken back, and those of frozen sets are
    refused. Raises InputError where nothing is recorded, StoreError where that cannot be read."""
    found = _recorded(home, model)
    if not found:
        raise InputError(
            f"no conversation with {model} is recorded", hint="adapterctl capture status tells what is recorded"
        )
    taken, refused = Counter[Taken](), list[RefusedRow]()
    with store.transaction():
        pool, frozen = _Pool(store, model, CAPTURE), store.prompts.frozen_hashes(model)
        for each in found:
            try:
                if each.prompt_hash in frozen:
                    raise InputError("its prompt is in a frozen set")
                taken[pool.take(PromptRow(_messages(each.turns), (each.id,), None, None))] += 1
            except InputError as exc:
                refused.append(RefusedRow(f"capture {each.id}", str(exc)))
        if taken[Taken.ADDED]:
            text = f"{model}: {taken[Taken.ADDED]} new prompts without answers from captures"
            store.events.add("prompts.imported", text, model=model)
    return _report(taken, refused)


def _recorded(home: Home, model: str) -> list[Capture]:
    if not home.captures.is_file():
        return []
    with Captures(home.captures) as captures:
        return [each for each in captures.all() if each.model.partition(":")[0] == model]


def _messages(turns: Sequence[Mapping[str, Any]]) -> Prompt:
    """The turns as a prompt; raises InputError for what feedback cannot have."""
    if not turns or any(each.keys() - {"role", "content"} or each["role"] not in frozenset(Role) for each in turns):
        raise InputError("it has images or tool calls, which a prompt of the pool cannot have")
    if turns[-1]["role"] != Role.USER:
        raise InputError("its last message is not the user's")
    if not str(turns[-1].get("content", "")).strip():
        raise InputError("it asks nothing")
    return tuple(Message(Role(each["role"]), each.get("content", "")) for each in turns)


def remove_captured(store: Store, ids: Sequence[str], prompt_hashes: Sequence[str] = ()) -> int:
    """Remove from the pool what came of these captures, and what teachers made from them, or of their prompts; how many
    prompts of the pool. Free pages of the database have them until the removals that are noted here are finished, by
    the daemon or the next one."""
    with store.transaction():
        found = store.prompts.remove_by_keys(ids, CAPTURE)
        taught = {*store.teaching.forget_records(ids), *store.teaching.forget_prompts(prompt_hashes)}
        for model in sorted(taught.union(found)):
            store.removals.cleaned(store.removals.begin(model, "capture removed", going=(), hashes=(), versions={}))
    return sum(found.values())


def _report(taken: Counter[Taken], refused: Sequence[RefusedRow]) -> PromptReport:
    """The report on rows of which these were taken and those refused."""
    return PromptReport(
        taken.total() + len(refused), taken[Taken.ADDED], taken[Taken.KNOWN], taken[Taken.JOINED], tuple(refused)
    )


def _rows(source: str, database: Path | None) -> tuple[Iterable[tuple[str, object]], str]:
    """The rows with their places, and what they come from, in a few words."""
    if not source.startswith(SQLITE):
        if database is not None:
            raise InputError("--database belongs with sqlite:SELECT …")
        return rows_of_file(Path(source)), Path(source).name
    rest = source.removeprefix(SQLITE)
    path, query = (str(database), rest) if database else rest.partition("?")[::2]
    if not path or not query.strip():
        raise InputError(
            f"{source!r} names no {'query' if path else 'database'}",
            hint="sqlite:PATH?SELECT … FROM …, or sqlite:SELECT … with --database PATH",
        )
    found = select(named_path(Path(path)), query)
    return ((f"row {number}", row) for number, row in enumerate(found, start=1)), Path(path).name


def _row(value: object) -> PromptRow:
    if isinstance(value, InputError):
        raise InputError(f"it {value}")
    return read_row(value)


@dataclass
class _Pool:
    """Takes the rows of one origin."""

    store: Store
    model: str
    origin: str

    def take(self, row: PromptRow) -> Taken:
        """Keep the prompt, or join the row to the one that it names; raises InputError if none has such a key, or if
        the prompt was taken back."""
        if row.messages is None:
            return self._join(row)
        stored = json.dumps(as_dicts(row.messages), ensure_ascii=False)
        digest = FeedbackRecord(row.messages, created_at=self.store.clock()).prompt_hash
        is_removed = digest in self.store.removals.hashes(self.model)
        if is_removed and self.store.prompts.known_by(self.model, digest) is None:
            raise InputError("its prompt was taken back earlier, and is not taken again")
        return Taken.ADDED if self._add(digest, stored, row) else Taken.KNOWN

    def _join(self, row: PromptRow) -> Taken:
        known = next((found for key in row.keys if (found := self._known_by(key))), None)
        if known is None:
            raise InputError(f"it has no prompt, and none is known by {row.keys[0]!r}")
        self._add(*known, row)
        self.store.prompts.label(self.model, known[0], row.source_id, row.output_type)
        return Taken.JOINED

    def _add(self, digest: str, messages: str, row: PromptRow) -> int:
        prompt = NewPrompt(digest, messages, row.keys, self.origin, row.source_id, row.output_type)
        return self.store.prompts.add(self.model, [prompt])

    def _known_by(self, key: str) -> tuple[str, str] | None:
        found = self.store.prompts.known_by(self.model, key)
        return found or (self._by_digest.get(key.lower()) if _HASH.fullmatch(key.lower()) else None)

    @cached_property
    def _by_digest(self) -> dict[str, tuple[str, str]]:
        """Every known prompt by the digests that applications make of its text: of the last message, and of all."""
        found = {}
        for digest, messages in self.store.prompts.texts(self.model):
            contents = [each["content"] for each in json.loads(messages)]
            for text in {contents[-1], "\n".join(contents), "\n\n".join(contents)}:
                for name in ("sha256", "sha1", "md5"):
                    made = hashlib.new(name, text.encode("utf-8", "surrogatepass"), usedforsecurity=False)
                    found[made.hexdigest()] = (digest, messages)
        return found
