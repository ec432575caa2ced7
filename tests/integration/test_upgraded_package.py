"""The package is upgraded under a real daemon: a copy of the sources plays the installation."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import adapterd
from adapterd.store.schema.migrations import MIGRATIONS
from tests.acceptance.person import wait_until

NEWER = "9.0.0"
ENDS_WITHIN_S = 180
"""It waits until an installer must be done; a busy test machine takes longer."""
CONFIG = 'runtime = "embedded"\n[models.news]\nbase = "base.gguf"\nbase_digest = "sha256:aa"\n'


@dataclass
class Installation:
    """The files of a release, and a home."""

    site: Path
    home: Path

    def upgrade(self) -> None:
        """Another version, with one migration more; as an installer does, file by file."""
        migrations = self.site / "adapterd/store/schema/migrations.py"
        text = migrations.read_text().replace(
            "\n)\n\n\ndef statements", '\n    "CREATE TABLE novelties (a);",\n)\n\n\ndef statements'
        )
        migrations.write_text(text)
        init = self.site / "adapterd/__init__.py"
        init.write_text(init.read_text().replace(adapterd.__version__, NEWER))

    def downgrade(self) -> None:
        shutil.rmtree(self.site / "adapterd")
        shutil.copytree(Path(adapterd.__file__).parent, self.site / "adapterd", ignore=IGNORED)

    def command(self, module: str, *arguments: str) -> list[str]:
        return [sys.executable, "-P", "-m", module, *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.site), "ADAPTERD_HOME": str(self.home), "COLUMNS": "200"}

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            self.command("adapterctl", *arguments),
            env=self.environment, capture_output=True, text=True, check=False, timeout=ENDS_WITHIN_S,
        )  # fmt: skip
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return done

    @contextmanager
    def daemon(self, *options: str) -> "Iterator[tuple[subprocess.Popen[bytes], Callable[[], str]]]":
        """`adapterd` at work, and what it has said so far."""
        log = self.home.with_name("daemon.out")
        with log.open("wb") as output:
            process = subprocess.Popen(
                self.command("adapterd", *options), env=self.environment, stdout=output, stderr=output
            )

        def said() -> str:
            logs = self.home.glob("logs/*.log*")
            return log.read_text() + "".join(file.read_text() for file in logs)

        try:
            yield process, said
        finally:
            process.terminate()
            process.wait(ENDS_WITHIN_S)
        assert "Traceback" not in said(), said()


IGNORED = shutil.ignore_patterns("__pycache__")


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    site, home = tmp_path / "site", tmp_path / "home"
    for package in ("adapterd", "adapterctl"):
        source = Path(adapterd.__file__).parents[2] / ("daemon" if package == "adapterd" else "cli") / package
        shutil.copytree(source, site / package, ignore=IGNORED)
    home.mkdir(mode=0o700)
    (home / "config.toml").write_text(CONFIG)
    return Installation(site, home)


@pytest.mark.parametrize("options", [(), ("--service",)])
def test_the_daemon_ends_so_that_its_manager_starts_the_new_release(
    installation: Installation, options: tuple[str, ...]
) -> None:
    with installation.daemon(*options) as (process, said):
        wait_until("it watches", lambda: "watching" in said(), timeout_s=ENDS_WITHIN_S)
        installation.upgrade()
        status = installation.run("status").stdout
        assert f"the daemon is adapterd {adapterd.__version__}, this is {NEWER}" in status
        assert installation.run("status", "--check").returncode == 10
        assert f"this is {NEWER}" in installation.run("doctor").stdout
        assert process.wait(ENDS_WITHIN_S) == 75
        assert said().count(f"adapterd {NEWER} was installed while {adapterd.__version__} runs") >= 1
        assert "run begins" not in said()
    with installation.daemon(*options) as (process, said):  # as its manager does
        wait_until("it watches", lambda: "watching" in said(), timeout_s=ENDS_WITHIN_S)
        assert f"the daemon is adapterd {NEWER}" not in installation.run("status").stdout


def test_after_a_downgrade_a_sentence_names_both_and_the_way_out(installation: Installation) -> None:
    installation.upgrade()
    assert installation.run("history").returncode == 0  # migrates
    installation.downgrade()
    for command in (("status",), ("retrain",), ("history",), ("feedback", "list"), ("gc",)):
        done = installation.run(*command)
        assert done.returncode == 9, done
        assert f"was written by adapterd {NEWER} (schema {len(MIGRATIONS) + 1}" in done.stderr
        assert f"install adapterd {NEWER} again, or put back a backup" in done.stderr
    with installation.daemon() as (process, said):
        assert process.wait(ENDS_WITHIN_S) == 9
        assert f"was written by adapterd {NEWER}" in said()
    with installation.daemon("--service") as (process, said):
        wait_until("it waits", lambda: "nothing is done until this is put right" in said(), timeout_s=ENDS_WITHIN_S)
        assert process.poll() is None
        installation.upgrade()
        assert process.wait(ENDS_WITHIN_S) == 9  # and is started again
        assert said().count("nothing is done until") == 1
