"""A request to a real Ollama that goes on: the time until when its model is kept stands still, and yet it is in use."""

import json
import threading
import time
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
CONTEXT = 8192
LONG = {
    "model": TAG, "prompt": "count", "options": {"num_predict": 10 * CONTEXT, "num_ctx": CONTEXT},
    "format": {
        "type": "array", "minItems": 900,
        "items": {"type": "array", "minItems": 900, "items": {"type": "integer", "minimum": 100000, "maximum": 999999}},
    },
}  # fmt: skip
"""It lasts longer than a test looks: the grammar allows no end before, and Ollama none before ten contexts."""


@pytest.fixture(params=["5m", "0"], ids=["kept", "not kept"])
def server(request: pytest.FixtureRequest, tmp_path: Path, ollama_binary: Path) -> Iterator[PrivateOllama]:
    with PrivateOllama(ollama_binary, tmp_path / "ollama", keep_alive=request.param) as made:
        metadata = {"llama.context_length": CONTEXT}
        gguf = write_tiny_gguf(tmp_path / "tiny.gguf", type_name="Q4_1", layers=4, metadata=metadata)
        OllamaRuntime(made.host).create(TAG, gguf, file_digest(gguf), Modelfile(template="{{ .Prompt }}"))
        yield made


@contextmanager
def asked(server: PrivateOllama) -> Iterator[threading.Event]:
    """The long request going on; the event is set when it has ended. It is given up at the end, which is a use, too."""
    given_up, ended = threading.Event(), threading.Event()

    def ask() -> None:
        request = urllib.request.Request(f"{server.host}/api/generate", data=json.dumps(LONG).encode())
        with urllib.request.urlopen(request) as response:
            for _ in response:
                if given_up.is_set():
                    break
        ended.set()

    thread = threading.Thread(target=ask)
    thread.start()
    yield ended
    given_up.set()
    thread.join()


@pytest.mark.ollama
def test_a_long_request_is_a_use_as_long_as_it_goes_on(server: PrivateOllama) -> None:
    runtime = OllamaRuntime(server.host)
    runtime.load(TAG)
    activity = Activity(lambda: spent_by_server(server.host, "ollama"), lambda: 0.0)
    activity.idle_s(runtime, NOW)
    with asked(server) as ended:
        for look in range(1, 4):
            _until_it_worked(server)
            assert not ended.is_set()
            assert activity.idle_s(runtime, NOW + timedelta(seconds=look)) == 0
    wait_until("it rests", lambda: _rests(server))
    activity.idle_s(runtime, NOW + timedelta(seconds=10))
    assert activity.idle_s(runtime, NOW + timedelta(seconds=40)) in (30, 37), "it was given up after the third look"


@pytest.mark.ollama
def test_a_request_between_two_looks_is_a_use(server: PrivateOllama) -> None:
    runtime = OllamaRuntime(server.host)
    activity = Activity(lambda: spent_by_server(server.host, "ollama"), lambda: 0.0)
    assert activity.idle_s(runtime, NOW) == float("inf")
    with asked(server):
        _until_it_worked(server)
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


def _until_it_worked(server: PrivateOllama) -> None:
    """For so long that it is a use, however little is looked at."""
    before = spent_by_server(server.host, "ollama")
    wait_until("it works", lambda: _spent_since(server, before) > 4 * USED_S)


def _rests(server: PrivateOllama) -> bool:
    """Whether what was given up is over: it goes on for a moment."""
    before = spent_by_server(server.host, "ollama")
    time.sleep(1)
    return _spent_since(server, before) < USED_S / 4


def _is_ending(runtime: OllamaRuntime) -> bool:
    """Whether a model is there that is kept no longer."""
    return any(datetime.fromisoformat(until) <= datetime.now(UTC) for until in runtime.loaded().values())
