"""How long requests are tried again, and what a server asks for."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.errors import RuntimeUnavailableError
from adapterd.teachers.clients.patience import (
    AskedToWaitError,
    Patience,
    Persistence,
    TryAgainError,
    retry_after_s,
)

NOW = datetime(2026, 12, 2, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "-7"}, 0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Wed, 99 Dec 2026 10:00:00 GMT"}, None),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Wed, 02 Dec 2026 10:00:30 GMT"}, 30),
        ({"retry-after": "Wed, 02 Dec 2026 09:00:00 GMT"}, 0),
        ({"retry-after": "Wed, 02 Dec 2026 12:00:30 GMT", "date": "Wed, 02 Dec 2026 12:00:00 GMT"}, 30),
    ],
)
def test_what_a_server_asks_for_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, NOW) == seconds


@given(st.integers(0, 10**6))
def test_a_date_is_read_as_it_is_written(seconds: int) -> None:
    text = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert retry_after_s({"retry-after": text}, NOW) == seconds


@given(st.text())
def test_any_header_is_read(text: str) -> None:
    found = retry_after_s({"retry-after": text, "date": text}, NOW)
    assert found is None or found >= 0


@given(st.integers(1, 100), st.floats(0, 1), st.none() | st.floats(0, 100))
def test_waits_grow_to_a_bound_and_are_no_shorter_than_asked_for(
    tried: int, chance: float, asked: float | None
) -> None:
    patience = Patience(chance=lambda: chance)
    wait = patience.wait_s(tried, asked)
    usual = min(patience.most_s, patience.first_s * 2 ** (tried - 1))
    if asked is None:
        assert usual / 2 <= wait <= usual
    else:
        assert max(asked, usual / 2) <= wait <= max(asked + patience.first_s, usual)


def test_server_that_asks_for_no_wait_is_left_alone_all_the_same() -> None:
    patience = Patience(chance=lambda: 0.0)
    assert [patience.wait_s(tried, 0.0) for tried in (1, 2, 3, 8)] == [0.5, 1.0, 2.0, 30.0]


def test_wait_that_nobody_heeds_holds_up_no_other_request_for_hours() -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async def work() -> None:
        persistence, wait_s = Persistence(Patience(sleep=sleep)), [86_400.0]

        async def attempt() -> str:
            if wait_s:
                raise TryAgainError(RuntimeUnavailableError("busy"), wait_s=wait_s.pop(), for_all=True)
            return "Ada"

        with pytest.raises(AskedToWaitError):
            await persistence.tried(attempt)
        assert await persistence.tried(attempt) == "Ada"

    asyncio.run(work())
    assert waited == [pytest.approx(180.0, abs=1.0)]


def tries(patience: Patience, *, unreached: bool = False, wait_s: float | None = None) -> int:
    """How often something is tried that never succeeds."""
    found = 0

    async def attempt() -> str:
        nonlocal found
        found += 1
        raise TryAgainError(RuntimeUnavailableError("gone"), unreached=unreached, wait_s=wait_s)

    with pytest.raises(RuntimeUnavailableError, match="gone"):
        asyncio.run(_tried(patience, attempt))
    return found


async def _tried(patience: Patience, attempt) -> None:  # type: ignore[no-untyped-def]
    await Persistence(patience).tried(attempt)


async def at_once(_: float) -> None:
    pass


def test_tries_are_bounded_by_their_number_and_by_time() -> None:
    assert tries(Patience(sleep=at_once, longest_s=1e9)) == 8
    assert tries(Patience(sleep=at_once, longest_s=1e9), unreached=True) == 4
    assert tries(Patience(sleep=at_once, longest_s=5.0), wait_s=5.1) == 1
    assert tries(Patience(sleep=at_once, longest_s=0.0)) == 1


def test_what_one_request_is_asked_to_wait_the_others_wait_too() -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async def work() -> None:
        persistence, left = Persistence(Patience(sleep=sleep)), [1]

        async def attempt() -> str:
            if left and left.pop():
                raise TryAgainError(RuntimeUnavailableError("busy"), wait_s=9.0, for_all=True)
            return "Ada"

        await persistence.tried(attempt)
        waited.clear()
        assert await persistence.tried(attempt) == "Ada"

    asyncio.run(work())
    assert waited == [pytest.approx(9.0, abs=1.0)]
