"""What records teach, for tests of reading feedback."""

from datetime import UTC, datetime
from typing import Any

from adapterd.errors import InputError
from adapterd.feedback.formats import Reading, ReadingOptions, parse
from tests.support.teaching import example_of, pairs_of

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLAIN = ReadingOptions()


def reading(value: Any, options: ReadingOptions = PLAIN) -> Reading:
    """What a value says, as it is read at AT."""
    return parse(value, received_at=AT, options=options)


def examples(value: Any, options: ReadingOptions = PLAIN) -> list[str]:
    """The answers that are imitated because of a value."""
    found = [example_of(record) for record in reading(value, options).records]
    return [example.completion for example in found if example]


def pairs(value: Any, options: ReadingOptions = PLAIN) -> list[tuple[str, str]]:
    """The better and the worse answers of a value."""
    return [(pair.chosen, pair.rejected) for record in reading(value, options).records for pair in pairs_of(record)]


def refusal(value: Any, options: ReadingOptions = PLAIN) -> str:
    """Why a value is not taken, empty if it is."""
    try:
        reading(value, options)
    except InputError as exc:
        return str(exc)
    return ""


def chat(asked: str = "When does the mill open?", said: str = "At nine.", **turn: Any) -> list[dict[str, Any]]:
    """A question and an answer; `turn` has further fields of the answer's turn."""
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": said, **turn}]
