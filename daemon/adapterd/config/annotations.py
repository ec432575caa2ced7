"""What stands at a setting's field beside its type: its bounds and its documentation."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """Bounds of a number, both allowed."""

    low: float
    high: float


@dataclass(frozen=True)
class Doc:
    """What a setting means: one plain sentence with unit and effect, without a full stop.

    `unset` says what holds where the setting has no value, `page` names the page of docs/ that tells more, and `each`
    is the placeholder for the names in a table of tables.
    """

    sentence: str
    unset: str = ""
    page: str = ""
    each: str = ""
