"""`adapterctl backup`, `restore`, `doctor --repair`, and `rollback` without a database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from adapterctl.main import cli
from adapterd.errors import DamagedStoreError, InputError, NotFoundError, RuntimeUnavailableError
from adapterd.home import Home
from adapterd.housekeeping.backup.contents import copies
from adapterd.intake.http_intake import take_posted
from adapterd.serving.embedded import EmbeddedRuntime
from adapterd.store import Store
from adapterd.system.locks import exclusive
from tests.unit.cli.conftest import Command

MODEL = "news"
CONFIG = f"""
runtime = "embedded"
[models.{MODEL}]
base = "tiny:1"
base_digest = "sha256:00"
"""
GIVE_BACK = {"prompt": "Who met?", "correction": "The council."}


@pytest.fixture
def tagged_model(home: Home, tmp_path: Path) -> EmbeddedRuntime:
    """A home with a record, and tags of which 1.0.0 is live."""
    from adapterd.base.modelfile import Modelfile

    home.config_file.write_text(CONFIG, encoding="utf-8")
    home.inbox(MODEL).mkdir(parents=True)
    (home.version(MODEL, "1.0.0")).mkdir(parents=True)
    with Store(home.database) as store:
        take_posted(store, MODEL, [GIVE_BACK])
        runtime = EmbeddedRuntime(home.embedded_store)
        for number, tags in enumerate((("base", "previous"), ("1.0.0", "latest"))):
            file = tmp_path / f"{number}.gguf"
            file.write_bytes(bytes([number]))
            for tag in tags:
                runtime.create(f"{MODEL}:{tag}", file, f"sha256:{number:064d}", Modelfile())
        digests = runtime.tags()
        store.versions.add(MODEL, "1.0.0", run_id="r", digest=digests[f"{MODEL}:1.0.0"], base_digest="sha256:00")
        store.versions.deploy(MODEL, "init", live="base", live_digest=digests[f"{MODEL}:base"])
    (home.version(MODEL, "1.0.0") / "lineage.json").write_text("{}")
    return runtime


def test_a_backup_is_made_and_put_back(
    adapterctl: Command, as_json: Callable[..., Any], home: Home, tagged_model: EmbeddedRuntime, tmp_path: Path
) -> None:
    said = adapterctl("backup", str(tmp_path / "b.tar.gz"))
    assert "not in it: models in Ollama" in said.stdout
    assert "`adapterctl feedback remove` does not reach it" in said.stdout
    with pytest.raises(InputError, match="is a home already"):
        adapterctl("restore", str(tmp_path / "b.tar.gz"))
    done = as_json("restore", str(tmp_path / "b.tar.gz"), "--force")
    assert done["removed"] == 0
    assert Path(done["aside"]).is_dir()
    assert tagged_model.tags().keys() == {f"{MODEL}:{each}" for each in ("base", "previous", "1.0.0", "latest")}
    other = as_json("restore", str(tmp_path / "b.tar.gz"), "--home", str(tmp_path / "other"))
    assert (other["home"], other["aside"]) == (str(tmp_path / "other"), None)


def test_a_removal_tells_of_the_backup(
    adapterctl: Command, home: Home, tagged_model: EmbeddedRuntime, tmp_path: Path
) -> None:
    adapterctl("backup", str(tmp_path / "b.tar.gz"))
    said = adapterctl("feedback", "remove", "1", "--yes")
    assert f"{tmp_path / 'b.tar.gz'} is a copy from before" in said.stderr
    said = adapterctl("restore", str(tmp_path / "b.tar.gz"), "--force")
    assert "1 records that were taken back since are removed from it" in said.stdout


@pytest.mark.parametrize("how", ["damaged", "empty", "gone", "newer"])
def test_rollback_works_without_a_database(
    adapterctl: Command, home: Home, tagged_model: EmbeddedRuntime, how: str
) -> None:
    if how == "newer":
        with Store(home.database) as store:
            store.execute("PRAGMA user_version = 99")
    elif how == "gone":
        home.database.unlink()
    else:
        home.database.write_bytes(b"" if how == "empty" else b"no database" * 1000)
    said = adapterctl("rollback", "--no-warm")
    assert f"{MODEL} base is live again; 1.0.0 is withdrawn" in said.stdout
    assert "done by the tags alone" in said.stderr
    assert tagged_model.tags()[f"{MODEL}:latest"] == tagged_model.tags()[f"{MODEL}:base"]


def test_a_rollback_is_done_also_where_the_model_is_not_loaded(
    adapterctl: Command, home: Home, tagged_model: EmbeddedRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_runtime: EmbeddedRuntime, _tag: str) -> None:
        raise RuntimeUnavailableError("nobody answers")

    monkeypatch.setattr(EmbeddedRuntime, "load", load)
    home.database.write_bytes(b"")
    said = adapterctl("rollback")
    assert (said.exit_code, f"{MODEL} base is live again" in said.stdout) == (0, True)
    assert "it is not loaded, the first request does that: nobody answers" in said.stderr


@pytest.mark.parametrize(
    "words", [("status",), ("versions",), ("feedback", "list"), ("history",), ("gc",), ("triage",)]
)
def test_every_command_names_the_way_out(
    adapterctl: Command, home: Home, tagged_model: EmbeddedRuntime, words: tuple[str, ...]
) -> None:
    home.database.write_bytes(b"")
    with pytest.raises(DamagedStoreError, match="is empty, but") as caught:
        adapterctl(*words)
    assert "doctor --repair" in caught.value.hint
    assert home.database.stat().st_size == 0


def test_init_does_not_begin_anew_over_what_is_there(
    adapterctl: Command, home: Home, tagged_model: EmbeddedRuntime
) -> None:
    home.database.unlink()
    before = tagged_model.tags()
    with pytest.raises(DamagedStoreError):
        adapterctl("init", MODEL, "--base", "tiny:1")
    assert tagged_model.tags() == before
    assert not home.database.exists()


def test_doctor_names_the_way_out_and_takes_it(adapterctl: Command, home: Home, tagged_model: EmbeddedRuntime) -> None:
    said = adapterctl("doctor", "--repair").stdout
    assert "nothing to repair" in said
    home.database.write_bytes(b"no database" * 1000)
    found = CliRunner().invoke(cli, ["doctor"])
    assert found.exit_code == 1
    assert "doctor --repair" in found.stdout
    assert "looks closer" not in found.stdout
    with pytest.raises(InputError, match="is damaged"):  # nobody can be asked
        adapterctl("doctor", "--repair")
    said = adapterctl("doctor", "--repair", "--yes").stdout
    assert "the state database was rebuilt" in said
    assert "live         1.0.0" in said
    assert "lost: records that were posted over HTTP" in said
    assert MODEL in adapterctl("status").stdout


def test_a_repair_notes_homes_that_were_kept_aside(
    adapterctl: Command, home: Home, tagged_model: EmbeddedRuntime
) -> None:
    aside = home.root.with_name(f"{home.root.name}.before-restore-20260101-010101")
    aside.mkdir()
    home.database.write_bytes(b"")
    said = adapterctl("doctor", "--repair", "--yes").stdout
    assert "lost: tokens of applications" in said
    with Store(home.database) as store:
        assert copies(store)[0] == str(aside)


def test_nothing_is_repaired_under_a_daemon(adapterctl: Command, home: Home, tagged_model: EmbeddedRuntime) -> None:
    from adapterd.errors import BusyError

    home.database.write_bytes(b"no database" * 1000)
    with exclusive(home.daemon_lock, timeout_s=0, busy=""), pytest.raises(BusyError, match="stop the daemon first"):
        adapterctl("doctor", "--repair", "--yes")


def test_what_was_taken_back_does_not_come_back_by_a_repair(
    adapterctl: Command, home: Home, tagged_model: EmbeddedRuntime
) -> None:
    adapterctl("feedback", "remove", "1", "--yes")
    home.database.write_bytes(b"")
    adapterctl("doctor", "--repair", "--yes")
    with Store(home.database) as store:
        assert take_posted(store, MODEL, [GIVE_BACK]).removed == 1
        assert store.feedback.count(MODEL) == 0


def test_yes_alone_is_no_wish(adapterctl: Command) -> None:
    with pytest.raises(click.UsageError, match="--repair"):
        adapterctl("doctor", "--yes")


def test_a_status_of_tags_that_nobody_knows(adapterctl: Command, home: Home, tagged_model: EmbeddedRuntime) -> None:
    tagged_model.copy(f"{MODEL}:1.0.0", f"{MODEL}:1.4.0")
    with pytest.raises(NotFoundError):
        adapterctl("show", "1.4.0")
    assert "news:1.4.0 is not in the database, so it stays" in adapterctl("gc").stderr
