"""Ranks write files by the names that rank 0 sends, and only into the folder that is meant."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapterd.errors import StageError
from adapterd.training.distributed.worker import _broadcast_files, checked_names


class Rank1:
    """A rank whose rank 0 sends these."""

    rank = 1

    def __init__(self, *sent: bytes) -> None:
        self._sent = iter(sent)

    def broadcast(self, _: bytes) -> bytes:
        return next(self._sent)


def receive(folder: Path, names: Any, *contents: bytes) -> None:
    _broadcast_files(folder, [], Rank1(json.dumps(names).encode(), *contents))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    ["../x", "..", ".", "", "/etc/x", "a/b", "a\\b", "a\0b", "x" * 256, 7, None, ["x"], "\ud800" * 200],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: Any) -> None:
    with pytest.raises(StageError, match="rank 0 sent names"):
        receive(tmp_path / "dataset", ["train.jsonl", name], b"1", b"2")
    assert list(tmp_path.rglob("*.jsonl")) == []


@pytest.mark.parametrize("names", [{"a": 1}, "train.jsonl", 3, None])
def test_what_is_no_list_is_refused(names: Any) -> None:
    with pytest.raises(StageError, match="rank 0 sent names"):
        checked_names(names)


def test_plain_names_are_written(tmp_path: Path) -> None:
    receive(tmp_path / "dataset", ["train.jsonl", "..a"], b"1", b"2")
    assert (tmp_path / "dataset" / "train.jsonl").read_bytes() == b"1"
    assert (tmp_path / "dataset" / "..a").read_bytes() == b"2"
