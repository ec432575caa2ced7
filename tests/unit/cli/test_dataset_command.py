"""adapterctl dataset export, and what it wrote given to feedback import."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result

from adapterctl.commands.data.dataset import FOLDERS, FORMATS
from adapterd.chat import Message, Role, as_dicts
from adapterd.dataset.export import EXPORT_FORMATS
from adapterd.dataset.statements import resolve
from adapterd.errors import InputError, NotFoundError
from adapterd.home import Home
from adapterd.record import FeedbackRecord, prompt_hash
from adapterd.store import Store
from adapterd.store.teaching.examples import ExampleState, NewExample
from tests.support.without_rights import without_rights

Command = Callable[..., Result]
MODEL = '[models.{}]\nbase = "tiny:1"\nbase_digest = "sha256:00"\n'
TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Who met?"},
    {"role": "assistant", "content": "Somebody."},
    {"role": "user", "content": "Who?\nΕλλάδα 日本 🙂\u2028"},
]
SAID: list[dict[str, Any]] = [
    {"prompt": "Who met?", "system": "Be brief.", "output": "The mayor.", "correction": "The council."},
    {"prompt": "When?", "output": '{"day": "Monday", "price": 19.90}', "rating": 5},
    {"messages": TURNS, "correction": "<think>\nHm.\n</think>\n\nThe council."},
    {"prompt": "Where?", "output": "There.", "rejected_output": "Here."},
    {"prompt": "Why?", "output": "So.", "rating": 2, "rejected_output": "Because."},
]


@pytest.fixture
def folder(home: Home, adapterctl: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a person is, who has a model with feedback, m, and one without, empty."""
    home.config_file.write_text(MODEL.format("m") + MODEL.format("empty"))
    given = tmp_path / "given.jsonl"
    given.write_text("".join(f"{json.dumps(each)}\n" for each in SAID))
    adapterctl("feedback", "import", str(given), "-m", "m")
    made = tmp_path / "here"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


def taught(home: Home, model: str) -> tuple[set[object], set[object]]:
    """The examples and the pairs of a model."""
    with Store(home.database) as store:
        found = resolve(FeedbackRecord.from_json(row.record) for row in store.feedback.all(model))
    return (
        {(each.messages, each.completion) for each in found.examples},
        {(each.messages, each.chosen, each.rejected, each.imitate) for each in found.pairs},
    )


def test_each_format_can_be_asked_for() -> None:
    assert tuple(each.name for each in EXPORT_FORMATS) == FORMATS
    assert tuple(each.name for each in EXPORT_FORMATS if each.files) == FOLDERS


@pytest.mark.parametrize(
    ("form", "examples", "pairs"),
    [
        ("openai", 3, 0), ("trl", 3, 0), ("sharegpt", 3, 0), ("mlx-lm", 3, 0), ("alpaca", 2, 0),
        ("openai-preference", 2, 2), ("trl-preference", 1, 3),
    ],
)  # fmt: skip
def test_what_is_exported_is_imported_as_the_same(
    adapterctl: Command, home: Home, folder: Path, form: str, examples: int, pairs: int
) -> None:
    adapterctl("dataset", "export", "m", "--format", form, "-o", "made")
    made = folder / "made"
    files = list(made.iterdir()) if made.is_dir() else [made.rename(folder / "made.jsonl")]
    adapterctl("feedback", "import", *map(str, files), "-m", "empty")
    (all_examples, all_pairs), (same_examples, same_pairs) = taught(home, "m"), taught(home, "empty")
    assert (len(same_examples), len(same_pairs)) == (examples, pairs)
    assert same_pairs <= all_pairs
    if form != "openai-preference":  # which has no word for an answer that is better, and not known to be right
        assert same_examples <= all_examples


@pytest.fixture
def made_by_a_teacher(home: Home, folder: Path) -> str:
    """The answer of an example that a teacher made for m, and that is kept."""
    messages = (Message(Role.USER, "Who rang?"),)
    new = NewExample(
        "answer", "big", "qwen3:14b", prompt_hash(messages), as_dicts(messages), "The clerk.", ExampleState.KEPT
    )
    with Store(home.database) as store:
        store.teaching.examples.add("m", new)
    return new.answer


@pytest.mark.parametrize("form", FORMATS)
def test_what_a_teacher_made_is_never_imported_as_what_a_person_said(
    adapterctl: Command, home: Home, folder: Path, made_by_a_teacher: str, form: str
) -> None:
    adapterctl("dataset", "export", "m", "--format", form, "-o", "made")
    made = folder / "made"
    files = list(made.iterdir()) if made.is_dir() else [made.rename(folder / "made.jsonl")]
    is_written = any(made_by_a_teacher in each.read_text() for each in files)
    assert is_written == (form not in ("openai", "openai-preference", "trl-preference"))
    adapterctl("feedback", "import", *map(str, files), "-m", "empty")
    with Store(home.database) as store:
        said = [row.record for row in store.feedback.all("empty")]
    assert said
    assert not any(made_by_a_teacher in each for each in said)


def test_json_counts_what_people_said_and_what_teachers_made(
    as_json: Callable[..., Any], folder: Path, made_by_a_teacher: str
) -> None:
    for words, by in (
        (("trl",), {"people": 3, "teachers": 1}),
        (("trl", "--synthetic", "none"), {"people": 3, "teachers": 0}),
        (("openai",), {"people": 3, "teachers": 0}),
        (("openai", "--synthetic", "any"), {"people": 3, "teachers": 1}),
    ):
        assert as_json("dataset", "export", "m", "-o", "data", "--force", "--format", *words)["by"] == by


def test_the_report_tells_what_teachers_made(adapterctl: Command, folder: Path, made_by_a_teacher: str) -> None:
    assert (
        "m as trl: 4 taught; teachers made 1 of these" in adapterctl("dataset", "export", "m", "--format", "trl").stdout
    )
    assert "1 example: made by teachers, which the format" in adapterctl("dataset", "export", "m").stdout
    said = adapterctl("dataset", "export", "m", "--synthetic", "any", "--force").stdout
    assert "of 1 of these the format has no place to say that teachers made them" in said


def test_the_report_says_what_was_left_out_and_why(adapterctl: Command, folder: Path) -> None:
    *_, said, several, pairs = adapterctl("dataset", "export", "m", "--format", "alpaca").stdout.splitlines()
    assert said == "m as alpaca: 2 taught"
    assert several == "  left out: 1 example: its conversation has several turns, and Alpaca's format has one"
    assert pairs.startswith("  left out: 3 pairs: the format has one answer to a prompt")
    assert (folder / "m.alpaca.jsonl").is_file()


def test_a_better_answer_that_nobody_called_right_is_told_of(adapterctl: Command, folder: Path) -> None:
    for form, is_told in (("openai-preference", True), ("trl-preference", False)):
        said = adapterctl("dataset", "export", "m", "--format", form).stdout
        assert ("of 1 of these nobody said that the better answer is right" in said) == is_told


def test_earlier_answers_are_told_of_where_the_file_does_not_say_it(adapterctl: Command, folder: Path) -> None:
    for form, names in (("sharegpt", "mask_history"), ("mlx-lm", "--mask-prompt"), ("openai", "")):
        last = adapterctl("dataset", "export", "m", "--format", form).stdout.splitlines()[-1]
        assert ("1 of these have earlier answers" in last) == bool(names)
        assert names in last


def test_standard_output_has_records_alone(adapterctl: Command, folder: Path) -> None:
    made = adapterctl("dataset", "export", "m", "--format", "trl", "-o", "-")
    assert [json.loads(line).keys() for line in made.stdout.splitlines()] == [{"prompt", "completion"}] * 3
    assert "m as trl: 3 taught" in made.stderr
    assert list(folder.iterdir()) == []


def test_json_has_files_sets_and_what_was_left_out(as_json: Callable[..., Any], folder: Path) -> None:
    made = as_json("dataset", "export", "m", "--format", "mlx-lm", "-o", "data")
    assert [Path(each["path"]).name for each in made["files"]] == ["train.jsonl", "valid.jsonl"]
    assert sum(made["sets"].values()) == 3
    assert [(each["what"], each["count"]) for each in made["left_out"]] == [("pair", 3)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("m", "--output", "-", "--json"), "cannot both go to standard output"),
        (("m", "--output", "-", "--format", "mlx-lm"), "mlx-lm is a folder"),
        (("m", "--format", "csv"), "'csv' is not one of 'openai', 'openai-preference', 'trl'"),
        (("m", "--set", "test"), "'test' is not one of"),
    ],
)
def test_what_cannot_be_asked_for_is_said(
    adapterctl: Command, folder: Path, words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(click.UsageError) as raised:
        adapterctl("dataset", "export", *words)
    assert message in raised.value.format_message()


def test_faults_name_the_model_the_place_and_what_is_there(adapterctl: Command, home: Home, folder: Path) -> None:
    with pytest.raises(NotFoundError, match="no model named 'other'"):
        adapterctl("dataset", "export", "other")
    with pytest.raises(NotFoundError, match="m has no frozen evaluation set"):
        adapterctl("dataset", "export", "m", "--set", "evaluation")
    with pytest.raises(InputError, match="the feedback of empty teaches nothing"):
        adapterctl("dataset", "export", "empty")
    with pytest.raises(InputError, match="the home of a user who is not known here"):
        adapterctl("dataset", "export", "m", "-o", "~nobody-of-this-name.jsonl")
    with pytest.raises(InputError, match="is in a folder that adapterd reads"):
        adapterctl("dataset", "export", "m", "-o", str(home.inbox("m") / "made.jsonl"))
    adapterctl("dataset", "export", "m")
    with pytest.raises(InputError, match=re.escape("m.openai.jsonl is there already")):
        adapterctl("dataset", "export", "m")
    adapterctl("dataset", "export", "m", "--force")
    assert [each.name for each in folder.iterdir()] == ["m.openai.jsonl"]


def test_the_home_gets_no_file(adapterctl: Command, home: Home, folder: Path) -> None:
    def files() -> set[Path]:
        return {each for each in home.root.rglob("*") if not each.name.startswith("state.db")}

    before = files()
    adapterctl("dataset", "export", "m", "--format", "mlx-lm", "-o", "data")
    assert files() == before


@pytest.mark.parametrize("form", ["openai", "mlx-lm"])
def test_a_folder_that_may_not_be_written_is_named(folder: Path, form: str) -> None:
    folder.chmod(0o500)
    words = ("-m", "adapterctl", "dataset", "export", "m", "--format", form, "-o", "made")
    done = subprocess.run(
        without_rights(sys.executable, *words), env=os.environ, capture_output=True, text=True, check=False
    )
    folder.chmod(0o700)
    assert done.returncode == InputError.exit_code
    assert done.stderr.startswith(f"error: {folder / 'made'} cannot be written: Permission denied")
    assert list(folder.iterdir()) == []
