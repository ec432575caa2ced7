"""adapterctl config show, get, set, unset, edit and check."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result

from adapterd.config import RuntimeKind, Task
from adapterd.errors import BusyError, ConfigError, InputError, NotFoundError
from adapterd.home import Home

Command = Callable[..., Result]
TEXT = '# mine\n[models.m]\nbase = "b"\nbase_digest = "d"\n[models."n.1"]\nbase = "c"\nbase_digest = "d"\n'


@pytest.fixture
def home(home: Home) -> Home:
    home.config_file.write_text(TEXT)
    return home


def test_settings_in_force_are_shown_with_where_they_come_from(adapterctl: Command, home: Home) -> None:
    lines = adapterctl("config", "show").stdout.splitlines()
    assert lines[0].split() == ["KEY", "VALUE", "FROM"]
    found = {line.split()[0]: line.split()[1:] for line in lines[1:]}
    assert found["models.m.base"] == ['"b"', "config.toml"]
    assert found['models."n.1".training.rank'] == ["16", "default"]


def test_docs_come_on_demand(adapterctl: Command, home: Home) -> None:
    assert "LoRA rank" not in adapterctl("config", "show", "-m", "m", "training").stdout
    assert "LoRA rank" in adapterctl("config", "show", "-m", "m", "training", "--docs").stdout


def test_programs_get_the_value_as_it_is(as_json: Callable[..., Any], home: Home) -> None:
    entry = as_json("config", "get", "-m", "n.1", "training.rank")
    assert (entry["key"], entry["value"], entry["set"]) == ('models."n.1".training.rank', 16, False)
    shown = as_json("config", "show", "ollama")
    assert [each["key"] for each in shown] == ["ollama.host", "ollama.timeout_s"]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("ollama.host", "http://127.0.0.1:11434\n"), ("models.m.training.rank", "16\n"),
        ("models.m.training.epochs", ""), ("models.m.schedule.on_ac_power", "true\n"),
    ],
)  # fmt: skip
def test_one_value_is_printed_alone(adapterctl: Command, home: Home, key: str, said: str) -> None:
    assert adapterctl("config", "get", key).stdout == said


def test_a_value_is_set_and_unset(adapterctl: Command, home: Home) -> None:
    said = adapterctl("config", "set", "-m", "n.1", "training.rank", "8").stdout
    assert said == 'models."n.1".training.rank = 8\n'
    assert home.config_file.read_text() == TEXT + '\n[models."n.1".training]\nrank = 8\n'
    assert adapterctl("config", "set", "-m", "n.1", "training.rank", "8").stdout.endswith("is 8 already\n")
    assert adapterctl("config", "unset", "-m", "n.1", "training.rank").stdout.endswith("= 16 by default\n")


def test_a_value_may_begin_with_a_hyphen(adapterctl: Command, home: Home) -> None:
    adapterctl("config", "set", "models.m.gates.f1.min_gain", "-0.5")
    assert "min_gain = -0.5" in home.config_file.read_text()


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_value_that_is_no_finite_number_is_refused(adapterctl: Command, home: Home, value: str) -> None:
    with pytest.raises(ConfigError, match=f"models.m.gates.f1.min: {value} is not a finite number"):
        adapterctl("config", "set", "models.m.gates.f1.min", value)
    assert home.config_file.read_text() == TEXT


def test_programs_hear_what_changed(as_json: Callable[..., Any], home: Home) -> None:
    first, again = (as_json("config", "set", "runs.retries", "3") for _ in range(2))
    assert (first["value"], first["changed"], again["changed"]) == (3, True, False)


@pytest.mark.parametrize("arguments", [["get", "x"], ["set", "x", "1"], ["unset", "x"], ["show", "x"]])
def test_a_key_that_names_nothing_is_not_found(adapterctl: Command, home: Home, arguments: list[str]) -> None:
    with pytest.raises(NotFoundError, match="x: no such setting"):
        adapterctl("config", *arguments)
    assert home.config_file.read_text() == TEXT


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has a shell command edit the file that it is given as $1."""

    def use(command: str) -> None:
        script = tmp_path / "editor"
        script.write_text(f"#!/bin/sh\n{command}\n")
        script.chmod(0o700)
        monkeypatch.setenv("VISUAL", str(script))

    return use


def drafts(home: Home) -> list[Path]:
    return sorted(home.root.glob("config-edit-*"))


def test_an_edit_is_checked_and_used(adapterctl: Command, home: Home, editor: Callable[[str], None]) -> None:
    editor('printf "[runs]\\nretries = 1\\n" >> "$1"')
    assert adapterctl("config", "edit").stdout == f"{home.config_file} was changed\n"
    assert home.config_file.read_text() == TEXT + "[runs]\nretries = 1\n"
    assert drafts(home) == []


def test_an_edit_that_changes_nothing_is_told(adapterctl: Command, home: Home, editor: Callable[[str], None]) -> None:
    editor("true")
    assert adapterctl("config", "edit").stdout == "nothing was changed\n"
    assert drafts(home) == []


def test_a_wrong_edit_is_kept_aside(adapterctl: Command, home: Home, editor: Callable[[str], None]) -> None:
    editor('echo "colour = 1" > "$1"')
    with pytest.raises(ConfigError, match="colour: no such setting") as caught:
        adapterctl("config", "edit")
    (draft,) = drafts(home)
    assert str(draft) in caught.value.hint
    assert (draft.read_text(), home.config_file.read_text()) == ("colour = 1\n", TEXT)


def test_an_edit_beside_another_change_is_kept_aside(
    adapterctl: Command, home: Home, editor: Callable[[str], None]
) -> None:
    editor(f'echo "# ours" >> "$1"; echo "# theirs" >> "{home.config_file}"')
    with pytest.raises(BusyError, match="was changed meanwhile"):
        adapterctl("config", "edit")
    assert home.config_file.read_text() == TEXT + "# theirs\n"
    assert [draft.read_text() for draft in drafts(home)] == [TEXT + "# ours\n"]


def test_an_editor_that_fails_is_told_and_a_changed_text_kept(
    adapterctl: Command, home: Home, editor: Callable[[str], None]
) -> None:
    editor("exit 1")
    with pytest.raises(InputError, match="Editing failed"):
        adapterctl("config", "edit")
    assert drafts(home) == []
    editor('echo "# half" >> "$1"; exit 1')
    with pytest.raises(InputError) as caught:
        adapterctl("config", "edit")
    (draft,) = drafts(home)
    assert str(draft) in caught.value.hint


@pytest.mark.parametrize("ending", ["", "; exit 1"])
def test_an_editor_that_removes_its_file_changes_nothing(
    adapterctl: Command, home: Home, editor: Callable[[str], None], ending: str
) -> None:
    editor('rm "$1"' + ending)
    with pytest.raises(InputError, match="Editing failed" if ending else "nothing was changed: the editor removed"):
        adapterctl("config", "edit")
    assert home.config_file.read_text() == TEXT


def test_ctrl_c_in_the_editor_names_the_draft_that_stays(
    adapterctl: Command, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(filename: str) -> None:
        Path(filename).write_text(TEXT + "# precious\n")
        raise KeyboardInterrupt

    monkeypatch.setattr(click, "edit", interrupted)
    with pytest.raises(click.Abort) as caught:
        adapterctl("config", "edit")
    (draft,) = drafts(home)
    assert str(caught.value) == f"your text is kept in {draft}"
    assert draft.read_text() == TEXT + "# precious\n"
    assert home.config_file.read_text() == TEXT


def test_a_configuration_without_faults_passes(adapterctl: Command, home: Home) -> None:
    assert adapterctl("config", "check").stdout == f"{home.config_file}: nothing is wrong\n"


def test_a_home_without_a_configuration_passes(adapterctl: Command, home: Home) -> None:
    home.config_file.unlink()
    assert "defaults hold" in adapterctl("config", "check").stdout


def test_every_fault_is_listed(adapterctl: Command, home: Home, tmp_path: Path) -> None:
    other = tmp_path / "draft.toml"
    other.write_text('colour = 1\nruntime = "docker"\n')
    said = adapterctl("config", "check", str(other))
    assert set(said.stdout.splitlines()) == {
        "colour: no such setting", "runtime: 'docker' is not one of: ollama, embedded",
    }  # fmt: skip
    assert said.exit_code == ConfigError.exit_code
    as_json = adapterctl("config", "check", str(other), "--json")
    assert len(json.loads(as_json.stdout)["faults"]) == 2
    assert as_json.exit_code == ConfigError.exit_code


def test_choices_of_init_are_those_of_the_settings() -> None:
    from adapterctl.commands.init import init

    choices = {each.name: list(each.type.choices) for each in init.params if isinstance(each.type, click.Choice)}
    assert choices == {"task": list(Task), "runtime": list(RuntimeKind)}
