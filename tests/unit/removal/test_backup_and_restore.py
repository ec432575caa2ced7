"""Backups: what is in them, that they are whole, and what putting one back honours."""

import io
import json
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapterd import config
from adapterd.config import Settings
from adapterd.errors import BusyError, InputError, NewerStoreError
from adapterd.home import Home
from adapterd.housekeeping import leftovers
from adapterd.housekeeping.backup import contents, unpack
from adapterd.housekeeping.backup.contents import MANIFEST, copies
from adapterd.housekeeping.backup.make import Backup, make_backup
from adapterd.intake.http_intake import take_posted
from adapterd.intake.ingest import ingest
from adapterd.removal.outliving import read_removed
from adapterd.removal.recovery.restore import is_used, restore
from adapterd.removal.remove import remove
from adapterd.removal.selection import Criteria, select
from adapterd.store import Store
from adapterd.store.judging.verdicts import KeptVerdict
from adapterd.store.reviews.choices import NewChoice, Vote
from adapterd.store.runs import RunState
from adapterd.store.teaching.requests import NewRequest
from adapterd.system import files
from adapterd.system.locks import exclusive

MODEL = "m"
CONFIG = """
runtime = "embedded"
[models.m]
base = "tiny:1"
base_digest = "sha256:00"
[models.m.feedback]
folder = "{home}/feedback/m"
"""
SECRET = "the text that is taken back"
COPY = "feedback-0123456789abcdef0123456789abcdef.jsonl"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    backed_up = Home(tmp_path / "home")
    backed_up.create()
    backed_up.inbox(MODEL).mkdir(parents=True)
    backed_up.config_file.write_text(CONFIG.format(home=backed_up.root), encoding="utf-8")
    return backed_up


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    """Two records, one of them from a copy of ours in the inbox, and a version that is live."""
    lines = [{"prompt": f"Who met {number}?", "correction": SECRET if number else "the council"} for number in range(2)]
    (home.inbox(MODEL) / COPY).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with Store(home.database) as opened:
        ingest(opened, home, MODEL, home.inbox(MODEL), settle_s=0)
        take_posted(opened, MODEL, [{"prompt": "Posted?", "correction": "Yes."}])
        write(home.version(MODEL, "1.0.0") / "lineage.json", "{}")
        write(home.run("r1") / "plan.json", "{}")
        write(home.run("r1") / "records.jsonl", SECRET)
        write(home.root / "cache" / "answers" / "a.json", SECRET)
        write(home.root / "http-token", "t" * 40)
        opened.versions.add(MODEL, "1.0.0", run_id="r1", digest="d1", base_digest="sha256:00")
        opened.versions.deploy(MODEL, "init", live="base", live_digest="d0")
        yield opened


@pytest.fixture
def settings(home: Home) -> Settings:
    return config.load(home)


@pytest.fixture
def backed_up(store: Store, home: Home, settings: Settings, tmp_path: Path) -> Backup:
    (tmp_path / "backups").mkdir()
    return make_backup(store, home, settings, tmp_path / "backups")


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def names(file: Path) -> set[str]:
    with tarfile.open(file) as archive:
        return set(archive.getnames())


def prompts(home: Home) -> list[str]:
    with Store(home.database) as store:
        return [json.loads(row.record)["messages"][0]["content"] for row in store.feedback.all(MODEL)]


def repacked(file: Path, change: Any) -> Path:
    """The backup with its members changed: `change` gets and gives back name and bytes, or None to leave it out."""
    with tarfile.open(file) as archive:
        members = [(each.name, content.read()) for each in archive if (content := archive.extractfile(each))]
    changed = file.with_name("changed.tar.gz")
    with tarfile.open(changed, "w:gz") as archive:
        for name, data in filter(None, (change(*member) for member in members)):
            header = tarfile.TarInfo(name)
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))
    return changed


def test_a_backup_has_what_cannot_be_made_again_and_says_what_it_has_not(backed_up: Backup) -> None:
    assert names(backed_up.file) == {
        "state.db", "config.toml", f"feedback/{MODEL}/{COPY}", f"models/{MODEL}/1.0.0/lineage.json",
        "runs/r1/plan.json", MANIFEST,
    }  # fmt: skip
    assert "Ollama" in backed_up.left_out[0]
    assert backed_up.models[MODEL].versions == ("1.0.0",)
    assert stat.S_IMODE(backed_up.file.stat().st_mode) == 0o600


def test_a_backup_is_made_while_others_write(store: Store, home: Home, settings: Settings, tmp_path: Path) -> None:
    with Store(home.database) as other, other.transaction():
        take_posted(other, MODEL, [{"prompt": "Not yet?", "correction": "No."}])
        store.copy_to(tmp_path / "copy.db")  # what is not committed is not in it
    with Store(tmp_path / "copy.db") as copy:
        assert len(copy.feedback.all(MODEL)) == 3
    restore(make_backup(store, home, settings, tmp_path / "b.tar.gz").file, Home(tmp_path / "other"))
    assert prompts(Home(tmp_path / "other"))[-1] == "Not yet?"


def test_links_are_named_that_a_backup_does_not_follow(
    store: Store, home: Home, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "disk").mkdir()
    (home.root / "models" / "other").symlink_to(tmp_path / "disk")
    made = make_backup(store, home, settings, tmp_path / "b.tar.gz")
    assert made.left_out[-1] == "what links in the home lead to: models/other"


def test_a_backup_whose_copy_of_the_database_went_meanwhile_is_none(
    store: Store, home: Home, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = store.copy_to
    monkeypatch.setattr(store, "copy_to", lambda target, **_how: (real(target), target.unlink()))
    with pytest.raises(InputError, match="is gone"):
        make_backup(store, home, settings, tmp_path / "b.tar.gz")
    assert not (tmp_path / "b.tar.gz").exists()


@pytest.mark.parametrize("where", ["there already", "inside of the home", "in no folder"])
def test_a_backup_goes_where_nothing_is_lost_by_it(
    store: Store, home: Home, settings: Settings, tmp_path: Path, where: str
) -> None:
    target = {
        "there already": home.config_file.with_name("x"),
        "inside of the home": home.root,
        "in no folder": tmp_path / "no" / "b",
    }[where]
    if where == "there already":
        target = tmp_path / "there"
        target.write_text("mine")
    with pytest.raises(InputError):
        make_backup(store, home, settings, target)
    assert where != "there already" or target.read_text() == "mine"


def test_a_restored_home_is_as_it_was_and_the_one_of_before_is_kept(
    backed_up: Backup, store: Store, home: Home
) -> None:
    take_posted(store, MODEL, [{"prompt": "Came later?", "correction": "Yes."}])
    store.close()
    done = restore(backed_up.file, home)
    assert prompts(home) == ["Who met 0?", "Who met 1?", "Posted?"]
    assert done.removed == 0
    assert done.aside is not None
    assert prompts(Home(done.aside))[-1] == "Came later?"
    assert (home.root / "http-token").read_text() == "t" * 40  # applications go on
    modes = {
        path.is_dir(): stat.S_IMODE(path.stat().st_mode) for path in home.root.rglob("*") if "lock" not in path.name
    }
    assert modes == {True: 0o700, False: 0o600}


def test_what_was_taken_back_since_does_not_come_back(
    backed_up: Backup, store: Store, home: Home, settings: Settings
) -> None:
    remove(store, home, settings, MODEL, select(store, home, MODEL, Criteria(matching=SECRET)))
    store.close()
    done = restore(backed_up.file, home)
    assert done.removed == 1
    assert prompts(home) == ["Who met 0?", "Posted?"]
    holding = [path for path in home.root.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert holding == []
    with Store(home.database) as restored:
        assert ingest(restored, home, MODEL, home.inbox(MODEL), settle_s=0).accepted == 0
        take_posted(restored, MODEL, [{"prompt": "Who met 1?", "correction": SECRET}])
    assert prompts(home) == ["Who met 0?", "Posted?"]


@pytest.mark.parametrize("how", ["damaged", "gone"])
def test_nor_if_the_database_that_knew_of_it_is_lost(
    backed_up: Backup, store: Store, home: Home, settings: Settings, how: str
) -> None:
    remove(store, home, settings, MODEL, select(store, home, MODEL, Criteria(matching=SECRET)))
    store.close()
    home.database.write_bytes(b"this is no database" * 100) if how == "damaged" else home.database.unlink()
    assert restore(backed_up.file, home).removed == 1
    assert prompts(home) == ["Who met 0?", "Posted?"]
    assert read_removed(home)[MODEL]


def test_a_removal_that_a_killed_restore_left_is_finished_by_the_daemon(
    backed_up: Backup, store: Store, home: Home, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from adapterd.removal.recovery import restore as module
    from adapterd.removal.remove import finish_removals

    class Killed(BaseException):
        pass

    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    remove(store, home, settings, MODEL, select(store, home, MODEL, Criteria(matching=SECRET)))
    store.close()
    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(module, "finish_removals", killed)
        restore(backed_up.file, home)
    assert prompts(home) == ["Who met 0?", "Posted?"]  # not used from the first moment on
    with Store(home.database) as restored:
        assert finish_removals(restored, home, settings)
    assert SECRET not in (home.inbox(MODEL) / COPY).read_text()


def test_a_removal_names_the_copies_that_it_does_not_reach(
    backed_up: Backup, store: Store, home: Home, settings: Settings
) -> None:
    report = remove(store, home, settings, MODEL, select(store, home, MODEL, Criteria(matching=SECRET)))
    assert report.copies == (str(backed_up.file),)
    backed_up.file.unlink()
    report = remove(store, home, settings, MODEL, select(store, home, MODEL, Criteria(matching="Posted")))
    assert report.copies == ()


def test_what_was_begun_does_not_go_on_in_a_restored_home(
    store: Store, home: Home, settings: Settings, tmp_path: Path
) -> None:
    store.runs.start("r2", MODEL, reason="", fingerprint="f", last_feedback_id=0)
    store.runs.request(MODEL, "asked")
    store.versions.begin_intent(MODEL, "promote", "1.0.0")
    file = make_backup(store, home, settings, tmp_path / "b.tar.gz").file
    other = Home(tmp_path / "other")
    restore(file, other)
    with Store(other.database) as restored:
        assert restored.runs.get("r2").state is RunState.ABANDONED
        assert restored.runs.waiting_requests() == []
        assert restored.versions.begun_intents(MODEL) == []


def test_a_token_that_was_revoked_since_stays_revoked_and_one_that_was_added_counts(
    store: Store, home: Home, settings: Settings, tmp_path: Path
) -> None:
    store.http_tokens.put("old", "o" * 40)
    file = make_backup(store, home, settings, tmp_path).file
    store.http_tokens.revoke("old")
    store.http_tokens.put("new", "n" * 40)
    restore(file, home)
    with Store(home.database) as restored:
        assert [restored.http_tokens.owner(letter * 40) for letter in "on"] == [None, "new"]
        assert [each.name for each in restored.http_tokens.all()] == ["new", "old"]


@pytest.mark.parametrize("where", ["elsewhere", "over a database that is lost"])
def test_a_token_of_a_backup_does_not_count_where_nobody_knows_whether_it_was_revoked(
    store: Store, home: Home, settings: Settings, tmp_path: Path, where: str
) -> None:
    store.http_tokens.put("old", "o" * 40)
    file = make_backup(store, home, settings, tmp_path).file
    target = Home(tmp_path / "elsewhere") if where == "elsewhere" else home
    home.database.write_bytes(b"")
    restore(file, target)
    with Store(target.database) as restored:
        assert restored.http_tokens.all() == []


def test_what_the_service_starts_is_there_after_a_restore(backed_up: Backup, home: Home) -> None:
    write(home.root / "bin" / "adapterd", "#!/bin/python")
    restore(backed_up.file, home)
    assert (home.root / "bin" / "adapterd").read_text() == "#!/bin/python"


def test_in_another_place_paths_are_those_of_the_new_home(backed_up: Backup, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    restore(backed_up.file, other)
    assert config.load(other).models[MODEL].feedback.folder == other.inbox(MODEL)
    with Store(other.database) as restored:
        files = [row.file for row in restored.feedback.all(MODEL)]
        assert files == [str(other.inbox(MODEL) / COPY)] * 2 + ["http"]
        again = ingest(restored, other, MODEL, other.inbox(MODEL), settle_s=0)
        assert (again.accepted, again.withdrawn) == (0, 0)


def test_numbers_of_versions_that_were_made_since_stay_taken(backed_up: Backup, store: Store, home: Home) -> None:
    write(home.version(MODEL, "1.1.0") / "lineage.json", "{}")
    write(home.version(MODEL, "1.1.0") / "report.html", SECRET)
    store.close()
    restore(backed_up.file, home)
    assert [path.name for path in home.version(MODEL, "1.1.0").iterdir()] == ["lineage.json"]


DAMAGES: dict[str, Any] = {
    "another byte": lambda name, data: (name, data.replace(b"Who met", b"Who ate") if name.endswith(COPY) else data),
    "a file is missing": lambda name, data: None if name.endswith("plan.json") else (name, data),
    "a file too many": lambda name, data: ("runs/r1/other.json" if name.endswith("plan.json") else name, data),
    "no manifest": lambda name, data: None if name == MANIFEST else (name, data),
    "a file outside": lambda name, data: ("models/../../../evil" if name.endswith("plan.json") else name, data),
    "an absolute path": lambda name, data: ("/tmp/evil" if name.endswith("plan.json") else name, data),
    "a foreign name": lambda name, data: ("daemon.lock" if name.endswith("plan.json") else name, data),
}


@pytest.mark.parametrize("change", DAMAGES.values(), ids=DAMAGES)
def test_a_backup_that_is_not_what_was_made_changes_nothing(
    backed_up: Backup, store: Store, home: Home, change: Any
) -> None:
    store.close()
    before = {path for path in home.root.parent.rglob("*") if "lock" not in path.name}
    damaged = repacked(backed_up.file, change)
    with pytest.raises(InputError):
        restore(damaged, home)
    assert {path for path in home.root.parent.rglob("*") if "lock" not in path.name} - {damaged} == before


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_half_a_backup_is_none(backed_up: Backup, tmp_path: Path, share: float) -> None:
    half = tmp_path / "half.tar.gz"
    half.write_bytes(backed_up.file.read_bytes()[: int(backed_up.file.stat().st_size * share)])
    with pytest.raises(InputError, match="no backup of adapterd, or not a whole one"):
        restore(half, Home(tmp_path / "other"))
    assert not (tmp_path / "other").exists()


def test_a_backup_of_a_newer_release_is_refused(
    backed_up: Backup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "MIGRATIONS", ())
    with pytest.raises(NewerStoreError, match="was made by adapterd"):
        restore(backed_up.file, Home(tmp_path / "other"))
    monkeypatch.setattr(contents, "FORMAT", 0)
    with pytest.raises(InputError, match="format 1, this release knows 0"):
        restore(backed_up.file, Home(tmp_path / "other"))


def test_nothing_is_put_back_under_a_daemon(backed_up: Backup, store: Store, home: Home) -> None:
    with exclusive(home.daemon_lock, timeout_s=0, busy=""), pytest.raises(BusyError, match="stop it first"):
        restore(backed_up.file, home)
    assert len(prompts(home)) == 3


def test_a_home_in_which_nothing_was_done_is_not_missed(tmp_path: Path, home: Home) -> None:
    empty = Home(tmp_path / "empty")
    assert not is_used(empty)
    empty.create()
    assert not is_used(empty)
    assert is_used(home)


def test_what_a_killed_restore_or_backup_left_does_not_stay(
    backed_up: Backup, store: Store, home: Home, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    left = home.root.parent / f".{home.root.name}.0123.restoring"
    write(left / "state.db", SECRET)
    write(home.root / ".0123.backup.partial", SECRET)
    store.close()
    restore(backed_up.file, home)
    assert not left.exists()
    with Store(home.database) as restored:
        write(home.root / ".0123.backup.partial", SECRET)
        remove(restored, home, settings, MODEL, select(restored, home, MODEL, Criteria(matching=SECRET)))
    assert not (home.root / ".0123.backup.partial").exists()


KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from adapterd import config
from adapterd.home import Home
from adapterd.housekeeping.backup.make import make_backup
from adapterd.store import Store

home, target = Home(Path(sys.argv[1])), Path(sys.argv[2])

def progress(doing, share):
    if share > 0:
        os.kill(os.getpid(), signal.SIGKILL)

with Store(home.database) as store:
    make_backup(store, home, config.load(home), target, progress)
"""


KILLED_AT_ITS_NAME = """
import os, signal, sys
from pathlib import Path
from adapterd import config
from adapterd.home import Home
from adapterd.housekeeping.backup.make import make_backup
from adapterd.store import Store

home, target, when, replace = Home(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3], Path.replace

def replace_and_die(path, to):
    if Path(to) == target and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    replace(path, to)
    if Path(to) == target:
        os.kill(os.getpid(), signal.SIGKILL)

Path.replace = replace_and_die
with Store(home.database) as store:
    make_backup(store, home, config.load(home), target)
"""


@pytest.mark.parametrize("when", ["before", "behind"])
def test_every_backup_that_is_there_is_known_whenever_it_was_killed(
    store: Store, home: Home, tmp_path: Path, when: str
) -> None:
    target = tmp_path / "monday.tar.gz"
    words = [sys.executable, "-c", KILLED_AT_ITS_NAME, str(home.root), str(target), when]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    assert target.exists() is (when == "behind")
    assert copies(store) == ([str(target)] if when == "behind" else [])


def unfinished(*folders: Path) -> list[str]:
    return sorted(path.name for folder in folders for path in folder.glob(".*.partial*"))


def test_what_a_killed_backup_left_goes_with_the_next_one(
    store: Store, home: Home, settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    words = [sys.executable, "-c", KILLED_WHILE_WRITING, str(home.root), str(folder / "monday.tar.gz")]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    (in_home,) = home.root.glob(".*.backup.partial")
    (left,) = folder.glob(".monday.tar.gz.*")
    (folder / ".somebody-elses.partial").touch()
    make_backup(store, home, settings, folder / "tuesday.tar.gz")
    assert not left.exists()
    assert unfinished(folder) == [".somebody-elses.partial"]
    assert in_home.exists()  # nobody can tell whether it is still written
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leftovers, "DEAD_AFTER", timedelta(0))
        make_backup(store, home, settings, folder / "wednesday.tar.gz")
    assert unfinished(home.root) == []


def test_a_backup_that_is_being_written_is_left_alone_by_another(
    store: Store, home: Home, settings: Settings, tmp_path: Path
) -> None:
    files = [tmp_path / "one.tar.gz", tmp_path / "two.tar.gz"]

    def progress(_doing: str, share: float) -> None:
        if share > 0 and not files[1].exists():
            make_backup(store, home, settings, files[1])

    made = make_backup(store, home, settings, files[0], progress)
    assert made.size_bytes == files[0].stat().st_size > 0
    assert unfinished(tmp_path) == []


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", range(5))
@pytest.mark.parametrize("in_one_step", [True, False])
def test_a_restore_that_is_killed_while_places_are_changed_loses_nothing(
    backed_up: Backup, store: Store, home: Home, settings: Settings, monkeypatch: pytest.MonkeyPatch,
    step: int, in_one_step: bool,
) -> None:  # fmt: skip
    """Killed before the first, second, … of the renames; whatever is removed after that is not removed either."""
    from adapterd.removal.recovery import places

    remove(store, home, settings, MODEL, select(store, home, MODEL, Criteria(matching=SECRET)))
    take_posted(store, MODEL, [{"prompt": "Came later?", "correction": "Yes."}])
    store.close()
    write(home.embedded_store / "tags" / "m" / "latest.json", "{}")
    left, real_rename, real_exchange = [step], Path.rename, files.exchange

    def counted(real: Any, *given: Any) -> Any:
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        return real(*given)

    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(Path, "rename", lambda *given: counted(real_rename, *given))
        patch.setattr(places, "exchange", lambda *given: in_one_step and counted(real_exchange, *given))
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        restore(backed_up.file, home)
    done = restore(backed_up.file, home)
    assert prompts(home) == ["Who met 0?", "Posted?"]
    assert (home.embedded_store / "tags" / "m" / "latest.json").exists()
    assert (home.root / "http-token").read_text() == "t" * 40
    asides = [Home(path) for path in home.root.parent.glob("home.before-restore-*")]
    assert Home(done.aside or home.root) in asides
    assert sum("Came later?" in prompts(aside) for aside in asides) == 1
    assert list(home.root.parent.glob(".home.*")) == []


def test_a_restore_that_is_stopped_by_hand_removes_no_home(
    backed_up: Backup, store: Store, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from adapterd.removal.recovery import places

    store.close()
    real = files.exchange

    def stopped(*given: Path) -> bool:
        real(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(places, "exchange", stopped)
        with pytest.raises(KeyboardInterrupt):
            restore(backed_up.file, home)
    restore(backed_up.file, home)
    assert len(list(home.root.parent.glob("home.before-restore-*"))) == 2


def test_a_restore_revives_no_token(
    backed_up: Backup, store: Store, home: Home, settings: Settings, tmp_path: Path
) -> None:
    store.http_tokens.put("newsroom", "n" * 40)
    store.http_tokens.put("archive", "a" * 40)
    store.http_tokens.put("gone", "g" * 40)
    store.http_tokens.revoke("gone")
    file = make_backup(store, home, settings, tmp_path / "with-tokens.tar.gz").file
    store.http_tokens.revoke("newsroom")
    store.http_tokens.put("later", "l" * 40)
    store.close()
    restore(file, home)
    with Store(home.database) as restored:
        owners = [restored.http_tokens.owner(letter * 40) for letter in "nagl"]
        assert owners == [None, "archive", None, "later"]
    elsewhere = Home(tmp_path / "elsewhere")  # nobody can tell what was revoked since
    notes = restore(file, elsewhere).notes
    assert any("archive, newsroom need new ones" in note for note in notes)
    with Store(elsewhere.database) as restored:
        assert [each.name for each in restored.http_tokens.all()] == ["gone"]


def test_a_restored_home_knows_the_copies_that_were_made_meanwhile(
    backed_up: Backup, store: Store, home: Home, settings: Settings, tmp_path: Path
) -> None:
    later = make_backup(store, home, settings, tmp_path / "later.tar.gz").file
    store.close()
    done = restore(backed_up.file, home)
    with Store(home.database) as restored:
        assert set(contents.copies(restored)) == {str(later), str(backed_up.file), str(done.aside)}


def test_captured_prompts_that_nobody_judged_are_not_in_it(store: Store, home: Home, tmp_path: Path) -> None:
    captured = "a conversation that goes by age"
    for name, vote in (("waits", None), ("alike", Vote.SAME), ("chosen", Vote.OURS)):
        prompt = [{"role": "user", "content": captured if vote is not Vote.OURS else "judged"}]
        new = NewChoice(name, prompt, "1.0.0", "a", "x", "base", "b", "y", ours_first=True)
        assert store.choices.add(MODEL, new, vote)
    for each in store.choices.all(MODEL):
        assert store.judging.keep(MODEL, "judge", KeptVerdict(each.id, 1.0, 1.0))
    request = NewRequest("k", "answer", "big", "big:70b", {"messages": [{"role": "user", "content": captured}]})
    assert store.teaching.requests.begin(MODEL, request)
    made = make_backup(store, home, config.load(home), tmp_path / "backup.tar.gz")
    with tarfile.open(made.file) as archive:
        [name] = [each for each in archive.getnames() if each.endswith(home.database.name)]
        found = archive.extractfile(name)
        assert found
        copy = found.read()
    assert captured.encode() not in copy
    assert b"judged" in copy
    (tmp_path / "copy.db").write_bytes(copy)
    with Store(tmp_path / "copy.db") as opened:
        [chosen] = opened.choices.all(MODEL)
        assert list(opened.judging.of(MODEL, "judge")) == [chosen.id]
    assert len(store.choices.all(MODEL)) == 3  # the home itself keeps them
    assert store.teaching.requests.all(MODEL)
