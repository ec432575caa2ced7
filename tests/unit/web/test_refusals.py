"""Refused requests are counted, and the log says little of them."""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping

import pytest

from adapterd.errors import StoreError
from adapterd.web.listening import refusals
from adapterd.web.listening.refusals import Refusals


class Kept:
    """Where counts are saved."""

    def __init__(self) -> None:
        self.counts = Counter[int]()
        self.times = 0
        self.is_broken = False

    async def save(self, counts: Mapping[int, int]) -> None:
        self.times += 1
        if self.is_broken:
            raise StoreError("locked")
        self.counts.update(counts)


def play(*refused: int) -> Kept:
    """Let these be refused, then end."""
    kept = Kept()

    async def whole() -> None:
        counting = Refusals(kept.save)
        for status in refused:
            counting.count(status, "over TCP, user id 7")
        await asyncio.sleep(0)
        await counting.end()

    asyncio.run(whole())
    return kept


def test_all_are_counted_and_saved_together() -> None:
    kept = play(401, 401, 429)
    assert (kept.counts, kept.times) == ({401: 2, 429: 1}, 1)


def test_the_log_has_the_first_of_a_kind_and_then_a_sum(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "adapterd"):
        play(*[401] * 50, 413)
    assert [record.getMessage() for record in caplog.records] == [
        "refused a request over HTTP: 401 Unauthorized (over TCP, user id 7)",
        "refused a request over HTTP: 413 Request Entity Too Large (over TCP, user id 7)",
        "refused 49 more requests over HTTP: 401 Unauthorized",
    ]


def test_where_nothing_was_refused_nothing_is_saved_or_waited_for() -> None:
    assert play().times == 0


def test_what_cannot_be_saved_is_saved_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "SAVE_AFTER_S", 0)
    kept = Kept()

    async def whole() -> None:
        counting = Refusals(kept.save)
        kept.is_broken = True
        counting.count(401, "over TCP")
        while not kept.times:
            await asyncio.sleep(0)
        kept.is_broken = False
        counting.count(401, "over TCP")
        while kept.times < 2:
            await asyncio.sleep(0)
        await counting.end()

    asyncio.run(whole())
    assert kept.counts == {401: 2}
