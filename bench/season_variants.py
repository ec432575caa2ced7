"""Rules that were tried and not chosen, by what they change of the one that was."""

from collections.abc import Mapping
from typing import Any

WORLDS = (
    "0, 10 a day",
    "+0.03, 10 a day",
    "+0.05, 10 a day",
    "scattered by 0.02 around live, 10 a day",
)
WITH_GUARDS = ("+0.05, 10 a day, 3 critical", "+0.05, 10 a day, a guard rail -0.03")
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "as chosen": {},
    "the newest candidate, not the best of five": {"newest": 1},
    "a confirm set of 20 has to agree": {"confirm": 20},
    "replaced by one that is 0.05 better on the frozen set": {"replaced_by": 0.05},
    "dropped below 0.8 after 30 cases": {"dropped_at": 0.8, "least_cases": 30},
    "never dropped before 90 nights": {"dropped_at": 0.0},
    "at most 30 nights": {"most_nights": 30},
    "50 new records for a run": {"min_new_records": 50},
    "13 equal parts, 28 nights each": {"equal_parts": 13, "dropped_at": 0.0, "most_nights": 28},
    "365 equal parts, the newest every night": {"equal_parts": 365, "most_nights": 1, "newest": 1},
}
GUARD_VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "a guard rail proven within 0.05, as chosen": {},
    "a guard rail proven within 0.03": {"guard_limit": 0.03},
    "a guard rail proven within 0.02": {"guard_limit": 0.02},
}
