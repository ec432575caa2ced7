"""Files of strangers by the ten thousand: GGUF headers, adapters, schemas, chat templates; and text that is shown.

Each is read as the product reads it. What is refused has to be refused by a sentence; a crash, a hang and whatever is
read or written elsewhere are counted. With `--keep` it goes on where it was interrupted.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.torture.alone import alone
from tests.torture.report import say

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("gguf", "adapters", "schemas", "templates", "shown")
AT_ONCE = 1_000
"""So many are tried by one process; then the progress is kept."""
_UNIT = 1 if sys.platform == "darwin" else 1024
"""Of the largest memory that the system tells, in bytes."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """How many."""
    parser.add_argument("--fuzz-strangers", type=int, default=10_000, help="inputs of each kind (default: %(default)s)")
    parser.add_argument("--strangers", nargs="+", choices=KINDS, default=list(KINDS), help="kinds (default: all)")


@dataclass
class Found:
    """Of all that was tried so far."""

    inputs: dict[str, int] = field(default_factory=dict)
    crashes: int = 0
    outside: int = 0
    peak_mb: float = 0.0

    def figures(self) -> dict[str, Any]:
        """As they are kept."""
        return {
            "inputs": sum(self.inputs.values()), "crashes": self.crashes, "peak_mb": round(self.peak_mb, 1),
            "outside": self.outside, "by_kind": self.inputs,
        }  # fmt: skip


def run(options: argparse.Namespace) -> dict[str, Any]:
    """How many there were; `crashes` are faults without a sentence and hangs, `outside` what was reached elsewhere."""
    with ExitStack() as ends:
        folder = options.keep or Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="torture-")))
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / "strangers.json"
        found = Found(**json.loads(kept.read_text())) if kept.exists() else Found()
        (outside := folder / "outside").mkdir(exist_ok=True)
        (canary := outside / "canary").write_text("what nobody but its owner may read")
        before = _state(outside)
        for kind in options.strangers:
            while (done := found.inputs.get(kind, 0)) < options.fuzz_strangers:
                _try(kind, folder, canary, options, found, done)
                kept.write_text(json.dumps(vars(found)))
        if _state(outside) != before:
            say(f"fuzz_strangers: {outside} was changed")
            found.outside += 1
        return found.figures()


def _try(kind: str, folder: Path, canary: Path, options: argparse.Namespace, found: Found, done: int) -> None:
    """Some of the inputs of a kind, by a process that may die; what it died of is one crash, and passed over."""
    (work := folder / kind).mkdir(exist_ok=True)
    end = min(done + AT_ONCE, options.fuzz_strangers)
    at = done - 1
    command = [
        sys.executable,
        "-P",
        "-m",
        "tests.torture.strangers.child",
        kind,
        work,
        canary,
        str(options.seed),
        done,
        end,
    ]
    for said in _messages([*map(str, command)], work):
        at = said.get("at", at)
        if "crash" in said:
            found.crashes += 1
            say(f"fuzz_strangers: {kind} {at}: {said['crash']}")
        elif "outside" in said:
            found.outside += 1
            say(f"fuzz_strangers: {kind} {at}: outside: {said['outside']}")
        elif "peak" in said:
            found.peak_mb = max(found.peak_mb, said["peak"] * _UNIT / 1e6)
        elif "died" in said:
            found.crashes += 1
            say(f"fuzz_strangers: {kind} {at}: the process ended with {said['died']}")
    found.inputs[kind] = max(at, done) + 1


def _messages(command: list[str], work: Path) -> Iterator[dict[str, Any]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(work)}
    with subprocess.Popen(
        command, cwd=work, env=environment, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as child:
        assert child.stdout
        for line in child.stdout:
            yield json.loads(line)
    if child.returncode:
        yield {"died": child.returncode}


def _state(folder: Path) -> dict[str, str]:
    """What is in a folder, to the byte."""
    files = {path.name: path.read_bytes() if path.is_file() else b"" for path in sorted(folder.iterdir())}
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


if __name__ == "__main__":
    alone(add_options, run)
