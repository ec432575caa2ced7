"""The files in a version's folder: what is written is read again, and a file at fault is named with the line."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from adapterd.errors import InputError
from adapterd.formats.evaluation import EVALUATION
from adapterd.formats.json_files import JsonFile, read_json_object
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
    with pytest.raises(InputError, match=f"{tmp_path / file.name} line 1: it has no field '{lacking}'"):
        file.read(tmp_path)


@each_file
def test_file_with_an_unknown_field_is_named_with_the_line(
    tmp_path: Path, file: JsonFile, content: dict[str, Any], later: str
) -> None:
    file.write(tmp_path, {later: None, "surprise": 1} | content)
    with pytest.raises(InputError, match=f"{tmp_path / file.name} line 3: it has the field 'surprise', which is not"):
        file.read(tmp_path)


@pytest.mark.parametrize("file", [LINEAGE, EVALUATION], ids=lambda file: file.name)
@pytest.mark.parametrize("text", ["", "[]", "{", "7"])
def test_file_that_is_no_json_object_is_named(tmp_path: Path, file: JsonFile, text: str) -> None:
    (tmp_path / file.name).write_text(text)
    with pytest.raises(InputError, match=f"{tmp_path / file.name} is not a JSON object"):
        file.read(tmp_path)


def test_evaluation_format_has_the_fields_that_are_written() -> None:
    assert {each.name for each in fields(EvaluationResult)} == {*EVALUATION.required, *EVALUATION.optional}


def test_line_of_a_field_that_is_spelled_with_escapes_is_the_first(tmp_path: Path) -> None:
    (tmp_path / "file.json").write_text('{\n"\\u0061": 1}')
    with pytest.raises(InputError, match="line 1: it has the field 'a'"):
        read_json_object(tmp_path / "file.json", ())


def test_metrics_are_read_line_by_line(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) == []
    (tmp_path / METRICS).write_text('{"step": 1, "loss": 2.5}\n{"step": 2, "loss": null}\n')
    assert read_metrics(tmp_path) == [{"step": 1, "loss": 2.5}, {"step": 2, "loss": None}]


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"step": "one"}'])
def test_line_that_is_no_step_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / METRICS).write_text('{"step": 1}\n' + line)
    with pytest.raises(InputError, match=f"{tmp_path / METRICS} line 2 is not a step of a training"):
        read_metrics(tmp_path)
