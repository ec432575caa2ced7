"""Which captured answers were shown to be judged, why each was, and what came of it. A row has no text."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from adapterd.store.database import Database


class Slice(StrEnum):
    """Why an answer is shown: chosen by chance, so that rates can be estimated from it, or because it may teach much.
    One of a group was mended as another one was."""

    RANDOM = "random"
    DIRECTED = "directed"
    GROUP = "group"


class Outcome(StrEnum):
    """What came of a review: the answer was found good or bad, or nothing was said of it."""

    GOOD = "good"
    BAD = "bad"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Review:
    """A review of a captured answer. `why` is what the card said, `record` the content hash of the feedback record that
    came of it, None where nothing new was said; `chance` the capture's place in the order of chance, in [0, 1), and 1
    of one that is not of the sample. It was chosen to be shown at `chosen_at`, and judged `at`."""

    capture: str
    slice: Slice
    why: str
    outcome: Outcome
    record: str | None
    chance: float
    chosen_at: datetime
    at: datetime


class Reviews:
    """The reviews table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, model: str, review: Review) -> bool:
        """Keep a review; returns whether the answer had none before."""
        return (
            self._database.execute(
                "INSERT OR IGNORE INTO reviews VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    model, review.capture, review.slice, review.why, review.outcome, review.record, review.chance,
                    *(each.isoformat(timespec="milliseconds") for each in (review.chosen_at, review.at)),
                ),
            ).rowcount
            > 0
        )  # fmt: skip

    def all(self, model: str) -> list[Review]:
        """Every review, the oldest first."""
        rows = self._database.rows("SELECT * FROM reviews WHERE model = ? ORDER BY rowid", (model,))
        return [
            Review(
                row["capture"], Slice(row["slice"]), row["why"], Outcome(row["outcome"]), row["record"], row["chance"],
                datetime.fromisoformat(row["chosen_at"]), datetime.fromisoformat(row["at"]),
            )
            for row in rows
        ]  # fmt: skip

    def get(self, model: str, capture: str) -> Review | None:
        """The review of a captured answer."""
        return next((each for each in self.all(model) if each.capture == capture), None)

    def forget(self, model: str, capture: str) -> bool:
        """Take a review back; returns whether there was one."""
        done = self._database.execute("DELETE FROM reviews WHERE model = ? AND capture = ?", (model, capture))
        return done.rowcount > 0
