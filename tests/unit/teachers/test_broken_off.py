"""Rounds of teaching that end early, come to nothing in part, or meet another one."""

from dataclasses import replace

import pytest

from adapterd.errors import BusyError
from adapterd.home import Home
from adapterd.store import Store
from adapterd.system.locks import exclusive
from adapterd.teachers.request import Kind
from adapterd.teachers.work import Ended
from tests.support.teacher_replies import QUICK, error, openai_said
from tests.unit.teachers.test_teach import QUESTIONS, gathered, made, pool, teacher_saying


def test_fewer_answers_than_have_to_agree_make_nothing(store: Store, home: Home) -> None:
    """Neither where a bound ends it, nor where the others were cut off."""
    pool(store, QUESTIONS[0])
    more = "[models.m.teaching]\nagreement = 3"
    said = iter([openai_said("It stands there."), *[openai_said("It stands", "length")] * 2])
    with teacher_saying(home, lambda _: next(said), more) as (settings, asked):
        settings = replace(settings, teachers={"big": replace(settings.teachers["big"], max_calls=2, parallel=1)})
        told = gathered(store, home, settings).ask("teach")
        assert (told.outcome.ended, told.counted.made, made(store)) == (Ended.CALLS, 0, [])
        assert gathered(store, home, settings).ask("teach").counted.made == 1
        assert made(store) == [("It stands there.", "unsure", "agreement")]
        assert len(asked) == 3


def test_two_at_once_pay_for_nothing_twice(store: Store, home: Home) -> None:
    pool(store, *QUESTIONS)
    with teacher_saying(home, lambda _: openai_said("It stands there.")) as (settings, asked):
        first, second = (gathered(store, home, settings) for _ in range(2))
        with exclusive(home.teach_lock, timeout_s=0, busy=""), pytest.raises(BusyError, match="asks a teacher"):
            first.ask("teach")
        assert first.ask("teach").counted.kept == 3
        assert second.ask("teach").counted.made == 0
        assert len(asked) == len(made(store)) == 3


@pytest.mark.parametrize("status", [400, 422])
def test_server_that_refuses_everything_is_named_and_asked_again_once_it_is_mended(
    store: Store, home: Home, status: int
) -> None:
    pool(store, *(f"{QUESTIONS[0]} The {number}th?" for number in range(20)))
    with teacher_saying(home, lambda _: error(status, "this model does not chat")) as (settings, asked):
        told = gathered(store, home, settings).ask("teach")
        assert (told.outcome.ended, told.outcome.refused) == (Ended.UNAVAILABLE, 0)
        assert "does not chat" in str(told.outcome.error)
        assert len(asked) < 20
    with teacher_saying(home, lambda _: openai_said("It stands there.")) as (settings, _):
        assert gathered(store, home, settings).ask("teach").outcome.answered == 20


def test_requests_that_come_to_nothing_are_told(store: Store, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapterd.teachers.clients.openai.Patience", lambda: QUICK)
    pool(store, *QUESTIONS)

    def say(text: str) -> bytes:
        return error(400, "too long") if "bicycles" in text else error(500, "x") if "tower" in text else openai_said()

    with teacher_saying(home, say) as (settings, _):
        told = gathered(store, home, settings).ask("teach")
        assert "1 made, 1 kept; 1 requests were refused, and 1 failed: " in str(told)
        assert gathered(store, home, settings).counts[Kind.ANSWER] == 1  # what was refused is not asked again
