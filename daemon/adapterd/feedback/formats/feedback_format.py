"""What a feedback format is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from adapterd.chat import Prompt

Fields = Mapping[str, object]
"""The fields of one record as it was handed in, without those that are null."""
Schema = dict[str, Any]
"""A JSON Schema (2020-12)."""


@dataclass(frozen=True)
class Content:
    """What a format reads out of a record: the prompt and the answers to it. At least one answer has to be there."""

    prompt: Prompt
    output: str | None = None
    correction: str | None = None
    rejected_output: str | None = None


@dataclass(frozen=True)
class FeedbackFormat:
    """One format. A record is of the first format in the registry whose `marks` it has.

    `name` is that of its schema in the OpenAPI document. `marks` are the fields by which it is known. `read` raises
    InputError with a sentence that names the field. `schema` describes the format's own fields (`schema.record_of`);
    the registry adds that no earlier format fits. `example` is a whole record, as the documentation shows it.
    """

    name: str
    description: str
    marks: tuple[str, ...]
    read: Callable[[Fields], Content]
    schema: Schema
    example: Fields

    def fits(self, fields: Fields) -> bool:
        """Whether a record has the fields by which this format is known."""
        return all(name in fields for name in self.marks)
