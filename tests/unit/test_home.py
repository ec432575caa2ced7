"""Where everything lives, and that nobody else can read it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest

from adapterd.errors import ConfigError
from adapterd.home import HOME_VARIABLE, Home, make_private


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """The most careless of umasks: modes have to hold without its help."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_variable_moves_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "elsewhere"))
    assert Home.locate().root == tmp_path / "elsewhere"


def test_the_variable_may_begin_with_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv(HOME_VARIABLE, "~/state")
    assert Home.locate().root == Path("/home/ada/state")


def test_a_relative_home_does_not_move_with_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, "state")
    monkeypatch.chdir(tmp_path)
    assert Home.locate().root == tmp_path / "state"


@pytest.mark.parametrize("value", [None, ""])
def test_without_the_variable_the_platform_says_where(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is None:
        monkeypatch.delenv(HOME_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(HOME_VARIABLE, value)
    assert Home.locate().root == platformdirs.user_data_path("adapterd")


def test_everything_is_below_the_root(tmp_path: Path) -> None:
    home = Home(tmp_path)
    places = [
        home.config_file, home.database, home.quarantine, home.logs, home.daemon_lock, home.run_lock, home.tags_lock,
        home.embedded_store, home.inbox("m"), home.run("1"), home.version("m", "1.0.0"),
    ]  # fmt: skip
    assert len(set(places)) == len(places)
    assert all(place.is_relative_to(tmp_path) for place in places)


def test_locating_a_home_creates_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "h"))
    Home.locate()
    assert not (tmp_path / "h").exists()


def test_every_folder_of_a_home_is_its_owners_only(tmp_path: Path) -> None:
    home = Home(tmp_path / "above" / "home")
    home.create()
    folders = [path for path in (tmp_path / "above").rglob("*") if path.is_dir()]
    assert {folder.name for folder in folders} == {"home", "quarantine", "logs", "runs", "models"}
    assert {mode(folder) for folder in [tmp_path / "above", *folders]} == {0o700}


def test_a_home_can_be_created_twice(tmp_path: Path) -> None:
    Home(tmp_path).create()
    Home(tmp_path).config_file.write_text("kept")
    Home(tmp_path).create()
    assert Home(tmp_path).config_file.read_text() == "kept"


def test_a_home_where_a_file_is_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(ConfigError, match="cannot be created") as caught:
        Home(tmp_path / "home").create()
    assert HOME_VARIABLE in caught.value.hint


def test_a_home_below_a_file_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be created"):
        Home(tmp_path / "file" / "home").create()


def test_a_private_folder_is_given_back(tmp_path: Path) -> None:
    assert make_private(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o700, 0o700)


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o755)
    make_private(tmp_path / "shared" / "ours")
    assert (mode(tmp_path / "shared"), mode(tmp_path / "shared" / "ours")) == (0o755, 0o700)
