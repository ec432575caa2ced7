"""adapterctl logs: what the daemon wrote, as a person or a program wants to see it."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from adapterd.home import Home
from adapterd.supervisor.logs import FILE, Line

Command = Callable[..., Result]
AT = datetime(2026, 1, 2, 20, 0, 5, tzinfo=UTC)
LEVELS = ("debug", "info", "warning", "error", "critical")


def line(text: str, level: str = "info", **more: Any) -> str:
    return json.dumps({"at": AT.isoformat(), "level": level, "text": text, **more}) + "\n"


@pytest.fixture
def write_log(home: Home) -> Callable[..., None]:
    """Writes lines as the daemon does."""

    def write(*lines: str) -> None:
        with (home.logs / FILE).open("a") as file:
            file.writelines(lines)

    return write


def words(result: Result) -> list[str]:
    """The last word of each line."""
    return [shown.split()[-1] for shown in result.stdout.splitlines()]


def test_before_the_daemon_ever_ran_nothing_is_shown(adapterctl: Command) -> None:
    result = adapterctl("logs")
    assert (result.exit_code, result.stdout) == (0, "")


@pytest.mark.usefixtures("in_india")
def test_lines_are_shown_oldest_first_in_local_time(adapterctl: Command, write_log: Callable[..., None]) -> None:
    write_log(line("one"), line("two: ü", "warning"))
    assert adapterctl("logs").stdout == "2026-01-03 01:30:05  info     one\n2026-01-03 01:30:05  warning  two: ü\n"


def test_a_trace_stands_below_its_line(adapterctl: Command, write_log: Callable[..., None]) -> None:
    write_log(line("odd", "error", trace="Traceback:\n  here"))
    assert adapterctl("logs").stdout.splitlines()[1:] == ["  Traceback:", "    here"]


def test_trouble_is_coloured(write_log: Callable[..., None]) -> None:
    from adapterctl.commands.logs import logs

    write_log(line("a"), line("b", "warning"), line("c", "error"))
    shown = CliRunner().invoke(logs, [], color=True).stdout.splitlines()
    assert ["\x1b[33m" in each for each in shown] == [False, True, False]
    assert ["\x1b[31m" in each for each in shown] == [False, False, True]


@pytest.mark.parametrize(("level", "shown"), [(None, LEVELS[1:]), ("debug", LEVELS), ("error", LEVELS[3:])])
def test_nothing_less_than_the_level_is_shown(
    adapterctl: Command, write_log: Callable[..., None], level: str | None, shown: tuple[str, ...]
) -> None:
    write_log(*[line(each, each) for each in LEVELS])
    assert words(adapterctl("logs", *(["--level", level] if level else []))) == list(shown)


def test_a_level_that_is_none_is_refused(adapterctl: Command) -> None:
    import click

    with pytest.raises(click.BadParameter, match="loud"):
        adapterctl("logs", "--level", "loud")


def test_only_the_lines_of_a_named_model_are_shown(adapterctl: Command, write_log: Callable[..., None]) -> None:
    write_log(line("a", model="m"), line("b", model="n"), line("c"))
    assert words(adapterctl("logs", "m")) == ["a"]
    assert words(adapterctl("logs")) == ["a", "b", "c"]


@pytest.mark.parametrize(("last", "shown"), [("0", []), ("1", ["c"]), ("5", ["a", "b", "c"])])
def test_as_many_lines_are_shown_as_are_asked_for(
    adapterctl: Command, write_log: Callable[..., None], last: str, shown: list[str]
) -> None:
    write_log(line("a"), line("b"), line("c"))
    assert words(adapterctl("logs", "-n", last)) == shown


def test_lines_that_are_not_shown_do_not_count(adapterctl: Command, write_log: Callable[..., None]) -> None:
    write_log(line("old", "error", model="m"), *[line("talk", "debug")] * 60, *[line("more", model="n")] * 60)
    assert words(adapterctl("logs", "m", "-n", "1")) == ["old"]
    assert words(adapterctl("logs", "--level", "error")) == ["old"]


def test_fifty_lines_are_shown_if_nobody_says_how_many(adapterctl: Command, write_log: Callable[..., None]) -> None:
    write_log(*[line(str(number)) for number in range(80)])
    assert words(adapterctl("logs")) == [str(number) for number in range(30, 80)]


def test_programs_get_an_object_per_line(adapterctl: Command, write_log: Callable[..., None]) -> None:
    write_log(line("a: ü", model="m"), line("b", "error", trace="T"))
    assert [json.loads(shown) for shown in adapterctl("logs", "--json").stdout.splitlines()] == [
        {"at": AT.isoformat(), "level": "info", "text": "a: ü", "model": "m", "trace": None},
        {"at": AT.isoformat(), "level": "error", "text": "b", "model": None, "trace": "T"},
    ]


def test_later_lines_are_shown_after_earlier_ones(
    adapterctl: Command, write_log: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def follow(folder: Path) -> Iterator[Line]:
        yield from (Line(AT, level, level, model="m") for level in LEVELS)

    monkeypatch.setattr("adapterd.supervisor.logs.follow", follow)
    write_log(line("old"))
    assert words(adapterctl("logs", "-f")) == ["old", *LEVELS[1:]]
    assert words(adapterctl("logs", "-f", "m", "--level", "error", "-n", "0")) == ["error", "critical"]
