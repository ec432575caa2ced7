"""What is being removed, as the places need it: records, their hashes, and the texts that no other record has."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapterd.chat import as_dicts
from adapterd.config import Settings
from adapterd.errors import InputError
from adapterd.evaluation.answers import prompt_key
from adapterd.feedback import strict_json
from adapterd.feedback.formats import ReadingOptions, parse, reading_options
from adapterd.feedback.listing import name_of
from adapterd.feedback.own_copies import Piece, Unwanted, hash_of_piece
from adapterd.feedback.reader import ParsedPiece
from adapterd.home import Home
from adapterd.record import FeedbackRecord
from adapterd.removal.texts import Texts, folded
from adapterd.store import Store
from adapterd.store.taken_back.removals import FILE, PIECE, RECORD, TEXT, BeingRemoved

CASE = frozenset({"messages", "reference"})
"""Fields of a case of an evaluation set, which stays as it is or goes as a whole."""

SAID_OF_CASE = ("messages", "reference", "keywords", "key_facts", "source_id", "conversation_id", "origin")
"""Fields of a case that somebody wrote."""

FOREIGN = frozenset(
    {"reason", "notes", "sentence", "error", "hint", "text", "source", "source_id", "shared_sources", "output_type"}
)
"""Fields of ours that may quote text from elsewhere."""
NAMED_ELSEWHERE = frozenset({"labels", "sources", "origins", "output_types", "applications", "languages"})
"""Tables of ours whose rows are named by text from elsewhere."""
METRIC = "metric"
DATASET = frozenset({"content_hash", "evaluation_hash"})
"""Fields of the result of a dataset stage."""


@dataclass(frozen=True)
class Removed:
    """What goes of one model. `hashes` are those of everything that was ever taken back, `kept` the content hashes of
    the records that stay. `texts` are what only records have that go; `asked` are their prompts (by `prompt_key`), and
    `prompts` those of them that no other record has. `files` are those that what goes came from, of `whole_files` all
    goes."""

    model: str
    hashes: frozenset[str]
    kept: frozenset[str]
    texts: Texts
    asked: frozenset[str]
    prompts: frozenset[str]
    files: frozenset[str]
    whole_files: frozenset[str]

    @classmethod
    def of(cls, store: Store, model: str, going: Sequence[BeingRemoved]) -> "Removed":
        """The removal of these, seen against the records that stay."""
        records = [FeedbackRecord.from_json(each.text) for each in going if each.kind == RECORD]
        pieces = [bytes.fromhex(each.text) for each in going if each.kind == PIECE]
        rows = store.feedback.everything(model)
        own_texts, own_prompts = set[str](), set[str]()
        for row in rows:
            stays = FeedbackRecord.from_json(row.record)
            own_texts.update(texts_of(stays))
            own_prompts.add(prompt_key(as_dicts(stays.messages)))
        texts = Texts.of([*(text for record in records for text in texts_of(record)), *_texts_of_pieces(pieces)])
        asked = {prompt_key(as_dicts(record.messages)) for record in records}
        return cls(
            model=model,
            hashes=store.removals.hashes(model),
            kept=frozenset(row.content_hash for row in rows),
            texts=Texts(
                texts.texts - own_texts - {text.strip() for text in own_texts},
                tuple(text for each in going if each.kind == TEXT and (text := folded(each.text)).strip()),
            ),
            asked=frozenset(asked),
            prompts=frozenset(asked - own_prompts),
            files=frozenset(each.file for each in going if each.file),
            whole_files=frozenset(each.file for each in going if each.kind == FILE),
        )

    def has_case(self, case: Mapping[str, Any]) -> bool:
        """Whether a case, or a kept answer to one, is of a record that goes."""
        key = prompt_key(case["messages"])
        if case.get("record") in self.hashes or key in self.prompts:
            return True
        if self.has_wanted([case.get(name) for name in SAID_OF_CASE]):
            return True
        return "record" not in case and key in self.asked and self.texts.are_in(str(case["reference"]))

    def has_wanted(self, value: Any) -> bool:
        """Whether a text that goes wherever it stands is in plain values."""
        return bool(self.texts.wanted) and Texts(frozenset(), self.texts.wanted).are_in_value(value)

    def has_prompt(self, messages: Sequence[Mapping[str, str]], source_id: str | None) -> bool:
        """Whether a prompt without an answer goes: it is that of a record that goes, or has a text that goes."""
        return prompt_key(messages) in self.prompts or self.texts.are_in_value([list(messages), source_id])

    def has_piece(self, piece: Piece, options: ReadingOptions) -> bool:
        """Whether a piece of a file that is read with these options goes: it gives a record that goes, or is none and
        holds its text."""
        if piece.raw is None:
            return False
        if hash_of_piece(piece.raw) in self.hashes:
            return True
        value = piece.value if isinstance(piece, ParsedPiece) else None
        records = records_of(value, options) if value is not None else []
        others = [record for record in records if record.content_hash not in self.kept]
        if records and not others:
            return False
        if any({record.content_hash, record.statement_hash} & self.hashes for record in others):
            return True
        return self.has_text(piece.raw)

    def has_text(self, raw: bytes) -> bool:
        """Whether bytes that are no record hold a text that goes, as it is or with JSON's escapes."""
        return any(map(self.texts.are_in, readings_of(raw)))

    def cleaned(self, value: Any, successors: Mapping[str, str], name: str = "") -> Any:
        """Plain values of ours without cases and notes of what goes, and without its text where text from elsewhere
        stands; `name` is that of the value. What a dataset stage gave back names the set of today, which `successors`
        has by the former hash."""
        if isinstance(value, Mapping):
            return value if value.keys() >= CASE else self._cleaned_fields(value, successors, name)
        if isinstance(value, list | tuple):
            return [self.cleaned(each, successors, name) for each in value if not self._goes(each)]
        if not isinstance(value, str):
            return value
        return self._without_label(value) if name == METRIC else self.to_the_letter(value) if name in FOREIGN else value

    def _cleaned_fields(self, fields: Mapping[str, Any], successors: Mapping[str, str], name: str) -> dict[str, Any]:
        shown = self.to_the_letter if name in NAMED_ELSEWHERE else self._without_label
        cleaned = {shown(key): self.cleaned(each, successors, key) for key, each in fields.items()}
        if fields.keys() >= DATASET:
            cleaned["evaluation_hash"] = successors.get(fields["evaluation_hash"], fields["evaluation_hash"])
        return cleaned

    def _without_label(self, metric: str) -> str:
        """The name of a metric without the label that it is of, if that goes: `recall.LABEL`."""
        kind, dot, label = metric.partition(".")
        return f"{kind}{dot}{self.to_the_letter(label)}" if dot else metric

    def to_the_letter(self, text: str) -> str:
        """A sentence of ours without the texts of records that go."""
        return Texts(self.texts.texts).without(text) if self.texts.wanted else self.texts.without(text)

    def _goes(self, value: Any) -> bool:
        if not isinstance(value, Mapping):
            return False
        return self.has_case(value) if value.keys() >= CASE else value.get("record") in self.hashes


@dataclass(frozen=True)
class Scene:
    """Where a removal takes place: the store, the home and the inboxes, and what goes."""

    store: Store
    home: Home
    settings: Settings
    removed: Removed

    @property
    def model(self) -> str:
        return self.removed.model

    def cleaned(self, value: Any) -> Any:
        """Plain values without what goes, with the hashes that the frozen sets have by now."""
        return self.removed.cleaned(value, self.store.evaluation_sets.successors(self.model))

    def going_in(self, path: Path) -> Unwanted:
        """Tells of each piece of a copy of feedback whether it goes; copies are read as they were taken in."""
        given = self.store.feedback_reading.given(self.model).get(name_of(str(path)))
        configured = self.settings.models.get(self.model)
        options = reading_options(configured.feedback) if configured else ReadingOptions()
        options = ReadingOptions.from_json(given).over(options) if given else options
        return lambda piece: self.removed.has_piece(piece, options)

    @property
    def inbox(self) -> Path:
        """Where the model's feedback arrives; that of a model that is configured no more is in the home."""
        configured = self.settings.models.get(self.model)
        return (configured.feedback.folder if configured else None) or self.home.inbox(self.model)


def records_of(value: object, options: ReadingOptions) -> tuple[FeedbackRecord, ...]:
    """The records that a value gives, none if it cannot be used."""
    try:
        return parse(value, options=options, received_at=datetime.now(UTC)).records
    except InputError:
        return ()


def texts_of(record: FeedbackRecord) -> Iterator[str]:
    """Everything that somebody wrote, and the application's own names."""
    yield from (message.content for message in record.messages)
    for text in (
        record.output, record.correction, record.correction_notes, record.rejected_output, record.source_id,
        record.output_type, record.conversation_id,
    ):  # fmt: skip
        if text:
            yield text


def readings_of(raw: bytes) -> Iterator[str]:
    """The text of some bytes, and the strings in it if it is JSON, or looks like it."""
    text = raw.decode(errors="replace")
    yield text
    try:
        yield from strings_in(strict_json.decode(text, most_values=math.inf))
    except InputError:
        if "\\" in text:
            yield _unescaped(text)


def strings_in(value: object) -> Iterator[str]:
    """Every string in plain values, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield str(name)
            yield from strings_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings_in(each)


def _unescaped(text: str) -> str:
    """A text of broken JSON with its escapes undone, as far as they are whole."""
    import re

    def undone(found: "re.Match[str]") -> str:
        try:
            return str(json.loads(f'"{found[0]}"'))
        except ValueError:
            return found[0]

    return re.sub(r'(?:\\u[0-9a-fA-F]{4}|\\["\\/bfnrt])+', undone, text)


def _texts_of_pieces(pieces: Iterable[bytes]) -> Iterator[str]:
    return (text for raw in pieces for text in readings_of(raw))
