"""What a night learns of where there is more feedback than it has time for."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapterd.base.model import BaseModel
from adapterd.base.modelfile import Modelfile
from adapterd.config import ModelSettings, Settings, TrainingSettings
from adapterd.formats.run_folder import ORIGINS, PLAN, RECORDS
from adapterd.home import Home
from adapterd.intake.http_intake import take_posted
from adapterd.runs.plan import RunPlan, write_plan
from adapterd.runs.planning import night_sample
from adapterd.runs.planning.night_sample import LEAST, Pace, sampled, told, with_sample
from adapterd.store import Store
from adapterd.store.feedback import FeedbackKey

MODEL, MOST = "m", 40


def keys(count: int, label: str | None = None, first: int = 1) -> list[FeedbackKey]:
    return [FeedbackKey(n, f"prompt {n}", None, label) for n in range(first, first + count)]


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    with Store(home.database) as opened:
        yield opened


def plan(store: Store) -> RunPlan:
    settings = ModelSettings(base="tiny:1", base_digest="sha256:00", training=TrainingSettings(max_hours=0.5))
    base = BaseModel("m:base", Path("/blobs/sha256-00"), "sha256:00", Modelfile())
    newest = store.feedback.last_id(MODEL)
    return RunPlan("r", MODEL, "1.0.0", base, settings, Settings(), "base", last_feedback_id=newest)


def send(store: Store, count: int, first: int = 0) -> None:
    take_posted(
        store, MODEL, [{"prompt": f"What is {n}?", "correction": f"It is {n}."} for n in range(first, first + count)]
    )


def test_what_a_night_has_time_for_is_taken_whole() -> None:
    assert sampled(keys(MOST), MOST, new_after=0, seed=1) is None


def test_a_sample_has_as_many_prompts_as_there_is_time_for_and_the_newest_of_what_is_new() -> None:
    found = sampled(keys(400), MOST, new_after=390, seed=400)
    assert found == sorted(set(found or []))
    assert len(found) == MOST
    assert set(range(391, 401)) <= set(found)
    assert sum(number <= 200 for number in found) > 5, "what is older has its chance"


def test_much_that_is_new_does_not_crowd_out_what_is_older() -> None:
    found = sampled(keys(4000), MOST, new_after=1000, seed=4000) or []
    assert len(found) == MOST
    assert set(range(3981, 4001)) <= set(found)
    assert any(number <= 1000 for number in found)


def test_over_the_nights_everything_has_its_turn() -> None:
    seen = Counter(number for seed in range(60) for number in sampled(keys(200), MOST, new_after=200, seed=seed) or [])
    assert len(seen) == 200
    assert max(seen.values()) < 60, "and nothing is learned each night"


def test_the_same_night_draws_the_same_whatever_the_order() -> None:
    one = sampled(keys(200), MOST, new_after=190, seed=7)
    assert one == sampled(keys(200), MOST, new_after=190, seed=7)
    assert one != sampled(keys(200), MOST, new_after=190, seed=8)


def test_a_rare_label_is_not_lost_among_a_frequent_one() -> None:
    given = [*keys(980, "spam"), *keys(20, "refund", first=981)]
    found = sampled(given, 100, new_after=1000, seed=3) or []
    assert 8 <= sum(number > 980 for number in found) <= 20, "two of a hundred by chance"


def test_answers_that_are_all_different_are_one_group() -> None:
    given = [*(replace(each, label=f"answer {each.id}") for each in keys(900)), *keys(100, "refund", first=901)]
    found = sampled(given, 100, new_after=1000, seed=3) or []
    assert 15 <= sum(number > 900 for number in found) <= 40


def test_all_that_was_said_of_a_prompt_is_taken_together_and_what_waits_comes_besides() -> None:
    twice = [FeedbackKey(each.id, f"prompt {each.id % 100}", None, None) for each in keys(200)]
    found = sampled(twice, 10, new_after=200, seed=1, always=["prompt 7"]) or []
    assert {7, 107} <= set(found)
    assert all((number + 100 in found) or (number - 100 in found) for number in found)
    assert len(found) in (20, 22)


def test_the_snapshot_has_the_sample_and_the_plan_says_which(
    store: Store, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(night_sample, "UNKNOWN_PACE", MOST)
    send(store, MOST)
    assert with_sample(store, plan(store)).sample is None
    assert told(store, plan(store)) == ""
    send(store, 100, first=MOST)
    made = with_sample(store, plan(store))
    assert made.sample is not None
    assert len(made.sample) == MOST
    write_plan(home.run("r"), made, store)
    lines = (home.run("r") / RECORDS).read_text().splitlines()
    rows = {row.id: row.record for row in store.feedback.all(MODEL)}
    assert lines == [rows[number] for number in made.sample]
    assert len((home.run("r") / ORIGINS).read_text().splitlines()) == MOST
    assert json.loads((home.run("r") / PLAN).read_text())["sample"] == made.sample
    assert "40 of 140 records" in told(store, made)


def test_the_pace_of_the_last_training_says_how_many_there_is_time_for() -> None:
    training = {"seconds": 100.0, "train_tokens": 50_000}
    dataset = {"train": {"examples": 100, "total": 20_000}}
    pace = Pace.of(training, dataset)
    assert pace is not None
    assert pace.seconds == pytest.approx(0.4)
    assert pace.prompts(1.0) == 4500
    assert pace.prompts(0.01) == LEAST
    for one, other in ((None, dataset), (training, None), ({}, {}), ({"seconds": 0.0, "train_tokens": 1}, dataset)):
        assert Pace.of(one, other) is None


def test_a_record_that_is_no_text_or_was_kept_by_an_earlier_release_can_be_drawn(store: Store) -> None:
    send(store, 2)
    assert [each.label for each in store.feedback.keys(MODEL, up_to_id=99)] == ["It is 0.", "It is 1."]
    take_posted(store, MODEL, [{"prompt": "long", "correction": "x" * 41}])
    assert [each.label for each in store.feedback.keys(MODEL, up_to_id=99)][-1] is None
