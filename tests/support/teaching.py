"""What one record teaches where it is the only one about its prompt."""

from adapterd.dataset.examples import Example, PreferencePair
from adapterd.dataset.statements import resolve
from adapterd.record import FeedbackRecord


def example_of(record: FeedbackRecord, *, thinks: bool = True) -> Example | None:
    """The example that the record gives, if it gives one."""
    return next(iter(resolve([record], thinks=thinks).examples), None)


def pairs_of(record: FeedbackRecord, *, thinks: bool = True) -> list[PreferencePair]:
    """The preference pairs that the record gives."""
    return resolve([record], thinks=thinks).pairs
