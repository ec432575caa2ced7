"""What `adapterctl status` shows of feedback over HTTP."""

from typing import TYPE_CHECKING

from adapterctl.output import Styled, ago, fields, say

if TYPE_CHECKING:
    from adapterd.insight.http_status import HttpStatus


def show_http(http: "HttpStatus") -> None:
    """The addresses, the applications, the last post, what was refused, and each fault in red."""
    last = f"{ago(http.last_post)} by {http.last_poster or 'a program without a token'}" if http.last_post else None
    refused = ", ".join(f"{status}: {count}" for status, count in http.refusals.items())
    fields(
        [
            ("http", " ".join(http.addresses)),
            ("applications", ", ".join(http.applications)),
            ("last post", last),
            ("refused", f"since yesterday {refused}" if refused else None),
        ]
    )
    for each in (*http.faults, *http.warnings):
        say(Styled(f"http     {each.fault}", "red" if each in http.faults else "yellow"))
        if each.hint:
            say(f"         {each.hint}")
