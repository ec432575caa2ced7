"""Changes to the text of the configuration: only what is wanted changes, and all else stays as a person wrote it."""

import tomllib
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.config.keys import join_key, read_value, split_key, write_value
from adapterd.config.toml_edit import with_tables, with_value, without_value
from adapterd.errors import ConfigError, NotFoundError

TEXT = """\
# Ada's own file
runtime = "ollama"      # not "embedded"

[models.news]
base = 'x'   # a tag
base_digest = "d"

# About the training.
[models.news.training]
rank = 8 # enough

# About labels.
[models."a.b"]
base = "y"
base_digest = "d"
# The end.
"""


def changed(old: str, new: str) -> str:
    """The text with one place changed."""
    assert TEXT.count(old) == 1
    return TEXT.replace(old, new)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("runtime", "embedded", changed('runtime = "ollama"', 'runtime = "embedded"')),
        ("models.news.base", "z", changed("base = 'x'", "base = 'z'")),
        ("models.news.base", "it's", changed("base = 'x'", 'base = "it\'s"')),
        ("models.news.training.rank", 16, changed("rank = 8", "rank = 16")),
        (
            "models.news.task",
            "json",
            changed('digest = "d"\n\n# About the', 'digest = "d"\ntask = "json"\n\n# About the'),
        ),
        ("models.news.training.alpha", 4.5, changed("# enough\n", "# enough\nalpha = 4.5\n")),
        ("models.news.schedule.cron", "c", changed("enough\n", 'enough\n\n[models.news.schedule]\ncron = "c"\n')),
        (
            'models."a.b".gates.f1.min',
            0.5,
            changed("# The end.", '\n[models."a.b".gates.f1]\nmin = 0.5\n# The end.'),
        ),
        ("ollama.host", "h", changed("# The end.", '\n[ollama]\nhost = "h"\n# The end.')),
    ],
)
def test_a_value_changes_or_is_added_and_every_comment_stays_at_its_place(key: str, value: Any, expected: str) -> None:
    assert with_value(TEXT, split_key(key), value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", '[models.m]\ntask = "json"\n'),
        ("# only a comment\n", '# only a comment\n[models.m]\ntask = "json"\n'),
        ("[models.m]\nbase = 'b'", "[models.m]\nbase = 'b'\ntask = \"json\"\n"),
        ("[models]\nm.base = 'b'\n", "[models]\nm.base = 'b'\nm.task = \"json\"\n"),
        ("models = {m = {base = 'b'}}\n", "models = {m = {base = 'b',task = \"json\"}}\n"),
        (
            "[models.m.training]\nrank = 1\n[models.m]\nbase = 'b'\n",
            "[models.m.training]\nrank = 1\n[models.m]\nbase = 'b'\ntask = \"json\"\n",
        ),
        ("[models.m]\r\nbase = 'b'\r\n[x]\r\n", "[models.m]\r\nbase = 'b'\r\ntask = \"json\"\r\n[x]\r\n"),
    ],
)  # fmt: skip
def test_a_table_may_be_written_in_many_ways(text: str, expected: str) -> None:
    assert with_value(text, ["models", "m", "task"], "json") == expected


def test_a_first_key_of_the_whole_file_stands_before_all_tables() -> None:
    edited = with_value("[models.m]\nbase = 'b'\n", ["runtime"], "embedded")
    assert edited == "runtime = \"embedded\"\n\n[models.m]\nbase = 'b'\n"


def test_a_removed_setting_takes_its_own_comment_along_and_no_other() -> None:
    assert without_value(TEXT, ["models", "news", "training", "rank"]) == changed("rank = 8 # enough\n", "")


@pytest.mark.parametrize("key", ["models.news.task", "models.news.base.x", "models.other.base", "x"])
def test_a_setting_that_the_file_does_not_have_cannot_be_removed(key: str) -> None:
    with pytest.raises(NotFoundError, match="is not set in the configuration"):
        without_value(TEXT, split_key(key))


def test_a_value_in_the_place_of_a_section_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"models\.m\.x: no such setting"):
        with_value("[models]\nm = 3\n", ["models", "m", "x"], 1)


def test_a_text_that_is_no_toml_is_refused() -> None:
    with pytest.raises(ConfigError, match="not valid TOML"):
        with_value("a = = 1", ["b"], 1)


NAMES = st.sampled_from(["a", "b", "a.b", "a-b", "c d", "ü", "0"])
VALUES = (
    st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text("ab'\"\\\n\tü# =", max_size=8)
)
TABLES = st.recursive(VALUES, lambda inner: st.dictionaries(NAMES, inner, max_size=3), max_leaves=12)


@settings(deadline=None)
@given(st.dictionaries(NAMES, TABLES, max_size=4), st.lists(NAMES, min_size=1, max_size=4), VALUES)
def test_exactly_one_value_is_another_one_afterwards(table: dict[str, Any], path: list[str], value: Any) -> None:
    wanted: Any = tomllib.loads(tomli_w.dumps(table))
    place = wanted
    for part in path[:-1]:
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            with pytest.raises(ConfigError):
                with_value(tomli_w.dumps(table), path, value)
            return
    place[path[-1]] = value
    assert tomllib.loads(with_value(tomli_w.dumps(table), path, value)) == wanted


def test_new_tables_come_last_and_are_commented() -> None:
    added = with_tables(TEXT, {"models": {"c": {"base": "b", "training": {"rank": 4}}}}, lambda path: "/".join(path))
    assert added.startswith(TEXT.rstrip() + "\n\n")
    assert tomllib.loads(added)["models"]["c"] == {"base": "b", "training": {"rank": 4}}
    assert [line.split("  # ")[1] for line in added.removeprefix(TEXT.rstrip()).splitlines() if "=" in line] == [
        "models/c/base", "models/c/training/rank",
    ]  # fmt: skip


@given(st.lists(st.text(max_size=6), min_size=1, max_size=4))
def test_a_key_reads_back_as_it_was_joined(path: list[str]) -> None:
    printable = [part.encode(errors="ignore").decode() for part in path]
    assert split_key(join_key(printable)) == printable


@pytest.mark.parametrize("key", ["a = 1 #", "a.b = 1\nc", "a b", ""])
def test_a_key_with_more_than_a_key_in_it_is_taken_as_it_is(key: str) -> None:
    assert split_key(key) == key.split(".")


@given(VALUES | st.lists(st.text("ab", max_size=3), max_size=3))
def test_a_value_reads_back_as_it_was_written(value: Any) -> None:
    assert read_value(write_value(value)) == value


def test_a_value_with_more_than_a_value_in_it_is_a_string() -> None:
    assert read_value("1\nb = 2") == "1\nb = 2"
