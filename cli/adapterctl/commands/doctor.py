"""adapterctl doctor"""

import click

from adapterctl.output import Styled, emit_json, examples, json_option, say

MARKS = {"ok": ("ok  ", "green"), "warning": ("warn", "yellow"), "fault": ("FAIL", "red")}


@click.command(epilog=examples("adapterctl doctor", "adapterctl doctor --json"))
@json_option
def doctor(as_json: bool) -> None:
    """Look at everything that is needed: what is installed, reachable, slow or missing, and what to do."""
    from adapterd.home import Home
    from adapterd.insight.doctor import examine

    findings = examine(Home.locate())
    if as_json:
        emit_json(findings)
    else:
        for finding in findings:
            mark, colour = MARKS[finding.level]
            say(Styled(mark, colour), f"  {finding.what:<16} {finding.detail}")
            if finding.hint:
                say(f"                        {finding.hint}")
    if any(finding.level == "fault" for finding in findings):
        raise click.exceptions.Exit(1)
