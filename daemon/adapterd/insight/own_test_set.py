"""Somebody's own test set: a file of prompts with their references, in any format of feedback.

All of it is read before anything is done, and every fault is named with its line.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapterd.chat import without_thought
from adapterd.dataset.cases import EvaluationCase
from adapterd.dataset.judgements import judgement_of
from adapterd.errors import InputError
from adapterd.feedback.formats import ReadingOptions, parse
from adapterd.feedback.listing import inbox_file
from adapterd.feedback.reader import RejectedPiece, read_file

LISTS = ("keywords", "key_facts")
"""What a good answer has, as a list of texts, or one text."""
NAMED = 10
"""So many faults are named at once."""


@dataclass(frozen=True)
class OwnCase:
    """A case, and the line of the file that it stands in."""

    line: int
    case: EvaluationCase


def read_test_set(path: Path, options: ReadingOptions, now: datetime) -> list[OwnCase]:
    """The cases of a file, in their order; raises InputError that names all lines that cannot be cases."""
    file = inbox_file(str(path.resolve()), path.stat())
    arrived = min(datetime.fromtimestamp(file.mtime_ns / 1e9, UTC), now)
    found, faults = list[OwnCase](), list[tuple[int, str]]()
    for piece in read_file(file):
        try:
            if isinstance(piece, RejectedPiece):
                raise InputError(piece.reason)
            found += [OwnCase(piece.line, case) for case in _cases(piece.value, options, arrived, now, path.name)]
        except InputError as exc:
            faults.append((piece.line, str(exc)))
    faults += _contradictions(found)
    if faults or not found:
        raise _refused(path, sorted(faults))
    return list({each.case.prompt_hash: each for each in reversed(found)}.values())[::-1]


def _cases(
    value: object, options: ReadingOptions, arrived: datetime, now: datetime, origin: str
) -> Iterator[EvaluationCase]:
    lists = {name: _texts(name, value[name]) for name in LISTS if isinstance(value, Mapping) and value.get(name)}
    plain: object = (
        {name: each for name, each in value.items() if name not in LISTS} if isinstance(value, Mapping) else value
    )
    records = parse(plain, options=options, received_at=arrived, now=now).records
    if not records:
        raise InputError("it has no answer that is judged")
    for record in records:
        good = judgement_of(record).good
        if good is None:
            raise InputError("it has no good answer to compare with: a correction, or an output rated 4 or 5")
        yield EvaluationCase(
            id=record.prompt_hash, messages=record.messages, reference=without_thought(good.text),
            record=record.content_hash, source_id=record.source_id, conversation_id=record.conversation_id,
            origin=origin, **lists,
        )  # fmt: skip


def _texts(name: str, value: Any) -> tuple[str, ...]:
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, Sequence) or not all(isinstance(each, str) and each.strip() for each in texts):
        raise InputError(f"{name} must be a list of texts")
    return tuple(each.strip() for each in texts)


def _contradictions(found: Sequence[OwnCase]) -> Iterator[tuple[int, str]]:
    first: dict[str, OwnCase] = {}
    for each in found:
        known = first.setdefault(each.case.prompt_hash, each)
        if known.case.reference != each.case.reference:
            yield each.line, f"it asks the same as line {known.line}, and has another answer"


def _refused(path: Path, faults: Sequence[tuple[int, str]]) -> InputError:
    if not faults:
        return InputError(f"{path} has no records", hint="a test set has a prompt and a correction in every line")
    named = "; ".join(f"line {line}: {reason}" for line, reason in faults[:NAMED])
    more = f"; and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
    return InputError(
        f"{path} is no test set, and nothing was frozen or asked: {named}{more}",
        hint="docs/feedback-formats.md lists the formats; every line needs a prompt and its right answer",
    )
