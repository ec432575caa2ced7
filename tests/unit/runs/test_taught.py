"""Examples that a teacher makes before a run: in a process of its own, and a run goes on without."""

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapterd import config
from adapterd.base.model import BaseModel
from adapterd.base.modelfile import Modelfile
from adapterd.chat import Message, Role
from adapterd.config import ModelSettings, Preferences, Settings, TrainingSettings
from adapterd.formats.encoded import PAIRS, TRAIN, EncodedExample, EncodedPair, write_encoded
from adapterd.formats.run_folder import SYNTHETIC
from adapterd.formats.synthetic import TeacherExample, write_synthetic
from adapterd.home import Home
from adapterd.runs.plan import GivenAdapter, RunPlan
from adapterd.runs.planning.taught import have_taught, with_whose, yield_of_teachers
from adapterd.runs.version_numbers import Increment
from adapterd.store import Store
from tests.support.teacher_replies import error, openai_said
from tests.unit.judges.test_examples import Both, both_at
from tests.unit.teachers.test_teach import CONFIG, MODEL, QUESTIONS, made, pool, teacher_saying

NIGHTLY = "[models.m.teaching]\nnightly = true"


def test_what_it_makes_is_kept_before_the_run(store: Store, home: Home) -> None:
    pool(store, *QUESTIONS)
    told, heard = list[str](), list[str]()
    with teacher_saying(home, lambda _: openai_said("It stands there."), NIGHTLY) as (settings, _):
        for _ in range(2):
            have_taught(home, settings, MODEL, lambda stage, _: heard.append(stage), told.append)
    assert told == ["m: big was asked: 3 made, 3 kept", "m: there was nothing new to ask big for"]
    assert set(heard) == {"teaching"}
    assert len(made(store)) == 3


def test_key_reaches_the_process_that_asks(store: Store, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TEACHERS_KEY", "sk-secret")
    pool(store, *QUESTIONS)
    told = list[str]()
    with teacher_saying(home, lambda _: openai_said("It stands there."), NIGHTLY):
        text = home.config_file.read_text(encoding="utf-8")
        keyed = text.replace("[teachers.big]", '[teachers.big]\nkey_env = "A_TEACHERS_KEY"')
        home.config_file.write_text(keyed, encoding="utf-8")
        have_taught(home, config.load(home), MODEL, lambda *_: None, told.append)
    assert told == ["m: big was asked: 3 made, 3 kept"]


def test_judge_is_the_last_filter_of_the_night_too(store: Store, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_JUDGES_KEY", "sk-secret")
    pool(store, *QUESTIONS)
    told, both = list[str](), Both()
    judge = 'max_calls = 4\nkey_env = "A_JUDGES_KEY"\nbase_url = "http://127.0.0.1:{port}/judge/v1"'
    with both_at(home, both, judge=judge, more="teaching.nightly = true") as settings:
        have_taught(home, settings, MODEL, lambda *_: None, told.append)
        have_taught(home, settings, MODEL, lambda *_: None, told.append)
    bound = "1 examples wait for the judge: as many requests as max_calls allows were asked; 2 requests are left"
    assert told[0].startswith(f"m: big was asked: 3 made, 2 kept: 1 wait for the judge; {bound}")
    assert told[1] == "m: big was asked: 0 made, 0 kept; of earlier rounds 1 judged, 1 kept"


def test_run_goes_on_where_the_teacher_refuses(store: Store, home: Home) -> None:
    pool(store, *QUESTIONS)
    told = list[str]()
    with teacher_saying(home, lambda _: error(401, "bad key"), NIGHTLY) as (settings, _):
        have_taught(home, settings, MODEL, lambda *_: None, told.append)
    [said] = told
    assert said.startswith("m: its teacher made nothing:")
    assert "401" in said
    assert made(store) == []


def test_run_goes_on_whatever_goes_wrong(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> str:
        raise TypeError("unhashable")

    told = list[str]()
    with teacher_saying(home, lambda _: openai_said(), NIGHTLY) as (settings, _):
        monkeypatch.setattr("adapterd.runs.planning.taught.call", fails)
        have_taught(home, settings, MODEL, lambda *_: None, told.append)
    assert told == ["m: its teacher made nothing: TypeError: unhashable"]


def test_without_the_setting_nobody_is_asked(home: Home) -> None:
    settings = config.parse(CONFIG.format(port=1, more=""))
    have_taught(home, settings, MODEL, lambda *_: None, lambda said: sys.exit(said))


CardOf = Callable[..., dict[str, Any]]


@pytest.fixture
def card_of(tmp_path: Path) -> CardOf:
    """What the card says of a run with two examples and a pair of people, and one of each of a teacher."""
    said = TeacherExample(7, (Message(Role.USER, "Who?"),), "Ada", "answer", "big", datetime(2026, 1, 2, tzinfo=UTC))
    (tmp_path / SYNTHETIC).write_text(write_synthetic([said]))
    records = ("a", "b", said.record)
    (tmp_path / TRAIN).write_text(write_encoded([EncodedExample((1, 2), 1, each) for each in records]))
    (tmp_path / PAIRS).write_text(write_encoded([EncodedPair((1, 2), (1, 3), 1, each) for each in records[1:]]))

    def made(training: TrainingSettings, **more: Any) -> dict[str, Any]:
        base = BaseModel("m:base", Path("b.gguf"), "sha256:00", Modelfile())
        settings = ModelSettings("t:1", "sha256:00", training=training)
        plan = RunPlan("r", "m", "1.0.0", base, settings, Settings(), "base", **more)
        return with_whose({"records": {}}, plan, tmp_path, tmp_path)

    return made


@pytest.mark.parametrize(
    ("training", "counts"),
    [
        (TrainingSettings(), {"people": (2, 0), "teacher big": (1, 0)}),
        (TrainingSettings(preferences=Preferences.DPO), {"people": (2, 1), "teacher big": (1, 1)}),
        (TrainingSettings(preferences=Preferences.DPO, sft_weight=0.0), {"people": (0, 1), "teacher big": (0, 1)}),
    ],
)
def test_card_counts_what_is_trained_on(
    card_of: CardOf, training: TrainingSettings, counts: dict[str, tuple[int, int]]
) -> None:
    found = card_of(training)
    assert {name: (each["examples"], each["pairs"]) for name, each in found["whose"].items()} == counts
    assert "teacher_yield" not in found


def test_card_has_the_yield_of_the_plan_and_an_adapter_that_was_given_is_trained_on_nothing(card_of: CardOf) -> None:
    told = {"made": 1}
    assert card_of(TrainingSettings(), synthetic_yield=told)["teacher_yield"] == told
    given = GivenAdapter(Path("x"), "sha256:11", Increment.PATCH)
    assert card_of(TrainingSettings(), given=given) == {"records": {}}


def test_yield_of_a_plan_is_that_of_all_rounds(store: Store, home: Home) -> None:
    assert yield_of_teachers(store, MODEL) == {}
    pool(store, *QUESTIONS)
    with teacher_saying(home, lambda _: openai_said("It stands there."), NIGHTLY) as (settings, _):
        have_taught(home, settings, MODEL, lambda *_: None, lambda _: None)
    one = store.teaching.examples.all(MODEL)[0]
    store.teaching.examples.add(MODEL, replace(one, run="teach 1"))
    found = yield_of_teachers(store, MODEL)
    assert (found["made"], found["kept"]) == (4, 4)
