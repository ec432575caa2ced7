"""What stays where a model, or adapterd itself, is removed: what bars the return of text, and copies elsewhere."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from adapterd import config
from adapterd.config import Settings
from adapterd.errors import BusyError
from adapterd.home import Home
from adapterd.housekeeping.backup.make import make_backup
from adapterd.intake.http_intake import take_posted
from adapterd.removal.outliving import open_store
from adapterd.removal.recovery.restore import restore
from adapterd.removal.remove import finish_removals, remove
from adapterd.removal.selection import Criteria, select
from adapterd.removal.whole.remove_model import ModelRemover
from adapterd.removal.whole.uninstall import Uninstallation, Uninstaller
from adapterd.serving.embedded import EmbeddedRuntime
from adapterd.store import Store
from adapterd.store.whole_model import known_models, rows_of
from tests.unit.removal.conftest import MODEL

CONFIG = 'runtime = "embedded"\n[models.m]\nbase = "tiny:1"\nbase_digest = "sha256:00"\n'
MARK = "the text of the removed model"
RECORD = {"prompt": "Who met?", "correction": MARK}
IN_THE_LOG = """
import os, sys
from pathlib import Path
from adapterd.intake.http_intake import take_posted
from adapterd.store import Store
store = Store(Path(sys.argv[1]))
store.execute("PRAGMA user_version = 999")
take_posted(store, "m", [{"prompt": "In the log?", "correction": "Yes."}])
os._exit(0)
"""


@pytest.fixture
def used_store(store: Store, home: Home) -> Store:
    home.config_file.write_text(CONFIG, encoding="utf-8")
    (home.inbox(MODEL) / "application.jsonl").write_text("{}", encoding="utf-8")
    take_posted(store, MODEL, [RECORD])
    return store


def uninstalled(home: Home) -> Uninstallation:
    return Uninstaller(home, None).run()


def test_what_was_taken_back_is_not_taken_in_again_by_the_next_home(
    used_store: Store, home: Home, settings: Settings
) -> None:
    remove(used_store, home, settings, MODEL, select(used_store, home, MODEL, Criteria(matching=MARK)))
    used_store.close()
    assert any(f"{home.removed_statements} stays" in sentence for sentence in uninstalled(home).kept)
    assert {path.name for path in home.root.iterdir()} == {"feedback", "removed.json"}
    home.create()
    with open_store(home) as anew:
        assert take_posted(anew, MODEL, [RECORD]).removed == 1
        assert anew.feedback.count(MODEL) == 0
    Uninstaller(home, None, with_feedback=True).run()
    assert not home.root.exists()


def test_a_database_of_a_newer_release_is_kept_with_its_log(used_store: Store, home: Home) -> None:
    used_store.close()
    subprocess.run([sys.executable, "-c", IN_THE_LOG, str(home.database)], check=True)
    assert home.database.with_name("state.db-wal").stat().st_size > 0
    uninstalled(home)
    (kept,) = (home.root / "feedback").glob("state-*.db")
    with closing(sqlite3.connect(kept)) as database:
        assert database.execute("SELECT count(*) FROM feedback").fetchone() == (2,)


def test_backups_and_homes_kept_aside_stay_and_are_named(
    used_store: Store, home: Home, settings: Settings, tmp_path: Path
) -> None:
    file = make_backup(used_store, home, settings, tmp_path / "b.tar.gz").file
    used_store.close()
    aside = restore(file, home).aside
    assert aside is not None
    with Store(home.database) as store:
        remover = ModelRemover(store, home, config.load(home), EmbeddedRuntime(home.embedded_store), MODEL)
        kept = "\n".join(remover.plan().kept)
        assert f"{file} is a copy" in kept
        assert f"{aside} is a copy" in kept
    kept = "\n".join(uninstalled(home).kept)
    assert f"{file} holds feedback" in kept
    assert f"{aside} holds feedback" in kept
    assert aside.is_dir()
    assert file.is_file()


def test_text_of_a_removed_model_leaves_the_free_pages_although_somebody_reads(
    used_store: Store, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy() -> None:
        raise BusyError("somebody reads")

    with monkeypatch.context() as patch:
        patch.setattr(used_store, "compact", busy)
        ModelRemover(used_store, home, config.load(home), EmbeddedRuntime(home.embedded_store), MODEL).remove()
    assert len(used_store.removals.unfinished()) == 1
    finish_removals(used_store, home, config.load(home))
    assert used_store.removals.unfinished() == []
    assert MARK.encode() not in home.database.read_bytes()
    assert rows_of(used_store, MODEL) == {}
    assert known_models(used_store) == set()


def removal(store: Store, home: Home, *, keep_feedback: bool = False) -> ModelRemover:
    runtime = EmbeddedRuntime(home.embedded_store)
    return ModelRemover(store, home, config.load(home), runtime, MODEL, keep_feedback)


def test_a_feedback_folder_either_goes_or_is_said_to_stay(used_store: Store, home: Home, tmp_path: Path) -> None:
    inbox, elsewhere = home.inbox(MODEL), tmp_path / "elsewhere"
    home.config_file.write_text(f'{CONFIG}feedback.folder = "{inbox}"\n', encoding="utf-8")  # as `init` writes it
    planned = removal(used_store, home).plan()
    assert (inbox in planned.paths, [said for said in planned.kept if str(inbox) in said]) == (True, [])
    planned = removal(used_store, home, keep_feedback=True).plan()
    assert inbox not in planned.paths
    assert [said for said in planned.kept if str(inbox) in said] == [f"{inbox} stays, with the feedback in it"]
    home.config_file.write_text(f'{CONFIG}feedback.folder = "{elsewhere}"\n', encoding="utf-8")
    assert f"{elsewhere}, where applications put feedback, stays as it is" in removal(used_store, home).plan().kept


def test_a_feedback_folder_that_another_model_reads_stays(used_store: Store, home: Home) -> None:
    inbox = home.inbox(MODEL)
    second = CONFIG.partition("\n")[2].replace("models.m", "models.second")
    home.config_file.write_text(f'{CONFIG}{second}feedback.folder = "{inbox}"\n', encoding="utf-8")
    removed = removal(used_store, home).remove()
    assert f"{inbox} stays, with the feedback in it: it is the inbox of second, too" in removed.kept
    assert (inbox / "application.jsonl").is_file()


@pytest.mark.parametrize("where", ["a folder in it", "a folder that it is in", "the home", "a link to it"])
def test_a_feedback_folder_that_another_model_reads_from_elsewhere_stays(
    used_store: Store, home: Home, tmp_path: Path, where: str
) -> None:
    inbox, link = home.inbox(MODEL), tmp_path / "link"
    link.symlink_to(inbox)
    folder = {"a folder in it": inbox / "news", "a folder that it is in": inbox.parent, "the home": home.root}
    second = CONFIG.partition("\n")[2].replace("models.m", "models.second")
    home.config_file.write_text(f'{CONFIG}{second}feedback.folder = "{folder.get(where, link)}"\n', encoding="utf-8")
    planned = removal(used_store, home).plan()
    assert inbox not in planned.paths
    assert f"{inbox} stays, with the feedback in it: it is the inbox of second, too" in planned.kept


def test_a_feedback_folder_beside_that_of_another_model_goes(used_store: Store, home: Home, tmp_path: Path) -> None:
    second = CONFIG.partition("\n")[2].replace("models.m", "models.second")
    third = second.replace("second", "third") + f'feedback.folder = "{tmp_path / "elsewhere"}"\n'
    home.config_file.write_text(f"{CONFIG}{second}{third}", encoding="utf-8")
    assert home.inbox(MODEL) in removal(used_store, home).plan().paths


def test_a_folder_of_ones_own_that_leads_into_the_home_is_not_said_to_stay(
    used_store: Store, home: Home, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(home.inbox(MODEL))
    home.config_file.write_text(f'{CONFIG}feedback.folder = "{link}"\n', encoding="utf-8")
    assert [said for said in removal(used_store, home).plan().kept if "as it is" in said] == []
    assert Uninstaller(home, None, with_feedback=True)._folders_elsewhere() == []


def test_uninstalling_names_no_folder_that_goes(used_store: Store, home: Home) -> None:
    used_store.close()
    home.config_file.write_text(f'{CONFIG}feedback.folder = "{home.inbox(MODEL)}"\n', encoding="utf-8")
    uninstaller = Uninstaller(home, None, with_feedback=True)
    assert [said for said in uninstaller.run().kept if "where applications put feedback" in said] == []
    assert not home.root.exists()
