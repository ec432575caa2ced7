"""A home is put back from last week's backup, beside the store of today."""

from pathlib import Path

from adapterd.home import Home
from adapterd.store import Store
from tests.acceptance.conftest import begin, feed
from tests.acceptance.person import MODEL, Person

PATIENCE_S = 900


def test_a_home_from_a_backup_goes_on_beside_newer_versions(tmp_path: Path, tiny_path: Path) -> None:
    person = Person(Home(tmp_path / "home"), patience_s=PATIENCE_S)
    begin(person, tiny_path, "--runtime", "embedded", changes=("merging.steps=2",))
    feed(person, tmp_path / "first")
    assert person.run("retrain").code == 0
    made = person.json("backup", tmp_path)
    assert made["models"][MODEL]["versions"] == ["1.0.0"]
    person.runtime().copy(f"{MODEL}:1.0.0", f"{MODEL}:1.1.0")  # of a week that the backup does not know
    before = person.tags()

    done = person.json("restore", made["file"], "--force")
    assert any("the backup does not know 1.1.0" in note for note in done["notes"])
    assert [each["version"] for each in person.json("versions")] == ["1.0.0"]
    assert person.tags() == before
    said = person.run("gc")
    assert f"{MODEL}:1.1.0 is not in the database, so it stays" in said.stderr
    assert "ollama rm" not in said.stdout + said.stderr
    assert "tags that the database does not know: 1.1.0" in person.run("doctor").stdout

    assert person.run("retrain", "--now").code == 0
    assert [each["version"] for each in person.json("versions")] == ["1.2.0", "1.0.0"]
    after = person.tags()
    assert after["1.1.0"] == before["1.1.0"]

    person.home.database.write_bytes(b"")
    assert person.run("status").code == 9
    person.json("doctor", "--repair", "--yes")
    assert [each["version"] for each in person.json("versions")] == ["1.2.0", "1.1.0", "1.0.0"]
    assert person.tags() == after
    with Store(Home(person.home.root).database) as store:
        assert len(store.evaluation_sets.all(MODEL)) == 1
