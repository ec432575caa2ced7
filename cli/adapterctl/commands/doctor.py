"""adapterctl doctor"""

import click

from adapterctl.output import Styled, emit_json, examples, json_option, say

MARKS = {"ok": ("ok  ", "green"), "warning": ("warn", "yellow"), "fault": ("FAIL", "red")}


@click.command(epilog=examples("adapterctl doctor", "adapterctl doctor --json"))
@json_option
def doctor(as_json: bool) -> None:
    """Look at everything that is needed: what is installed, reachable, slow or missing, and what to do."""
    from adapterd.home import Home
    from adapterd.insight.doctor import run_checks

    checks = run_checks(Home.locate())
    if as_json:
        emit_json(checks)
    else:
        for check in checks:
            mark, colour = MARKS[check.level]
            say(Styled(mark, colour), f"  {check.what:<16} {check.detail}")
            if check.hint:
                say(f"                        {check.hint}")
    if any(check.level == "fault" for check in checks):
        raise click.exceptions.Exit(1)
