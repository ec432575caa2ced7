"""When a gate looks at a calibrated mean, and at which level: many looks together err as rarely as one.

The k-th look is at the first 30·2^(k-1) votes, whenever it is taken, with 1/(k(k+1)) of the error that all looks share:
the sum over all k is 1. They share half of what one interval of 95 % errs by, for with a judge that favours one side
the interval's lower end errs about twice as often as its upper one. So of versions that nobody prefers at most 2.5 %
pass at any look (decision 45; simulated by bench/teachers_judge_looks.py).
"""

from adapterd.evaluation.judging.estimate import LEAST_VOTES
from adapterd.evaluation.statistics import ALPHA

SHARED = ALPHA / 2
"""The error of all looks together, both ends of the interval added up."""


def votes_of_look(number: int) -> int:
    """How many votes the look of that number, from 1 on, is at."""
    return LEAST_VOTES << (number - 1)


def level_of_look(number: int) -> float:
    """The level of its two-sided interval."""
    return 1 - SHARED / (number * (number + 1))


def looks_at(votes: int) -> int:
    """How many looks are due by so many votes."""
    return (votes // LEAST_VOTES).bit_length()
