"""Distributed training: starts a process on each of `training.hosts` (`mlx.launch`, over ssh) and hears rank 0."""

import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from adapterd.config import TrainingSettings
from adapterd.errors import StageError
from adapterd.serialization import from_plain
from adapterd.system.child.messages import end, last_line, messages, rebuilt
from adapterd.system.python import FOR_SSH, module_command, worker_environment
from adapterd.training.distributed.worker import Assignment
from adapterd.training.progress import Report, TrainingProgress, TrainingResult

LAUNCH = "mlx.launch"
HERE = "127.0.0.1"
"""What `mlx.launch` takes for this machine, which needs no ssh."""
SAFE_FOLDER = "/"
"""It is there on every machine, and nobody but its owner can put anything into it."""
_FIRST_PORT, _LAST_PORT = 32_323, 60_000
_GRACE_S = 10.0
_TAIL_BYTES = 400


def train_distributed(
    gguf: Path,
    dataset: Path,
    settings: TrainingSettings,
    out: Path,
    report: Report,
    *,
    base_digest: str,
    cache: Path,
    start: Path | None = None,
    context_tokens: int | None = None,
) -> TrainingResult:
    """As `train`, by a process on each of `settings.hosts`, of which the first is this machine.

    Raises what any rank raised, StageError where they do not connect or one of them dies.
    """
    assignment = Assignment.of(gguf, base_digest, context_tokens, dataset, settings, out, cache, start)
    with tempfile.TemporaryDirectory(prefix="adapterd-") as name:
        folder = Path(name)
        (folder / "assignment.json").write_text(json.dumps(asdict(assignment)), encoding="utf-8")
        (folder / "hosts.json").write_text(json.dumps(hosts_file(settings.hosts)), encoding="utf-8")
        command = launch_command(folder, free_ports(len(settings.hosts)))
        with (folder / "stderr").open("w+b") as stderr:
            launched = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, cwd=name,
                env={**worker_environment(more=FOR_SSH), "TMPDIR": name}, bufsize=0,
            )  # fmt: skip
            try:
                if launched.stdout is None:
                    raise AssertionError("opened with a pipe")
                return _outcome(launched.stdout, report, stderr)
            finally:
                end(launched, _GRACE_S)  # the ranks clean up; those that are left end with their standard input
                stderr.seek(0)
                _log(stderr.read())


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
    """The first of `count` consecutive ports that are free here."""
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


def _outcome(stdout: IO[bytes], report: Report, stderr: IO[bytes]) -> TrainingResult:
    """The result among the messages of the ranks; raises the first error among them."""
    for message in messages(stdout, _log):
        if "progress" in message:
            report(from_plain(message["progress"], TrainingProgress))
        elif "error" in message:
            raise rebuilt(message["error"])
        elif "result" in message:
            return from_plain(message["result"], TrainingResult)
    said = last_line(stderr, _TAIL_BYTES)
    raise StageError(
        f"training on several machines ended without a result{f': {said}' if said else ''}",
        hint="`ssh ADDRESS` has to work without a password for each of training.hosts, with adapterd in the same place",
    )


def _log(lines: bytes) -> None:
    """What `mlx.launch` and libraries print belongs into this process's own log."""
    sys.stderr.write(lines.decode(errors="replace").removesuffix("\n") + "\n")
