"""kill -9 at random moments over full cycles: of the daemon, of the worker of a stage, and of commands."""

import argparse
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.torture.application import write_lines
from tests.torture.siege import Siege, siege

VICTIMS = {"daemon": 9, "worker": 6, "command": 5}
STAGES = ("dataset", "training", "merging", "serving", "evaluation")
MOMENTS = {"soon": 3, "any": 6, "stage": 5, "change": 6}
"""Right after the last one was overcome, at any time within a cycle, as a stage begins, or as tags are changed."""
SOON_S, STAGE_S, CHANGE_S, COMMAND_S = 2.0, 1.5, 0.03, 1.5
LOOK_CLOSELY_S = 0.002


def add_options(parser: argparse.ArgumentParser) -> None:
    """How often."""
    parser.add_argument("--kills", type=int, default=200, help="how many processes are killed (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """A small model in a real Ollama; the figures of survival."""
    with siege(options) as held:
        while held.kills < options.kills:
            victim = held.random.choices(list(VICTIMS), weights=list(VICTIMS.values()))[0]
            {"daemon": _kill_daemon, "worker": _kill_worker, "command": _kill_command}[victim](held)
        return held.end()


def _kill_daemon(held: Siege) -> None:
    moment = _await_a_moment(held)
    if held.world.keeper.signal(signal.SIGKILL):
        held.recover(f"the daemon was killed ({moment})", time.monotonic())


def _kill_worker(held: Siege) -> None:
    moment = _await_a_moment(held)
    held.comes(held.world.worker, within_s=held.cycle_s)
    worker = held.world.worker()
    with suppress(ProcessLookupError):
        if worker:
            os.kill(worker, signal.SIGKILL)
            held.recover(f"a worker was killed ({moment})", time.monotonic())


def _kill_command(held: Siege) -> None:
    """Kill a command as it works; half of the changes of tags are killed when they have begun."""
    arguments = held.random.choice([_rollback, _promote, _import, _retrain, _collect])(held)
    with held.world.person.begun(*arguments) as process:
        if arguments[0] in ("rollback", "promote") and held.random.random() < 0.5:
            held.comes(
                lambda: held.journal.is_changing() or process.poll() is not None,
                within_s=held.patience_s, every_s=LOOK_CLOSELY_S,
            )  # fmt: skip
            time.sleep(held.random.uniform(0, CHANGE_S))
        else:
            time.sleep(held.random.uniform(0, COMMAND_S))
        is_killed = _kill(process)
    if is_killed:
        held.recover(f"`adapterctl {arguments[0]}` was killed", time.monotonic())
    if arguments[0] == "feedback":
        held.world.person.run(*arguments)  # a person whose command was killed gives it again


def _kill(process: "subprocess.Popen[str]") -> bool:
    if process.poll() is not None:
        return False
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


def _rollback(_: Siege) -> tuple[str | Path, ...]:
    return ("rollback",)


def _promote(held: Siege) -> tuple[str | Path, ...]:
    return ("promote", "--force", "--yes", held.random.choice(held.journal.versions()))


def _import(held: Siege) -> tuple[str | Path, ...]:
    name, line = held.giver.record()
    return ("feedback", "import", write_lines(held.world.folder / f"import-{name}.jsonl", [line]))


def _retrain(_: Siege) -> tuple[str | Path, ...]:
    return ("retrain", "--now")


def _collect(_: Siege) -> tuple[str | Path, ...]:
    return ("gc",)


def _await_a_moment(held: Siege) -> str:
    """Wait for the moment of a kill; returns a word for it."""
    kind = held.random.choices(list(MOMENTS), weights=list(MOMENTS.values()))[0]
    if kind == "stage":
        stage = held.random.choice(STAGES)
        held.comes(lambda: held.journal.is_at(stage), within_s=2 * held.cycle_s)
        time.sleep(held.random.uniform(0, STAGE_S))
        return f"at {stage}"
    if kind == "change":
        held.comes(held.journal.is_changing, within_s=2 * held.cycle_s, every_s=LOOK_CLOSELY_S)
        time.sleep(held.random.uniform(0, CHANGE_S))
        return "as tags changed"
    time.sleep(held.random.uniform(0, SOON_S if kind == "soon" else held.cycle_s))
    return kind
