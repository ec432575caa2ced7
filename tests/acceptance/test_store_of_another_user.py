"""Ollama keeps its models where this person may not look: in Docker, as a service's user, or as another user."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapterd.base.modelfile import Modelfile
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtimes import file_digest
from adapterd.serving.server import PrivateOllama
from tests.acceptance.conftest import begin, feed
from tests.acceptance.person import MODEL, Person
from tests.support.without_rights import without_rights

pytestmark = [pytest.mark.ollama, pytest.mark.skipif(os.geteuid() != 0, reason="a second user takes root")]
NOBODY_HERE = 61_002
"""The id of a user and a group that no system has."""


@pytest.fixture
def service(ollama_binary: Path, tmp_path: Path) -> Iterator[PrivateOllama]:
    """A server whose store lies in the home of its own user."""
    with PrivateOllama(ollama_binary, tmp_path / "usr-share-ollama" / "ollama") as server:
        yield server


@pytest.fixture
def ordinary(stranger: Person) -> Person:
    return replace(stranger, prefix=tuple(without_rights()))


def shut(server: PrivateOllama, *, owner: int = NOBODY_HERE, mode: int = 0o700) -> Path:
    """Let only its user look into the folder above the store; returns that folder."""
    folder = server.folder.parent
    os.chown(folder, owner, owner)
    folder.chmod(mode)
    return folder


def test_a_base_by_tag_is_refused_with_whose_it_is_and_the_ways_out(
    stranger: Person, ordinary: Person, service: PrivateOllama, tiny_path: Path
) -> None:
    begin(stranger, tiny_path, "--host", service.host)
    folder = shut(service, mode=0o750)
    said = ordinary.run("init", "other", "--base", f"{MODEL}:base")
    assert said.code == 6
    assert f"{MODEL}:base, {service.folder}/models/blobs/sha256-" in said.complaint
    assert f"{folder} belongs to user {NOBODY_HERE} (group {NOBODY_HERE}, mode 0750)" in said.complaint
    assert f"join the group {NOBODY_HERE} (sudo usermod -a -G {NOBODY_HERE} " in said.stderr
    assert "log in again" in said.stderr
    assert "adapterctl init other --base FILE.gguf" in said.stderr


@pytest.mark.parametrize(("owner", "mode", "way"), [(0, 0o000, "in a container"), (NOBODY_HERE, 0o700, "chmod g+rX")])
def test_the_way_out_fits_the_folder(
    stranger: Person, ordinary: Person, service: PrivateOllama, tiny_path: Path, owner: int, mode: int, way: str
) -> None:
    begin(stranger, tiny_path, "--host", service.host)
    shut(service, owner=owner, mode=mode)
    said = ordinary.run("init", "other", "--base", f"{MODEL}:base")
    assert said.code == 6
    assert way in said.stderr
    assert "group root (sudo" not in said.stderr
    assert "--base FILE.gguf" in said.stderr


def test_bases_tells_of_each_tag_whose_its_file_is(ordinary: Person, service: PrivateOllama, tiny_path: Path) -> None:
    runtime = OllamaRuntime(service.host, timeout_s=120)
    runtime.create("theirs:1", tiny_path, file_digest(tiny_path), Modelfile())
    folder = shut(service)
    person = replace(ordinary, environment={"OLLAMA_HOST": service.host})
    [row] = person.json("bases")["rows"]
    assert (row["tag"], row["trainable"], row["needs"]) == ("theirs:1", False, None)
    assert f"{folder} belongs to user {NOBODY_HERE}" in row["why_not"]
    assert "--base FILE.gguf" in row["hint"]


def test_with_the_base_as_a_file_everything_works(
    ordinary: Person, service: PrivateOllama, tiny_path: Path, tmp_path: Path
) -> None:
    shut(service)
    person = feed(begin(ordinary, tiny_path, "--host", service.host), tmp_path / "application")
    assert person.run("retrain").code == 0
    assert person.run("promote", "1.0.0", "--force", "--yes").code == 0
    promoted = person.tags()["latest"]
    assert promoted == person.tags()["1.0.0"]
    assert {check["level"] for check in person.json("doctor") if check["what"] == MODEL} == {"ok"}
    assert person.run("rollback").code == 0
    assert person.tags()["latest"] == person.tags()["base"]
    assert person.run("gc").code == 0
    assert "candidate" not in person.tags()
    assert [fault for fault in person.json("status")["faults"] if "daemon" not in fault] == []


def test_a_model_whose_store_was_shut_since_says_so_and_rolls_back(
    stranger: Person, ordinary: Person, service: PrivateOllama, tiny_path: Path, tmp_path: Path
) -> None:
    begin(stranger, tiny_path, "--host", service.host)
    by_tag = stranger.correct(f'base = "{tiny_path}"', f'base = "{MODEL}:base"')
    assert f'base = "{tiny_path}"' in by_tag
    person = feed(ordinary, tmp_path / "application")
    folder = shut(service)
    for command in (("retrain",), ("doctor",)):
        said = person.run(*command)
        assert said.code != 0
        assert f"{folder} belongs to user {NOBODY_HERE}" in said.stdout + said.stderr
        assert f"adapterctl init {MODEL} --base FILE.gguf" in said.stdout + said.stderr
    assert person.run("gc").code == 0
    assert f"{folder} belongs to user {NOBODY_HERE}" in person.run("status", "--check").stdout
    with person.daemon() as daemon:
        pass
    assert "denied" not in daemon.said
    assert person.run("init", MODEL, "--base", tiny_path, "--host", service.host).code == 0
    assert f'base = "{tiny_path}"' in person.home.config_file.read_text(encoding="utf-8")
    assert {check["level"] for check in person.json("doctor") if check["what"] == MODEL} == {"ok"}


def test_a_base_file_that_may_not_be_read_is_named_with_its_owner(
    ordinary: Person, tiny_path: Path, tmp_path: Path
) -> None:
    file = tmp_path / "mine.gguf"
    file.write_bytes(tiny_path.read_bytes())
    os.chown(file, NOBODY_HERE, NOBODY_HERE)
    file.chmod(0o600)
    said = ordinary.run("init", MODEL, "--base", file, "--runtime", "embedded")
    assert said.code == 6
    assert f"{file} belongs to user {NOBODY_HERE} (group {NOBODY_HERE}, mode 0600)" in said.complaint
