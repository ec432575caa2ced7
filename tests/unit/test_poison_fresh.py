"""Poison that arrives as fresh cases, in short: what is live stays live, however few cases the others send."""

from dataclasses import replace

from bench.poison_fresh import World, episodes

LOUD = World(applications=2, each=1, poison=20, harm=0.05)


def test_one_application_neither_promotes_nor_takes_back() -> None:
    found = episodes(LOUD, runs=1, seed=1, nights=4)
    assert (found["promoted"], found["rolled_back"]) == (0, 0)


def test_what_is_better_for_all_goes_live() -> None:
    found = episodes(replace(LOUD, each=10, poison=10, harm=-0.8), runs=1, seed=1, nights=3)
    assert found["promoted"] + found["rolled_back"] == 1
