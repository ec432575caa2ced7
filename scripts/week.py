"""A week of nights: `.venv/bin/python scripts/week.py OLLAMA` writes docs/pictures/{status,history}.svg.

Only the clock is simulated: it jumps from evening to night, and ends at the present. The daemon's own session, Ollama,
training, merging and judging are real, and the pictures show what the real commands print afterwards.
"""

import io
import os
import pty
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.text import Text

from adapterd import config
from adapterd.config import RuntimeKind
from adapterd.demo.environment import DemoEnvironment, open_environment, register_base
from adapterd.demo.newsroom import write_feedback
from adapterd.home import Home
from adapterd.supervisor.loop import Session
from adapterd.system.locks import exclusive
from adapterd.system.python import module_command

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
NAME, BASE = "newsbrief-synth", "smollm2:135m"
SETTINGS = {
    "training.layers": 4,
    "training.epochs": 1,
    "training.learning_rate": 1e-3,
    "merging.steps": 16,
    "dataset.evaluation_max": 20,
    "evaluation.num_ctx": 2048,
    "evaluation.num_predict": 80,
    "schedule.min_new_records": 40,
}
RECORDS = (80, 50, 10, 60, 0, 50, 60)
"""What people said, day by day: two of the days, too little."""
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
RUN_AT_MOST_S = 1800
COLUMNS = 118


class Clock:
    """Goes on like any clock, and can be set forward."""

    def __init__(self, start: datetime) -> None:
        self._ahead = start - datetime.now(UTC)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def jump_to(self, moment: datetime) -> None:
        """Go forward to that moment, unless it has passed."""
        self._ahead += max(timedelta(), moment - self())


def main() -> None:
    """Live through the week, then take the pictures."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_environment(Path(folder), RuntimeKind.OLLAMA, Path(sys.argv[1])) as stage,
    ):
        home, clock = _begin(stage)
        with exclusive(home.daemon_lock, timeout_s=0, busy=""):
            session = Session(home, clock)
            session.start()
            for day, count in enumerate(RECORDS):
                _live_through(session, clock, home, day, count)
            PICTURES.mkdir(exist_ok=True)
            for command in (("status",), ("history", "--limit", "60")):
                _picture(stage, command)
            session.end()


def _begin(stage: DemoEnvironment) -> tuple[Home, Clock]:
    now = datetime.now(UTC)
    register_base(stage, BASE)
    host = stage.server.host if stage.server else ""
    choices = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
    stage.adapterctl("init", NAME, "--base", BASE, "--host", host, "--task", "json", *choices)
    evening = now.astimezone().replace(hour=18, minute=0, second=0) - len(RECORDS) * DAY
    return Home(stage.home), Clock(evening.astimezone(UTC))


def _live_through(session: Session, clock: Clock, home: Home, day: int, count: int) -> None:
    """An evening's feedback, then a night in which the daemon looks every few minutes until nothing is to be done."""
    if count:
        inbox = config.load(home).models[NAME].feedback.folder or home.inbox(NAME)
        write_feedback(inbox, seed=day + 1, count=count, start=clock() - 5 * DAY)
    _look(session, 3)
    at = session.planner.schedule.next(NAME)
    if at is None:
        raise RuntimeError("nothing is scheduled")
    clock.jump_to(at + timedelta(seconds=1))
    for _ in range(4):  # a runtime that was just used is let rest for a few minutes
        _look(session, 2)
        clock.jump_to(clock() + timedelta(minutes=5))
    clock.jump_to(at + 15 * HOUR)


def _look(session: Session, times: int) -> None:
    """Look as the daemon does, and wait for the run that this may begin."""
    for _ in range(times):
        session.hint.set()
        session.tick()
        deadline = time.monotonic() + RUN_AT_MOST_S
        while session.runner.busy and time.monotonic() < deadline:
            time.sleep(1)
            session.tick()
        time.sleep(1.5)


def _picture(stage: DemoEnvironment, command: tuple[str, ...]) -> None:
    """What the command shows in a terminal, as an SVG."""
    shown = _in_a_terminal(module_command("adapterctl", *command), stage.environment, stage.home)
    shown = shown.replace(str(stage.home), "~/.local/share/adapterd")
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text(f"$ adapterctl {' '.join(command)}", style="bold"))
    console.print(Text.from_ansi(shown))
    console.save_svg(
        str(PICTURES / f"{command[0]}.svg"), title=f"adapterctl {command[0]}, after a week of simulated nights"
    )


def _in_a_terminal(argv: list[str], environment: dict[str, str], folder: Path) -> str:
    """What a command prints to a terminal, colours included."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        argv, cwd=folder, env={**environment, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}, stdout=theirs
    )
    os.close(theirs)
    parts: list[bytes] = []
    with suppress(OSError):  # the terminal is gone when the command is
        while part := os.read(ours, 1 << 16):
            parts.append(part)
    child.wait()
    os.close(ours)
    return b"".join(parts).decode().replace("\r\n", "\n")


if __name__ == "__main__":
    main()
