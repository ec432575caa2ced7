"""The season in the store: who begins, goes live, is dropped or taken back, and what it costs of the budgets."""

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from adapterd.config import GateRule
from adapterd.evaluation.e_process import VOTE
from adapterd.evaluation.error_budget import ErrorBudget
from adapterd.evaluation.rules import HUMAN_PREFERENCE
from adapterd.evidence.budgets import WATCH_YEARLY, Budgets
from adapterd.evidence.season import LEAST_CASES, MOST_NIGHTS, NEWEST, Rules, Season
from adapterd.intake.http_intake import take_posted
from adapterd.scheduling.evidence import may_begin
from adapterd.serving.tags import BASE
from adapterd.store import Store
from adapterd.store.evidence.comparisons import ComparisonState, Purpose
from adapterd.store.versions import Deployment, VersionState
from tests.support.hand_clock import HandClock
from tests.unit.evidence.played import DAY_S, MODEL, PRIMARY, RAIL, SETTINGS, Played, evidence

CHALLENGE, WATCH = Purpose.CHALLENGE, Purpose.WATCH
YEARLY = SETTINGS.evaluation.error_budget
HALF = YEARLY / 2
MUCH, MORE = [0.8] * 20, [0.8] * 30


def left(played: Played, purpose: Purpose = CHALLENGE) -> float:
    """What is left of a budget, as it was noted last."""
    found = played.store.comparisons.budget(MODEL, purpose)
    assert found is not None
    return found[0]


def staked(played: Played, purpose: Purpose = CHALLENGE) -> float:
    found = played.store.comparisons.budget(MODEL, purpose)
    assert found is not None
    return found[1]


def test_a_better_version_goes_live_by_fresh_cases_and_its_stake_comes_back(played: Played) -> None:
    comparison = played.challenger("1.0.0")
    assert (comparison.ours, comparison.theirs, comparison.level) == ("1.0.0", BASE, HALF / 2)
    assert (left(played), staked(played)) == (HALF / 2, HALF / 2)
    assert played.state("1.0.0") is VersionState.CHALLENGER

    decision = played.night(MUCH)
    assert decision is not None
    assert "1.0.0" in decision.reason or "on 20 fresh cases better than base" in decision.reason
    assert played.live == "1.0.0"

    played.night()
    [ended] = played.of(CHALLENGE)
    assert (ended.state, left(played), staked(played)) == (ComparisonState.PROVEN, HALF, 0)
    assert played.night(MUCH) is None, "nothing is compared any more but what was live before"


def test_an_equal_version_never_goes_live_and_a_worse_one_is_dropped(played: Played) -> None:
    played.challenger("1.0.0")
    for _ in range(4):
        assert played.night([0.3, -0.3] * 5) is None
    assert played.state("1.0.0") is VersionState.CHALLENGER
    assert played.night([-0.3] * (LEAST_CASES - 41)) is None
    assert played.state("1.0.0") is VersionState.CHALLENGER, f"{LEAST_CASES - 1} cases are too few to drop it"
    assert played.night([-0.3] * 8) is None
    [ended] = played.of(CHALLENGE)
    assert (ended.state, played.state("1.0.0")) == (ComparisonState.DROPPED, VersionState.DROPPED)
    assert "speak against it" in ended.reason


def test_what_is_left_of_a_stake_is_counted_by_all_cases_the_last_night_included(played: Played) -> None:
    played.challenger("1.0.0")
    played.night([0.1, -0.1] * (LEAST_CASES // 2 - 1))
    played.night([-0.2] * 10)
    [ended] = played.of(CHALLENGE)
    capital = math.exp(played.standing(ended).log_capital)
    assert ended.state is ComparisonState.DROPPED
    assert ended.log_capital == pytest.approx(math.log(capital))
    assert 0.01 < capital < 0.5
    assert left(played) == pytest.approx(HALF / 2 * (1 + capital)), "what is left and staked is never more than half"


def test_the_best_of_the_newest_begins_and_older_ones_do_not_any_more(played: Played) -> None:
    gains = (0.9, 0.1, 0.05, 0.3, 0.2, 0.1)
    for number, gain in enumerate(gains):
        played.candidate(f"1.{number}.0", gain)
    played.night()
    [comparison] = played.of(CHALLENGE)
    assert comparison.ours == "1.3.0", f"1.0.0 is not among the {NEWEST} newest"
    states = [played.state(f"1.{number}.0") for number in range(len(gains))]
    assert states == [*[VersionState.HELD] * 3, VersionState.CHALLENGER, *[VersionState.WAITING] * 2]


def test_a_newer_candidate_never_replaces_a_challenger_and_follows_it(played: Played) -> None:
    played.challenger("1.0.0")
    played.candidate("1.1.0", 0.4)
    played.night()
    assert [each.ours for each in played.of(CHALLENGE)] == ["1.0.0"]
    played.night([-0.5] * LEAST_CASES)
    played.night()
    assert [each.ours for each in played.of(CHALLENGE)] == ["1.0.0", "1.1.0"]


def test_a_version_of_a_clock_that_was_years_ahead_holds_no_later_one_back(played: Played) -> None:
    ahead = 73 * 365 * DAY_S
    played.clock.move_on(ahead)
    played.candidate("1.0.0")
    played.clock.move_on(-ahead)
    played.candidate("1.1.0", 0.4)
    played.night()
    assert [each.ours for each in played.of(CHALLENGE)] == ["1.1.0"]
    assert played.state("1.0.0") is VersionState.HELD, "it is the older one"
    played.night([-0.5] * LEAST_CASES)
    played.candidate("1.2.0")
    played.night()
    assert [each.ours for each in played.of(CHALLENGE)] == ["1.1.0", "1.2.0"]


def test_what_live_learned_from_is_no_fresh_case_of_its_watch_whatever_the_clock_said(played: Played) -> None:
    ahead = 73 * 365 * DAY_S
    played.clock.move_on(ahead)
    take_posted(played.store, MODEL, [{"prompt": f"p{n}", "correction": "c"} for n in range(3)])
    learned = played.store.feedback.last_id(MODEL)
    played.candidate("1.0.0")
    played.store.runs.start("run-1.0.0", MODEL, reason="r", fingerprint="f", last_feedback_id=learned)
    played.clock.move_on(-ahead)
    played.promote("1.0.0")
    played.night()
    [watch] = played.of(WATCH)
    assert watch.after_id == learned


def test_what_is_noticeably_worse_on_the_frozen_set_does_not_begin(played: Played) -> None:
    played.candidate("1.0.0", -0.021)
    played.night()
    assert played.of(CHALLENGE) == []
    assert played.state("1.0.0") is VersionState.WAITING


def test_what_was_dropped_or_is_older_than_what_was_does_not_begin_again(played: Played) -> None:
    played.candidate("1.0.0")
    played.challenger("1.1.0", 0.1)
    played.night([-0.5] * LEAST_CASES)
    for _ in range(3):
        played.night()
    assert [each.ours for each in played.of(CHALLENGE)] == ["1.1.0"]


def test_a_challenger_ends_after_its_nights_and_gives_its_capital_back(played: Played) -> None:
    played.challenger("1.0.0")
    for _ in range(MOST_NIGHTS - 1):
        played.night()
    assert played.state("1.0.0") is VersionState.CHALLENGER
    played.night()
    [ended] = played.of(CHALLENGE)
    assert (ended.state, played.state("1.0.0")) == (ComparisonState.DROPPED, VersionState.DROPPED)
    assert f"{MOST_NIGHTS} nights" in ended.reason
    assert left(played) == pytest.approx(HALF), "it lost nothing"


def test_a_pair_is_closed_where_something_else_goes_live(played: Played) -> None:
    played.challenger("1.0.0")
    played.night([0.2] * 10)
    played.candidate("1.1.0")
    played.promote("1.1.0")
    played.night()
    [closed] = played.of(CHALLENGE)
    assert (closed.state, closed.reason) == (ComparisonState.CLOSED, "1.1.0 went live meanwhile")
    assert played.state("1.0.0") is VersionState.DROPPED
    assert [(each.ours, each.theirs) for each in played.of(WATCH)] == [(BASE, "1.1.0")]


def test_a_pair_is_closed_where_the_tag_of_the_same_name_is_another_file(played: Played) -> None:
    played.challenger("1.0.0")
    played.store.versions.deploy(MODEL, "promote", live=BASE, live_digest="sha256:another")
    played.night()
    assert [each.state for each in played.of(CHALLENGE)] == [ComparisonState.CLOSED]


def test_a_challenger_that_a_person_makes_live_gives_back_no_more_than_it_is_worth(played: Played) -> None:
    played.challenger("1.0.0")
    played.night([-0.4] * 20)
    played.promote("1.0.0")
    played.night()
    [closed] = played.of(CHALLENGE)
    assert (closed.state, closed.reason) == (ComparisonState.CLOSED, "promoted by hand")
    assert played.state("1.0.0") is VersionState.PROMOTED
    assert left(played) < 0.8 * HALF
    assert [each.theirs for each in played.of(WATCH)] == ["1.0.0"], "what a person promoted is watched, too"


def test_a_decision_that_was_not_carried_out_is_decided_again(played: Played) -> None:
    played.challenger("1.0.0")
    decision = played.undone_night(MUCH)
    assert decision is not None
    assert played.live == BASE
    assert played.night() == decision
    assert played.live == "1.0.0"


def test_a_promotion_that_was_not_settled_is_settled_the_next_night_once(played: Played) -> None:
    played.challenger("1.0.0")
    played.night(MUCH)
    for _ in range(2):
        played.season.settle()
        assert [each.state for each in played.of(CHALLENGE)] == [ComparisonState.PROVEN]
        assert [each.theirs for each in played.of(WATCH)] == ["1.0.0"]
        assert left(played) == HALF


def test_the_watch_takes_back_what_is_worse_and_older_ones_do_not_begin_again(played: Played) -> None:
    played.candidate("1.0.0")
    played.candidate("1.1.0")
    played.promote("1.1.0")
    played.night()
    [watch] = played.of(WATCH)
    assert (watch.ours, watch.theirs, watch.level) == (BASE, "1.1.0", 0.005)

    decision = played.night(watch=MORE)
    assert decision is not None
    assert (decision.purpose, decision.version, played.live) == (WATCH, BASE, BASE)
    assert decision.reason.startswith("taken back by the watch: on 30 fresh cases base is better than 1.1.0")
    played.night()
    [watch] = played.of(WATCH)
    assert (watch.state, left(played, WATCH)) == (ComparisonState.PROVEN, 0.01)
    assert played.state("1.1.0") is VersionState.WITHDRAWN
    played.night()
    assert played.of(CHALLENGE) == [], "1.0.0 is older than what was withdrawn"


def test_the_watch_begins_once_for_each_promotion_and_ends_after_its_nights(played: Played) -> None:
    played.candidate("1.0.0")
    played.promote("1.0.0")
    for _ in range(MOST_NIGHTS + 5):
        played.night(watch=[0.1, -0.1])
    [watch] = played.of(WATCH)
    assert (watch.state, played.live) == (ComparisonState.DROPPED, "1.0.0")
    assert watch.ended_at is not None
    assert timedelta(days=MOST_NIGHTS) <= watch.ended_at - watch.began_at < timedelta(days=MOST_NIGHTS + 1)
    played.promote(BASE)
    played.promote("1.0.0")
    played.night()
    assert len(played.of(WATCH)) == 2, "a second promotion is watched anew"


def test_the_watch_asks_for_no_proof_of_guard_rails(store: Store, clock: HandClock) -> None:
    played = Played.begun(store, clock, (RAIL,))
    played.candidate("1.0.0")
    played.promote("1.0.0")
    played.night()
    assert played.night(watch=MORE, rail=-0.1) is not None
    assert played.live == BASE


def test_a_challenger_has_to_prove_its_guard_rails(store: Store, clock: HandClock) -> None:
    played = Played.begun(store, clock, (RAIL,))
    played.candidate("1.0.0")
    played.promote("1.0.0")
    played.night()
    played.challenger("1.1.0")
    assert played.night([0.9] * 30, rail=0.0) is None, "30 cases do not prove that it falls by less than 0.05"
    [comparison] = played.of(CHALLENGE)
    assert 0 < played.standing(comparison).way < 1
    assert played.night([0.0] * 30, rail=1.0) is not None


def test_against_the_base_guard_rails_need_no_proof(store: Store, clock: HandClock) -> None:
    played = Played.begun(store, clock, (RAIL,))
    played.challenger("1.0.0")
    assert played.night(MUCH) is not None


def test_a_version_that_is_gone_is_no_challenger(played: Played) -> None:
    played.challenger("1.0.0")
    played.store.versions.set_state(MODEL, "1.0.0", VersionState.COLLECTED, "too old")
    played.night()
    [closed] = played.of(CHALLENGE)
    assert (closed.state, closed.reason) == (ComparisonState.CLOSED, "it was collected")


def test_the_first_exam_counts_only_while_the_base_is_live_and_no_challenger_is_there(played: Played) -> None:
    cases = played.cases([0.6] * 20)
    first = played.candidate("1.0.0")
    assert played.season.begin_first_exam(first, []) is None, "nothing that was not asked before"
    standing = played.season.begin_first_exam(first, cases)
    assert standing is not None
    assert standing.is_proven
    [comparison] = played.of(CHALLENGE)
    assert (comparison.level, comparison.horizon) == (HALF, 30)
    assert [len(look.cases) for look in played.store.comparisons.looks(comparison.id)] == [5, 5, 5, 5]

    second = played.candidate("1.1.0")
    assert played.season.begin_first_exam(second, cases) is None, "there is a challenger"
    played.season.drop(comparison, "a person does not want it")
    played.promote("1.0.0")
    assert played.season.begin_first_exam(second, cases) is None, "a version is live"


def test_a_first_exam_that_proves_nothing_goes_on_with_fresh_cases(played: Played) -> None:
    version = played.candidate("1.0.0")
    standing = played.season.begin_first_exam(version, played.cases([0.3, -0.1] * 6))
    assert standing is not None
    assert played.season.decide(played.season.open[-1], standing) is None
    assert played.state("1.0.0") is VersionState.CHALLENGER
    assert played.night(MUCH) is not None


def test_with_nothing_left_of_the_budget_nothing_begins_until_more_has_come(played: Played) -> None:
    played.store.comparisons.set_budget(MODEL, CHALLENGE, 0.0, 0.0)
    played.candidate("1.0.0")
    assert played.season.choose() is None
    played.clock.move_on(DAY_S - 60)
    found = played.season.choose()
    assert found is not None
    assert found.level == pytest.approx(HALF / 365 / 2)


def test_the_budget_is_that_of_the_simulation_whatever_happens_and_whoever_opens_it(played: Played) -> None:
    budget, random = ErrorBudget.of(YEARLY), np.random.default_rng(3)
    for number in range(6):
        budget = budget.after((60 if number == 0 else 0) / 86_400).begun()
        comparison = played.challenger(f"1.{number}.0")
        assert comparison.level == pytest.approx(float(budget.staked), rel=1e-3)
        assert played.night(random.choice([-0.5, 0.1], 60).tolist()) is None
        ended = played.of(CHALLENGE)[-1]
        assert ended.log_capital is not None
        budget = budget.after().dropped(ended.log_capital)
        assert left(played) == pytest.approx(float(budget.left), rel=1e-3)


def test_a_clock_that_was_set_back_brings_nothing(played: Played) -> None:
    played.challenger("1.0.0")
    before = left(played)
    played.clock.move_on(-30 * DAY_S)
    played.season.drop(played.of(CHALLENGE)[0], "no")
    assert left(played) == pytest.approx(before + HALF / 2)


def test_there_is_something_to_begin_until_what_went_live_is_watched_and_nothing_after_a_rollback(
    played: Played,
) -> None:
    assert not may_begin(played.store, MODEL)
    played.candidate("1.0.0")
    assert may_begin(played.store, MODEL)
    played.promote("1.0.0")
    assert may_begin(played.store, MODEL), "it is not watched yet"
    played.night()
    assert not may_begin(played.store, MODEL)
    played.candidate("1.1.0")
    played.promote("1.1.0")
    played.roll_back("1.0.0")
    played.night()
    assert not may_begin(played.store, MODEL)


def test_who_takes_back_what_speaks_against_a_version_does_not_help_it(played: Played) -> None:
    comparison = played.challenger("1.0.0")
    played.night([0.1] * 10)
    [look] = played.store.comparisons.looks(comparison.id)
    before = left(played)
    played.store.comparisons.forget(MODEL, [look.cases[0].record])
    played.night(MUCH)
    [closed] = played.of(CHALLENGE)
    assert (closed.state, played.state("1.0.0")) == (ComparisonState.CLOSED, VersionState.DROPPED)
    assert left(played) < before + HALF / 100, "its stake is lost"
    assert played.live == BASE


def test_a_clock_that_was_set_back_after_a_promotion_begins_one_watch(played: Played, clock: HandClock) -> None:
    played.candidate("1.0.0")
    played.promote("1.0.0")
    clock.move_on(-3600)
    for _ in range(3):
        played.season.settle()
    [watch] = played.of(Purpose.WATCH)
    assert watch.is_open
    assert watch.began_at >= deployed(played).since


def test_a_watch_ends_where_what_was_live_before_is_another_file(played: Played) -> None:
    played.candidate("1.0.0")
    played.promote("1.0.0")
    played.season.settle()
    played.store.versions.rename_base(MODEL, BASE, "base-0123456789ab")
    played.season.settle()
    first, *_ = played.of(Purpose.WATCH)
    assert (first.is_open, first.reason) == (False, "what was live before has changed")


def test_another_primary_metric_ends_a_challenge_and_gives_back_no_more_than_is_left(played: Played) -> None:
    comparison = played.challenger("1.0.0")
    played.season.add(comparison, played.cases([-0.5] * 30))
    before = budget(played).left
    other = replace(SETTINGS, evaluation=replace(SETTINGS.evaluation, primary="token_f1"))
    Season(played.store, MODEL, Rules("token_f1", (), other)).settle()
    [ended] = played.of(Purpose.CHALLENGE)
    assert (ended.state, ended.reason) == (ComparisonState.CLOSED, "evaluation.primary is token_f1 now")
    assert budget(played).left - before < 0.001


def test_what_is_over_gives_back_no_stake_of_another_one(played: Played) -> None:
    first = played.challenger("1.0.0")
    played.season.drop(first, "by hand")
    second = played.challenger("1.1.0")
    before = budget(played)
    played.season.drop(first, "once more")
    assert budget(played) == before
    assert [each.id for each in played.season.open] == [second.id]


def budget(played: Played) -> ErrorBudget:
    yearly = {CHALLENGE: YEARLY, WATCH: WATCH_YEARLY}
    return Budgets(played.store, MODEL, yearly).now(CHALLENGE)


def deployed(played: Played) -> Deployment:
    found = played.store.versions.deployment(MODEL)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("votes", "least", "said"),
    [
        ([], 0.65, "0 of the 50 votes"),
        ([1.0] * 49, 0.65, "49 of the 50 votes"),
        ([1.0] * 60 + [-1.0] * 40, 0.65, "60% of 100 votes are for it"),
        ([1.0] * 60 + [-1.0] * 40, None, ""),
        ([1.0] * 40 + [0.0] * 20, 0.65, ""),
    ],
)
def test_a_gate_on_votes_keeps_a_proven_challenger_waiting(
    played: Played, votes: list[float], least: float | None, said: str
) -> None:
    gates = {HUMAN_PREFERENCE: GateRule(min=least)}
    rules = Rules(PRIMARY, (), replace(SETTINGS, gates=gates))
    comparison = played.challenger("1.0.0", 0.2)
    season = Season(played.store, MODEL, rules)
    season.add(comparison, played.cases([1.0] * 60))
    for number, each in enumerate(votes):
        season.add_vote(comparison, evidence(1000 + number, {PRIMARY: each, HUMAN_PREFERENCE: each}, kind=VOTE))
    decision = season.decide(comparison, season.standing(comparison))
    assert (decision is None) == bool(said)
    assert said in played.version("1.0.0").reason
