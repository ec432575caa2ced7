"""What a judge's verdicts add to votes: the share, the looks of a gate, and when advice stays advice."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from adapterd.config import GateRule, ModelSettings
from adapterd.evaluation.judging.looks import level_of_look
from adapterd.evaluation.rules import JUDGED_PREFERENCE
from adapterd.evidence.by_people import missing_by_people
from adapterd.evidence.judged import pairs_of, share_of, take_looks
from adapterd.evidence.season import Rules, Season
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Comparison
from adapterd.store.judging.verdicts import KeptJudge, KeptVerdict, Look
from adapterd.store.reviews.choices import Choice, Vote
from tests.support.judged import BAD, GOOD, add_pairs, add_votes
from tests.unit.evidence.played import MODEL, PRIMARY, SETTINGS, Played

JUDGE = KeptJudge("j1", "s1", "big", "big:1", "sha256:aa")
OTHER = replace(JUDGE, id="j2", digest="sha256:bb")
GATES = {JUDGED_PREFERENCE: GateRule(min=0.5)}
WINS = [number % 5 != 0 for number in range(60)]
"""Ours wins four of five."""


@pytest.fixture
def comparison(played: Played) -> Comparison:
    return played.challenger("1.0.0", 0.2)


def judge(store: Store, choices: Sequence[Choice], *, wrong: int = 10**9, by: KeptJudge = JUDGE) -> None:
    """It says what is good, in every `wrong`-th pair the opposite."""
    store.judging.use(MODEL, by)
    for place, each in enumerate(choices):
        side = (1.0 if GOOD in each.ours_answer else -1.0) * (-1 if place % wrong == wrong - 1 else 1)
        assert store.judging.keep(MODEL, by.id, KeptVerdict(each.id, side, side))


def missing(store: Store, comparison: Comparison, rule: GateRule | None = None) -> str:
    return missing_by_people(store, comparison, {JUDGED_PREFERENCE: rule or GateRule(min=0.5)})


def test_a_gate_waits_for_votes_then_for_the_judge_and_passes_by_a_look(store: Store, comparison: Comparison) -> None:
    assert "asks for 30 votes and a judge's verdicts on them: 0 are there" in missing(store, comparison)
    voted = add_votes(store, comparison, WINS[:30])
    assert "`adapterctl judge run m` looks at them" in missing(store, comparison)
    judge(store, [*voted, *add_pairs(store, comparison, [(GOOD, BAD)] * 80 + [(BAD, GOOD)] * 20)], wrong=9)
    [look] = take_looks(store, comparison, JUDGE)
    assert (look.number, look.votes, look.pool, look.level, look.advice) == (1, 30, 100, level_of_look(1), "")
    assert look.low > 0.5
    assert missing(store, comparison) == ""
    assert missing(store, comparison, GateRule(min=look.low)) == ""
    assert f"asks for {look.low + 0.01:.0%}" in missing(store, comparison, GateRule(min=look.low + 0.01))
    assert "allows 50%" in missing(store, comparison, GateRule(max=0.5))
    assert missing(store, comparison, GateRule()) == ""


def test_a_look_is_taken_once_whatever_comes_after(store: Store, comparison: Comparison) -> None:
    voted = add_votes(store, comparison, [number % 2 == 0 for number in range(30)])
    judge(store, voted, wrong=7)
    [first] = take_looks(store, comparison, JUDGE)
    assert first.low < 0.5
    assert "between" in missing(store, comparison)
    assert "the next look is at 60 votes: 30 are there" in missing(store, comparison)
    judge(store, add_pairs(store, comparison, [(GOOD, BAD)] * 50))  # a better-looking pool proves nothing now
    more = add_votes(store, comparison, [True] * 29)
    judge(store, more)
    assert take_looks(store, comparison, JUDGE) == []
    assert store.judging.looks(comparison.id) == [first]
    judge(store, [*voted, *more], by=OTHER)
    assert take_looks(store, comparison, OTHER) == []  # nor does another judge
    judge(store, add_votes(store, comparison, [True]))
    [second] = take_looks(store, comparison, JUDGE)
    assert (second.number, second.votes) == (2, 60)
    assert second.level > first.level


def test_looks_that_are_late_are_at_the_same_votes(store: Store, comparison: Comparison) -> None:
    judge(store, add_votes(store, comparison, WINS), wrong=9)
    looks = take_looks(store, comparison, JUDGE)
    assert [(each.votes, each.pool) for each in looks] == [(30, 30), (60, 0)]


def test_no_look_is_taken_before_all_its_votes_are_judged(store: Store, comparison: Comparison) -> None:
    voted = add_votes(store, comparison, WINS[:30])
    judge(store, voted[1:])
    assert take_looks(store, comparison, JUDGE) == []
    judge(store, voted[:1])
    assert len(take_looks(store, comparison, JUDGE)) == 1


def test_a_judge_that_does_not_agree_only_advises(store: Store, comparison: Comparison) -> None:
    voted = add_votes(store, comparison, [True] * 24 + [False] * 6)
    pool = add_pairs(store, comparison, [(GOOD, BAD)] * 50)
    judge(store, [*voted, *pool], wrong=2)
    [look] = take_looks(store, comparison, JUDGE)
    assert "not shown that the judge agrees" in look.advice
    assert look.low > 0.5  # by people alone; the gate on the judged preference is not passed all the same
    assert "not passed by advice at 30 votes" in missing(store, comparison)


@pytest.mark.parametrize(("unread", "advice"), [(1, ""), (10, ""), (11, "not shown that the judge agrees")])
def test_a_verdict_that_cannot_be_read_makes_no_vote_uncounted(
    store: Store, comparison: Comparison, unread: int, advice: str
) -> None:
    voted = add_votes(store, comparison, WINS[:30])
    judge(store, voted[unread:], wrong=9)
    for each in voted[:unread]:
        assert store.judging.keep(MODEL, JUDGE.id, KeptVerdict(each.id, 1.0, None))
    [look] = take_looks(store, comparison, JUDGE)
    assert look.votes == 30
    assert (advice in look.advice, bool(look.advice)) == (True, bool(advice))


def test_a_judge_whose_weights_nobody_sees_only_advises(store: Store, comparison: Comparison) -> None:
    unseen = replace(JUDGE, digest="", advice="nobody can see its weights")
    judge(store, add_votes(store, comparison, WINS[:30]), by=unseen)
    assert take_looks(store, comparison, unseen) == []
    assert "the judge big only advises" in missing(store, comparison)
    assert "nobody can see its weights" in missing(store, comparison)


def test_only_votes_that_are_evidence_count_and_pairs_of_these_two(store: Store, comparison: Comparison) -> None:
    [voted] = add_votes(store, comparison, [True])
    [elsewhere, waiting, same] = add_pairs(store, comparison, [(GOOD, BAD)] * 3)
    assert store.choices.vote(MODEL, elsewhere.id, Vote.OURS, None)  # while no comparison was open
    assert store.choices.vote(MODEL, same.id, Vote.SAME, None)
    store.execute("UPDATE choices SET ours_digest = 'sha256:x' WHERE id = ?", (waiting.id,))
    found = pairs_of(store, MODEL, comparison.ours_digest, comparison.theirs_digest, comparison)
    assert [each.id for each in found.all] == [voted.id]
    bare = pairs_of(store, MODEL, comparison.ours_digest, comparison.theirs_digest)
    assert [each.id for each in bare.votes] == [voted.id, elsewhere.id]


def test_a_verdict_that_cannot_be_read_is_a_tie_of_the_judge(store: Store, comparison: Comparison) -> None:
    voted = add_votes(store, comparison, WINS[:30])
    said = {each.id: KeptVerdict(each.id, 1.0, None) for each in voted}
    found = share_of(voted, (), said)
    assert found is not None
    assert (found.votes, found.by_judge, found.by_people) == (30, 0.5, 0.8)
    assert share_of(voted[:1], (), said) is None


def test_a_proven_challenger_waits_for_the_judge(store: Store, played: Played, comparison: Comparison) -> None:
    settings: ModelSettings = replace(SETTINGS, gates=GATES)
    season = Season(store, MODEL, Rules(PRIMARY, (), settings))
    season.add(comparison, played.cases([1.0] * 60))
    assert season.decide(comparison, season.standing(comparison)) is None
    assert "people have a say" in played.version("1.0.0").reason
    look = Look(1, "j1", 30, 100, 0.9875, 0.7, 0.55, 0.85)
    assert store.judging.add_look(MODEL, comparison.id, look)
    assert not store.judging.add_look(MODEL, comparison.id, replace(look, low=0.9))
    decision = season.decide(comparison, season.standing(comparison))
    assert decision is not None
    assert decision.version == "1.0.0"
