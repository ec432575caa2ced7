"""Disk space given back as a person does it: look first, keep what is dear, collect, go back all the same."""

from pathlib import Path

import pytest

from adapterd.store import Store
from tests.acceptance.conftest import begin
from tests.acceptance.person import MODEL, Person
from tests.support.kept_model import WeightlessRuntime, add_version
from tests.support.tiny_gguf import write_tiny_gguf

VERSIONS = ("1.0.0", "1.1.0", "1.2.0", "1.3.0")
KEPT = 1


@pytest.fixture
def collector(stranger: Person, tiny_path: Path, tmp_path: Path) -> Person:
    """Somebody with four versions that were held, the newest of which are kept."""
    begin(stranger, tiny_path, "--runtime", "embedded", changes=(f"versions.keep={KEPT}",))
    runtime = WeightlessRuntime(stranger.home.embedded_store)
    with Store(stranger.home.database) as store:
        for version in VERSIONS:
            file = write_tiny_gguf(tmp_path / version, layers=1, metadata={"general.name": version})
            add_version(store, stranger.home, runtime, MODEL, version, file)
    return stranger


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_a_person_looks_pins_collects_and_goes_back(collector: Person) -> None:
    planned = collector.json("gc", "--dry-run")
    assert [item["what"] for item in planned["items"]] == [f"{MODEL}:{version}" for version in VERSIONS[-2::-1]]
    said = collector.run("gc", "--dry-run")
    assert "news:1.2.0" in said.stdout
    assert "held, and no longer one of the newest (versions.keep = 1)" in said.stdout
    assert said.stdout.splitlines()[-1].endswith(" would be given back")

    assert collector.run("pin", "1.0.0").stdout == "news 1.0.0 is kept whatever its age\n"
    assert collector.run("promote", "1.2.0", "--force", "--yes").code == 0

    blobs = collector.home.embedded_store / "blobs"
    before = size_of(blobs)
    collected = collector.json("gc", MODEL)
    assert [item["version"] for item in collected["items"]] == ["1.1.0"]
    assert before - size_of(blobs) == collected["size_bytes"] > 0
    assert collected["dry_run"] is False
    assert collector.run("gc").stdout == "nothing to collect: everything that is there is needed\n"

    refused = collector.run("promote", "1.1.0", "--force", "--yes")
    assert (refused.code, refused.complaint.split(":")[:2]) == (4, ["news", "1.1.0 was collected"])
    assert f"adapterctl register {collector.home.version(MODEL, '1.1.0')} --model {MODEL}" in refused.stderr
    assert collector.json("show", "1.1.0")["state"] == "collected"
    assert collector.run("rollback").code == 0
    assert collector.json("unpin", "1.0.0")["pinned"] is False
    kinds = [event["kind"] for event in collector.json("history")]
    assert [kind for kind in kinds if kind.split(".")[1] in ("pinned", "collected", "unpinned")] == [
        "version.pinned", "version.collected", "version.unpinned",
    ]  # fmt: skip


def test_a_tag_of_somebody_else_is_mentioned_and_stays(collector: Person) -> None:
    WeightlessRuntime(collector.home.embedded_store).copy(f"{MODEL}:1.3.0", f"{MODEL}:7.0.0")
    said = collector.run("gc")
    assert "note: news:7.0.0 is not in the database, so it stays" in said.stderr
    assert f"{MODEL}:7.0.0" in WeightlessRuntime(collector.home.embedded_store).tags()


@pytest.mark.parametrize(
    ("command", "code", "complaint"),
    [
        (("pin", "9.0.0"), 4, "news has no version 9.0.0; there are: 1.0.0, 1.1.0, 1.2.0, 1.3.0"),
        (("pin", "base"), 6, "the base is always kept"),
        (("gc", "stranger"), 4, "no model named 'stranger' is configured; configured are: news"),
    ],
)
def test_senseless_commands_are_refused(collector: Person, command: tuple[str, ...], code: int, complaint: str) -> None:
    said = collector.run(*command)
    assert (said.code, said.complaint) == (code, complaint)


def test_with_no_model_there_is_nothing_to_collect(stranger: Person) -> None:
    stranger.home.create()
    stranger.home.config_file.write_text('runtime = "embedded"\n')
    assert stranger.json("gc")["items"] == []


def test_where_ollama_does_not_answer_nothing_is_removed(collector: Person) -> None:
    collector.correct('runtime = "embedded"', 'runtime = "ollama"\nollama.host = "http://127.0.0.1:9"')
    before = size_of(collector.home.root / "runs")
    said = collector.run("gc")
    assert said.code == 5
    assert "start Ollama" in said.stderr
    assert size_of(collector.home.root / "runs") == before
