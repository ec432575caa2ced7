"""Which files of a folder are to be read, and how files get into it."""

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adapterd.errors import InputError
from adapterd.feedback import inbox as inbox_module
from adapterd.feedback.inbox import MAX_NAME_BYTES, Pending, import_file, pending, write_records
from adapterd.feedback.listing import InboxFile

NOW = 1_000_000.0


def nothing_known(_: str) -> None:
    return None


def look(folder: Path, known: Callable[[str], tuple[int, int] | None] = nothing_known) -> Pending:
    return pending(folder, known, now=NOW, settle_s=1.0)


def names(found: Pending) -> list[str]:
    return [file.path.name for file in found.ready]


def put(path: Path, content: bytes = b"{}\n", *, age_s: float = 60.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    at_ns = int((NOW - age_s) * 1e9)
    os.utime(path, ns=(at_ns, at_ns))
    return path


def test_files_of_every_ending_are_found_in_every_subfolder(tmp_path: Path) -> None:
    for name in ("a.json", "b.jsonl", "c.NDJSON", "deep/er/d.jsonl"):
        put(tmp_path / name)
    assert sorted(names(look(tmp_path))) == ["a.json", "b.jsonl", "c.NDJSON", "d.jsonl"]


@pytest.mark.parametrize(
    "name", [".a.jsonl", "a.jsonl.tmp", "a.partial", ".a.jsonl.x.partial", "a.json~", "~$sheet.xlsx", ".git/a.jsonl"]
)
def test_hidden_and_temporary_files_are_passed_over_without_a_word(tmp_path: Path, name: str) -> None:
    put(tmp_path / name)
    assert look(tmp_path) == Pending((), ())


@pytest.mark.parametrize(
    ("name", "way_on"),
    [
        ("a.parquet", "write it as JSON Lines, with pandas or DuckDB, for instance"),
        ("a.jsonl.txt", "if it holds JSON Lines, rename it to end in .jsonl"),
        ("a.csv.txt", "rename it to end in .csv, or in .tsv if tabs separate its cells"),
        ("a.JSONLINES", "if it holds JSON Lines, rename it to end in .jsonl"),
        ("a.jsonl.zst", "unpack it, or pack it with gzip"),
        ("jsonl", "those that are end in .json, .jsonl, .ndjson, .csv, .tsv, each also with .gz behind it"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_the_way_on(tmp_path: Path, name: str, way_on: str) -> None:
    put(tmp_path / name)
    assert look(tmp_path) == Pending((), (), {f"{tmp_path}/{name}": f"files of this ending are not read; {way_on}"})


def test_a_file_of_another_kind_that_is_still_changing_is_not_refused_yet(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl.being-written")
    assert pending(tmp_path, nothing_known, now=path.stat().st_mtime + 0.5) == Pending((), ())


def test_of_very_many_files_of_other_kinds_the_first_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    for number in range(inbox_module.MAX_PASSED_OVER + 3):
        put(tmp_path / f"{number:03}.txt")
    refused = look(tmp_path).refused
    assert len(refused) == inbox_module.MAX_PASSED_OVER + 1
    assert refused[str(tmp_path)] == "3 more files are not read for their endings"


def test_a_folder_and_a_pipe_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").mkdir()
    os.mkfifo(tmp_path / "b.jsonl")
    assert look(tmp_path) == Pending((), (), {f"{tmp_path}/b.jsonl": "this is a pipe, not a file"})


def test_the_file_that_is_unchanged_for_longest_comes_first(tmp_path: Path) -> None:
    for name, age_s in (("b.jsonl", 10), ("a.jsonl", 30), ("c.jsonl", 20), ("d.jsonl", 20)):
        put(tmp_path / name, age_s=age_s)
    assert names(look(tmp_path)) == ["a.jsonl", "c.jsonl", "d.jsonl", "b.jsonl"]


def test_a_file_is_described_as_it_is_now(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", b"12345", age_s=60)
    assert look(tmp_path).ready == (InboxFile(path, 5, int((NOW - 60) * 1e9)),)


def test_a_file_that_was_changed_just_now_is_not_settled(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", age_s=0.5)
    assert look(tmp_path) == Pending((), (path,))


def test_a_file_from_the_future_is_not_hidden_for_ever(tmp_path: Path) -> None:
    put(tmp_path / "a.jsonl", age_s=-3600)
    assert names(look(tmp_path)) == ["a.jsonl"]


def test_a_file_is_settled_at_once_if_nothing_is_to_be_waited_for(tmp_path: Path) -> None:
    put(tmp_path / "a.jsonl", age_s=0)
    assert names(pending(tmp_path, nothing_known, now=NOW, settle_s=0)) == ["a.jsonl"]


def test_a_file_that_is_known_is_not_pending_until_it_changes(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", b"1")
    known = {file.name: file.stamp for file in look(tmp_path).ready}
    assert look(tmp_path, known.get) == Pending((), ())
    put(path, b"12")
    assert names(look(tmp_path, known.get)) == ["a.jsonl"]
    put(path, b"1", age_s=59)
    assert names(look(tmp_path, known.get)) == ["a.jsonl"]


def test_a_known_file_is_not_unsettled(tmp_path: Path) -> None:
    put(tmp_path / "a.jsonl", age_s=0)
    known = {file.name: file.stamp for file in pending(tmp_path, nothing_known, now=NOW, settle_s=0).ready}
    assert look(tmp_path, known.get) == Pending((), ())


def test_a_link_out_of_the_folder_is_refused_by_name(tmp_path: Path) -> None:
    target = put(tmp_path / "secret" / "a.jsonl")
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "file.jsonl").symlink_to(target)
    found = look(inbox)
    assert (found.ready, found.unsettled, list(found.refused)) == ((), (), [f"{inbox}/file.jsonl"])


def test_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    target = put(tmp_path / "store" / "data.txt")
    (tmp_path / "link.jsonl").symlink_to(target)
    assert names(look(tmp_path)) == ["link.jsonl"]


def test_links_to_nowhere_and_to_themselves_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.jsonl").symlink_to(tmp_path / "loop.jsonl")
    assert look(tmp_path) == Pending((), ())


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    put(tmp_path / "real" / "a.jsonl")
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    assert [file.path for file in look(tmp_path / "link").ready] == [tmp_path / "link" / "a.jsonl"]


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has only names in UTF-8")
def test_a_name_that_is_not_utf8_is_given_in_utf8(tmp_path: Path) -> None:
    put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jsonl")))
    (file,) = look(tmp_path).ready
    assert file.name == f"{tmp_path}/\\xff.jsonl"


def test_written_records_are_a_new_private_file_each_time(tmp_path: Path) -> None:
    one, two = write_records(tmp_path, b"1\n"), write_records(tmp_path, b"2\n")
    assert (one.read_bytes(), two.read_bytes()) == (b"1\n", b"2\n")
    assert stat.S_IMODE(one.stat().st_mode) == 0o600
    assert set(tmp_path.iterdir()) == {one, two}


def test_a_written_file_is_found_by_the_next_scan(tmp_path: Path) -> None:
    written = write_records(tmp_path, b"{}", suffix=".json")
    found = pending(tmp_path, nothing_known, now=written.stat().st_mtime + 2)
    assert [file.path for file in found.ready] == [written]


def test_writing_into_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere cannot be written: No such file or directory"):
        write_records(tmp_path / "nowhere", b"")


def test_an_imported_file_is_a_private_copy_made_once(tmp_path: Path) -> None:
    source = put(tmp_path / "records.jsonl", b'{"a": 1}\n')
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    imported = import_file(inbox, source)
    assert import_file(inbox, source) == imported
    assert imported.read_bytes() == b'{"a": 1}\n'
    assert stat.S_IMODE(imported.stat().st_mode) == 0o600
    assert list(inbox.iterdir()) == [imported]


def test_a_file_of_another_kind_is_not_imported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.xlsx is none of: \.json, \.jsonl, \.ndjson") as caught:
        import_file(tmp_path, put(tmp_path / "a.xlsx"))
    assert caught.value.hint == "save the sheet as CSV in UTF-8"


def test_a_file_that_has_gone_is_not_imported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.jsonl is not there"):
        import_file(tmp_path, tmp_path / "a.jsonl")


def test_an_imported_file_keeps_its_time_which_dates_records_without_one(tmp_path: Path) -> None:
    source = tmp_path / "corrections.jsonl"
    source.write_text("{}\n")
    os.utime(source, (1_700_000_000, 1_700_000_000))
    (tmp_path / "inbox").mkdir()
    assert import_file(tmp_path / "inbox", source).stat().st_mtime == 1_700_000_000


@pytest.mark.parametrize("name", ["ü" * 120 + ".jsonl", "x" * 249 + ".jsonl", ".jsonl" * 40, "x\n.json"])
def test_a_file_is_imported_whatever_its_name(tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    source.touch()
    (tmp_path / "inbox").mkdir()
    imported = import_file(tmp_path / "inbox", source)
    assert imported.suffix == source.suffix
    assert len(os.fsencode(imported.name)) <= len("import-0123456789abcdef-") + MAX_NAME_BYTES
    assert [file.path for file in pending(tmp_path / "inbox", nothing_known, now=0).ready] == [imported]
