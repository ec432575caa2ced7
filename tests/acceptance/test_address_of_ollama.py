"""A person tells where Ollama is as they do for Ollama itself, or finds it at their machine's other addresses."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from adapterd import config
from adapterd.serving.server import PrivateOllama
from tests.acceptance.conftest import begin
from tests.acceptance.person import MODEL, Person

pytestmark = pytest.mark.ollama


@pytest.fixture
def own_ollama(ollama_binary: Path, tmp_path: Path) -> Iterator[PrivateOllama]:
    with PrivateOllama(ollama_binary, tmp_path / "ollama") as server:
        yield server


def test_ollama_host_is_taken_named_and_kept(stranger: Person, own_ollama: PrivateOllama, tiny_path: Path) -> None:
    port = own_ollama.host.rpartition(":")[2]
    person = replace(stranger, environment={"OLLAMA_HOST": f"0.0.0.0:{port}", "HTTP_PROXY": "http://127.0.0.1:1"})
    before = person.json("status")["runtime"]
    assert (before["address"], before["address_from"]) == (own_ollama.host, "OLLAMA_HOST")
    assert f"at {own_ollama.host} (from OLLAMA_HOST)" in person.run("doctor").stdout
    begin(person, tiny_path)
    assert config.load(stranger.home).ollama.host == own_ollama.host
    assert f"at {own_ollama.host}" in stranger.run("status").stdout
    assert stranger.run("rollback", MODEL).code == 6  # reached, without the variable: there is nothing to go back to

    other = replace(stranger, environment={"OLLAMA_HOST": "studio.local"})
    note = (
        f"OLLAMA_HOST says http://studio.local:11434, and ollama.host in the configuration is used: {own_ollama.host}"
    )
    assert note in other.run("status").stdout
    assert note in other.run("doctor").stdout


def test_an_address_of_its_own_network_card_is_this_machine(
    stranger: Person, ollama_binary: Path, tiny_path: Path, tmp_path: Path
) -> None:
    """So the store is read in place: a base by its tag can be trained on."""
    own = [
        each.address
        for addresses in psutil.net_if_addrs().values()
        for each in addresses
        if each.family.name == "AF_INET" and not each.address.startswith("127.")
    ]
    if not own:
        pytest.skip("this machine has loopback only")

    class OnTheNetwork(PrivateOllama):
        """Serves at an address that others could reach; it is used by this test only."""

        def environment(self) -> dict[str, str]:
            return {**super().environment(), "OLLAMA_HOST": self.host.removeprefix("http://")}

    server = OnTheNetwork(ollama_binary, tmp_path / "ollama")
    server.host = server.host.replace("127.0.0.1", own[0])
    with server:
        person = replace(stranger, environment={"HTTP_PROXY": "http://127.0.0.1:1"})
        begin(person, tiny_path, "--host", server.host)
        said = person.run("init", "other", "--base", f"{MODEL}:base")
        assert said.code == 0, said
