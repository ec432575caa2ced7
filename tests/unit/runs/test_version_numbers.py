"""Version numbers."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.home import Home
from adapterd.runs.version_numbers import FIRST, Increment, next_version, number, taken_numbers
from adapterd.store.versions import Version, VersionState
from tests.support.fakes import FakeRuntime

BASE, OTHER_BASE = "sha256:aa", "sha256:bb"
ANY = Version("m", FIRST, "run", "d", BASE, VersionState.CANDIDATE, "", {}, datetime(2026, 1, 1, tzinfo=UTC))


def known(*versions: str, base: str = BASE) -> list[Version]:
    return [replace(ANY, version=version, base_digest=base) for version in versions]


def test_the_first_version_is_1_0_0() -> None:
    assert next_version([], BASE) == "1.0.0"


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        (["1.0.0"], "1.1.0"),
        (["1.9.0"], "1.10.0"),
        (["1.10.0", "1.9.0"], "1.11.0"),
        (["1.4.2"], "1.5.0"),
        (["1.9.9", "2.0.0"], "2.1.0"),
    ],
)
def test_a_new_adapter_counts_the_minor_number(versions: list[str], expected: str) -> None:
    assert next_version(known(*versions), BASE) == expected


@pytest.mark.parametrize(
    ("versions", "expected"),
    [([], "1.0.0"), (["1.0.0"], "1.0.1"), (["1.9.9"], "1.9.10"), (["1.0.3", "1.1.0"], "1.1.1")],
)
def test_one_that_is_registered_by_hand_counts_the_patch_number(versions: list[str], expected: str) -> None:
    assert next_version(known(*versions), BASE, Increment.PATCH) == expected


@pytest.mark.parametrize("increment", Increment)
def test_another_base_counts_the_major_number(increment: Increment) -> None:
    assert next_version(known("1.4.2"), OTHER_BASE, increment) == "2.0.0"


def test_going_back_to_an_earlier_base_is_another_base_again() -> None:
    assert next_version([*known("1.4.0"), *known("2.0.0", base=OTHER_BASE)], BASE) == "3.0.0"


@pytest.mark.parametrize("state", VersionState)
def test_a_number_is_never_used_twice_whatever_became_of_it(state: VersionState) -> None:
    assert next_version([replace(ANY, state=state)], BASE) == "1.1.0"


@given(st.lists(st.tuples(st.sampled_from([BASE, OTHER_BASE]), st.sampled_from(Increment)), max_size=12))
def test_numbers_only_grow(steps: list[tuple[str, Increment]]) -> None:
    made: list[Version] = []
    for base, increment in steps:
        version = next_version(made, base, increment)
        assert all(number(version) > number(earlier.version) for earlier in made)
        made.append(replace(ANY, version=version, base_digest=base))


@pytest.mark.parametrize(
    ("versions", "taken", "increment", "expected"),
    [
        (("1.0.0",), {"1.0.0", "1.1.0", "1.4.2"}, Increment.MINOR, "1.5.0"),
        (("1.0.0",), {"1.4.2"}, Increment.PATCH, "1.4.3"),
        (("1.9.0",), {"1.2.0"}, Increment.MINOR, "1.10.0"),
        ((), {"2.3.4"}, Increment.MINOR, "2.4.0"),
        ((), set(), Increment.MINOR, FIRST),
    ],
)
def test_no_number_is_made_twice_by_a_database_that_was_put_back(
    versions: tuple[str, ...], taken: set[str], increment: Increment, expected: str
) -> None:
    assert next_version(known(*versions), BASE, increment, taken) == expected


def test_on_another_base_it_is_above_all_that_are_taken_too() -> None:
    assert next_version(known("1.4.2"), OTHER_BASE, taken={"3.1.0"}) == "4.0.0"


def test_numbers_are_taken_by_folders_and_by_tags(home: Home) -> None:
    home.version("news", "1.3.0").mkdir(parents=True)
    home.version("news", "answers").mkdir(parents=True)
    home.version("mail", "8.0.0").mkdir(parents=True)
    runtime = FakeRuntime()
    runtime.add("news:latest", "news:1.1.0", "news:base", "mail:9.0.0", "news:mine")
    assert taken_numbers(home, runtime, "news") == {"1.1.0", "1.3.0"}
