"""While a tag is copied over, whoever asks for it is answered: by what it was before, or by what it is then."""

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from adapterd.base.modelfile import Modelfile
from adapterd.serving import manifests
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtimes import file_digest
from adapterd.serving.server import PrivateOllama
from tests.support.tiny_gguf import write_tiny_gguf

TEMPLATE = "{{ range .Messages }}{{ .Role }}: {{ .Content }}\n{{ end }}assistant: "
ONE, TWO, LIVE = "gap:1.0.0", "gap:1.1.0", "gap:latest"
COPIES = 200

pytestmark = pytest.mark.ollama


@pytest.fixture(scope="module")
def server(ollama_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateOllama]:
    with PrivateOllama(ollama_binary, tmp_path_factory.mktemp("ollama")) as server:
        runtime = OllamaRuntime(server.host, timeout_s=60)
        for number, tag in enumerate((ONE, TWO)):
            file = write_tiny_gguf(server.folder / f"{number}.gguf", layers=1, seed=number)
            runtime.create(tag, file, file_digest(file), Modelfile(template=TEMPLATE))
        runtime.copy(ONE, LIVE)
        yield server


@pytest.fixture
def ollama(server: PrivateOllama) -> OllamaRuntime:
    return OllamaRuntime(server.host, timeout_s=60)


def manifest_of(server: PrivateOllama, tag: str) -> Path:
    name, _, label = tag.partition(":")
    return server.folder / "models" / "manifests" / "registry.ollama.ai" / "library" / name / label


@contextmanager
def asking(server: PrivateOllama) -> Iterator[list[int]]:
    """The statuses of asking for the live tag without a pause, until the block ends."""
    statuses: list[int] = []
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=server.host, timeout=60) as http:
            while not over.is_set():
                statuses.append(http.post("/api/show", json={"model": LIVE}).status_code)

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    try:
        yield statuses
    finally:
        over.set()
        for asker in askers:
            asker.join(60)


def test_nobody_meets_a_torn_tag(server: PrivateOllama, ollama: OllamaRuntime) -> None:
    with asking(server) as statuses:
        for source in itertools.islice(itertools.cycle((TWO, ONE)), COPIES):
            ollama.copy(source, LIVE)
            assert ollama.tags()[LIVE] == ollama.tags()[source]
    assert len(statuses) > COPIES / 2
    assert set(statuses) == {200}


def test_the_server_serves_what_was_copied(server: PrivateOllama, ollama: OllamaRuntime) -> None:
    for source in (TWO, ONE):
        ollama.copy(source, LIVE)
        shown, wanted = ollama.show(LIVE), ollama.show(source)
        assert (shown.digest, shown.gguf) == (wanted.digest, wanted.gguf)


def test_a_tag_that_was_not_there_is_made(server: PrivateOllama, ollama: OllamaRuntime) -> None:
    ollama.copy(ONE, "gap:candidate")
    ollama.copy(ONE, "another:latest")
    assert ollama.tags()["gap:candidate"] == ollama.tags()["another:latest"] == ollama.tags()[ONE]
    assert ollama.show("another:latest").gguf == ollama.show(ONE).gguf


def test_a_copied_manifest_is_byte_for_byte_the_same_and_as_open(server: PrivateOllama, ollama: OllamaRuntime) -> None:
    ollama.copy(TWO, LIVE)
    ours, theirs = manifest_of(server, LIVE), manifest_of(server, TWO)
    assert ours.read_bytes() == theirs.read_bytes()
    assert ours.stat().st_mode == theirs.stat().st_mode


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("gap:9.9.9", LIVE),
        ("library/gap:1.0.0", LIVE),
        (ONE, "no-such-name:latest"),
        (ONE, "../gap:latest"),
        ("gap", LIVE),
    ],
)
def test_a_store_that_is_not_plainly_ours_is_left_to_the_server(
    server: PrivateOllama, source: str, target: str
) -> None:
    before = manifest_of(server, LIVE).read_bytes()
    assert not manifests.replace(server.folder / "models", source, target)
    assert manifest_of(server, LIVE).read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", json.dumps({"layers": []}).encode()])
def test_a_damaged_manifest_is_not_spread(server: PrivateOllama, ollama: OllamaRuntime, content: bytes) -> None:
    ollama.copy(ONE, "gap:damaged")
    manifest_of(server, "gap:damaged").write_bytes(content)
    before = manifest_of(server, LIVE).read_bytes()
    assert not manifests.replace(server.folder / "models", "gap:damaged", LIVE)
    assert manifest_of(server, LIVE).read_bytes() == before
    ollama.copy(ONE, "gap:damaged")


def test_nothing_else_is_left_in_the_store(server: PrivateOllama, ollama: OllamaRuntime) -> None:
    ollama.copy(ONE, LIVE)
    assert [path.name for path in (server.folder / "models").iterdir() if path.is_file()] == []
