"""Training on several machines at once: starts a process on each (`mlx.launch`, over ssh) and hears rank 0."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from adapterd import errors
from adapterd.config import TrainingSettings
from adapterd.errors import StageError
from adapterd.system.python import module_command, safe_environment
from adapterd.training.distributed.worker import Assignment

LAUNCH = "mlx.launch"
HERE = "127.0.0.1"
"""What `mlx.launch` takes for this machine, which needs no ssh."""
SAFE_FOLDER = "/"
"""It is there on every machine, and nobody but its owner can put anything into it."""
_FIRST_PORT, _LAST_PORT = 32_323, 60_000
_END_S = 10.0
_TAIL_BYTES = 400


def train_together(
    gguf: Path,
    dataset: Path,
    settings: TrainingSettings,
    out: Path,
    report: Callable[..., object],
    *,
    base_digest: str,
    states: Path,
    start: Path | None = None,
    context_tokens: int | None = None,
) -> dict[str, Any]:
    """As `train`, by a process on each of `settings.hosts`, of which the first is this machine; the result as plain
    values. `report` gets the share done and, by name, what a TrainingProgress has.

    Raises what any rank raised, StageError where they do not find each other or one of them dies.
    """
    assignment = Assignment.of(gguf, base_digest, context_tokens, dataset, settings, out, states, start)
    with tempfile.TemporaryDirectory(prefix="adapterd-") as name:
        folder = Path(name)
        (folder / "assignment.json").write_text(json.dumps(asdict(assignment)), encoding="utf-8")
        (folder / "hosts.json").write_text(json.dumps(hosts_file(settings.hosts)), encoding="utf-8")
        command = launch_command(folder, free_ports(len(settings.hosts)))
        with (folder / "words").open("w+b") as words:
            launched = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words, text=True, cwd=name,
                env={**safe_environment(), "TMPDIR": name},
            )  # fmt: skip
            try:
                if launched.stdout is None:
                    raise AssertionError("opened with a pipe")
                return _outcome(launched.stdout, report, lambda: _last_words(words))
            finally:
                _end(launched)
                _log(words)


def hosts_file(hosts: Sequence[str]) -> dict[str, Any]:
    """What `mlx.launch --hostfile` reads; the first host is this machine, however often it is named."""
    entries = [{"ssh": HERE if host == hosts[0] else host, "ips": [host]} for host in hosts]
    return {"backend": "ring", "envs": [], "hosts": entries}


def launch_command(folder: Path, port: int) -> list[str]:
    """The command that starts the ranks; adapterd has to be in the same place on every machine.

    Over ssh a rank would begin in a home folder, with that machine's own environment.
    """
    launch = Path(sys.executable).with_name(LAUNCH)
    return [
        str(launch), "--hostfile", str(folder / "hosts.json"), "--starting-port", str(port),
        "--cwd", SAFE_FOLDER, "--env", "PYTHONSAFEPATH=1", "--env", "PYTHONUNBUFFERED=1", "--",
        *module_command("adapterd.training.distributed.worker", folder / "assignment.json"),
    ]  # fmt: skip


def free_ports(count: int) -> int:
    """The first of so many ports in a row that are free here."""
    for first in range(_FIRST_PORT, _LAST_PORT, count):
        if all(map(_is_free, range(first, first + count))):
            return first
    raise StageError(f"there are no {count} free ports in a row")


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        try:
            tried.bind(("", port))
        except OSError:
            return False
    return True


def _outcome(lines: Iterator[str] | Any, report: Callable[..., object], words: Callable[[], str]) -> dict[str, Any]:
    """The result among the lines; raises the first error among them."""
    for line in lines:
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if not isinstance(message, dict):
            continue
        if "progress" in message:
            report(message["progress"].pop("share"), **message["progress"])
        elif "error" in message:
            error = message["error"]
            raise getattr(errors, error["kind"], StageError)(error["message"], hint=error["hint"])
        elif "result" in message:
            result: dict[str, Any] = message["result"]
            return result
    said = words()
    raise StageError(
        f"training on several machines ended without a result{f': {said}' if said else ''}",
        hint="`ssh ADDRESS` has to work without a password for each of training.hosts, with adapterd in the same place",
    )


def _last_words(file: Any) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL_BYTES))
    lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _log(file: Any) -> None:
    """What the ranks wrote that was not for us, to where ours is kept."""
    file.seek(0)
    sys.stderr.write(file.read().decode(errors="replace"))


def _end(launched: "subprocess.Popen[str]") -> None:
    """Wait while the ranks tidy up; when `mlx.launch` goes, those that are left see the end of their input, and go."""
    try:
        launched.wait(_END_S)
    except subprocess.TimeoutExpired:
        launched.terminate()
        launched.wait()
    for pipe in (launched.stdin, launched.stdout):
        if pipe is not None:
            pipe.close()
