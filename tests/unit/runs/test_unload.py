"""What a night loaded to make examples leaves the memory of Ollama before the training; what was there stays."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from adapterd import config
from adapterd.config import Settings
from adapterd.home import Home
from adapterd.runs.planning.taught import have_taught
from adapterd.runs.planning.unload import unloaded_after
from adapterd.store import Store
from tests.support.scripted_server import scripted
from tests.support.teacher_replies import body_of, error, http, ollama_said
from tests.unit.teachers.test_teach import MODEL, QUESTIONS, made, pool

CONFIG = """
runtime = "embedded"
ollama.host = "http://127.0.0.1:{port}"
[teachers.big]
model = "{teacher}"
{more}
[judges.strict]
model = "strict:1"
[models.m]
base = "tiny:1"
base_digest = "sha256:00"
teaching.nightly = true
{of_model}
[models.other]
base = "tiny:1"
base_digest = "sha256:00"
"""
FILES = {"m:latest": "1", "other:latest": "2", "big:70b": "3", "strict:1": "4", "same-file:1": "2"}
"""The tags of an Ollama, with what their files are known by."""


@dataclass
class Ollama:
    """Loads what it is asked, and unloads it where that is wished; `fails` are routes that do not work."""

    in_memory: list[str] = field(default_factory=list)
    unloaded: list[str] = field(default_factory=list)
    fails: tuple[str, ...] = ()

    def reply(self, request: bytes) -> list[bytes]:
        route = request.split(b" ", 2)[1].decode()
        if route in self.fails:
            return [error(500, "broken")]
        if route == "/api/ps":
            models = [{"name": each, "expires_at": "2026-12-03T00:05:00Z"} for each in self.in_memory]
            return [http(200, {"models": models})]
        if route == "/api/tags":
            return [http(200, {"models": [{"name": name, "digest": f"manifest of {name}"} for name in FILES]})]
        body = body_of(request)
        if route == "/api/show":
            blob = f"/models/blobs/sha256-{FILES[body['model']]:0>64}"
            return [http(200, {"modelfile": f"FROM {blob}", "details": {"format": "gguf"}})]
        if route == "/api/generate":
            assert body["keep_alive"] == 0
            self.unloaded.append(body["model"])
            return [http(200, {"done": True, "done_reason": "unload"})]
        self.in_memory = [*{*self.in_memory, body["model"]}]
        if body["model"] == "strict:1":
            return [ollama_said(json.dumps({"score": 9}))]
        return [ollama_said("It stands in the old town.")]


@contextmanager
def at(
    home: Home, ollama: Ollama, teacher: str = "big:70b", *, more: str = "", of_model: str = ""
) -> Iterator[Settings]:
    """The settings with this teacher in that Ollama."""
    with scripted(ollama.reply) as server:
        text = CONFIG.format(port=server.port, teacher=teacher, more=more, of_model=of_model)
        home.config_file.write_text(text, encoding="utf-8")
        yield config.load(home)


def night(store: Store, home: Home, settings: Settings) -> list[str]:
    pool(store, *QUESTIONS)
    told = list[str]()
    have_taught(home, settings, MODEL, lambda *_: None, told.append)
    return told


def test_teacher_and_judge_that_the_night_loaded_are_unloaded(store: Store, home: Home) -> None:
    ollama = Ollama(in_memory=["m:latest"])
    with at(home, ollama, of_model='teaching.judge = "strict"') as settings:
        assert night(store, home, settings) == ["m: big was asked: 3 made, 3 kept"]
    assert ollama.unloaded == ["big:70b", "strict:1"]


def test_what_somebody_had_loaded_before_stays(store: Store, home: Home) -> None:
    ollama = Ollama(in_memory=["big:70b"])
    with at(home, ollama) as settings:
        night(store, home, settings)
    assert len(made(store)) == 3
    assert ollama.unloaded == []


@pytest.mark.parametrize(
    ("teacher", "more"),
    [
        ("other:latest", ""),
        ("same-file:1", ""),
        ("gone:1", ""),
        ("big:70b-cloud", ""),
        ("big:70b", 'base_url = "http://127.0.0.1:9/v1"'),
    ],
)
def test_what_is_live_or_not_here_stays(home: Home, teacher: str, more: str) -> None:
    ollama = Ollama()
    with at(home, ollama, teacher, more=more) as settings, unloaded_after(settings, MODEL):
        ollama.in_memory = [*FILES]
    assert ollama.unloaded == []


def test_ollama_of_another_machine_is_not_asked(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapterd.teachers.configured.is_this_machine", lambda _: False)
    ollama = Ollama()
    with at(home, ollama) as settings, unloaded_after(settings, MODEL):
        ollama.in_memory = [*FILES]
    assert ollama.unloaded == []


@pytest.mark.parametrize("route", ["/api/ps", "/api/tags", "/api/show", "/api/generate"])
def test_failing_to_is_logged_and_nothing_else(home: Home, route: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    ollama = Ollama(fails=() if route == "/api/ps" else (route,))
    with at(home, ollama) as settings, unloaded_after(settings, MODEL):
        ollama.in_memory, ollama.fails = ["big:70b"], (route,)
    assert ollama.unloaded == []
    assert "stays in the memory of Ollama" in caplog.text


def test_without_an_ollama_nothing_is_unloaded(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with at(home, Ollama()) as settings:
        pass
    with unloaded_after(settings, MODEL):
        pass
    assert "nothing will be unloaded" in caplog.text


def test_teacher_that_broke_off_is_unloaded_too(home: Home) -> None:
    ollama = Ollama()

    def breaks_off(settings: Settings) -> None:
        with unloaded_after(settings, MODEL):
            ollama.in_memory = ["big:70b"]
            raise ZeroDivisionError

    with at(home, ollama) as settings, pytest.raises(ZeroDivisionError):
        breaks_off(settings)
    assert ollama.unloaded == ["big:70b"]
