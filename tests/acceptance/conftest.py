"""People, and what they begin with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapterd.home import Home
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.server import PrivateOllama
from tests.acceptance.person import MODEL, SMALL, Person, settings, write_news
from tests.support.tiny_gguf import write_tiny_gguf

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)


@pytest.fixture(scope="session")
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that talks nonsense, and is trained and merged in a second or two."""
    metadata = {"tokenizer.chat_template": CHATML, "llama.context_length": 2048}
    return write_tiny_gguf(tmp_path_factory.mktemp("tiny") / "tiny.gguf", type_name="Q4_1", metadata=metadata)


@pytest.fixture(scope="module")
def ollama_host(ollama_server: PrivateOllama) -> Iterator[str]:
    """Where the shared Ollama answers; the model that these tests leave there is removed."""
    yield ollama_server.host
    runtime = OllamaRuntime(ollama_server.host)
    for tag in [tag for tag in runtime.tags() if tag.startswith(f"{MODEL}:")]:
        runtime.delete(tag)


@pytest.fixture
def stranger(tmp_path: Path) -> Person:
    """Somebody who has not begun."""
    return Person(Home(tmp_path / "home"))


@pytest.fixture
def person(stranger: Person, tiny_path: Path) -> Person:
    """Somebody with a small model on the embedded runtime, and no feedback."""
    return begin(stranger, tiny_path, "--runtime", "embedded")


def begin(person: Person, base: Path, *options: str, changes: tuple[str, ...] = ()) -> Person:
    """`init` with the small settings and these changes."""
    said = person.run("init", MODEL, "--base", base, "--task", "json", *options, *settings(*SMALL, *changes))
    assert said.code == 0, said
    return person


def feed(person: Person, folder: Path, *, count: int = 24) -> Person:
    """Import an application's feedback."""
    said = person.run("feedback", "import", *write_news(folder, count=count).files)
    assert said.code == 0, said
    return person
