"""A model that is its own teacher is refused, by name and by digest; worse answers may be its own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from adapterd import config
from adapterd.config import Settings
from adapterd.errors import ConfigError
from adapterd.home import Home
from adapterd.store import Store
from adapterd.teachers.not_itself import require_another
from adapterd.teachers.prepare import prepare
from adapterd.teachers.request import Kind
from tests.support.scripted_server import scripted
from tests.support.teacher_replies import http
from tests.unit.teachers.test_teach import MODEL, QUESTIONS, pool

CONFIG = """
{runtime}
ollama.host = "http://127.0.0.1:{port}"
[teachers.big]
model = "{teacher}"
{more}
[models.m]
base = "tiny:1"
base_digest = "sha256:00"
"""
LIVE, OLDER, BASE, BIG = "a" * 64, "b" * 64, "c" * 64, "d" * 64
TAGS = {
    "m:latest": LIVE, "m:1.1.0": LIVE, "m:1.0.0": OLDER, "m:base": BASE, "tiny:1": BASE, "copy:latest": LIVE,
    "older-copy:7": OLDER, "big:70b": BIG, "mm:latest": BIG,
}  # fmt: skip


@contextmanager
def ollama_with(
    home: Home, teacher: str, more: str = "", runtime: str = "", tags: Mapping[str, str] = TAGS
) -> Iterator[Settings]:
    """The settings with this teacher in an Ollama that has these tags."""
    listed = [{"model": name, "name": name, "digest": digest} for name, digest in tags.items()]
    with scripted(lambda _: [http(200, {"models": listed})]) as server:
        text = CONFIG.format(port=server.port, teacher=teacher, runtime=runtime, more=more.format(port=server.port))
        home.config_file.write_text(text, encoding="utf-8")
        yield config.load(home)


@pytest.mark.parametrize(
    ("teacher", "same"),
    [
        ("m", "m:latest"), ("M", "m:latest"), ("m:latest", "m:latest"), ("library/m", "m:latest"),
        ("m:1.0.0", "m:1.0.0"), ("m:0.9.0", "m:0.9.0"), ("m:previous", "m:previous"), ("m:candidate", "m:candidate"),
        ("copy", "copy:latest is m:latest"), ("older-copy:7", "older-copy:7 is m:1.0.0"),
    ],
)  # fmt: skip
def test_model_itself_is_no_teacher(store: Store, home: Home, teacher: str, same: str) -> None:
    pool(store, *QUESTIONS)
    with ollama_with(home, teacher) as settings:
        with pytest.raises(ConfigError, match="mistakes of m, and a training on them teaches these anew") as caught:
            prepare(store, home, settings, MODEL, judge=None)
        assert f"the teacher big is m itself ({same})" in str(caught.value)
        assert "--kind worse" in caught.value.hint
        with pytest.raises(ConfigError, match="itself"):
            require_another(store, settings, MODEL, "big", [Kind.WORSE, Kind.ANSWER])
        require_another(store, settings, MODEL, "big", [Kind.WORSE])
        assert prepare(store, home, settings, MODEL, judge=None, kinds=[Kind.WORSE], limit=5).counts == {Kind.WORSE: 0}


@pytest.mark.parametrize("teacher", ["big:70b", "mm", "m:base", "tiny:1", "gone:1", "org/m"])
def test_another_model_is_one(store: Store, home: Home, teacher: str) -> None:
    with ollama_with(home, teacher) as settings:
        require_another(store, settings, MODEL, "big", [Kind.ANSWER])


@pytest.mark.parametrize("is_noted", [False, True])
def test_base_is_no_teacher_as_long_as_it_is_live(store: Store, home: Home, is_noted: bool) -> None:
    """By its tag, and by the record of what is live where that tag is gone."""
    tags = {"tiny:1": BASE} if is_noted else {"tiny:1": BASE, "m:latest": BASE}
    if is_noted:
        store.versions.deploy(MODEL, "init", live="base", live_digest=BASE)
    with (
        ollama_with(home, "tiny:1", tags=tags) as settings,
        pytest.raises(ConfigError, match="tiny:1 is m:latest"),
    ):
        require_another(store, settings, MODEL, "big", [Kind.ANSWER])


@pytest.mark.parametrize(
    ("more", "runtime", "is_itself"),
    [
        ('base_url = "http://localhost:{port}/v1"', "", True),
        ('base_url = "http://127.0.0.1:9/v1"', "", False),
        ('base_url = "https://api.example.com/v1"', "", False),
        ("", 'runtime = "embedded"', False),
    ],
)
def test_same_name_elsewhere_is_another_model(
    store: Store, home: Home, more: str, runtime: str, is_itself: bool
) -> None:
    with ollama_with(home, "m:1.0.0", more, runtime) as settings:
        if is_itself:
            with pytest.raises(ConfigError, match="itself"):
                require_another(store, settings, MODEL, "big", [Kind.ANSWER])
        else:
            require_another(store, settings, MODEL, "big", [Kind.ANSWER])


def test_where_ollama_does_not_answer_the_name_tells(store: Store, home: Home) -> None:
    with ollama_with(home, "m:1.0.0") as settings:
        pass
    with pytest.raises(ConfigError, match="itself"):
        require_another(store, settings, MODEL, "big", [Kind.ANSWER])
    with ollama_with(home, "copy") as settings:
        pass
    require_another(store, settings, MODEL, "big", [Kind.ANSWER])
