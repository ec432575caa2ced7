"""The feedback record: one answer of the model and what was said about it, the unit that everything else counts."""

import hashlib
import json
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

import orjson

from adapterd.chat import Prompt, as_dicts, from_dicts


class FailureTag(StrEnum):
    """In which way an answer was bad."""

    FORMAT_ERROR = "format_error"
    MISSED_ENTITY = "missed_entity"
    WRONG_ENTITY = "wrong_entity"
    TOPIC_DRIFT = "topic_drift"
    HALLUCINATION = "hallucination"
    DUPLICATION = "duplication"
    STYLE_MISMATCH = "style_mismatch"
    TRUNCATION = "truncation"


@dataclass(frozen=True)
class FeedbackRecord:
    """A prompt and what is known of the answers to it.

    `output` is what the model said, `correction` what it should have said, `rejected_output` what it must not say;
    `rating` is 1 (bad) to 5 (good). A demonstration has a correction and no output. `created_at` is aware.
    """

    messages: Prompt
    _: KW_ONLY
    output: str | None = None
    rating: int | None = None
    failure_tags: tuple[FailureTag, ...] = ()
    correction: str | None = None
    correction_notes: str | None = None
    rejected_output: str | None = None
    source_id: str | None = None
    output_type: str | None = None
    created_at: datetime

    @property
    def prompt_hash(self) -> str:
        """SHA-256 in hex of the messages without regard to case and white space: trivially different prompts share it.

        The leak checks between training and evaluation compare it.
        """
        return _sha256("\0".join(f"{m.role}\0{' '.join(m.content.casefold().split())}" for m in self.messages).encode())

    @property
    def content_hash(self) -> str:
        """SHA-256 in hex of all but notes and time; the same feedback given twice, at any time, shares it."""
        messages = [(m.role, m.content) for m in self.messages]
        judgement = (self.output, self.rating, sorted(set(self.failure_tags)), self.correction, self.rejected_output)
        return _sha256(orjson.dumps((messages, *judgement, self.source_id, self.output_type)))

    def to_json(self) -> str:
        """The record as one line of JSON, from which `from_json` makes an equal one."""
        fields = {**vars(self), "messages": as_dicts(self.messages), "created_at": self.created_at.isoformat()}
        return orjson.dumps(fields).decode()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The record that `to_json` wrote."""
        fields: dict[str, Any] = json.loads(text)
        return cls(
            **{
                **fields,
                "messages": from_dicts(fields["messages"]),
                "failure_tags": tuple(map(FailureTag, fields["failure_tags"])),
                "created_at": datetime.fromisoformat(fields["created_at"]),
            }
        )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
