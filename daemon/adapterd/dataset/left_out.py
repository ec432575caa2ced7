"""Records that are left out, and why: plain values, so that the daemon reads them without loading anything heavy."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class LeftOut:
    """A record that is in no set, or not in the evaluation set, and why; text from elsewhere stands behind a colon."""

    record: str
    source_id: str | None
    reason: str

    def __str__(self) -> str:
        return self._sentence(self.reason)

    @property
    def short(self) -> str:
        """The sentence without text from elsewhere."""
        return self._sentence(self.reason.partition(": ")[0])

    def _sentence(self, reason: str) -> str:
        source = f" (source {self.source_id!r})" if self.source_id else ""
        return f"record {self.record[:12]}{source}: {reason}"


def summary(left_out: Sequence[LeftOut], what: str, named: int = 3) -> str:
    """One sentence on the records that are left out; the first `named` of them with their reasons."""
    first = "; ".join(each.short for each in left_out[:named])
    more = f"; and {len(left_out) - named} more" if len(left_out) > named else ""
    return f"{what}: {len(left_out)} ({first}{more})"
