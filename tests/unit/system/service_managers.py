"""launchctl and systemctl for tests: recorded answers in a row, and two small managers that remember what they did."""

import os
import plistlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from adapterd.system.commands import Completed

AWKWARD = """we ird "q' $HOME %h é & <b>"""
PYTHON = "/opt/env/bin/python3"
UID = os.getuid()
DOMAIN = f"gui/{UID}"
TARGET = f"{DOMAIN}/dev.adapterd"

NOT_LOADED = Completed(
    113, stderr=f'Bad request.\nCould not find service "dev.adapterd" in domain for user gui: {UID}\n'
)
NOTHING_BOOTED = Completed(3, stderr="Boot-out failed: 3: No such process\n")
ALREADY_LOADED = Completed(5, stderr="Bootstrap failed: 5: Input/output error\nTry re-running the command as root.\n")


class Commands:
    """Records the commands, and answers each by its verb: with one scripted answer, or with the next of several, of
    which the last goes on."""

    def __init__(self, **answers: Completed | list[Completed]) -> None:
        self.answers = answers
        self.seen: list[list[str]] = []

    def __call__(self, argv: Sequence[str]) -> Completed:
        self.seen.append(list(argv))
        verb = next(word for word in argv[1:] if not word.startswith("-"))
        answer = self.answers.get(verb.replace("-", "_"), Completed(0))
        if isinstance(answer, list):
            return answer.pop(0) if len(answer) > 1 else answer[0]
        return answer

    @property
    def spoken(self) -> list[str]:
        return [" ".join(words) for words in self.seen]

    @property
    def verbs(self) -> list[str]:
        return [next(word for word in words[1:] if not word.startswith("-")) for words in self.seen]


@dataclass
class Launchd:
    """What launchd does with one agent, as far as we ask it."""

    agent: dict[str, object] | None = None
    pid: int = 0
    pids: Iterator[int] = field(default_factory=lambda: count(500))

    def __call__(self, argv: Sequence[str]) -> Completed:
        verb, *arguments = argv[1:]
        if verb == "bootstrap":
            return self._bootstrap(Path(arguments[1]))
        if verb == "enable":
            return Completed(0)
        if self.agent is None:
            return NOTHING_BOOTED if verb == "bootout" else NOT_LOADED
        if verb == "bootout":
            self.agent, self.pid = None, 0
        elif verb == "kickstart" and (not self.pid or "-k" in arguments):
            self.pid = next(self.pids)
        return Completed(0, self._described() if verb == "print" else "")

    def _bootstrap(self, file: Path) -> Completed:
        if self.agent is not None:
            return ALREADY_LOADED
        self.agent = plistlib.loads(file.read_bytes())
        self.pid = next(self.pids) if self.agent["RunAtLoad"] else 0
        return Completed(0)

    def _described(self) -> str:
        state = f"\tstate = running\n\tpid = {self.pid}\n" if self.pid else "\tstate = not running\n"
        return f"{TARGET} = {{\n{state}}}\n"


@dataclass
class Systemd:
    """What a user's systemd does with one unit, as far as we ask it."""

    folder: Path
    unit: bytes | None = None
    pid: int = 0
    pids: Iterator[int] = field(default_factory=lambda: count(500))

    def __call__(self, argv: Sequence[str]) -> Completed:
        verb = argv[2]
        if verb == "daemon-reload":
            self.unit = self._on_disk()
        elif verb == "show":
            return Completed(0, self._shown())
        elif self.unit is None:
            return Completed(5 if verb in ("stop", "start", "restart") else 1, stderr=f"Unit {argv[-1]} not loaded.\n")
        elif verb == "stop":
            self.pid = 0
        elif verb == "restart" or (verb == "start" and not self.pid):
            self.pid = next(self.pids)
        return Completed(0)

    def _on_disk(self) -> bytes | None:
        file = self.folder / "adapterd.service"
        return file.read_bytes() if file.exists() else None

    def _shown(self) -> str:
        return (
            f"LoadState={'loaded' if self.unit else 'not-found'}\nActiveState={'active' if self.pid else 'inactive'}\n"
            f"SubState={'running' if self.pid else 'dead'}\nMainPID={self.pid}\nExecMainCode=0\nExecMainStatus=0\n"
            f"NeedDaemonReload={'yes' if self.unit and self._on_disk() != self.unit else 'no'}\n"
        )
