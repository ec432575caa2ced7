"""What a judge's verdicts add to people's votes on two versions (decision 45), and when a gate looks at it.

Only pairs that nobody chose for what is in them count: captured prompts by chance, of which people voted on a random
part. A look is taken once, at the first so many votes, whoever asks and whenever (evaluation/judging/looks.py), so
that looking more often proves nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adapterd.config import GateRule
from adapterd.evaluation.judging.ask import PairVerdict
from adapterd.evaluation.judging.card import SeenPair, card_of
from adapterd.evaluation.judging.estimate import SCORES, CalibratedMean, calibrated_mean
from adapterd.evaluation.judging.looks import level_of_look, looks_at, votes_of_look
from adapterd.evaluation.rules import JUDGED_PREFERENCE
from adapterd.evaluation.statistics import LEVEL
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Comparison
from adapterd.store.judging.verdicts import KeptJudge, KeptVerdict, Look
from adapterd.store.reviews.choices import DIFFERENCE, Choice

Said = Mapping[int, KeptVerdict]
"""The verdicts of one judge, by the choice."""
LEAST_JUDGED = 2
"""Votes with a verdict that an estimate needs at least."""


@dataclass(frozen=True)
class JudgedPairs:
    """Two versions' answers to the same prompts: `votes` are those that people decided, in that order, `pool` those
    that wait."""

    votes: tuple[Choice, ...]
    pool: tuple[Choice, ...]

    @property
    def all(self) -> tuple[Choice, ...]:
        """Both, the votes first."""
        return (*self.votes, *self.pool)


def pairs_of(
    store: Store, model: str, ours_digest: str, theirs_digest: str, comparison: Comparison | None = None
) -> JudgedPairs:
    """The pairs of two versions; of a comparison only those votes that are evidence of it."""
    voted = [
        each
        for each in store.choices.voted(model)
        if (each.ours_digest, each.theirs_digest) == (ours_digest, theirs_digest)
    ]
    if comparison is not None:
        evidence = {case.case for look in store.comparisons.looks(comparison.id) for case in look.cases}
        voted = [each for each in voted if each.case in evidence]
    return JudgedPairs(tuple(voted), tuple(store.choices.waiting(model, ours_digest, theirs_digest)))


def verdict_of(said: KeptVerdict) -> PairVerdict:
    """A verdict as agreement is measured by it."""
    return PairVerdict(said.ours_first, said.theirs_first)


def seen_of(pairs: Sequence[Choice], said: Said) -> list[SeenPair]:
    """The pairs that the judge was asked about, with what people said of them."""
    return [
        SeenPair(
            verdict_of(said[each.id]), DIFFERENCE[each.vote] if each.vote else None, len(each.ours_answer),
            len(each.theirs_answer), said[each.id].again,
        )
        for each in pairs
        if each.id in said
    ]  # fmt: skip


def share_of(
    votes: Sequence[Choice], pool: Sequence[Choice], said: Said, level: float = LEVEL
) -> CalibratedMean | None:
    """The share of votes that would be for ours if people voted on all, in 0…1; None for too few. A pair on
    which the judge gave no verdict that can be read is a tie of its: to leave it out would choose by kind."""
    voted = [each for each in votes if each.id in said and each.vote]
    if len(voted) < LEAST_JUDGED:
        return None
    people = np.array([(1 + DIFFERENCE[each.vote]) / 2 for each in voted if each.vote])
    of_votes, of_pool = (
        np.array([(1 + (verdict_of(said[each.id]).value or 0.0)) / 2 for each in some if each.id in said])
        for some in (voted, pool)
    )
    return calibrated_mean(people, of_votes, of_pool, level=level, scale=SCORES)


def take_looks(store: Store, comparison: Comparison, judge: KeptJudge) -> list[Look]:
    """Take the looks at a comparison that are due, and keep what they find. None is taken by a judge that only advises,
    or before it has judged all votes that a look is at."""
    if judge.advice:
        return []
    pairs = pairs_of(store, comparison.model, comparison.ours_digest, comparison.theirs_digest, comparison)
    said, taken = store.judging.of(comparison.model, judge.id), list[Look]()
    before = len(store.judging.looks(comparison.id))
    for number in range(before + 1, looks_at(len(pairs.votes)) + 1):
        look = _look(number, judge, pairs, said)
        if look is None or not store.judging.add_look(comparison.model, comparison.id, look):
            break
        taken.append(look)
    return taken


def _look(number: int, judge: KeptJudge, pairs: JudgedPairs, said: Said) -> Look | None:
    count, level = votes_of_look(number), level_of_look(number)
    votes, rest = pairs.votes[:count], (*pairs.votes[count:], *pairs.pool)
    found = share_of(votes, rest, said, level)
    if found is None or found.votes < count:
        return None
    advice = card_of(str(judge), seen_of(votes, said)).why_advice
    return Look(
        number, judge.id, found.votes, found.pool, level, found.mean, found.interval.low, found.interval.high, advice
    )


def missing_of_judge(store: Store, comparison: Comparison, rule: GateRule) -> str:
    """What is missing of what the gate on the judged preference asks for, in words; empty if nothing is. A look that
    has shown it once is enough: the level of all of them together is that of one."""
    looks, gate = store.judging.looks(comparison.id), f"gates.{JUDGED_PREFERENCE}"
    if any(_passes(look, rule) for look in looks):
        return ""
    judge = store.judging.newest(comparison.model)
    if judge and judge.advice:
        return f"the judge {judge.name} only advises, and {gate} is not passed by advice: {judge.advice}"
    due = votes_of_look(len(looks) + 1)
    votes = len(pairs_of(store, comparison.model, comparison.ours_digest, comparison.theirs_digest, comparison).votes)
    there = f"`adapterctl judge run {comparison.model}` looks at them" if votes >= due else f"{votes} are there"
    if not looks:
        return f"{gate} asks for {due} votes and a judge's verdicts on them: {there}"
    return f"{_said(looks[-1], rule)}; the next look is at {due} votes: {there}"


def look_sentence(look: Look) -> str:
    """What a look found."""
    share = f"{look.value:.0%} ({look.low:.0%} to {look.high:.0%} by {look.level:.1%})"
    return f"look {look.number}: {JUDGED_PREFERENCE} {share} by {look.votes} votes and {look.pool} further verdicts"


def _passes(look: Look, rule: GateRule) -> bool:
    """Whether what is asked for is shown: by the end of the interval, not by its middle."""
    is_enough = rule.min is None or look.low >= rule.min
    return not look.advice and is_enough and (rule.max is None or look.high <= rule.max)


def _said(look: Look, rule: GateRule) -> str:
    if look.advice:
        return f"gates.{JUDGED_PREFERENCE} is not passed by advice at {look.votes} votes: {look.advice.rstrip('.')}"
    is_low = rule.min is not None and look.low < rule.min
    asked = f"asks for {rule.min:.0%}" if is_low else f"allows {rule.max or 0.0:.0%}"
    between = f"between {look.low:.0%} and {look.high:.0%} at {look.votes} votes"
    return f"{JUDGED_PREFERENCE} is {between}, and gates.{JUDGED_PREFERENCE} {asked}"
