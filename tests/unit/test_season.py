"""The simulated seasons: what goes live when it is plain which version is better, and what is kept of the budget."""

import numpy as np
import pytest
from bench import season
from bench.season_peers import exams, first_rule, two_means
from bench.season_rule import Rule, Season
from bench.season_worlds import World, against_live, always, symmetric, worlds

YEARS, NIGHTS = 8, 40


def test_a_much_better_version_goes_live_and_gives_its_stake_back() -> None:
    years = Season(World("", always(0.3), symmetric, goal=0.3), Rule(), YEARS, np.random.default_rng(1))
    found = years.run(NIGHTS)
    assert found.promotions.min() >= 1
    assert found.first_night.max() < 10
    assert found.quality.tolist() == pytest.approx([0.3] * YEARS)
    assert np.all(years.budget.left + years.budget.staked <= Rule.yearly / 2 + 1e-12)


def test_a_much_worse_one_never_becomes_a_challenger() -> None:
    found = Season(World("", against_live(-0.3), symmetric), Rule(), YEARS, np.random.default_rng(1)).run(NIGHTS)
    assert found.challengers.max() == found.promotions.max() == 0


def test_a_broken_guard_rail_keeps_a_better_version_back() -> None:
    world = World("", always(0.3), symmetric, guards=(-0.2,))
    found = Season(world, Rule(), YEARS, np.random.default_rng(1)).run(NIGHTS)
    assert found.promotions.max() == 0
    assert found.challengers.min() > 1


def test_a_bad_version_that_was_forced_is_taken_back_and_not_chosen_again() -> None:
    years = Season(World("", against_live(-0.3), symmetric), Rule(), YEARS, np.random.default_rng(1))
    years.challenger = years._version(np.full(YEARS, -0.3), np.zeros((YEARS, 0)), 1)
    years._promote(np.ones(YEARS, bool))
    found = years.run(NIGHTS)
    assert found.rolled_back.tolist() == [1] * YEARS
    assert found.quality.tolist() == [0] * YEARS


def test_two_means_promote_what_is_no_better_and_the_first_rule_does_not() -> None:
    world = World("", against_live(0.0), symmetric)
    lucky, proven = (exams(world, rule, YEARS, np.random.default_rng(1)) for rule in (two_means, first_rule))
    assert lucky.not_better.min() >= 1
    assert proven.not_better.mean() < 1


def test_a_part_is_shown_for_a_world_and_an_unknown_world_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert season.main(["season", "--years", "2", "--only", "+0.05, 30 a day"]) == 0
    assert "'nights'" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        season.main(["--only", "no such world"])
    assert "there is no no such world" in capsys.readouterr().err
    assert len(worlds()) == len({world.name for world in worlds().values()})
