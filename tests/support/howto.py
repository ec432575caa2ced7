"""How-to pages as programs: what a page tells a reader to write is written into a copy of the repository, and run.

The markers are explained in docs/howto/README.md.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.documents import ROOT, repository_files

COMMAND_TIMEOUT_S = 600
BLOCKS = {"file": 1, "append": 1, "replace": 2, "run": 1}
SHELLS = {"sh", "bash", "shell", "console"}

_MARKER = re.compile(r"^\s*<!--\s*(?P<kind>file|append|replace|run)\s*(?::\s*(?P<path>\S+))?\s*-->\s*$")
_OPENING = re.compile(r"^(?P<indent> *)(?P<fence>```+)\s*(?P<language>\w*).*$")


class PageError(AssertionError):
    """A step of a page cannot be followed; the message names the page and the line."""


@dataclass(frozen=True)
class Block:
    """A fenced block, without its fence and its indentation; its text ends with a newline unless it is empty."""

    line: int
    language: str
    text: str


@dataclass
class Step:
    """A marker with its blocks, or the last shell block of a page."""

    line: int
    kind: str
    path: str = ""
    blocks: list[Block] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        return len(self.blocks) == BLOCKS[self.kind]


def steps(text: str) -> list[Step]:
    """What the page tells to do, in order; raises PageError if a marker has not its blocks or nothing is run."""
    found: list[Step] = []
    last_shell: Block | None = None
    for piece in _pieces(text):
        if isinstance(piece, Step):
            _check_complete(found)
            found.append(piece)
        else:
            if found and not found[-1].is_complete:
                found[-1].blocks.append(piece)
            elif piece.language in SHELLS:
                last_shell = piece
    _check_complete(found)
    if not any(step.kind == "run" for step in found):
        if last_shell is None:
            raise PageError("no command is run: mark the last block with <!-- run -->")
        found.append(Step(last_shell.line, "run", blocks=[last_shell]))
    return found


def _check_complete(found: list[Step]) -> None:
    if found and not found[-1].is_complete:
        step = found[-1]
        raise PageError(f"line {step.line}: '{step.kind}' needs {BLOCKS[step.kind]} code blocks behind it")


def _pieces(text: str) -> Iterator[Step | Block]:
    """Markers and fenced blocks of a page, in order."""
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, line in lines:
        if marker := _MARKER.match(line):
            kind, path = marker["kind"], marker["path"] or ""
            if (kind == "run") == bool(path):
                raise PageError(f"line {number}: '{kind}' {'takes no' if kind == 'run' else 'needs a'} path")
            yield Step(number, kind, path)
        elif opening := _OPENING.match(line):
            indent, inside = len(opening["indent"]), []
            for _, inner in lines:
                if inner.strip() == opening["fence"]:
                    break
                inside.append(inner.removeprefix(" " * indent) + "\n")
            else:
                raise PageError(f"line {number}: this code block has no end")
            yield Block(number, opening["language"], "".join(inside))


def copy_of_repository(folder: Path) -> Path:
    """The repository's files in this folder, with a `.venv` whose programs import the copy's packages."""
    for name in repository_files():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    _programs(folder / ".venv" / "bin")
    return folder


def _programs(folder: Path) -> None:
    """Programs of this interpreter's environment; those of the product run the packages found by PYTHONPATH."""
    folder.mkdir(parents=True)
    for program in Path(sys.executable).parent.iterdir():
        if not program.name.startswith(("python", "adapter", "activate")):
            (folder / program.name).symlink_to(program)
    scripts = {
        "python": f'exec "{sys.executable}" "$@"',
        "python3": f'exec "{sys.executable}" "$@"',
        "adapterctl": f'exec "{sys.executable}" -P -m adapterctl "$@"',
        "adapterd": f'exec "{sys.executable}" -P -m adapterd "$@"',
        "make": f'exec "{shutil.which("make")}" -o setup "$@"',  # what there is to set up is set up
    }
    for name, line in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)


def follow(page: Path, copy: Path) -> None:
    """Do what the page says in the copy; raises PageError with page, line and reason at the first step that fails."""
    try:
        for step in steps(page.read_text(encoding="utf-8")):
            _apply(step, copy)
    except PageError as exc:
        raise PageError(f"{page.name}: {exc}") from None


def _apply(step: Step, copy: Path) -> None:
    if step.kind == "run":
        _run(step, copy)
        return
    target = (copy / step.path).resolve()
    if not target.is_relative_to(copy.resolve()):
        raise PageError(f"line {step.line}: {step.path} is outside the repository")
    if (step.kind == "file") == target.exists():
        raise PageError(
            f"line {step.line}: {step.path} {'is there already' if step.kind == 'file' else 'is not there'}"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    before = target.read_text(encoding="utf-8") if target.exists() else ""
    target.write_text(_written(step, before), encoding="utf-8")


def _written(step: Step, before: str) -> str:
    """The text of the file after the step."""
    if step.kind != "replace":
        return before + step.blocks[0].text
    old, new = (block.text.removesuffix("\n") for block in step.blocks)
    if (times := before.count(old)) != 1:
        raise PageError(f"line {step.blocks[0].line}: this block is {times} times in {step.path}, not once:\n{old}")
    return before.replace(old, new)


def _run(step: Step, copy: Path) -> None:
    """Run the block by bash, in the copy; `$ ` in front of commands is taken away."""
    commands = re.sub(r"^\$ ", "", step.blocks[0].text, flags=re.MULTILINE)
    environment = {
        **os.environ,
        "ADAPTERD_HOME": str(copy / ".home"),
        "PATH": f"{copy / '.venv/bin'}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": os.pathsep.join([str(copy / "daemon"), str(copy / "cli")]),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands], cwd=copy, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=COMMAND_TIMEOUT_S, check=False,
    )  # fmt: skip
    if done.returncode:
        raise PageError(f"line {step.line}: the command failed ({done.returncode}):\n{commands}\n{done.stdout[-6000:]}")
