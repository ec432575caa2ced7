"""What is found in a folder, and what is refused: with real files of every kind."""

import os
import shutil
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from adapterd.errors import InputError
from adapterd.feedback.inbox import pending
from adapterd.feedback.listing import InboxFile, PassedOver, inbox_file, name_of, stamp_of, walk

NOT_FOLLOWED = "the link leads out of the feedback folder, to {}, and is not followed; put a copy there"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def found(inbox: Path) -> dict[str, str]:
    """What there is, by its path in the inbox: `file`, or why it is refused; without what is passed over."""
    prefix = len(str(inbox)) + 1
    there = {path[prefix:]: what for path, what in walk(inbox) if not isinstance(what, PassedOver)}
    return {path: what if isinstance(what, str) else "file" for path, what in there.items()}


def passed_over(inbox: Path) -> list[str]:
    return sorted(Path(path).name for path, what in walk(inbox) if isinstance(what, PassedOver))


@contextmanager
def without_privileges() -> Iterator[None]:
    """Let modes of files bind this process as they bind others, even if it belongs to root."""
    if os.geteuid():
        yield
        return
    try:
        os.seteuid(65534)
    except PermissionError:  # root without capabilities: modes bind it already
        yield
        return
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def closed(path: Path) -> Iterator[None]:
    """Nobody may read it; all above it may be looked into."""
    above = [folder for folder in path.parents if folder.stat().st_uid == os.geteuid() and folder != Path("/")]
    modes = {each: stat.S_IMODE(each.stat().st_mode) for each in (path, *above)}
    for folder in above:
        folder.chmod(0o755)
    path.chmod(0)
    try:
        yield
    finally:
        for each, mode in modes.items():
            each.chmod(mode)


def test_files_of_every_ending_are_found_in_every_folder(inbox: Path) -> None:
    (inbox / "deep" / "er.jsonl").mkdir(parents=True)
    ours = ["a.json", "B.JSONL", "c.ndjson", "deep/er.jsonl/d.json", "e.csv", "f.TSV", "g.jsonl.gz", "h.Csv.GZ"]
    for name in (*ours, "notes.txt", "i.gz", ".hidden.json"):
        (inbox / name).touch()
    (inbox / ".git").mkdir()
    (inbox / ".git" / "a.json").touch()
    assert found(inbox) == dict.fromkeys(ours, "file")
    assert passed_over(inbox) == ["i.gz", "notes.txt"]


def test_a_link_out_of_the_inbox_is_refused(inbox: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jsonl"
    secret.touch()
    (inbox / "a.jsonl").symlink_to(secret)
    (inbox / "b.jsonl").symlink_to("../nowhere")
    assert found(inbox) == {
        "a.jsonl": NOT_FOLLOWED.format(secret),
        "b.jsonl": NOT_FOLLOWED.format(tmp_path / "nowhere"),
    }


def test_a_link_to_a_folder_outside_is_refused(inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.jsonl").touch()
    (inbox / "sub").symlink_to(tmp_path / "folder")
    assert found(inbox) == {"sub": NOT_FOLLOWED.format(tmp_path / "folder")}


def test_a_link_whose_way_leads_out_and_in_again_is_taken(inbox: Path, tmp_path: Path) -> None:
    (inbox / "real.txt").touch()
    (tmp_path / "way").symlink_to(inbox)
    (inbox / "a.jsonl").symlink_to(tmp_path / "way" / "real.txt")
    assert found(inbox) == {"a.jsonl": "file"}


def test_links_of_other_endings_in_circles_and_to_nowhere_are_passed_over(inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    (inbox / "notes.txt").symlink_to(tmp_path / "notes.txt")
    (inbox / "circle").symlink_to("circle")
    (inbox / "circle.jsonl").symlink_to("circle.jsonl")
    (inbox / "gone.jsonl").symlink_to("nowhere")
    (inbox / "itself").symlink_to(inbox)
    (inbox / "z.jsonl").touch()
    assert found(inbox) == {"z.jsonl": "file"}
    assert passed_over(inbox) == ["notes.txt"]


def test_a_pipe_and_a_socket_are_refused_and_never_opened(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(inbox / "pipe.jsonl")
    (inbox / "link.jsonl").symlink_to("pipe.jsonl")
    monkeypatch.chdir(inbox)
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind("socket.jsonl")
        pipe, sock = "this is a pipe, not a file", "this is a socket, not a file"
        assert found(inbox) == {"pipe.jsonl": pipe, "link.jsonl": pipe, "socket.jsonl": sock}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_refused(inbox: Path) -> None:
    try:
        os.mknod(inbox / "null.jsonl", stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("this container makes no devices")
    assert found(inbox) == {"null.jsonl": "this is a device, not a file"}


def test_a_folder_that_may_not_be_listed_is_refused_and_the_others_are_read(inbox: Path) -> None:
    for name in ("a", "closed", "z"):
        (inbox / name).mkdir()
        (inbox / name / "a.jsonl").touch()
    with closed(inbox / "closed"), without_privileges():
        seen = found(inbox)
    assert seen == {
        "a/a.jsonl": "file",
        "z/a.jsonl": "file",
        "closed": "the folder cannot be read: Permission denied",
    }


def test_an_inbox_that_may_not_be_listed_is_named(inbox: Path) -> None:
    with (
        closed(inbox),
        without_privileges(),
        pytest.raises(InputError, match=r"folder .*/inbox cannot be read: Permission denied"),
    ):
        found(inbox)


def test_an_inbox_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "inbox").touch()
    with pytest.raises(InputError, match="/inbox is not a folder"):
        found(tmp_path / "inbox")


@pytest.mark.parametrize("target", [None, "nowhere"])
def test_an_inbox_that_is_missing_or_a_dead_link_is_named(tmp_path: Path, target: str | None) -> None:
    if target:
        (tmp_path / "inbox").symlink_to(target)
    with pytest.raises(InputError, match="/inbox does not exist"):
        found(tmp_path / "inbox")


def test_an_inbox_that_links_to_itself_is_named(tmp_path: Path) -> None:
    (tmp_path / "inbox").symlink_to("inbox")
    with pytest.raises(InputError, match="/inbox cannot be read: Too many levels of symbolic links"):
        found(tmp_path / "inbox")


def test_folders_nested_beyond_every_limit_are_refused_where_the_limit_is(inbox: Path) -> None:
    name, deepest = "d" * 200, inbox
    handle = os.open(inbox, os.O_RDONLY)
    for _ in range(30):
        os.mkdir(name, dir_fd=handle)
        deeper = os.open(name, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = deeper
    os.close(handle)
    (deepest / name / "a.jsonl").touch()
    seen = found(inbox)
    shutil.rmtree(inbox)
    assert seen.pop(f"{name}/a.jsonl") == "file"
    assert set(seen.values()) == {"the folder cannot be read: File name too long"}


def test_folders_may_be_nested_deeper_than_functions(inbox: Path) -> None:
    depth, limit = 300, sys.getrecursionlimit()
    place = inbox.joinpath(*"d" * depth)
    place.mkdir(parents=True)
    (place / "a.jsonl").touch()
    sys.setrecursionlimit(depth)
    try:
        seen = found(inbox)
    finally:
        sys.setrecursionlimit(limit)
    assert list(seen) == ["d/" * depth + "a.jsonl"]


def test_names_with_newlines_and_long_names_are_found(inbox: Path) -> None:
    names = ["a\nb.jsonl", "\x1b[31m.jsonl", "'\"; rm.jsonl", "ü" * 120 + ".jsonl", "x" * 249 + ".jsonl"]
    for name in names:
        (inbox / name).touch()
    assert found(inbox) == dict.fromkeys(names, "file")


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has only names in UTF-8")
def test_a_name_that_is_not_utf8_is_given_in_utf8(inbox: Path) -> None:
    (inbox / os.fsdecode(b"\xff.jsonl")).touch()
    ((path, _),) = walk(inbox)
    assert name_of(path) == f"{inbox}/\\xff.jsonl"


@pytest.mark.parametrize(("seconds", "kept"), [(-(1 << 63), False), (-1, True), (1 << 33, True), (1 << 34, False)])
def test_a_time_that_no_database_takes_is_cut(seconds: int, kept: bool) -> None:
    status = SimpleNamespace(st_size=1, st_mtime_ns=seconds * 10**9)
    size_bytes, mtime_ns = stamp_of(status)  # type: ignore[arg-type]
    assert (size_bytes, abs(mtime_ns) < 1 << 63, mtime_ns == status.st_mtime_ns) == (1, True, kept)


def listed(inbox: Path) -> InboxFile:
    ((path, status),) = ((path, what) for path, what in walk(inbox) if isinstance(what, os.stat_result))
    return inbox_file(path, status)


def read(file: InboxFile) -> bytes:
    with file.open() as stream:
        return stream.read()


def test_a_listed_file_is_opened(inbox: Path) -> None:
    (inbox / "a.jsonl").write_bytes(b"{}")
    assert read(listed(inbox)) == b"{}"


def test_a_listed_link_is_opened(inbox: Path) -> None:
    (inbox / "real.txt").write_bytes(b"{}")
    (inbox / "a.jsonl").symlink_to("real.txt")
    assert read(listed(inbox)) == b"{}"


def test_a_file_that_may_not_be_read_raises(inbox: Path) -> None:
    (inbox / "a.jsonl").touch()
    with closed(inbox / "a.jsonl"), without_privileges(), pytest.raises(PermissionError):
        listed(inbox).open()


def test_a_pipe_that_takes_the_place_of_a_file_does_not_block(inbox: Path) -> None:
    (inbox / "a.jsonl").touch()
    file = listed(inbox)
    file.path.unlink()
    os.mkfifo(file.path)
    with pytest.raises(FileNotFoundError):
        file.open()


def test_a_link_that_takes_the_place_of_a_file_is_not_followed(inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (inbox / "a.jsonl").touch()
    file = listed(inbox)
    file.path.unlink()
    file.path.symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="Too many levels"):
        file.open()


def test_a_link_that_leads_elsewhere_since_is_not_followed(inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (inbox / "real.txt").touch()
    (inbox / "a.jsonl").symlink_to("real.txt")
    file = listed(inbox)
    file.path.unlink()
    file.path.symlink_to(tmp_path / "secret")
    with pytest.raises(FileNotFoundError):
        file.open()


def test_a_file_that_is_replaced_by_another_is_opened(inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.jsonl").write_bytes(b"1")
    file = listed(inbox)
    (tmp_path / "new").write_bytes(b"2")
    (tmp_path / "new").replace(file.path)
    assert read(file) == b"2"


def test_a_link_that_takes_the_place_of_a_folder_is_not_followed(inbox: Path, tmp_path: Path) -> None:
    """Neither of the folder that the file is in, nor of one above it."""
    for name in ("sub", "upper/lower"):
        (inbox / name).mkdir(parents=True)
        (inbox / name / "a.jsonl").write_bytes(b"ours")
        (tmp_path / "outside" / name).mkdir(parents=True)
        (tmp_path / "outside" / name / "a.jsonl").write_bytes(b"secret")
    found = pending(inbox, lambda _: None, now=0.0).ready
    assert [read(file) for file in found] == [b"ours", b"ours"]
    for name in ("sub", "upper"):
        (inbox / name).rename(tmp_path / f"gone-{name}")
        (inbox / name).symlink_to(tmp_path / "outside" / name)
    for file in found:
        with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
            file.open()
