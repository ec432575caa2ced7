"""The files in a version's folder: what is written is read again, and a file at fault is named with the line."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from adapterd.errors import InputError
from adapterd.formats.evaluation import EVALUATION
from adapterd.formats.json_files import JsonFile
from adapterd.formats.lineage import LINEAGE
from adapterd.formats.metrics_log import METRICS, read_metrics
from adapterd.runs.tag_evaluation import EvaluationResult

CASES = [
    (LINEAGE, dict.fromkeys(LINEAGE.required, "x") | {"settings": {"rank": 8}, "given": None}, "given"),
    (EVALUATION, dict.fromkeys(EVALUATION.required, "x") | {"left_out": []}, "left_out"),
]
NAMES = ("file", "content", "later")
each_file = pytest.mark.parametrize(NAMES, CASES, ids=[case[0].name for case in CASES])


@each_file
def test_written_file_is_read_again(tmp_path: Path, file: JsonFile, content: dict[str, Any], later: str) -> None:
    assert file.read(tmp_path) is None
    file.write(tmp_path, content)
    assert file.read(tmp_path) == content
    assert (tmp_path / file.name).stat().st_mode & 0o777 == 0o600
    older = {key: value for key, value in content.items() if key != later}
    file.write(tmp_path, older)
    assert file.read(tmp_path) == older


@each_file
def test_file_that_lacks_a_field_is_named(tmp_path: Path, file: JsonFile, content: dict[str, Any], later: str) -> None:
    lacking = next(name for name in content if name != later)
    file.write(tmp_path, {key: value for key, value in content.items() if key != lacking})
    with pytest.raises(InputError, match=f"{tmp_path / file.name}: it has no field '{lacking}'"):
        file.read(tmp_path)


@each_file
def test_file_of_a_newer_release_with_another_field_is_read(
    tmp_path: Path, file: JsonFile, content: dict[str, Any], later: str
) -> None:
    file.write(tmp_path, content | {"newer": 1})
    assert file.read(tmp_path) == content | {"newer": 1}


@pytest.mark.parametrize("file", [LINEAGE, EVALUATION], ids=lambda file: file.name)
@pytest.mark.parametrize("text", ["", "[]", "{", "7"])
def test_file_that_is_no_json_object_is_named(tmp_path: Path, file: JsonFile, text: str) -> None:
    (tmp_path / file.name).write_text(text)
    with pytest.raises(InputError, match=f"{tmp_path / file.name} is not a JSON object"):
        file.read(tmp_path)


def test_evaluation_format_has_the_fields_that_are_written() -> None:
    assert {each.name for each in fields(EvaluationResult)} == {*EVALUATION.required, *EVALUATION.optional}


def test_metrics_are_read_line_by_line(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) == []
    lines = [
        '{"step": 1, "loss": 2.5, "validation_loss": null}',
        '{"step": 2, "loss": null, "validation_loss": 2, "end_of_turn_loss": 0.5}',
    ]
    (tmp_path / METRICS).write_text("\n".join(lines))
    assert read_metrics(tmp_path) == [
        {"step": 1, "loss": 2.5, "validation_loss": None, "end_of_turn_loss": None},
        {"step": 2, "loss": None, "validation_loss": 2, "end_of_turn_loss": 0.5},
    ]


@pytest.mark.parametrize(
    "line",
    [
        "{", "[]", "{}", '{"step": "one", "loss": 1, "validation_loss": 1}', '{"step": 2, "loss": 1}',
        '{"step": 2, "loss": "low", "validation_loss": null}',
        '{"step": 2, "loss": 1, "validation_loss": 1, "end_of_turn_loss": "low"}',
    ],
)  # fmt: skip
def test_line_that_is_no_step_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / METRICS).write_text('{"step": 1, "loss": null, "validation_loss": null}\n' + line)
    with pytest.raises(InputError, match=f"{tmp_path / METRICS} line 2 is not a step of a training"):
        read_metrics(tmp_path)
