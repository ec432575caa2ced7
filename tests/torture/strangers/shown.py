"""Text from elsewhere on a terminal and in a report: nothing of it acts there."""

from pathlib import Path
from random import Random

from adapterd.evaluation.report.page import render
from tests.integration.report.test_report_is_text import NAMES, faults, material
from tests.support.foreign_text import HOSTILE, acts
from tests.unit.cli.test_foreign_text import RENDERERS, rendered

REPORT_SHARE = 0.005
"""A report takes seconds, for its charts; what a terminal is shown takes milliseconds."""
_PIECES = (
    *NAMES,
    *HOSTILE,
    "<",
    ">",
    '"',
    "'",
    "&",
    "\\",
    "[",
    "]",
    "/",
    "\x1b",
    "\x9b",
    "\0",
    "\r",
    "\n",
    "{{",
    "}}",
    "%}",
)


class Shown:
    """Makes texts, and shows them by every command, or in a report."""

    def __init__(self, folder: Path, canary: str) -> None:
        del folder
        self._canary = canary
        render(material("name", "text"))

    def try_one(self, random: Random) -> None:
        """Show a text; raises AssertionError where something of it acts."""
        text = "".join(self._piece(random) for _ in range(random.choice((1, 2, 6))))
        if random.random() < REPORT_SHARE:
            found = faults(render(material(text[:300], text)))
            assert not found, f"{text!r:.500} in a report: {found}"
            return
        name = random.choice([*RENDERERS])
        shown = acts(rendered(lambda: RENDERERS[name](text)))
        assert not shown, f"{text!r:.500} by {name}: {shown}"

    def _piece(self, random: Random) -> str:
        if random.random() < 0.5:
            return random.choice((*_PIECES, f"file://{self._canary}"))[:2_000]
        return "".join(chr(random.choice((random.randrange(256), random.randrange(0x11_0000)))) for _ in range(4))
