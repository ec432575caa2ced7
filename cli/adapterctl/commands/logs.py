"""adapterctl logs"""

from typing import TYPE_CHECKING

import click

from adapterctl.output import Styled, emit_json_line, examples, json_option, local, name_argument, say, say_lines

if TYPE_CHECKING:
    from adapterd.supervisor.logs import Line

COLOURS = {"warning": "yellow", "error": "red"}
LEVELS = ("debug", "info", "warning", "error")


@click.command(epilog=examples("adapterctl logs", "adapterctl logs -f", "adapterctl logs --level warning --json"))
@name_argument
@click.option("-f", "--follow", is_flag=True, help="Go on showing what is written, until Ctrl-C.")
@click.option("-n", "--last", type=click.IntRange(0), default=50, show_default=True, help="How many lines.")
@click.option("--level", type=click.Choice(LEVELS), default="info", show_default=True, help="Nothing less than this.")
@json_option
def logs(name: str | None, follow: bool, last: int, level: str, as_json: bool) -> None:
    """Show what the daemon did and why, oldest first."""
    from adapterctl.app import own_home
    from adapterd.supervisor.logs import follow as follow_lines
    from adapterd.supervisor.logs import read

    folder = own_home().logs

    def wanted(line: "Line") -> bool:
        rank = LEVELS.index(line.level) if line.level in LEVELS else len(LEVELS)
        return rank >= LEVELS.index(level) and name in (None, line.model)

    for line in read(folder, last=last, wanted=wanted):
        _show(line, as_json)
    if follow:
        for line in filter(wanted, follow_lines(folder)):
            _show(line, as_json)


def _show(line: "Line", as_json: bool) -> None:
    if as_json:
        emit_json_line({**vars(line), "at": line.at.isoformat()})
        return
    say(f"{local(line.at):%Y-%m-%d %H:%M:%S}  ", Styled(f"{line.level:<7}", COLOURS.get(line.level)), f"  {line.text}")
    if line.trace:
        say_lines(f"  {line.trace}", indent=2)
