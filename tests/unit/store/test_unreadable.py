"""What the daemon cannot read: each path once, with since when, and gone when it can be read again."""

from datetime import timedelta
from pathlib import Path

from adapterd.store import Store
from tests.support.hand_clock import HandClock


def test_what_is_new_and_what_is_gone_is_told_once(tmp_path: Path) -> None:
    clock = HandClock()
    with Store(tmp_path / "state.db", clock=clock) as store:
        begun = clock.now
        assert store.unreadable.replace("m", [("/a", "no", "do"), ("/b", "no", "")]) == (["/a", "/b"], [])
        clock.move_on(60)
        assert store.unreadable.replace("m", [("/a", "not allowed", "do"), ("/c", "no", "")]) == (["/c"], ["/b"])
        found = store.unreadable.all("m")
    assert [(each.path, each.reason, each.since - begun) for each in found] == [
        ("/a", "not allowed", timedelta(0)), ("/c", "no", timedelta(seconds=60)),
    ]  # fmt: skip


def test_models_are_kept_apart_and_nothing_is_written_where_nothing_changes(tmp_path: Path) -> None:
    with Store(tmp_path / "state.db") as store:
        store.unreadable.replace("m", [("/a", "no", "")])
        before = store.execute("PRAGMA data_version").fetchone()[0], store._connection.total_changes
        store.unreadable.replace("m", [("/a", "no", "")])
        store.unreadable.replace("other", [])
        assert (store.execute("PRAGMA data_version").fetchone()[0], store._connection.total_changes) == before
        assert store.unreadable.all("other") == []
