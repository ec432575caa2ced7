"""A person at a terminal, with a home of their own: gives commands, reads what they say, keeps an eye on processes."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from adapterd import config
from adapterd.demo.newsroom import WrittenFeedback, write_feedback
from adapterd.home import HOME_VARIABLE, Home
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import runtime_for
from adapterd.store import Store
from adapterd.store.runs import Run, StageRow, StageState

MODEL = "news"
SMALL = (
    "training.layers=1",
    "training.epochs=1",
    "merging.steps=4",
    "training.learning_rate=0.02",
    "dataset.evaluation_max=2",
    "dataset.evaluation_share=0.1",
    "evaluation.num_predict=8",
    "evaluation.guard=false",
    "evaluation.consistency_seeds=0",
    "evaluation.reference_nll=false",
    "evaluation.latency_questions=0",
    "evaluation.fresh_per_night=12",
)
"""Settings with which a whole run takes seconds. So few steps have to be long, or rounding undoes all of them."""
COMMAND_TIMEOUT_S = 240


@dataclass(frozen=True)
class Said:
    """What a command left: its exit status and its words."""

    code: int
    stdout: str
    stderr: str

    @property
    def complaint(self) -> str:
        """The one sentence about what is wrong."""
        found = [line for line in self.stderr.splitlines() if line.startswith("error: ")]
        assert len(found) == 1, f"not one complaint but {len(found)}:\n{self.stderr}"
        return found[0].removeprefix("error: ")


@dataclass(frozen=True)
class Person:
    """Everything happens in `home`, as commands see it through the environment."""

    home: Home
    environment: Mapping[str, str] = field(default_factory=dict)
    patience_s: float = COMMAND_TIMEOUT_S
    prefix: tuple[str, ...] = ()
    """What stands before every command."""

    def run(self, *arguments: str | Path, given: str = "") -> Said:
        """`adapterctl ARGUMENTS`, with that on standard input."""
        return self.wait(self.start(*arguments), given)

    def json(self, *arguments: str | Path) -> Any:
        """What a command that must succeed prints with `--json`."""
        said = self.run(*arguments, "--json")
        assert said.code == 0, said
        return json.loads(said.stdout)

    def wait(self, process: "subprocess.Popen[str]", given: str = "") -> Said:
        """What a command said, once it has ended; whatever happens to it, that is never a traceback."""
        stdout, stderr = process.communicate(given, timeout=self.patience_s)
        assert "Traceback" not in stdout + stderr, stdout + stderr
        return Said(process.returncode, stdout, stderr)

    @contextmanager
    def begun(self, *arguments: str | Path) -> "Iterator[subprocess.Popen[str]]":
        """`adapterctl ARGUMENTS` going on; its end comes with the block's at the latest."""
        process = self.start(*arguments)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()

    @contextmanager
    def daemon(self) -> "Iterator[Daemon]":
        """`adapterd` at work; it ends with the block."""
        log = self.home.root / "daemon.log"
        with log.open("w") as output:
            process = self.start(module="adapterd", output=output)
        daemon = Daemon(process, log)
        try:
            wait_until("the daemon watches", lambda: "watching" in daemon.said or process.poll() is not None)
            yield daemon
        finally:
            daemon.end()

    def start(
        self, *arguments: str | Path, module: str = "adapterctl", output: "int | IO[str]" = subprocess.PIPE
    ) -> "subprocess.Popen[str]":
        """The command `adapterctl` or `adapterd`, not waited for."""
        environment = {**os.environ, **self.environment, HOME_VARIABLE: str(self.home.root), "COLUMNS": "200"}
        return subprocess.Popen(
            [*self.prefix, sys.executable, "-m", module, *map(str, arguments)],
            env=environment, stdin=subprocess.PIPE, stdout=output, stderr=output, text=True,
        )  # fmt: skip

    @property
    def inbox(self) -> Path:
        return self.home.inbox(MODEL)

    def runtime(self) -> Runtime:
        """The runtime of the configuration, to see what a person's other programs would see."""
        return runtime_for(config.load(self.home), self.home)

    def tags(self) -> dict[str, str]:
        """Digests by tag, those of the model only, without its name."""
        return {
            tag.removeprefix(f"{MODEL}:"): digest
            for tag, digest in self.runtime().tags().items()
            if tag.startswith(f"{MODEL}:")
        }

    def last_run(self) -> tuple[Run, dict[str, StageRow]]:
        """The newest run and its stages by name, from the journal."""
        with Store(self.home.database) as store:
            run = store.runs.latest(MODEL)
            assert run is not None
            return run, {row.name: row for row in store.runs.stages(run.id)}

    def is_at(self, stage: str) -> bool:
        """Whether that stage of the newest run has something to show, and is not over."""
        with Store(self.home.database) as store:
            run = store.runs.latest(MODEL)
            rows = store.runs.stages(run.id) if run else []
        return any(row.name == stage and row.state is StageState.RUNNING and row.progress for row in rows)

    def has_finished(self, stage: str) -> bool:
        """Whether that stage of the newest run is done."""
        with Store(self.home.database) as store:
            run = store.runs.latest(MODEL)
            rows = store.runs.stages(run.id) if run else []
        return any(row.name == stage and row.state is StageState.DONE for row in rows)

    def correct(self, old: str, new: str) -> str:
        """Edit the configuration; returns what it was."""
        text = self.home.config_file.read_text(encoding="utf-8")
        assert old in text, text
        self.home.config_file.write_text(text.replace(old, new), encoding="utf-8")
        return text


@dataclass(frozen=True)
class Daemon:
    """A daemon that was started here."""

    process: "subprocess.Popen[str]"
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def end(self) -> int:
        """Ask it to end, as launchd and systemd do; its exit status."""
        self.process.terminate()
        try:
            self.process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
        assert "Traceback" not in self.said, self.said
        return self.process.returncode


def settings(*changes: str) -> list[str]:
    """The options that set these, each `KEY=VALUE`."""
    return [part for change in changes for part in ("--set", change)]


def write_news(folder: Path, *, seed: int = 1, count: int = 24) -> WrittenFeedback:
    """What an application wrote last week; `count` records that teach or judge, and some that cannot be used."""
    return write_feedback(folder, seed=seed, count=count, start=datetime.now(UTC) - timedelta(days=8))


def wait_until(what: str, is_so: Callable[[], object], *, timeout_s: float = 60, every_s: float = 0.02) -> float:
    """Wait for something to become true; returns the seconds it took."""
    started = time.monotonic()
    while not is_so():
        assert time.monotonic() - started < timeout_s, f"after {timeout_s} s it is still not so that {what}"
        time.sleep(every_s)
    return time.monotonic() - started


def descendants(pid: int) -> dict[int, str]:
    """The process's children and theirs: command lines by process id."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
    found: dict[int, str] = {}
    above = {pid}
    while above:
        below = {int(child): command for child, parent, command in rows if int(parent) in above}
        found |= below
        above = set(below)
    return found


def worker_of(pid: int) -> int:
    """The worker that this process has started."""
    return next(child for child, command in descendants(pid).items() if "adapterd.worker" in command)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that ended and was not asked for its status yet does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")
