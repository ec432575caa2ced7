"""What `adapterctl status` shows of capture."""

from typing import TYPE_CHECKING

from adapterctl.output import Styled, fields, say

if TYPE_CHECKING:
    from adapterd.insight.capture.state import CaptureStatus


def show_capture(found: "CaptureStatus") -> None:
    """One line where capture is used, and one for each thing that somebody should look at."""
    if not found.is_used:
        return
    passing = f"answers at {found.listen}, {found.requests} requests" if found.is_answering else "passes nothing on"
    fields([("capture", f"{passing}; {found.records} conversations recorded")])
    for said, hint in found.faults:
        say(Styled(f"         {said}", "red"))
        say(f"         {hint}")
    for said, _ in found.notes:
        say(Styled(f"         {said}", "yellow"))
