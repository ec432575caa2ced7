"""A base that carries its own chat template goes all the way: `init`, a training, a version that Ollama serves by the
same template."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from adapterd.base_proof.served_behaviour import undated
from adapterd.chat import Message, Role
from adapterd.home import Home
from tests.acceptance.conftest import begin, feed
from tests.acceptance.person import MODEL, Person
from tests.support.chat_templates import FAMILIES
from tests.support.real_ollama import OLLAMA
from tests.support.tiny_gguf import write_tiny_gguf

VERSION = f"{MODEL}:1.0.0"
ASKED = (Message(Role.SYSTEM, "Be brief."), Message(Role.USER, "Which city?"))


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def base_path(tmp_path: Path, family: str) -> Path:
    metadata = {"tokenizer.chat_template": FAMILIES[family], "llama.context_length": 2048, "general.name": family}
    return write_tiny_gguf(tmp_path / f"{family}.gguf", type_name="Q4_1", metadata=metadata)


@pytest.fixture(params=["embedded", OLLAMA])
def somebody(request: pytest.FixtureRequest, tmp_path: Path, base_path: Path) -> Iterator[Person]:
    """Somebody whose model starts from that file, and has feedback."""
    person = Person(Home(tmp_path / "home"))
    where = ("--runtime", "embedded")
    if request.param == "ollama":
        where = ("--host", request.getfixturevalue("ollama_host"))
    yield feed(begin(person, base_path, *where), tmp_path / "application", count=14)
    runtime = person.runtime()
    for tag in [tag for tag in runtime.tags() if tag.startswith(f"{MODEL}:")]:
        runtime.delete(tag)


def registered_as_the_base_is(person: Person) -> None:
    """The first version is there, and is prompted as the base is."""
    runtime = person.runtime()
    assert runtime.show(VERSION).modelfile == runtime.show(f"{MODEL}:base").modelfile
    assert undated(runtime.render(VERSION, ASKED)) == undated(runtime.render(f"{MODEL}:base", ASKED))
    assert f"{MODEL}:candidate" not in runtime.tags()


def test_a_file_with_a_template_of_its_own_becomes_a_version(somebody: Person) -> None:
    said = somebody.run("retrain")
    assert said.code == 0, said
    registered_as_the_base_is(somebody)


def test_also_if_the_tag_of_the_base_was_lost_in_between(somebody: Person) -> None:
    somebody.runtime().delete(f"{MODEL}:base")
    said = somebody.run("retrain")
    assert said.code == 0, said
    registered_as_the_base_is(somebody)


@pytest.mark.ollama
def test_a_run_that_could_only_fail_at_its_end_fails_at_once(
    stranger: Person, base_path: Path, ollama_host: str, tmp_path: Path, remade: Callable[[str, str], None]
) -> None:
    person = feed(begin(stranger, base_path, "--host", ollama_host), tmp_path / "application", count=14)
    remade(ollama_host, str(tmp_path))
    said = person.run("retrain")
    assert said.code == 6, said
    assert "has an ADAPTER beside the model" in said.complaint
    assert " done in " not in said.stderr


@pytest.fixture
def remade(ollama_server: object) -> Callable[[str, str], None]:
    """Makes the base's tag one with an ADAPTER, as somebody may have done by hand with an older release."""

    def remake(host: str, _folder: str) -> None:
        models = Path(ollama_server.folder) / "models"  # type: ignore[attr-defined]
        manifest = models / "manifests/registry.ollama.ai/library" / MODEL / "base"
        whole = json.loads(manifest.read_bytes())
        adapter = next(each for each in whole["layers"] if each["mediaType"].endswith(".model"))
        whole["layers"].append(adapter | {"mediaType": "application/vnd.ollama.image.adapter"})
        manifest.write_text(json.dumps(whole))
        assert httpx.post(f"{host}/api/show", json={"model": f"{MODEL}:base"}, timeout=60).is_success

    return remake
