"""How values are shown: a table for people, JSON for programs, progress for long work.

All that the commands print goes through here, and only here foreign text meets a terminal: as plain text that acts on
nothing (`printable`), with styles of ours around it, never as markup. A test keeps other modules from printing.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import click

from adapterd.printable import json_safe, printable, printable_lines, set_in

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress, TaskID

LINE_EVERY = 0.25
LONG_READ_BYTES = 8 << 20
LONG_WORD = 20
"""Longer words, paths mostly, may be divided in a table."""
LINES, WIDE = 25, 160
"""Of a terminal that does not say how many it has; columns of a file or a pipe."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
model_option = click.option("-m", "--model", metavar="NAME", help="Which model; needed if several are configured.")
name_argument = click.argument("name", required=False, metavar="[NAME]")


def examples(*lines: str) -> str:
    """An epilog that shows how a command is used."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


@dataclass(frozen=True)
class Styled:
    """A piece of a line in a colour, or bold."""

    text: object
    colour: str | None = None
    bold: bool = False


@dataclass(frozen=True)
class Break:
    """The end of a line within a value; the next one is set in by `indent`, below the value where `fields` shows it."""

    indent: int = 0


def say(*parts: object, err: bool = False) -> None:
    """Print one line of these pieces, one after the other; what is foreign in them stays on it."""
    click.echo("".join(map(_shown, parts)), err=err)


def binary_output() -> BinaryIO:
    """Standard output, for records as bytes."""
    return sys.stdout.buffer


def say_lines(text: object, *, indent: int = 0) -> None:
    """Print a text that may have several lines; all but the first are set in, so that none passes for one of ours."""
    click.echo(printable_lines(text).replace("\n", "\n" + " " * indent))


def ask(*parts: object) -> None:
    """Ask whether to go on, on standard error; raises click.Abort if not."""
    click.confirm("".join(map(_shown, parts)), abort=True, err=True)


def confirmed(*parts: object) -> bool:
    """Ask a question, on standard error; returns whether the answer is yes."""
    return click.confirm("".join(map(_shown, parts)), err=True)


def choose(among: Sequence[str]) -> str:
    """Ask for one of these words, until one is given; raises click.Abort where nobody answers any more."""
    found: str = click.prompt("", prompt_suffix="> ", type=click.Choice(among), show_choices=False, err=True)
    return found


def at_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def _shown(part: object) -> str:
    if isinstance(part, Break):
        return "\n" + " " * part.indent
    if isinstance(part, Styled):
        return _styled(printable(part.text), part.colour, bold=part.bold)
    return printable(part)


def _styled(text: str, colour: str | None, *, bold: bool = False) -> str:
    return click.style(text, fg=colour, bold=bold or None) if _may_style() else text


def _may_style() -> bool:
    """Whether colours are wanted and understood (no-color.org; a dumb terminal shows escapes as text)."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def emit_json(value: Any) -> None:
    """Print a value as JSON."""
    from adapterd.serialization import to_plain

    emit_json_line(to_plain(value), indent=2)


def emit_json_line(value: Any, *, indent: int | None = None, err: bool = False) -> None:
    """Print plain values as JSON; where the encoding knows few signs, the others are escapes of JSON's own."""
    stream = sys.stderr if err else sys.stdout
    few = getattr(stream, "encoding", "utf-8").lower().replace("-", "") not in ("utf8", "cp65001")
    click.echo(json_safe(json.dumps(value, ensure_ascii=few, indent=indent)), err=err)


def complain(message: str, hint: str, *, as_json: bool) -> None:
    """One red line that says what is wrong, one that says what to do; on standard error."""
    if as_json:
        emit_json_line({"error": message, "hint": hint}, err=True)
        return
    click.echo(_styled(set_in(f"error: {message}"), "red"), err=True)
    if hint:
        click.echo(set_in(f"  {hint}"), err=True)


def warn(message: str, hint: str) -> None:
    """What is wrong and keeps nothing from being done; on standard error, as JSON where the command prints JSON."""
    if "--json" in sys.argv:
        emit_json_line({"warning": message, "hint": hint}, err=True)
        return
    click.echo(_styled(set_in(f"warning: {message}"), "yellow"), err=True)
    if hint:
        click.echo(set_in(f"  {hint}"), err=True)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str, unbroken: Collection[str] = ()
) -> None:
    """Print rows under column heads, or a sentence if there are none; cells of `unbroken` columns stay on one line.

    Where the columns are too many for the terminal, each row is printed as labelled lines, so that no word is lost.
    """
    listed = [["" if cell is None else printable(cell) for cell in row] for row in rows]
    if not listed:
        say(empty)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=_width(), height=LINES)  # with both, rich takes no dumb terminal for one of 80 columns
    if _needed_width(columns, listed, unbroken) > console.width:
        for row in listed:
            fields(zip(map(printable, columns), row, strict=False))
            say()
        return
    shown = Table(box=None, pad_edge=False, header_style="bold" if _may_style() else "")
    for column in columns:
        shown.add_column(Text(printable(column)), overflow="fold", no_wrap=column in unbroken)
    for row in listed:
        shown.add_row(*map(Text, row))  # not as markup, which a bracket would be the beginning of
    console.print(shown)


def _width() -> int:
    """The columns of the terminal, by COLUMNS or as it says itself; of what is no terminal, enough for most tables."""
    return shutil.get_terminal_size((80, LINES)).columns if sys.stdout.isatty() else WIDE


def _needed_width(columns: Sequence[str], rows: Sequence[Sequence[str]], unbroken: Collection[str]) -> int:
    """How many characters these columns need beside one another, so that few words are divided."""
    from rich.cells import cell_len

    def widest(texts: Iterable[str]) -> int:
        return max(map(cell_len, texts), default=0)

    needed = 2 * (len(columns) - 1)
    for head, *cells in zip(columns, *rows, strict=False):
        words = [word for cell in cells for word in ([cell] if head in unbroken else cell.split())]
        longest = widest(words) if head in unbroken else min(widest(words), LONG_WORD)
        needed += max(widest(printable(head).split()), longest)
    return needed


def fields(pairs: Iterable[tuple[str, object]]) -> None:
    """Print labelled values under one another; unset ones are left out. A list is pieces of a value, as for `say`."""
    shown = [(label, value) for label, value in pairs if value not in (None, "", [])]
    width = max((len(label) for label, _ in shown), default=0)
    for label, value in shown:
        pieces = [
            Break(width + 2) if isinstance(each, Break) else each
            for each in (value if isinstance(value, list) else [value])
        ]
        say(Styled(label.ljust(width), bold=True), "  ", *pieces)


def local(moment: datetime) -> datetime:
    """The moment by this machine's clock; as it is where that would lie outside of the years 1 to 9999."""
    try:
        return moment.astimezone()
    except (OverflowError, ValueError, OSError):
        return moment


def ago(moment: datetime | None) -> str:
    """How long ago something was, roughly."""
    if moment is None:
        return ""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    for size, word in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {word} ago"
    return "just now"


def time_left(seconds: float | None) -> str:
    """A rough estimate in words, empty where there is none."""
    return f"{roughly(seconds)} left" if seconds else ""


def roughly(seconds: float) -> str:
    """A time in words, to what is worth telling."""
    for size, word in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {word}"
    return f"{seconds:.0f} s"


class StageProgress:
    """Shows the stages of a run as they go: moving bars in a terminal, plain lines elsewhere."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._next_line: dict[str, float] = {}
        self._measured: dict[str, str] = {}
        self._done: set[str] = set()
        self._started: dict[str, float] = {}

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not self._quiet:
            from rich.console import Console

            self._bars = _bars(Console(stderr=True))
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, stage: str, progress: dict[str, Any]) -> None:
        """Hear of progress: `share` is 0…1, the rest depends on the stage."""
        if self._quiet:
            return
        share = float(progress.get("share") or 0.0)
        note = _note(progress)
        if self._bars is None:
            self._say(stage, share, note)
            if not progress.get("doing"):
                self._measured[stage] = _note({**progress, "remaining_s": None})
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(printable(stage), total=1.0, note="")
        self._bars.update(self._tasks[stage], completed=share, note=printable(note))

    def _say(self, stage: str, share: float, note: str) -> None:
        """A line at the start, at every quarter, and at the end, with what the stage last measured."""
        started = self._started.setdefault(stage, time.monotonic())
        if share >= 1 and stage not in self._done:
            self._done.add(stage)
            last = note or self._measured.get(stage, "")
            say(f"  {stage:<11} done in {time.monotonic() - started:.1f} s{_aside(last)}", err=True)
        elif share < 1 and share >= self._next_line.get(stage, 0.0):
            self._next_line[stage] = share + LINE_EVERY
            say(f"  {stage:<11} {share:4.0%}{_aside(note)}", err=True)


def _bars(console: "Console") -> "Progress":
    """A bar for each stage, and below them, across the whole width, what there is to say of the one that runs."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.text import Text

    class Bars(Progress):
        def get_renderables(self) -> "Iterable[RenderableType]":
            yield self.make_tasks_table(self.tasks)
            if self.tasks and (note := self.tasks[-1].fields["note"]):
                yield Text(f"  {note}", style="dim")

    return Bars(
        TextColumn("{task.description:<11}", markup=False), BarColumn(bar_width=min(24, max(4, console.width - 30))),
        TextColumn("{task.percentage:>3.0f} %", markup=False),
        TimeElapsedColumn(), console=console,
    )  # fmt: skip


def bytes_read(progress: StageProgress) -> Callable[[int, int], None]:
    """For `ingest`: shows how much feedback is read, if it is so much that it takes a while."""

    def show(done_bytes: int, total_bytes: int) -> None:
        if total_bytes >= LONG_READ_BYTES:
            progress("feedback", {"share": done_bytes / total_bytes})

    return show


def _aside(note: str) -> str:
    return f"  {note}" if note else ""


_SAID: dict[str, Callable[[dict[str, Any]], str]] = {
    "step": lambda told: f"step {told['step']} of {told['steps']}",
    "loss": lambda told: f"loss {told['loss']:.3f}",
    "validation_loss": lambda told: f"val {told['validation_loss']:.3f}",
    "rewards_accuracies": lambda told: f"{told['rewards_accuracies']:.0%} of pairs right",
    "tokens_per_s": lambda told: f"{told['tokens_per_s']:.0f} tok/s",
    "peak_memory_bytes": lambda told: f"{told['peak_memory_bytes'] / 1e9:.1f} GB",
    "remaining_s": lambda told: time_left(told["remaining_s"]),
    "doing": lambda told: str(told["doing"]),
    "asking": lambda told: str(told["asking"]),
}
"""What is said of what a stage tells, in this order."""


def _note(progress: dict[str, Any]) -> str:
    if progress.get("reused"):
        return "kept from before"
    return ", ".join(say(progress) for name, say in _SAID.items() if progress.get(name))
