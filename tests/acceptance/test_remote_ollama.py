"""Ollama on another machine: behind a reverse proxy with a path, a name and a password, through an HTTP proxy."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapterd.serving.server import PrivateOllama
from tests.acceptance.conftest import begin, feed
from tests.acceptance.person import MODEL, Person, Said
from tests.support.reverse_proxy import ReverseProxy, reverse_proxy

pytestmark = pytest.mark.ollama

SECRET = "s3cret-pass"
ADDRESS = f"http://me:{SECRET}@192.0.2.1:11434/ollama"
"""Of a network that is for documentation only (RFC 5737), so no machine is asked but the proxy."""
SHOWN = "http://me:***@192.0.2.1:11434/ollama"
VIEWS = (
    "status",
    "status --json",
    "status --check",
    "doctor",
    "doctor --json",
    "history",
    "history --json",
    "config show",
    "config show --json",
    "config get ollama.host",
    "versions --json",
    "gc",
)
KEEPS_IT = {"config.toml", "plan.json"}
"""Private files from which the address is read again."""


@pytest.fixture
def behind_a_proxy(ollama_server: PrivateOllama) -> Iterator[ReverseProxy]:
    proxy = ReverseProxy(
        ollama_server.host, prefix="/ollama", user="me", password=SECRET, hidden=str(ollama_server.folder / "models")
    )
    with reverse_proxy(proxy) as running:
        yield running


@pytest.fixture
def traveller(stranger: Person, behind_a_proxy: ReverseProxy) -> Person:
    """Somebody whose requests to other machines go through a proxy."""
    environment = {"HTTP_PROXY": behind_a_proxy.url, "NO_PROXY": "", "no_proxy": ""}
    return replace(stranger, environment=environment, patience_s=900)


def test_a_model_is_made_better_on_another_machine(
    traveller: Person, behind_a_proxy: ReverseProxy, tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = feed(begin(traveller, tiny_path, "--host", ADDRESS), tmp_path / "application")
    monkeypatch.setenv("HTTP_PROXY", behind_a_proxy.url)
    said = [person.run("retrain"), person.run("promote", "1.0.0", "--force", "--yes")]
    assert person.tags()["latest"] == person.tags()["1.0.0"] != person.tags()["base"]
    said += [person.run("doctor"), person.run("status"), person.run("rollback"), person.run("gc")]
    assert [each.code for each in said] == [0] * len(said), said
    assert person.tags()["latest"] == person.tags()["base"]
    assert person.tags().keys() == {"base", "latest", "previous", "1.0.0"}
    assert behind_a_proxy.refused == []
    asked = {(request.partition(" ")[0], request.split("/")[3]) for request in behind_a_proxy.passed}
    assert {("HEAD", "blobs"), ("POST", "blobs"), ("POST", "create"), ("POST", "copy"), ("DELETE", "delete")} <= asked

    assert told_nothing(person, *said)


def test_no_view_of_it_tells_the_password(
    traveller: Person, behind_a_proxy: ReverseProxy, tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = begin(traveller, tiny_path, "--host", ADDRESS)
    monkeypatch.setenv("HTTP_PROXY", behind_a_proxy.url)
    person.runtime().delete(f"{MODEL}:latest")
    assert behind_a_proxy.refused == []
    assert behind_a_proxy.passed[-1] == "DELETE /ollama/api/delete"
    said = [person.run(*command.split()) for command in VIEWS]
    assert SHOWN in "".join(each.stdout for each in said)
    assert told_nothing(person, *said)


def told_nothing(person: Person, *said: Said) -> bool:
    """Whether the password stands nowhere but in the files from which it is read."""
    files = {path.name for path in person.home.root.rglob("*") if path.is_file() and SECRET in read(path)}
    return SECRET not in "".join(each.stdout + each.stderr for each in said) and files <= KEEPS_IT


def test_without_it_the_file_has_to_be_given(traveller: Person, behind_a_proxy: ReverseProxy, tiny_path: Path) -> None:
    begin(traveller, tiny_path, "--host", ADDRESS)
    said = traveller.run("init", "other", "--base", f"{MODEL}:base")
    assert said.code == 6
    assert "is not on this machine" in said.complaint
    assert "adapterctl init other --base FILE.gguf" in said.stderr


def test_a_base_file_that_is_another_one_by_now_is_not_trained_on(
    traveller: Person, tiny_path: Path, tmp_path: Path
) -> None:
    file = tmp_path / "base.gguf"
    content = tiny_path.read_bytes()
    file.write_bytes(content)
    person = feed(begin(traveller, file, "--host", ADDRESS), tmp_path / "application")
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    said = person.run("retrain")
    assert said.code == 6
    assert f"{file} is sha256:" in said.complaint
    assert "and the runtime keeps sha256:" in said.complaint


def test_a_server_that_is_away_is_named_without_the_password(traveller: Person, behind_a_proxy: ReverseProxy) -> None:
    behind_a_proxy.target = "http://127.0.0.1:1"
    said = traveller.run("init", MODEL, "--base", "any:1", "--host", ADDRESS)
    assert said.code == 5
    assert SHOWN in said.complaint
    assert behind_a_proxy.url in said.complaint
    assert SECRET not in said.stdout + said.stderr


def read(path: Path) -> str:
    return path.read_bytes().decode(errors="replace")
