"""Another base for the same model: the next version is made of it, and the way back leads over it."""

from pathlib import Path

import pytest

from adapterd import config
from adapterd.home import Home
from adapterd.store.runs import RunState
from tests.acceptance.conftest import CHATML, begin, feed
from tests.acceptance.person import MODEL, Person
from tests.support.tiny_gguf import write_tiny_gguf

QUICK = ("merging.steps=0",)


@pytest.fixture(scope="session")
def other_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another model with the same tokenizer, in another quantisation."""
    metadata = {"tokenizer.chat_template": CHATML, "llama.context_length": 1024}
    return write_tiny_gguf(tmp_path_factory.mktemp("other") / "other.gguf", type_name="Q8_0", seed=7, metadata=metadata)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, tiny_path: Path) -> Person:
    """Somebody whose version 1.0.0 is live."""
    folder = tmp_path_factory.mktemp("rebase")
    person = begin(Person(Home(folder / "home")), tiny_path, "--runtime", "embedded", changes=QUICK)
    feed(person, folder / "application")
    assert person.run("retrain", "--now").code == 0
    person.run("promote", "1.0.0", "--force", "--yes")
    assert person.json("status")["models"][0]["live"] == "1.0.0"
    return person


def served(person: Person, label: str) -> bytes:
    """The bytes of the file behind a tag."""
    gguf = person.runtime().show(f"{MODEL}:{label}").gguf
    assert gguf
    return gguf.read_bytes()


def test_the_way_over_a_change_of_the_base_and_back(live: Person, tiny_path: Path, other_path: Path) -> None:
    text, tags, first = live.home.config_file.read_text(), live.tags(), served(live, "1.0.0")
    live.home.config_file.write_text(f"# a person's own words\n{text}")
    text = live.home.config_file.read_text()
    looked = live.json("rebase", "--base", other_path, "--dry-run")
    assert (looked["next_version"], looked["live"], looked["live_follows"]) == ("2.0.0", "1.0.0", False)
    assert looked["old_digest"] != looked["base_digest"]
    assert {each["what"] for each in looked["differences"]} >= {"weights", "context"}
    assert (live.home.config_file.read_text(), live.tags()) == (text, tags), "nothing was changed by looking"

    said = live.run("rebase", "--base", other_path)
    assert said.code == 0, said
    assert "1.0.0 stays live until a version is better" in said.stdout
    assert live.home.config_file.read_text().startswith("# a person's own words\n")
    assert config.load(live.home).models[MODEL].base == str(other_path)
    assert served(live, "base") == other_path.read_bytes()
    assert (live.tags()["latest"], live.tags()["1.0.0"]) == (tags["latest"], tags["1.0.0"])
    older = next(label for label in live.tags() if label.startswith("base-"))
    assert live.tags()[older] == tags["base"]
    frozen = live.json("show", "1.0.0")["metrics"]["evaluation_hash"]

    said = live.run("retrain")
    assert said.code == 0, said
    run, _ = live.last_run()
    assert (run.version, run.state.open) == ("2.0.0", False)
    shown = live.json("show", "2.0.0")
    assert shown["metrics"]["evaluation_hash"] == frozen
    assert set(shown["metrics"]["scores"]) == {"candidate", "live", "base"}
    assert shown["metrics"]["scores"]["live"]["digest"] == tags["1.0.0"]
    assert shown["metrics"]["scores"]["base"]["digest"] == live.tags()["base"]
    assert shown["base_digest"] == looked["base_digest"]
    if run.state is RunState.HELD:
        assert live.run("promote", "2.0.0", "--force", "--yes").code == 0
    second = served(live, "latest")
    assert second == served(live, "2.0.0") != first

    assert live.json("rollback", "--no-warm")["live"] == "1.0.0"
    assert served(live, "latest") == first
    assert live.json("rollback", "--to", "base", "--no-warm")["live"] == older
    assert served(live, "latest") == tiny_path.read_bytes()
    assert live.run("promote", "1.0.0", "--force", "--yes").code == 0
    assert live.run("promote", "2.0.0", "--force", "--yes").code == 0
    assert served(live, "latest") == second

    assert live.run("gc").code == 0
    assert {"base", older, "1.0.0", "2.0.0", "latest", "previous"} <= set(live.tags())
    assert live.json("rollback", "--no-warm")["live"] == "1.0.0"
    assert served(live, "latest") == first
