"""Rubrics of each task, and a person's own."""

from pathlib import Path

import pytest

from adapterd.config import Task
from adapterd.errors import InputError
from adapterd.evaluation.judging.rubric import MOST_BYTES, default_rubric, read_rubric


@pytest.mark.parametrize("task", Task)
def test_every_task_has_a_rubric_that_a_person_could_have_written(task: Task, tmp_path: Path) -> None:
    file = tmp_path / "own.md"
    file.write_text(default_rubric(task), encoding="utf-8")
    assert read_rubric(file) == default_rubric(task)
    assert default_rubric(task).startswith("# ")


def test_own_rubric_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "own.md"
    file.write_bytes("﻿\n# Gut\n".encode())
    assert read_rubric(file) == "# Gut"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"), (b" \n", "is empty"), (b"\xff\xfe\x00", "no text in UTF-8"), (b"a\0b", "null character"),
        (b"x" * (MOST_BYTES + 1), f"more than {MOST_BYTES} bytes"),
    ],
)  # fmt: skip
def test_rubric_that_cannot_be_used_is_refused_with_what_to_do(content: bytes, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "own.md"
    file.write_bytes(content)
    with pytest.raises(InputError, match=complaint) as caught:
        read_rubric(file)
    assert caught.value.hint


def test_missing_rubric_and_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.md", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_rubric(path)
