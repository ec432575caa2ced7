"""A share of answers with its interval."""

from dataclasses import dataclass
from math import sqrt

Z = 1.959964
"""The quantile of the normal distribution for 95 %."""


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
        """Where the true share lies, by 95 % (Wilson 1927)."""
        if not self.of:
            return 0.0, 1.0
        share, number = self.count / self.of, self.of
        middle = (share + Z * Z / (2 * number)) / (1 + Z * Z / number)
        half = Z / (1 + Z * Z / number) * sqrt(share * (1 - share) / number + Z * Z / (4 * number * number))
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        """`3 of 20, 15 % (5 % to 36 %)`."""
        if not self.of:
            return "none yet"
        low, high = self.interval
        return f"{self.count} of {self.of}, {self.count / self.of:.0%} ({low:.0%} to {high:.0%})"
