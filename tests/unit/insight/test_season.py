"""What people see of a season: comparisons, nights, budgets, why nothing is compared, and what decides nothing."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from adapterd.config import EvaluationSettings, ModelSettings, WatchSettings
from adapterd.home import Home
from adapterd.insight.season.checks import season_checks
from adapterd.insight.season.compared import open_of
from adapterd.insight.season.evidence import Evidence, evidence_of
from adapterd.insight.season.picture import courses_of, newest_picture
from adapterd.store import Store
from adapterd.store.evidence.comparisons import ComparisonState, Counts, Purpose
from adapterd.store.versions import VersionState
from tests.support.compared_versions import add_night, begin
from tests.support.hand_clock import HandClock

DAY_S = 86_400.0
SETTINGS = ModelSettings(base="tiny:1", base_digest="d", evaluation=EvaluationSettings(error_budget=0.1))


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(home: Home, clock: HandClock) -> Iterator[Store]:
    with Store(home.database, clock=clock) as opened:
        yield opened


def look(store: Store) -> Evidence:
    return evidence_of(store, "m", SETTINGS)


def add_version(store: Store, state: VersionState, reason: str = "") -> None:
    store.versions.add("m", "1.3.0", run_id="r", digest="d-1.3.0", base_digest="d")
    store.versions.set_state("m", "1.3.0", state, reason)


def go_live(store: Store) -> None:
    store.versions.deploy("m", "promote", live="1.2.0", live_digest="d-1.2.0", previous="1.1.0", previous_digest="p")


def test_each_night_has_its_cases_their_mean_and_the_way_after_it(store: Store, clock: HandClock) -> None:
    found = begin(store)
    for differences in ([0.2, 0.4], [-0.1, 0.1, 0.3]):
        clock.move_on(DAY_S)
        found = add_night(store, found, differences)
    found = add_night(store, found, [0.9], counts=Counts.SHOWN)
    nights = look(store).open[0].nights
    assert [(each.at.day, each.cases, each.shown) for each in nights] == [(3, 2, 0), (4, 3, 0), (4, 0, 1)]
    assert [each.difference for each in nights] == [pytest.approx(0.3), pytest.approx(0.1), None]
    assert 0 < nights[0].way < nights[1].way == nights[2].way < 1


def test_a_removal_closes_what_rests_on_it(store: Store) -> None:
    found = begin(store)
    for _ in range(3):
        found = add_night(store, found, [0.2, 0.4])
    assert store.comparisons.forget("m", ["nobody's"]) == 0
    assert look(store).open
    assert store.comparisons.forget("m", ["record0", "record1"]) == 2
    seen = look(store)
    assert (seen.open, [each.text for each in seen.ended]) == ([], ["feedback that it rests on was taken back"])


@pytest.mark.parametrize(
    ("live", "text"), [("1.3.0", "1.3.0 was made live by hand"), ("1.1.0", "1.1.0 went live meanwhile")]
)
def test_what_is_over_by_what_is_live_is_told_as_over_before_a_night_settles_it(
    store: Store, live: str, text: str
) -> None:
    add_night(store, begin(store), [0.2, 0.4])
    go_live(store)
    assert [each.version for each in look(store).open] == ["1.3.0"]
    store.versions.deploy("m", "promote", live=live, live_digest=f"d-{live}", previous="1.2.0", previous_digest="p")
    seen = look(store)
    assert (seen.open, [(each.state, each.text) for each in seen.ended]) == ([], [(ComparisonState.CLOSED, text)])
    assert open_of(store, "m", Purpose.CHALLENGE) is None
    assert store.comparisons.open("m", Purpose.CHALLENGE) is not None


def test_a_challenger_that_was_taken_back_is_told_as_over(store: Store) -> None:
    go_live(store)
    add_version(store, VersionState.CHALLENGER)
    add_night(store, begin(store), [0.2, 0.4])
    assert open_of(store, "m", Purpose.CHALLENGE) is not None
    store.versions.set_state("m", "1.3.0", VersionState.WITHDRAWN, "taken back in favour of 1.2.0")
    assert open_of(store, "m", Purpose.CHALLENGE) is None
    assert [each.text for each in look(store).ended] == ["it was withdrawn"]


def test_an_ended_comparison_says_why(store: Store) -> None:
    found = begin(store)
    store.comparisons.end(found.id, ComparisonState.DROPPED, "90 nights did not prove it", -0.5)
    seen = look(store)
    assert (seen.open, [(each.state, each.text) for each in seen.ended]) == (
        [],
        [(ComparisonState.DROPPED, "90 nights did not prove it")],
    )


def test_what_is_left_of_the_budgets_is_told(store: Store) -> None:
    store.comparisons.set_budget("m", Purpose.CHALLENGE, 0.02, 0.01)
    challenge, watch = look(store).budgets
    assert (challenge.yearly, challenge.left, challenge.staked) == (0.1, 0.02, 0.01)
    assert (watch.yearly, watch.left, watch.staked) == (0.02, 0.01, 0.0)


def test_nothing_that_was_ever_live_is_said(store: Store) -> None:
    assert (look(store).why_none, look(store).what_to_do) == ("nothing was ever live", "adapterctl init m --base TAG")


def test_no_version_is_said(store: Store) -> None:
    go_live(store)
    assert look(store).why_none == "there is no version yet"


def test_a_newest_version_that_was_held_is_named(store: Store) -> None:
    go_live(store)
    add_version(store, VersionState.HELD, "json_valid falls")
    assert look(store).why_none == "no candidate waits; the newest, 1.3.0, is held: json_valid falls"


def test_a_candidate_that_waits_is_named(store: Store) -> None:
    go_live(store)
    add_version(store, VersionState.WAITING)
    assert look(store).why_none.startswith("1.3.0 waits")
    store.comparisons.set_budget("m", Purpose.CHALLENGE, 0.0, 0.05)
    assert look(store).why_none == "nothing is left of the error budget of this year"


def test_with_a_challenger_nothing_has_to_be_explained(store: Store) -> None:
    begin(store)
    assert (look(store).why_none, look(store).what_to_do) == ("", "")


def test_evidence_that_decides_is_ok(store: Store) -> None:
    assert list(season_checks(store, "m", SETTINGS)) == []
    add_night(store, begin(store), [0.1] * 5)
    (check,) = season_checks(store, "m", SETTINGS)
    assert check[0] == "ok"
    assert check[1].startswith("evidence on 1.3.0: 0.100 better than 1.2.0")


def test_where_only_mistakes_are_corrected_doctor_warns(store: Store) -> None:
    add_night(store, begin(store), [0.1] * 5, counts=Counts.SHOWN)
    ((level, text, hint),) = season_checks(store, "m", SETTINGS)
    assert (level, "all 5 cases are corrections" in text) == ("warning", True)
    assert "evaluation.reviews = all" in hint


def test_a_watch_that_is_proven_and_off_is_a_warning(store: Store) -> None:
    add_night(store, begin(store, "1.1.0", "1.2.0", purpose=Purpose.WATCH), [0.5] * 60, rail=0.5)
    off = replace(SETTINGS, watch=WatchSettings(auto_rollback=False))
    (level, text, hint), _ = season_checks(store, "m", off)
    assert (level, "1.1.0 is proven to be better than 1.2.0" in text) == ("warning", True)
    assert hint == "adapterctl rollback m, or adapterctl watch on m"
    assert [each[0] for each in season_checks(store, "m", SETTINGS)] == ["ok"]


def test_a_version_has_the_courses_that_it_took_part_in(store: Store) -> None:
    watch = begin(store, "1.1.0", "1.2.0", purpose=Purpose.WATCH)
    assert courses_of(store, "m", "1.2.0") == []  # no night yet
    add_night(store, watch, [-0.1] * 5)
    ended = add_night(store, begin(store, "1.2.0", "1.1.0"), [0.1] * 5)
    store.comparisons.end(ended.id, ComparisonState.PROVEN, "proven, and live", 4.0)
    courses = courses_of(store, "m", "1.2.0")
    assert [(each.claim, each.decided) for each in courses] == [
        ("Is 1.1.0 better than 1.2.0?", False),
        ("Is 1.2.0 better than 1.1.0?", True),
    ]
    assert [each.dropped_at is None for each in courses] == [True, False]


def test_the_picture_is_a_file_of_its_own_with_thresholds(store: Store) -> None:
    assert newest_picture(store, "m") is None
    add_night(store, begin(store), [0.1] * 5)
    drawn = newest_picture(store, "m")
    assert drawn is not None
    assert drawn.startswith("<svg")
    assert "var(" not in drawn
    assert 'aria-label="Is 1.3.0 better than 1.2.0?"' in drawn


def test_a_comparison_that_no_night_has_looked_at_says_so(store: Store) -> None:
    found = begin(store)
    store.comparisons.set_standing(found.id, {})
    seen = open_of(store, "m", Purpose.CHALLENGE)
    assert seen is not None
    assert (seen.text, seen.way, seen.standing) == ("no night has compared them yet", 0.0, None)


def test_live_is_told_to_be_unwatched_where_the_budget_of_the_watch_is_used_up(store: Store) -> None:
    go_live(store)
    assert [*season_checks(store, "m", SETTINGS)] == []
    store.comparisons.set_budget("m", Purpose.WATCH, 0.0, 0.0)
    [(level, found, what)] = season_checks(store, "m", SETTINGS)
    assert level == "warning"
    assert "not watched" in found
    assert "adapterctl rollback m" in what
