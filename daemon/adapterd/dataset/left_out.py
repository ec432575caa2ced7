"""What is not used of what people said, and why: values that the daemon reads, so nothing heavy is imported here."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class LeftOut:
    """A record that is not used, or not to judge with, and why; behind a colon in the reason is what others said."""

    record: str
    source_id: str | None
    reason: str

    def __str__(self) -> str:
        return self._told(self.reason)

    @property
    def short(self) -> str:
        """Without what others said."""
        return self._told(self.reason.partition(": ")[0])

    def _told(self, reason: str) -> str:
        source = f" (source {self.source_id!r})" if self.source_id else ""
        return f"record {self.record[:12]}{source}: {reason}"


def summary(left_out: Sequence[LeftOut], what: str, named: int = 3) -> str:
    """One sentence on the records that are not used; the first of them with their reasons."""
    told = "; ".join(each.short for each in left_out[:named])
    more = f"; and {len(left_out) - named} more" if len(left_out) > named else ""
    return f"{what}: {len(left_out)} ({told}{more})"
