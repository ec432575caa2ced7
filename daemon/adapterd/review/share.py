"""A share of answers with its interval."""

from dataclasses import dataclass

from adapterd.capture.rates import wilson


@dataclass(frozen=True)
class Share:
    """So many of a number of answers that were chosen by chance."""

    count: int
    of: int

    @property
    def value(self) -> float | None:
        """The share, in 0…1; None of nothing."""
        return self.count / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true share lies, by 95 %."""
        return wilson(self.count, self.of)

    def __str__(self) -> str:
        """`3 of 20, 15 % (5 % to 36 %)`."""
        if not self.of:
            return "none yet"
        low, high = self.interval
        return f"{self.count} of {self.of}, {self.count / self.of:.0%} ({low:.0%} to {high:.0%})"
