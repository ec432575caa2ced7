"""Every change of the configuration file: checked, alone, in one step, and nothing that a person wrote is lost."""

import threading
from pathlib import Path

import pytest

from adapterd import config
from adapterd.config import ModelSettings, RuntimeKind, Settings, TrainingSettings
from adapterd.deployment import config_file
from adapterd.deployment.config_file import (
    Draft,
    add_model,
    change_config,
    faults_of_file,
    find_faults,
    set_setting,
    unset_setting,
)
from adapterd.errors import BusyError, ConfigError, NotFoundError
from adapterd.home import Home
from adapterd.system.locks import exclusive

TEXT = """\
# mine
[models.m]
base = "b"
base_digest = "d"

# at night
[models.m.schedule]
cron = "0 3 * * *"  # quiet
"""
CRON = ("models", "m", "schedule", "cron")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    made.config_file.write_text(TEXT)
    return made


def text_of(home: Home) -> str:
    return home.config_file.read_text()


def test_one_setting_changes_and_comments_stay(home: Home) -> None:
    assert set_setting(home, CRON, "5 4 * * 0")
    assert text_of(home) == TEXT.replace("0 3 * * *", "5 4 * * 0")


def test_the_same_value_again_changes_nothing(home: Home) -> None:
    before = home.config_file.stat()
    assert not set_setting(home, CRON, "0 3 * * *")
    assert home.config_file.stat() == before


def test_a_string_may_look_like_a_number(home: Home) -> None:
    set_setting(home, ("models", "m", "base"), "7")
    assert config.load(home).models["m"].base == "7"


def test_a_default_holds_again(home: Home) -> None:
    unset_setting(home, CRON)
    assert text_of(home) == TEXT.replace('cron = "0 3 * * *"  # quiet\n', "")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (CRON, "at night", r"models\.m\.schedule\.cron: 'at night' is not a cron expression"),
        (("models", "m", "training", "rank"), "0", r"models\.m\.training\.rank: 0 is not between 1 and 1024"),
        (("models", "m", "training", "rank"), "many", r"models\.m\.training\.rank: 'many' is not a whole number"),
        (("runtime",), "docker", "runtime: 'docker' is not one of: ollama, embedded"),
    ],
)
def test_a_wrong_value_is_refused_and_nothing_is_written(
    home: Home, path: tuple[str, ...], value: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        set_setting(home, path, value)
    assert text_of(home) == TEXT


def test_a_setting_of_feedback_finds_its_place_beside_a_folder_that_stood_alone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.config_file.write_text(
        '# ours\n[models.m]\nbase = "b"\nbase_digest = "d"\nfeedback = "/box"  # by hand\ntask = "json"\n'
    )
    set_setting(home, ["models", "m", "feedback", "fields", "rating"], "score")
    set_setting(home, ["models", "m", "feedback", "scale"], "1..10")
    set_setting(home, ["models", "m", "feedback", "ignore"], '["mood"]')
    found = config.load(home).models["m"].feedback
    assert (found.folder, found.fields, found.scale) == (Path("/box"), {"rating": "score"}, "1..10")
    assert found.ignore == {"mood"}
    assert text_of(home).startswith("# ours\n")


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("scale", "big", "'big' is not a scale"),
        ("scale", "10..1", "'10..1' is not a scale"),
        ("fields.ratin", "score", "'ratin' is none of our fields"),
        ("ignore", "mood", "'mood' is not a list of names"),
        ("turns", "first", "'first' is not one of: last, judged"),
    ],
)
def test_a_setting_of_feedback_that_cannot_be_is_refused(home: Home, name: str, value: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        set_setting(home, ["models", "m", "feedback", *name.split(".")], value)


def test_a_required_setting_cannot_be_unset(home: Home) -> None:
    with pytest.raises(ConfigError, match=r"models\.m\.base: is missing"):
        unset_setting(home, ("models", "m", "base"))
    assert text_of(home) == TEXT


def test_a_model_that_is_not_there_has_no_settings(home: Home) -> None:
    with pytest.raises(NotFoundError, match="no model named 'x'"):
        set_setting(home, ("models", "x", "training", "rank"), "8")


def test_a_first_setting_makes_the_file_for_its_owner_only(tmp_path: Path) -> None:
    home = Home(tmp_path / "new")
    set_setting(home, ("ollama", "host"), "http://127.0.0.1:9")
    assert config.load(home).ollama.host == "http://127.0.0.1:9"
    assert home.config_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_the_mode_and_a_link_to_the_file_stay(home: Home, tmp_path: Path, mode: int) -> None:
    real = tmp_path / "dotfiles.toml"
    home.config_file.rename(real)
    real.chmod(mode)
    home.config_file.symlink_to(real)
    set_setting(home, ("runtime",), "embedded")
    assert home.config_file.is_symlink()
    assert 'runtime = "embedded"' in real.read_text()
    assert real.stat().st_mode & 0o777 == mode


def test_one_process_at_a_time_changes_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_file, "TIMEOUT_S", 0.05)
    with (
        exclusive(home.config_lock, timeout_s=1, busy=""),
        pytest.raises(BusyError, match="another process is changing the configuration"),
    ):
        set_setting(home, ("runtime",), "embedded")


def test_changes_at_the_same_time_are_all_there(home: Home) -> None:
    keys = [("runs", "retries"), ("http", "port"), ("ollama", "timeout_s"), ("notifications", "desktop")]
    values = ["7", "0", "9", "true"]
    threads = [
        threading.Thread(target=set_setting, args=(home, key, value)) for key, value in zip(keys, values, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read = config.load(home)
    assert (read.runs.retries, read.http.port, read.ollama.timeout_s, read.notifications.desktop) == (7, 0, 9.0, True)


def test_a_change_by_an_editor_meanwhile_is_not_overwritten(home: Home) -> None:
    def edit(text: str) -> str:
        home.config_file.write_text("# other\n")
        return text.replace("0 3", "0 4")

    with pytest.raises(BusyError, match="was changed meanwhile"):
        change_config(home, edit)
    assert text_of(home) == "# other\n"


def test_all_faults_are_found_at_once() -> None:
    text = TEXT.replace("0 3 * * *", "x") + '[models.n]\nbase = "b"\nbase_digest = "d"\nschedule.cron = "y"\n'
    assert [fault.split(": ")[0] for fault in find_faults(text)] == [
        "models.m.schedule.cron", "models.n.schedule.cron",
    ]  # fmt: skip
    assert len(find_faults('colour = "red"\nruntime = "docker"\n')) == 2
    assert find_faults("a = = 1")[0].startswith("not valid TOML: ")


def test_a_file_that_is_not_text_has_a_fault_and_one_that_is_not_there_has_none(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_bytes(b"\xff")
    assert faults_of_file(tmp_path / "c.toml")[0].startswith("cannot be read: ")
    assert faults_of_file(tmp_path / "none.toml") == []


def test_a_draft_becomes_the_configuration(home: Home) -> None:
    draft = Draft.begin(home)
    assert draft.path.stat().st_mode & 0o777 == 0o600
    draft.path.write_text(TEXT.replace("0 3", "0 4"))
    assert draft.adopt()
    assert text_of(home) == TEXT.replace("0 3", "0 4")
    assert not draft.path.exists()


def test_a_draft_that_nobody_changed_changes_nothing(home: Home, tmp_path: Path) -> None:
    for made in (home, Home(tmp_path / "new")):
        draft = Draft.begin(made)
        assert not draft.adopt()
        assert not draft.path.exists()
    assert not Home(tmp_path / "new").config_file.exists()


@pytest.mark.parametrize("wrong", [b"colour = 'red'\n", b"a = = 1", b"\xff"])
def test_a_draft_with_faults_is_kept_and_named(home: Home, wrong: bytes) -> None:
    draft = Draft.begin(home)
    draft.path.write_bytes(wrong)
    with pytest.raises(ConfigError) as caught:
        draft.adopt()
    assert str(draft.path) in caught.value.hint
    assert draft.path.read_bytes() == wrong
    assert text_of(home) == TEXT


def test_a_draft_of_what_was_changed_meanwhile_is_kept_and_named(home: Home) -> None:
    draft = Draft.begin(home)
    draft.path.write_text(TEXT.replace("# mine", "# ours"))
    set_setting(home, ("runtime",), "embedded")
    other = text_of(home)
    with pytest.raises(BusyError, match="was changed meanwhile") as caught:
        draft.adopt()
    assert str(draft.path) in caught.value.hint
    assert draft.path.read_text() == TEXT.replace("# mine", "# ours")
    assert text_of(home) == other


def test_a_draft_that_is_given_up_is_kept_if_something_was_written(home: Home) -> None:
    untouched, written = Draft.begin(home), Draft.begin(home)
    written.path.write_text("# half of it")
    assert (untouched.give_up(), untouched.path.exists()) == ("", False)
    assert str(written.path) in written.give_up()
    assert written.path.exists()


def test_a_first_model_makes_a_file_in_which_every_line_is_explained(tmp_path: Path) -> None:
    home = Home(tmp_path / "new")
    model = ModelSettings(base="b", base_digest="d", training=TrainingSettings(rank=4))
    add_model(home, Settings(), "m", model)
    lines = [line for line in text_of(home).splitlines() if " = " in line]
    assert lines
    assert [line for line in lines if "  # " not in line] == []
    assert "  # LoRA rank; " in next(line for line in lines if line.startswith("rank = 4"))
    assert config.load(home).models == {"m": model}
    assert "[models.m.dataset]" not in text_of(home)


def test_another_model_comes_last_and_all_else_stays(home: Home) -> None:
    add_model(home, Settings(), "n", ModelSettings(base="b", base_digest="d"))
    assert text_of(home).startswith(TEXT.rstrip() + "\n\n[models.n]\n")
    assert set(config.load(home).models) == {"m", "n"}


def test_the_embedded_runtime_is_written_without_ollama(tmp_path: Path) -> None:
    home = Home(tmp_path / "new")
    add_model(home, Settings(runtime=RuntimeKind.EMBEDDED), "m", ModelSettings(base="b", base_digest="d"))
    assert "[ollama]" not in text_of(home)
    assert config.load(home).runtime is RuntimeKind.EMBEDDED
