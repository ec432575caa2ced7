"""The feedback record: one answer of the model and what was said about it, the unit that everything else counts."""

import json
import re
import unicodedata
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Self

import orjson

from adapterd.chat import Prompt, from_dicts


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
    `rating` is 1 (bad) to 5 (good). A demonstration has a correction and no output. `conversation_id` names what
    several records are turns of, `application` who sent it, `claimed_application` who the record says sent it where the
    token of a post names another one. `created_at` is aware.
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
    conversation_id: str | None = None
    application: str | None = None
    claimed_application: str | None = None
    created_at: datetime

    @classmethod
    def with_all(cls, **fields: Any) -> Self:
        """The record with these fields, which have to be all, in their order: quicker than the constructor, which sets
        each by itself."""
        self = cls.__new__(cls)
        vars(self).update(fields)
        return self

    @property
    def prompt_hash(self) -> str:
        """Which prompt it is about, see `prompt_hash`."""
        return prompt_hash(self.messages)

    @property
    def content_hash(self) -> str:
        """SHA-256 in hex of all but notes, time, conversation and application: the same feedback given twice, by
        anybody at any time, shares it."""
        messages = [(m.role, m.content) for m in self.messages]
        tags = sorted(set(self.failure_tags)) if self.failure_tags else []
        judgement = (self.output, self.rating, tags, self.correction, self.rejected_output)
        return _sha256(orjson.dumps((messages, *judgement, self.source_id, self.output_type)))

    @property
    def statement_hash(self) -> str:
        """SHA-256 in hex of prompt and answers alone, whatever was said of them; NFC, runs of white space as one blank.

        The same line of a file shares it, also when it is read again with other fields or by another scale.
        """
        answers = {_normalised(each) for each in (self.output, self.correction, self.rejected_output) if each}
        return _sha256(orjson.dumps(([(m.role, _normalised(m.content)) for m in self.messages], sorted(answers))))

    def to_json(self) -> str:
        """The record as one line of JSON, from which `from_json` makes an equal one."""
        return orjson.dumps(self).decode()

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


def prompt_hash(messages: Prompt) -> str:
    """SHA-256 in hex of a prompt: equal for texts that are one to any reader.

    Forms of Unicode (NFC and NFD), kinds of line ends and white space at the end of a line make no difference. Case,
    indentation and other white space do: `US` and `us` are two prompts, and so are two programs in Python. What is
    nearly the same is found by `adapterd.dataset.leaks`.
    """
    texts = [(each.role, _plain(each.content)) for each in messages]
    whole = "".join([f"{role}\0{len(text)}\0{text}" for role, text in texts])
    return _sha256(whole.encode("utf-8", "surrogatepass"))


_LINE_END = re.compile(r"\r\n?|\n")


def _plain(text: str) -> str:
    whole = (text if text.isascii() else unicodedata.normalize("NFC", text)).rstrip()
    if "\r" in whole:
        whole = _LINE_END.sub("\n", whole)
    return "\n".join([line.rstrip() for line in whole.split("\n")]) if "\n" in whole else whole


def _normalised(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _sha256(data: bytes) -> str:
    return sha256(data).hexdigest()
