"""The verdict on a candidate: plain values, so that the daemon reads them without loading anything heavy."""

from dataclasses import dataclass
from enum import StrEnum


class GateOutcome(StrEnum):
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
class GateFinding:
    """One rule, applied: `rule` as a person would write it, and a sentence on what was found. What is unproven may be
    proven by more cases, where it says so."""

    metric: str
    rule: str
    outcome: GateOutcome
    sentence: str
    by_more_cases: bool = False


@dataclass(frozen=True)
class Verdict:
    """What becomes of the candidate, the sentence why, and all that was found."""

    decision: Decision
    reason: str
    findings: tuple[GateFinding, ...]
