"""Commands given in a folder of somebody else's: what lies there is data, and nothing of it is ever run."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapterd.home import HOME_VARIABLE
from tests.acceptance.conftest import feed
from tests.acceptance.person import COMMAND_TIMEOUT_S, Person, Said, wait_until
from tests.support.foreign_folder import imported_from, poison

PROGRAMS = Path(sys.executable).parent


@dataclass(frozen=True)
class There:
    """A person in that folder, who gives the commands as they were installed."""

    person: Person
    folder: Path

    def run(self, *command: str | Path) -> Said:
        done = subprocess.run(
            [str(word) for word in command], cwd=self.folder, env=self.environment, capture_output=True, text=True,
            timeout=COMMAND_TIMEOUT_S, check=False,
        )  # fmt: skip
        return Said(done.returncode, done.stdout, done.stderr)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, HOME_VARIABLE: str(self.person.home.root)}

    @contextmanager
    def daemon(self) -> Iterator[None]:
        log = self.person.home.root / "daemon.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [PROGRAMS / "adapterd"], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output,
            )  # fmt: skip
        try:
            wait_until("the daemon watches", lambda: "watching" in log.read_text() or process.poll() is not None)
            yield
        finally:
            process.terminate()
            process.wait()


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    made = tmp_path / "downloads"
    made.mkdir()
    return made


def test_a_run_imports_nothing_from_there(person: Person, tmp_path: Path, downloads: Path) -> None:
    """By hand, by the daemon, and of an adapter that is itself the folder."""
    (tmp_path / "news").mkdir()
    feed(person, tmp_path / "news")
    there = There(person, poison(downloads))
    trained = there.run(PROGRAMS / "adapterctl", "retrain")
    assert (imported_from(downloads), trained.code) == ("", 0), trained

    made = person.home.version("news", person.json("status")["models"][0]["newest"])
    for name in ("adapters.safetensors", "adapter_config.json"):
        shutil.copy(made / name, downloads)
    registered = there.run(PROGRAMS / "adapterctl", "register", ".")
    assert (imported_from(downloads), registered.code) == ("", 0), registered

    with there.daemon():
        followed = there.run(PROGRAMS / "adapterctl", "retrain", "--now", "--follow")
    assert (imported_from(downloads), followed.code) == ("", 0), followed


@pytest.mark.parametrize(
    ("command", "without"),
    [
        (["adapterctl", "status"], ()),
        (["adapterctl", "doctor", "--help"], ()),
        (["adapterd", "--version"], ()),
        ([sys.executable, "-m", "adapterctl", "status"], ("adapterctl",)),
        ([sys.executable, "-m", "adapterd", "--version"], ("adapterd",)),
    ],
    ids=["adapterctl", "help", "adapterd", "-m adapterctl", "-m adapterd"],
)
def test_commands_import_nothing_from_there(
    stranger: Person, downloads: Path, command: list[str], without: tuple[str, ...]
) -> None:
    """Only of a package of our own name `python -m` cannot be kept: it is what was asked for."""
    poison(downloads, without=without)
    done = There(stranger, downloads).run(PROGRAMS / Path(command[0]).name, *command[1:])
    assert (imported_from(downloads), done.code) == ("", 0), done
