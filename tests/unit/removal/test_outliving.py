"""What was taken back stays taken back where the database is lost, or a backup is put back, and no longer than that."""

import json
from pathlib import Path

import pytest

from adapterd.config import Settings
from adapterd.feedback.formats import ReadingOptions
from adapterd.home import Home
from adapterd.housekeeping.backup.make import make_backup
from adapterd.intake.http_intake import take_posted
from adapterd.intake.prompt_intake import import_prompts
from adapterd.removal.again import let_in_again
from adapterd.removal.outliving import open_store, read_removed
from adapterd.removal.recovery.restore import restore
from adapterd.removal.remove import remove
from adapterd.removal.selection import Criteria, select
from adapterd.store import Store
from tests.unit.removal.conftest import MODEL

RECORD = {"prompt": "Who met?", "correction": "The council."}
CONFIG = '[models.m]\nbase = "tiny:1"\nbase_digest = "sha256:00"\n'


@pytest.fixture
def cleaned(store: Store, home: Home, settings: Settings) -> Store:
    """A record was taken, and taken back."""
    home.config_file.write_text(f'runtime = "embedded"\n{CONFIG}', encoding="utf-8")
    take_posted(store, MODEL, [RECORD])
    remove(store, home, settings, MODEL, select(store, home, MODEL, Criteria(matching="council")))
    return store


@pytest.fixture
def given(tmp_path: Path) -> Path:
    file = tmp_path / "again.jsonl"
    file.write_text(json.dumps(RECORD) + "\n", encoding="utf-8")
    return file


def test_what_is_let_in_again_is_not_taken_out_by_a_restore(
    cleaned: Store, home: Home, settings: Settings, given: Path, tmp_path: Path
) -> None:
    assert let_in_again(cleaned, home, MODEL, given, ReadingOptions()) == 1
    assert take_posted(cleaned, MODEL, [RECORD]).accepted == 1
    file = make_backup(cleaned, home, settings, tmp_path / "b.tar.gz").file
    cleaned.close()
    assert restore(file, home).removed == 0
    with Store(home.database) as restored:
        assert restored.feedback.count(MODEL) == 1


def test_letting_in_again_is_finished_after_a_kill(
    cleaned: Store, home: Home, given: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(type(cleaned.removals), "forget", killed)
        with pytest.raises(Killed):
            let_in_again(cleaned, home, MODEL, given, ReadingOptions())
    assert let_in_again(cleaned, home, MODEL, given, ReadingOptions()) == 1
    assert read_removed(home)[MODEL] == frozenset()
    assert cleaned.removals.hashes(MODEL) == frozenset()


def test_a_database_that_is_made_anew_knows_what_was_taken_back(cleaned: Store, home: Home) -> None:
    cleaned.close()
    home.database.unlink()
    Store(home.database).close()  # made by a command that does not look
    with open_store(home) as anew:
        assert take_posted(anew, MODEL, [RECORD]).removed == 1
        assert anew.feedback.count(MODEL) == 0


def test_prompts_that_were_taken_back_do_not_come_back(
    store: Store, home: Home, settings: Settings, given: Path, tmp_path: Path
) -> None:
    home.config_file.write_text(f'runtime = "embedded"\n{CONFIG}', encoding="utf-8")
    given.write_text('{"prompt": "Who met?"}\n{"prompt": "Who else?"}\n', encoding="utf-8")
    import_prompts(store, MODEL, str(given), None)
    file = make_backup(store, home, settings, tmp_path / "b.tar.gz").file
    take_posted(store, MODEL, [RECORD])
    remove(store, home, settings, MODEL, select(store, home, MODEL, Criteria(matching="council")))
    store.close()
    restore(file, home)
    with Store(home.database) as restored:
        assert [each.messages[0]["content"] for each in restored.prompts.newest(MODEL, -1)] == ["Who else?"]
    assert b"Who met?" not in home.database.read_bytes()
