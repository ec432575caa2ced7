"""What a feedback file would teach, without taking it: nothing is stored, and nothing is copied."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from adapterd.dataset.statements import Teaching, Use, resolve
from adapterd.errors import InputError
from adapterd.feedback.clocks_ahead import ReadRecord, TimesOfPlaces
from adapterd.feedback.formats import OffScaleError, ReadingOptions, parse
from adapterd.feedback.listing import InboxFile, inbox_file
from adapterd.feedback.reader import ParsedPiece, RejectedPiece, read_file
from adapterd.intake.teaching import TeachingCounts
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.store.new_feedback import NewFeedback

TAKEN_BACK = Teaching(
    (Use.REFUSED,),
    "it was taken back earlier, and is not taken again (`adapterctl feedback import FILE --again` takes it)",
)


@dataclass(frozen=True)
class CheckedRecord:
    """A record of the file: where it stands, in which format, what it would be used for, and of which prompt it is."""

    line: int
    format: str
    teaches: Teaching
    prompt: str = ""


@dataclass(frozen=True)
class FeedbackCheck:
    """Every record of the file, the counts of them all, and the names of fields that are kept aside.

    `refused` is the reason why nothing of the file is taken, if there is one.
    """

    records: list[CheckedRecord]
    counts: TeachingCounts
    metadata: list[str]
    refused: str | None = None


@dataclass
class _Read:
    """What was read so far."""

    records: list[ReadRecord]
    formats: list[str]
    faults: list[tuple[int, str]]
    metadata: set[str]
    passed_over: int = 0


def check_file(
    store: Store,
    model: str,
    path: Path,
    options: ReadingOptions,
    *,
    thinks: bool = True,
    on_progress: Callable[[int, int], object] = lambda _done, _total: None,
) -> FeedbackCheck:
    """Read a file as an import would, and say what each record would teach beside what the model has already.

    `on_progress` gets the bytes done and in total. Raises InputError if the file cannot be read.
    """
    file = inbox_file(str(path.resolve()), path.stat())
    try:
        read = _read(file, options, store.clock(), on_progress)
    except OffScaleError as exc:
        refused = Teaching((Use.REFUSED,), f"nothing of this file is taken: {exc}")
        return FeedbackCheck([], TeachingCounts.of([refused]), [], refused.reason)
    given = [each.record for each in TimesOfPlaces().placed(read.records)]
    removed = _taken_back(store, model, given)
    taken = [record for place, record in enumerate(given) if place not in removed]
    prompts = {record.prompt_hash for record in taken}
    known = [FeedbackRecord.from_json(row.record) for row in store.feedback.about(model, prompts)]
    teachings = iter(resolve([*known, *taken], thinks=thinks).teachings[len(known) :])
    checked = [
        CheckedRecord(
            each.line, name, TAKEN_BACK if place in removed else next(teachings), each.record.messages[-1].content
        )
        for place, (each, name) in enumerate(zip(read.records, read.formats, strict=True))
    ]
    checked += [CheckedRecord(line, "", Teaching((Use.REFUSED,), reason)) for line, reason in read.faults]
    counts = TeachingCounts.of((each.teaches for each in checked), not_judged=read.passed_over)
    return FeedbackCheck(sorted(checked, key=lambda each: each.line), counts, sorted(read.metadata))


def _taken_back(store: Store, model: str, given: Sequence[FeedbackRecord]) -> set[int]:
    """The places of the records that were taken back earlier."""
    if not store.removals.hashes(model):
        return set()
    _, removed = store.removals.divide(model, [NewFeedback.of(each, "", place) for place, each in enumerate(given)])
    return {each.line for each in removed}


def _read(file: InboxFile, options: ReadingOptions, now: datetime, on_progress: Callable[[int, int], object]) -> _Read:
    found, received_at = _Read([], [], [], set()), min(datetime.fromtimestamp(file.mtime_ns / 1e9, UTC), now)
    for piece in _reported(file, on_progress):
        if isinstance(piece, RejectedPiece):
            found.faults.append((piece.line, piece.reason))
            continue
        try:
            reading = parse(piece.value, options=options, received_at=received_at, now=now)
        except OffScaleError:
            raise
        except InputError as exc:
            found.faults.append((piece.line, str(exc)))
            continue
        found.records += ReadRecord.all_of(reading, piece.line, received_at)
        found.formats += [reading.format] * len(reading.records)
        found.metadata |= reading.metadata
        found.passed_over += reading.passed_over
    return found


def _reported(file: InboxFile, on_progress: Callable[[int, int], object]) -> Iterator[ParsedPiece | RejectedPiece]:
    done_bytes = 0
    for number, piece in enumerate(read_file(file)):
        yield piece
        done_bytes += len(piece.raw or b"") + 1
        if number % 1000 == 0:
            on_progress(min(done_bytes, file.size_bytes), file.size_bytes)
    on_progress(file.size_bytes, file.size_bytes)
