"""Write the table in docs/feedback-formats.md from the registry of formats; `--check` only tells if it is right."""

import json
import sys
from pathlib import Path

from adapterd.feedback.formats import FORMATS
from generated_page import with_table, write

PAGE = Path(__file__).parent.parent / "docs" / "feedback-formats.md"


def rows() -> list[str]:
    """One line for each format, in the order in which they are tried."""
    head = ["| format | known by | what it is | example |", "|---|---|---|---|"]
    return head + [
        f"| {each.name} | {', '.join(f'`{name}`' for name in (*each.marks, *each.columns))} | {each.description} | "
        f"`{json.dumps(each.example, ensure_ascii=False)}` |"
        for each in FORMATS
    ]


def page(text: str) -> str:
    """The page with its table put anew."""
    return with_table(text, "formats", rows())


if __name__ == "__main__":
    sys.exit(write(PAGE, page))
