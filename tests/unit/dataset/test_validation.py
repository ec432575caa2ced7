"""Which examples choose the best step: a fixed sample that does not hold back what came last."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.dataset.validation import Arrival, most_that_validate, validating

START = datetime(2026, 1, 1, tzinfo=UTC)
SHARE = 0.1
NIGHTS = 30
Source = Callable[[int], str | None]
SOURCES: dict[str, Source] = {
    "no source ids": lambda _: None,
    "one source each": lambda number: f"article {number}",
    "three of a source": lambda number: f"article {number // 3}",
    "four of a source": lambda number: f"article {number // 4}",
    "one source": lambda _: "feed",
    "three large sources": lambda number: f"feed {number % 3}",
    "five large sources in any order": lambda number: f"feed {random.Random(number).randrange(5)}",
    "two large sources and small ones": lambda n: f"feed {n % 2}" if n % 10 < 7 else f"article {n // 30}",
}


def night(number: int, count: int, first: int, source: Source) -> list[Arrival]:
    """What comes in a day, one each second."""
    return [
        Arrival(f"prompt {n}", source(n), START + timedelta(days=number, seconds=n - first))
        for n in range(first, first + count)
    ]


def nights(first: int, each: int, source: Source) -> list[list[Arrival]]:
    return [night(0, first, 0, source), *(night(n, each, first + each * (n - 1), source) for n in range(1, NIGHTS + 1))]


def chosen(arrivals: list[Arrival]) -> set[str]:
    return validating(arrivals, {each.prompt for each in arrivals}, SHARE)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize(("first", "each"), [(300, 50), (600, 50), (1000, 50), (300, 10), (20, 10)])
def test_last_nights_examples_are_trained_on(first: int, each: int, source: Source) -> None:
    known: list[Arrival] = []
    for coming in nights(first, each, source):
        known += coming
        validation = chosen(known)
        if len(known) > first:
            assert sum(arrival.prompt not in validation for arrival in coming) >= 0.85 * each
        assert 1 <= len(validation) <= most_that_validate(len(known), SHARE)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize(("first", "each"), [(300, 50), (1000, 50), (300, 10)])
def test_trained_examples_never_validate_later(first: int, each: int, source: Source) -> None:
    known: list[Arrival] = []
    learned: set[str] = set()
    for coming in nights(first, each, source):
        known += coming
        validation = chosen(known)
        assert not validation & learned
        learned |= {arrival.prompt for arrival in known} - validation


@pytest.mark.parametrize("name", ["one source each", "three of a source", "four of a source"])
def test_a_source_stays_whole(name: str) -> None:
    for first, each in ((300, 50), (1000, 50)):
        known = [arrival for coming in nights(first, each, SOURCES[name]) for arrival in coming]
        validation = chosen(known)
        sides = {(arrival.source, arrival.prompt in validation) for arrival in known}
        assert len(sides) == len({source for source, _ in sides})


def test_large_sources_are_trained_on_where_small_ones_can_validate() -> None:
    known = [each for coming in nights(300, 50, SOURCES["two large sources and small ones"]) for each in coming]
    by_prompt = {arrival.prompt: arrival.source for arrival in known}
    assert {str(by_prompt[prompt]).split()[0] for prompt in chosen(known)} == {"article"}


@pytest.mark.parametrize("name", ["one source", "three large sources"])
def test_where_all_sources_are_too_large_single_prompts_validate(name: str) -> None:
    known = night(0, 300, 0, SOURCES[name])
    assert 10 <= len(chosen(known)) <= 15


def test_the_sample_does_not_depend_on_the_order_of_reading() -> None:
    known = [each for coming in nights(100, 20, SOURCES["four of a source"]) for each in coming]
    shuffled = random.Random(1).sample(known, len(known))
    assert chosen(shuffled) == chosen(known)


@given(st.integers(1, 5000), st.floats(0, 0.9))
def test_the_bound_is_the_share_half_of_it_from_two_hundred_on_and_never_falls(prompts: int, share: float) -> None:
    most = most_that_validate(prompts, share)
    assert most <= max(1, share * prompts)
    assert most <= max(1, share / 2 * prompts) or prompts < 200
    assert most <= most_that_validate(prompts + 1, share)


ANY = st.lists(
    st.builds(
        Arrival, st.integers(0, 400).map(str), st.none() | st.integers(0, 20).map(lambda n: f"s{n}"),
        st.integers(0, 10_000).map(lambda minutes: START + timedelta(minutes=minutes)),
    ),
    min_size=2, max_size=80, unique_by=lambda each: each.prompt,
)  # fmt: skip


@given(ANY, st.floats(0, 0.9), st.randoms(use_true_random=False))
def test_validation_and_training_are_never_empty(arrivals: list[Arrival], share: float, rng: random.Random) -> None:
    usable = {each.prompt for each in rng.sample(arrivals, rng.randint(2, len(arrivals)))}
    validation = validating(arrivals, usable, share)
    assert validation < usable
    assert 1 <= len(validation) <= most_that_validate(len(usable), share)


def test_the_sample_is_spread_over_time() -> None:
    known = [each for coming in nights(300, 50, SOURCES["no source ids"]) for each in coming]
    validation = chosen(known)
    days = Counter((each.at - START).days // 10 for each in known if each.prompt in validation)
    assert all(days[part] for part in range(3))


def test_each_stratum_gets_its_share_of_the_sample() -> None:
    kinds = ["politics"] * 8 + ["sport"] + ["arts"]
    arrivals = [
        Arrival(f"prompt {n}", None, START + timedelta(hours=n), kinds[random.Random(n).randrange(10)])
        for n in range(400)
    ]
    prompts = {each.prompt for each in arrivals}
    chosen = validating(arrivals, prompts, 0.2)
    sizes = Counter(each.stratum for each in arrivals)
    for stratum, validate in Counter(each.stratum for each in arrivals if each.prompt in chosen).items():
        assert 0.5 < validate / sizes[stratum] / (len(chosen) / 400) < 2
    assert {each.stratum for each in arrivals if each.prompt in chosen} == {"politics", "sport", "arts"}


def test_trained_example_of_a_stratum_never_validates_later() -> None:
    arrivals = [Arrival(f"prompt {n}", None, START + timedelta(hours=n), f"kind {n % 7}") for n in range(300)]
    trained: set[str] = set()
    for count in range(10, 301, 10):
        usable = {each.prompt for each in arrivals[:count]}
        chosen = validating(arrivals[:count], usable, 0.1)
        assert not chosen & trained
        trained |= usable - chosen


def test_rare_stratum_is_trained_on() -> None:
    arrivals = [Arrival(f"prompt {n}", None, START + timedelta(hours=n), "many") for n in range(100)]
    arrivals += [Arrival(f"rare {n}", None, START + timedelta(hours=200 + n), "rare") for n in range(3)]
    assert not {each for each in validating(arrivals, {each.prompt for each in arrivals}, 0.1) if "rare" in each}
