"""Exported files are whole or not there, and replace nothing by themselves."""

import errno
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapterd.chat import Message, Role
from adapterd.dataset.export import Part, export_format
from adapterd.dataset.statements import resolve
from adapterd.errors import InputError
from adapterd.insight.dataset_export.export import DatasetExport, Exporter
from adapterd.insight.dataset_export.taught import Taught
from adapterd.record import FeedbackRecord

AT = datetime(2026, 1, 1, tzinfo=UTC)
RECORDS = [
    FeedbackRecord((Message(Role.USER, f"What is {number}?"),), correction=f"{number}.", created_at=AT)
    for number in range(3)
]
PARTS = (Part.TRAIN, Part.TRAIN, Part.VALIDATION)


def items() -> Iterator[Taught]:
    for example, part in zip(resolve(RECORDS).examples, PARTS, strict=True):
        yield Taught(example, part)


def interrupted(exc: BaseException) -> Iterator[Taught]:
    """Some records, and then something goes wrong."""
    yield from items()
    raise exc


def export(target: Path, name: str = "openai", *, force: bool = False, own: Path | None = None) -> DatasetExport:
    made = Exporter("m", export_format(name))
    return made.to_place(items(), target, own=[own] if own else [], force=force)


def test_a_folder_has_a_file_for_each_set_that_has_something(tmp_path: Path) -> None:
    made = export(tmp_path / "data", "mlx-lm")
    assert [(each.path and each.path.name, each.records) for each in made.files] == [
        ("train.jsonl", 2),
        ("valid.jsonl", 1),
    ]
    assert sorted(each.name for each in (tmp_path / "data").iterdir()) == ["train.jsonl", "valid.jsonl"]


@pytest.mark.parametrize("name", ["openai", "mlx-lm"])
def test_what_is_there_is_replaced_by_force_only(tmp_path: Path, name: str) -> None:
    export(tmp_path / "data", name)
    (file, *_) = [each.path for each in export(tmp_path / "data", name, force=True).files]
    assert file
    file.write_text("mine")
    with pytest.raises(InputError, match="is there already") as raised:
        export(tmp_path / "data", name)
    assert "--force" in raised.value.hint
    assert file.read_text() == "mine"
    export(tmp_path / "data", name, force=True)
    assert file.read_text() != "mine"


def test_a_file_of_the_folder_that_is_not_written_anew_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/test.jsonl").write_text("mine")
    (tmp_path / "data/notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"test\.jsonl is there already"):
        export(tmp_path / "data", "mlx-lm")
    assert export(tmp_path / "data", "mlx-lm", force=True).kept == (tmp_path / "data/test.jsonl",)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(("place", "name"), [("pipe", "openai"), ("link", "trl"), ("train.jsonl", "mlx-lm")])
def test_a_pipe_or_a_device_stays_one(tmp_path: Path, place: str, name: str, force: bool) -> None:
    os.mkfifo(pipe := tmp_path / place if place != "link" else tmp_path / "behind")
    if place == "link":
        (tmp_path / "link").symlink_to(pipe)
    with pytest.raises(InputError, match="is a device or a pipe"):
        export(tmp_path if name == "mlx-lm" else tmp_path / place, name, force=force)
    assert pipe.is_fifo()


@pytest.mark.parametrize("force", [False, True])
def test_a_file_is_no_folder_and_a_folder_no_file(tmp_path: Path, force: bool) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="is a folder, and one file"):
        export(tmp_path / "folder", force=force)
    with pytest.raises(InputError, match="is a file, and a folder"):
        export(tmp_path / "file", "mlx-lm", force=force)
    (tmp_path / "folder/train.jsonl").mkdir()
    with pytest.raises(InputError, match=r"train\.jsonl is a folder"):
        export(tmp_path / "folder", "mlx-lm", force=force)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_missing_folder_is_named_with_how_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder") as raised:
        export(tmp_path / "none/data.jsonl")
    assert raised.value.hint == f"mkdir -p '{tmp_path / 'none'}'"


def test_nothing_goes_into_a_folder_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "inbox")
    for place in ("inbox/data.jsonl", "link/data.jsonl"):
        with pytest.raises(InputError, match="is in a folder that adapterd reads"):
            export(tmp_path / place, own=tmp_path / "inbox")


@pytest.mark.parametrize("name", ["openai", "mlx-lm"])
@pytest.mark.parametrize("exc", [KeyboardInterrupt(), RuntimeError("lost")])
def test_an_interrupted_export_leaves_nothing(tmp_path: Path, name: str, exc: BaseException) -> None:
    with pytest.raises(type(exc)):
        Exporter("m", export_format(name)).to_place(interrupted(exc), tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_export_leaves_what_was_there(tmp_path: Path) -> None:
    export(tmp_path / "data", "mlx-lm")
    before = {each: each.read_bytes() for each in (tmp_path / "data").iterdir()}
    with pytest.raises(KeyboardInterrupt):
        Exporter("m", export_format("mlx-lm")).to_place(interrupted(KeyboardInterrupt()), tmp_path / "data", force=True)
    assert {each: each.read_bytes() for each in (tmp_path / "data").iterdir()} == before


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, code: int) -> None:
    fault = OSError(code, "the system's words", str(tmp_path / ".data.x.partial"))
    with pytest.raises(InputError, match=r"data cannot be written: the system's words"):
        Exporter("m", export_format("openai")).to_place(interrupted(fault), tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_a_full_device_is_told(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with full.open("wb", buffering=0) as stream, pytest.raises(OSError, match="No space"):
        Exporter("m", export_format("openai")).to_stream(items(), stream)


def test_where_nothing_is_left_no_file_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing of m can be written as trl-preference") as raised:
        export(tmp_path / "data", "trl-preference")
    assert raised.value.hint.startswith("3 examples: nobody named a worse answer")
    with pytest.raises(InputError, match="teaches nothing that is asked for"):
        Exporter("m", export_format("openai")).to_place([], tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_is_for_its_owner_only(tmp_path: Path) -> None:
    (file,) = export(tmp_path / "data.jsonl").files
    assert file.path
    assert file.path.stat().st_mode & 0o777 == 0o600
