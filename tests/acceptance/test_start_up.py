"""What every command costs before it does anything, and what every command says of itself."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from adapterctl.main import cli
from adapterd.home import HOME_VARIABLE
from tests.acceptance.person import Person
from tests.support.generated_pages import is_up_to_date

HEAVY = {"mlx", "mlx_lm", "llama_cpp", "numpy", "gguf", "transformers", "ollama"}
NOT_FOR_PROGRAMS = {"adapterctl capture run", "adapterctl config edit", "adapterctl demo"}


def imported(person: Person, *arguments: str) -> set[str]:
    """The top-level packages that a Python process imports until it ends."""
    environment = {**os.environ, HOME_VARIABLE: str(person.home.root)}
    command = [sys.executable, "-X", "importtime", *arguments]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr
    lines = [line for line in told.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


def commands(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(f"{path} {name}", inner)


EVERY_COMMAND = dict(commands("adapterctl", cli))


@pytest.mark.parametrize(
    "arguments", [["--help"], ["status"], ["status", "--json"], ["history"], ["feedback", "list"]], ids=" ".join
)
def test_commands_that_only_look_load_nothing_heavy(person: Person, arguments: list[str]) -> None:
    found = imported(person, "-m", "adapterctl", *arguments)
    assert "adapterctl" in found
    assert found & HEAVY == set()


def test_asking_ollama_loads_nothing_heavy(stranger: Person) -> None:
    found = imported(stranger, "-m", "adapterctl", "status")
    assert "httpx" in found
    assert found & HEAVY == set()


def test_what_leads_a_run_computes_nothing_itself(stranger: Person) -> None:
    found = imported(stranger, "-c", "import adapterd.runs.pipeline")
    assert "adapterd" in found
    assert found & (HEAVY - {"ollama"}) == set(), "what computes is loaded by the process of a stage"


def test_the_daemon_loads_nothing_heavy(stranger: Person) -> None:
    found = imported(stranger, "-c", "import adapterd.supervisor.loop, adapterd.__main__")
    assert "adapterd" in found
    assert found & HEAVY == set()


def test_the_pass_through_loads_nothing_that_it_does_not_use() -> None:
    """Each of these takes memory of a machine on which nothing happens."""
    code = "import adapterd.capture.passthrough.program, sys; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert set(told.stdout.split()) & {"argparse", "httpx", "sqlite3", "adapterd.config"} == set()


def test_the_help_of_a_command_loads_no_more_than_it_shows(stranger: Person) -> None:
    assert imported(stranger, "-m", "adapterctl", "retrain", "--help") & {"httpx", "sqlite3", "cattrs", "rich"} == set()


@pytest.mark.parametrize("path", EVERY_COMMAND)
def test_every_command_says_what_it_is_for(path: str) -> None:
    command = EVERY_COMMAND[path]
    assert (command.help or "").strip()
    undocumented = [
        each.name for each in command.params if isinstance(each, click.Option) and not each.hidden and not each.help
    ]
    assert undocumented == []


@pytest.mark.parametrize(
    "path", [path for path, command in EVERY_COMMAND.items() if not isinstance(command, click.Group)]
)
def test_every_command_but_the_demo_speaks_json(path: str) -> None:
    has_json = any("--json" in option.opts for option in EVERY_COMMAND[path].params)
    assert has_json is (path not in NOT_FOR_PROGRAMS)


@pytest.mark.parametrize("script", ["cli_reference.py", "format_reference.py", "metric_reference.py"])
def test_generated_pages_are_up_to_date(script: str) -> None:
    assert is_up_to_date(script), "`make docs` writes it anew"


def test_the_installed_commands_are_these(stranger: Person) -> None:
    scripts = Path(sys.executable).parent
    shown = subprocess.run([scripts / "adapterctl", "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout == stranger.run("--version").stdout
    assert (scripts / "adapterd").is_file()
