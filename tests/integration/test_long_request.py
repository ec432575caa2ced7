"""A request to a real Ollama that goes on: the time until when its model is kept stands still, and yet it is in use."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapterd.base.modelfile import Modelfile
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtimes import file_digest
from adapterd.serving.server import PrivateOllama
from adapterd.supervisor.activity import USED_S, Activity
from adapterd.system.host.server_time import spent_by_server
from tests.acceptance.person import wait_until
from tests.support.tiny_gguf import write_tiny_gguf

TAG = "tiny:latest"
NOW = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)
LONG = {
    "model": TAG, "prompt": "count", "options": {"num_predict": 9000},
    "format": {"type": "array", "items": {"type": "integer", "minimum": 100000, "maximum": 999999}, "minItems": 900},
}  # fmt: skip
"""It lasts some seconds, as the model has many layers and the grammar allows no end before."""


@pytest.fixture(params=["5m", "0"], ids=["kept", "not kept"])
def server(request: pytest.FixtureRequest, tmp_path: Path, ollama_binary: Path) -> Iterator[PrivateOllama]:
    with PrivateOllama(ollama_binary, tmp_path / "ollama", keep_alive=request.param) as made:
        gguf = write_tiny_gguf(tmp_path / "tiny.gguf", type_name="Q4_1", layers=4)
        OllamaRuntime(made.host).create(TAG, gguf, file_digest(gguf), Modelfile(template="{{ .Prompt }}"))
        yield made


@contextmanager
def asked(server: PrivateOllama) -> Iterator[threading.Event]:
    """The long request going on; the event is set when it has an answer. Giving it up at the end is a use, too."""
    answered = threading.Event()

    def ask() -> None:
        request = urllib.request.Request(f"{server.host}/api/generate", data=json.dumps(LONG).encode())
        with urllib.request.urlopen(request) as response:
            for _ in response:
                pass
        answered.set()

    thread = threading.Thread(target=ask)
    thread.start()
    yield answered
    thread.join()


@pytest.mark.ollama
def test_a_long_request_is_a_use_as_long_as_it_goes_on(server: PrivateOllama) -> None:
    runtime = OllamaRuntime(server.host)
    runtime.load(TAG)
    activity = Activity(lambda: spent_by_server(server.host, "ollama"), lambda: 0.0)
    activity.idle_s(runtime, NOW)
    with asked(server) as answered:
        for look in range(1, 4):
            before = spent_by_server(server.host, "ollama")
            assert before is not None
            wait_until("it works", lambda before=before: _spent_since(server, before) > 4 * USED_S)  # type: ignore[misc]
            assert not answered.is_set()
            assert activity.idle_s(runtime, NOW + timedelta(seconds=look)) == 0
    activity.idle_s(runtime, NOW + timedelta(seconds=10))
    assert activity.idle_s(runtime, NOW + timedelta(seconds=40)) == 30


@pytest.mark.ollama
def test_a_request_between_two_looks_is_a_use(server: PrivateOllama) -> None:
    runtime = OllamaRuntime(server.host)
    activity = Activity(lambda: spent_by_server(server.host, "ollama"), lambda: 0.0)
    assert activity.idle_s(runtime, NOW) == float("inf")
    with asked(server):
        pass
    wait_until("a model that is not kept is gone", lambda: server.host and not _is_ending(runtime))
    assert activity.idle_s(runtime, NOW + timedelta(seconds=20)) == 0


@pytest.mark.ollama
def test_a_server_elsewhere_says_nothing_of_its_processor_time(server: PrivateOllama) -> None:
    assert spent_by_server(server.host, "another-name") is None
    assert spent_by_server("http://192.0.2.1:11434", "ollama") is None


def _spent_since(server: PrivateOllama, before: object) -> float:
    now = spent_by_server(server.host, "ollama")
    assert now is not None
    return now.since(before)  # type: ignore[arg-type]


def _is_ending(runtime: OllamaRuntime) -> bool:
    """Whether a model is there that is kept no longer."""
    return any(datetime.fromisoformat(until) <= datetime.now(UTC) for until in runtime.loaded().values())
