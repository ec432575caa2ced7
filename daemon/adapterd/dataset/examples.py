"""Examples and preference pairs that a feedback record gives.

| the record has | it gives |
|---|---|
| a correction | an example (prompt → correction), and a pair (correction over output) if there was an output |
| a rating of 4 or 5, no correction | an example (prompt → output) |
| a rejected output | a pair (correction, else output, over the rejected one) |
| a low rating only | nothing to train on; it counts in triage |
"""

from dataclasses import dataclass
from datetime import datetime

from adapterd.chat import Prompt, without_thought
from adapterd.record import FeedbackRecord

GOOD_RATING = 4


@dataclass(frozen=True)
class Example:
    """A prompt and the completion to train on; `record` is the content hash of the feedback that it comes from."""

    messages: Prompt
    completion: str
    record: str
    prompt_hash: str
    created_at: datetime
    source_id: str | None = None
    output_type: str | None = None


@dataclass(frozen=True)
class PreferencePair:
    """A chosen and a rejected answer to the same prompt."""

    messages: Prompt
    chosen: str
    rejected: str
    record: str
    prompt_hash: str
    created_at: datetime
    source_id: str | None = None


def example_of(record: FeedbackRecord, *, thinks: bool = True) -> Example | None:
    """The example of a record, if it gives one; with its thoughts, if it has any, for a model that `thinks`."""
    good = record.rating is not None and record.rating >= GOOD_RATING
    completion = _stripped(record.correction, thinks) or (_stripped(record.output, thinks) if good else None)
    if completion is None:
        return None
    return Example(
        messages=record.messages,
        completion=completion,
        record=record.content_hash,
        prompt_hash=record.prompt_hash,
        created_at=record.created_at,
        source_id=record.source_id,
        output_type=record.output_type,
    )


def pairs_of(record: FeedbackRecord, *, thinks: bool = True) -> list[PreferencePair]:
    """The preference pairs of a record; equal answers give none."""
    correction, output = _stripped(record.correction, thinks), _stripped(record.output, thinks)
    chosen = correction or output
    rejected = (_stripped(record.rejected_output, thinks), output if correction else None)
    return [
        PreferencePair(
            record.messages, chosen, text, record.content_hash, record.prompt_hash, record.created_at, record.source_id
        )
        for text in dict.fromkeys(rejected)
        if chosen and text and text != chosen
    ]


def _stripped(text: str | None, thinks: bool) -> str | None:
    """The text without the white space around it, None where nothing is left: blank answers are not trained on."""
    whole = text or ""
    return (whole if thinks else without_thought(whole)).strip() or None
