"""What becomes of a candidate, and why: values that the daemon and the commands read without computing anything."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What a rule says of a candidate."""

    PASSED = "passed"
    FAILED = "failed"
    UNPROVEN = "unproven"


class Decision(StrEnum):
    """What becomes of a candidate."""

    PROMOTE = "promote"
    HOLD = "hold"
    NOT_PROVEN = "not proven"


@dataclass(frozen=True)
class Finding:
    """One rule, applied: `rule` as a person would write it, and a sentence on what was found."""

    metric: str
    rule: str
    outcome: Outcome
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """What becomes of the candidate, the sentence why, and all that was found."""

    decision: Decision
    reason: str
    findings: tuple[Finding, ...]
