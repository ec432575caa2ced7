"""With `withdraw_vanished`, files that are deleted are withdrawn, and those of a share that is not there are left."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapterd.home import Home
from adapterd.intake import vanished
from adapterd.intake.ingest import ingest
from adapterd.store import Store

MODEL = "m"
ELSEWHERE = 999_999
"""The number of a device that no folder of a test is on."""


class Share:
    """An inbox of lines and documents; files read from it may have been on a device that is not there any more."""

    def __init__(self, home: Home, store: Store) -> None:
        self.store, self._home = store, home
        self.inbox = home.inbox(MODEL)

    def write(self, *names: str) -> None:
        for name in names:
            path = self.inbox / name
            path.parent.mkdir(parents=True, exist_ok=True)
            line = json.dumps({"prompt": f"Who wrote {name}?", "correction": "Yes."})
            path.write_text(f"[{line}]" if name.endswith(".json") else line)

    def delete(self, *names: str) -> None:
        for name in names:
            (self.inbox / name).unlink()

    def read(self, *paths: str) -> int:
        """Read what there is, or these paths; returns how many records were withdrawn."""
        looked_at = [str(self.inbox / path) for path in paths] or None
        report = ingest(
            self.store, self._home, MODEL, self.inbox, settle_s=0, withdraw_vanished=True, paths=looked_at
        )  # fmt: skip
        return report.withdrawn

    def was_on(self, device: int, *names: str) -> None:
        """These files of lines were read from another device."""
        for name in names:
            self.store.execute(
                "UPDATE feedback_files SET inode = ? WHERE path = ?", (f"{device}:1", str(self.inbox / name))
            )


@pytest.fixture
def share(tmp_path: Path) -> Iterator[Share]:
    home = Home(tmp_path / "home")
    home.create()
    home.inbox(MODEL).mkdir(parents=True)
    with Store(home.database) as store:
        yield Share(home, store)


@pytest.mark.parametrize("looked_at", [(), ("a.jsonl", "b.jsonl")], ids=["all", "what an event named"])
def test_a_share_that_is_not_mounted_withdraws_nothing(share: Share, looked_at: tuple[str, ...]) -> None:
    share.write("a.jsonl", "b.jsonl")
    share.read()
    share.was_on(ELSEWHERE, "a.jsonl", "b.jsonl")
    share.delete("a.jsonl", "b.jsonl")
    assert share.read(*looked_at) == 0
    share.write("a.jsonl", "b.jsonl")
    assert (share.read(), share.store.feedback.count(MODEL)) == (0, 2)
    share.delete("a.jsonl", "b.jsonl")
    assert share.read() == 2


def test_a_folder_of_the_inbox_that_is_not_mounted_withdraws_nothing(share: Share) -> None:
    share.write("desk.jsonl", "share/a.jsonl", "share/b.jsonl")
    share.read()
    share.was_on(ELSEWHERE, "share/a.jsonl", "share/b.jsonl")
    share.delete("share/a.jsonl", "share/b.jsonl")
    assert share.read() == 0
    (share.inbox / "share").rmdir()
    assert share.read() == 0
    share.delete("desk.jsonl")
    assert share.read() == 1


def test_a_folder_that_is_deleted_withdraws_its_files(share: Share) -> None:
    share.write("desk.jsonl", "week 1/a.jsonl")
    share.read()
    share.delete("week 1/a.jsonl")
    (share.inbox / "week 1").rmdir()
    assert share.read() == 1


def test_a_file_is_withdrawn_where_its_device_has_got_another_number(share: Share) -> None:
    share.write("a.jsonl", "b.jsonl")
    share.read()
    share.was_on(ELSEWHERE, "a.jsonl", "b.jsonl")
    share.delete("a.jsonl")
    assert share.read() == 1


def test_a_document_is_withdrawn_while_another_file_of_its_folder_is_there(share: Share) -> None:
    share.write("a.json", "b.json", "c.jsonl")
    share.read()
    share.delete("a.json")
    assert share.read() == 1
    share.delete("b.json", "c.jsonl")
    assert share.read() == 1  # c.jsonl, whose device is known
    assert share.store.feedback.count(MODEL) == 1


def test_a_document_stays_whose_disk_is_gone_together_with_its_folder(share: Share) -> None:
    share.write("desk.jsonl", "disk/a.json", "disk/deep/b.json")
    share.read()
    share.delete("disk/a.json", "disk/deep/b.json")
    (share.inbox / "disk/deep").rmdir()
    assert share.read() == 0
    (share.inbox / "disk").rmdir()
    assert share.read() == 0
    assert share.store.feedback.count(MODEL) == 3


def test_a_document_is_withdrawn_while_a_file_below_its_folder_is_there(share: Share) -> None:
    share.write("week 1/a.json", "week 1/day 2/b.jsonl")
    share.read()
    share.delete("week 1/a.json")
    assert share.read() == 1


def test_a_file_on_another_disk_below_the_folder_says_nothing_of_a_document(
    share: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    share.write("a.json", "disk/b.jsonl")
    share.read()
    share.delete("a.json")
    real = vanished._device_of

    def device(path: Path) -> int | None:
        return ELSEWHERE if path.name == "b.jsonl" else real(path)

    with monkeypatch.context() as patch:
        patch.setattr(vanished, "_device_of", device)
        assert share.read() == 0
    assert share.read() == 1


def test_many_folders_take_no_quadratic_time(share: Share) -> None:
    names = [f"folder {number}/{{}}" for number in range(3000)]
    there = {str(share.inbox / name.format("b.jsonl")): 7 for name in names}
    started = time.perf_counter()
    found = vanished._folders_of(there)
    assert all((str(share.inbox / Path(name).parent), 7) in found for name in names)
    assert time.perf_counter() - started < 2, "each file for each folder takes half a minute"
