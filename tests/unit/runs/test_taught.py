"""Examples that a teacher makes before a run: in a process of its own, and a run goes on without."""

import sys

import pytest

from adapterd import config
from adapterd.home import Home
from adapterd.runs.planning.taught import have_taught
from adapterd.store import Store
from tests.support.teacher_replies import error, openai_said
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
