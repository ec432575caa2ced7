"""Settings as people look them up: each is documented at its field, and the generated page says the same."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest

from adapterd import config
from adapterd.config import Settings, settings_converter, to_table
from adapterd.config.effective import entries, path_of, require_setting
from adapterd.config.reference import all_settings, setting_at
from adapterd.errors import NotFoundError
from tests.support.generated_pages import is_up_to_date

ROOT = Path(__file__).parent.parent.parent.parent
WRITTEN = {"models": {"m": {"base": "b", "base_digest": "d", "gates": {"f1": {"min": 0.5}}}, "n.1": {}}}
SETTINGS = config.parse('[models.m]\nbase = "b"\nbase_digest = "d"\ngates.f1.min = 0.5\n')


@pytest.mark.parametrize("setting", all_settings(), ids=lambda setting: setting.key)
def test_each_setting_has_one_plain_sentence(setting: config.reference.Setting) -> None:
    sentence = setting.doc.sentence
    assert 10 < len(sentence) <= 100
    assert not sentence.endswith(".")
    assert not set(sentence) & set("\n`|[]")


@pytest.mark.parametrize("setting", all_settings(), ids=lambda setting: setting.key)
def test_a_setting_without_a_value_says_what_holds_then(setting: config.reference.Setting) -> None:
    assert bool(setting.doc.unset) is (setting.default in (None, ()) and not setting.required)


@pytest.mark.parametrize("setting", all_settings(), ids=lambda setting: setting.key)
def test_a_page_that_tells_more_is_there(setting: config.reference.Setting) -> None:
    assert not setting.doc.page or (ROOT / "docs" / setting.doc.page).is_file()


def test_no_setting_is_left_out() -> None:
    table = to_table(Settings(models=SETTINGS.models))
    assert {path for path in leaves(table) if not setting_at(path)} == set()


def leaves(table: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if isinstance(table, dict):
        return [leaf for key, inner in table.items() for leaf in leaves(inner, (*path, key))]
    return [path]


@pytest.mark.parametrize("path", [(), ("models",), ("models", "m"), ("models", "m", "gates", "f1"), ("rank",)])
def test_a_section_is_no_setting(path: tuple[str, ...]) -> None:
    assert setting_at(path) is None


def test_the_page_of_all_settings_is_up_to_date() -> None:
    assert is_up_to_date("config_reference.py"), "`make docs` writes it anew"


def test_entries_tell_what_the_file_sets() -> None:
    found = {entry.key: (entry.value, entry.is_set) for entry in entries(SETTINGS, WRITTEN)}
    assert found["models.m.base"] == ("b", True)
    assert found["models.m.gates.f1.min"] == (0.5, True)
    assert found["models.m.training.rank"] == (16, False)
    assert found["models.m.training.epochs"] == (None, False)
    assert found["runs.retries"] == (5, False)


def test_entries_of_a_section_are_those_below_it() -> None:
    assert [entry.key for entry in entries(SETTINGS, WRITTEN, ["ollama"])] == ["ollama.host", "ollama.timeout_s"]


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("models.m.training.rnk", "did you mean models.m.training.rank?"),
        ("training.rank", "a setting of one model: models.NAME.training.rank, or --model NAME"),
        ("qqq", "`adapterctl config show --docs` lists all settings"),
    ],
)
def test_a_key_that_names_nothing_is_refused_with_what_may_be_meant(key: str, hint: str) -> None:
    for look in (lambda: require_setting(path_of(key), WRITTEN), lambda: entries(SETTINGS, WRITTEN, path_of(key))):
        with pytest.raises(NotFoundError, match="no such setting") as caught:
            look()
        assert caught.value.hint == hint


def test_a_section_or_another_model_is_refused_where_a_setting_is_wanted() -> None:
    with pytest.raises(NotFoundError, match=r"models\.m\.training is a section"):
        require_setting(path_of("training", "m"), WRITTEN)
    with pytest.raises(NotFoundError, match="no model named 'x'"):
        require_setting(path_of("training.rank", "x"), WRITTEN)


def test_the_key_of_a_model_may_have_a_dot_in_its_name() -> None:
    assert path_of('models."n.1".training.rank') == path_of("training.rank", "n.1")
    assert require_setting(path_of("training.rank", "n.1"), WRITTEN).default == 16


class Late(StrEnum):
    """A choice that nothing of the product knows."""

    YES = "yes"


@dataclass(frozen=True)
class Section:
    """A section with such a choice."""

    late: Late = Late.YES


def test_a_choice_is_found_by_the_type_of_its_field() -> None:
    read = settings_converter().structure({"late": "yes"}, Section)
    assert read.late is Late.YES
    with pytest.raises(Exception, match="Section"):
        settings_converter().structure({"late": "no"}, Section)
