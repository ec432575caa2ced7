"""Clocks that are ahead change neither which answer counts nor who judges."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from adapterd.config import DatasetSettings
from adapterd.dataset.examples import Example
from adapterd.dataset.split import split
from adapterd.dataset.statements import resolve
from adapterd.home import Home
from adapterd.intake.http_intake import take_posted
from adapterd.intake.ingest import ingest
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from tests.support.hand_clock import HandClock

DAY_S = 86_400
AHEAD = ("2099-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2061-07-28")
TOWNS = ("Aldmoor", "Brackley", "Corvale", "Dunmere", "Eskford", "Farleigh", "Gorsey", "Hexley", "Ilverton", "Jarrow")
Take = Callable[[Store, Sequence[dict[str, Any]]], None]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    return made


@pytest.fixture
def store(home: Home, clock: HandClock) -> Iterator[Store]:
    with Store(home.database, clock=clock) as opened:
        yield opened


@pytest.fixture(params=["posted", "in a file", "in a file that claims to be of 2099"])
def take(request: pytest.FixtureRequest, home: Home, clock: HandClock, tmp_path: Path) -> Take:
    """A way on which records come."""

    def take(store: Store, values: Sequence[dict[str, Any]]) -> None:
        if request.param == "posted":
            take_posted(store, "m", values)
            return
        inbox = tmp_path / "inbox"
        inbox.mkdir(exist_ok=True)
        file = inbox / f"{len(list(inbox.iterdir()))}.jsonl"
        file.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
        at = clock.now.timestamp() if request.param == "in a file" else datetime.fromisoformat(AHEAD[0]).timestamp()
        os.utime(file, (at, at))
        ingest(store, home, "m", inbox, settle_s=0.0, clock=lambda: clock.now.timestamp())

    return take


def examples(store: Store) -> list[Example]:
    return resolve(FeedbackRecord.from_json(row.record) for row in store.feedback.all("m")).examples


@pytest.mark.parametrize("ahead", AHEAD)
def test_a_later_correction_counts_whatever_the_earlier_one_says_of_its_time(
    store: Store, clock: HandClock, take: Take, ahead: str
) -> None:
    take(store, [{"prompt": "Who met?", "correction": "The mayor", "created_at": ahead}])
    clock.move_on(DAY_S)
    take(store, [{"prompt": "Who met?", "correction": "The council"}])
    assert [each.completion for each in examples(store)] == ["The council"]


@pytest.mark.parametrize("ahead", AHEAD)
def test_prompts_with_a_clock_that_is_ahead_judge_no_sooner(
    store: Store, clock: HandClock, take: Take, ahead: str
) -> None:
    """Two records of long ago claim to be the newest."""
    for day, town in enumerate(TOWNS):
        take(
            store,
            [{"prompt": f"Who lives in {town}?", "correction": town, **({"created_at": ahead} if day < 2 else {})}],
        )
        clock.move_on(DAY_S)
    sets = split(examples(store), DatasetSettings(), frozen=(), evaluation_prompt_hashes=set())
    assert {case.reference for case in sets.evaluation} == set(TOWNS[-2:])


@pytest.mark.parametrize("ahead", AHEAD)
@pytest.mark.parametrize("days", [range(1, 9), range(8, 0, -1)], ids=["oldest first", "newest first"])
def test_an_old_answer_with_a_clock_that_is_ahead_beats_none_behind_it_in_the_same_file(
    store: Store, take: Take, ahead: str, days: Sequence[int]
) -> None:
    others = [
        {"prompt": f"Who lives in {TOWNS[day]}?", "correction": TOWNS[day], "created_at": f"2020-01-0{day}"}
        for day in days
    ]
    old, right = ({"prompt": "Who met?", "correction": each} for each in ("The mayor", "The council"))
    take(store, [{**old, "created_at": ahead}, *others, {**right, "created_at": others[-1]["created_at"]}])
    assert {"Who met?": "The council"}.items() <= {
        each.messages[-1].content: each.completion for each in examples(store)
    }.items()


@pytest.mark.parametrize("ahead", AHEAD)
@pytest.mark.parametrize("place", [0, 3, 8])
def test_prompts_with_a_clock_that_is_ahead_judge_no_sooner_than_their_neighbours_in_the_file(
    store: Store, take: Take, ahead: str, place: int
) -> None:
    values = [
        {"prompt": f"Who lives in {town}?", "correction": town, "created_at": f"2020-01-0{day}"}
        for day, town in enumerate(TOWNS[:9], start=1)
    ]
    values[place]["created_at"] = ahead
    take(store, values)
    newest = max(examples(store), key=lambda each: each.created_at)
    assert newest.completion == (TOWNS[8] if place != 8 else TOWNS[7])


def test_a_file_with_a_clock_that_is_ahead_gives_nothing_new_when_it_is_read_again(
    store: Store, home: Home, tmp_path: Path
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    file = inbox / "a.jsonl"
    lines = [
        json.dumps({"prompt": "Who met?", "correction": each, "created_at": at})
        for each, at in (("A", "2020-01-01"), ("B", AHEAD[0]), ("A", AHEAD[1]), ("C", "2020-01-02"), ("A", AHEAD[2]))
    ]
    file.write_text("\n".join(lines), encoding="utf-8")
    assert ingest(store, home, "m", inbox, settle_s=0.0).accepted == 5
    assert [each.completion for each in examples(store)] == ["A"]
    before = [(row.id, row.record) for row in store.feedback.all("m")]
    os.utime(file, (1, 1))
    assert ingest(store, home, "m", inbox, settle_s=0.0).accepted == 0
    file.write_text("\n".join([*lines, json.dumps({"prompt": "Who?", "correction": "D"})]), encoding="utf-8")
    assert ingest(store, home, "m", inbox, settle_s=0.0).accepted == 1
    assert [(row.id, row.record) for row in store.feedback.all("m")][:-1] == before
