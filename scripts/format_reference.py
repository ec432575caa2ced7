"""Write the tables in docs/feedback-formats.md from the registries; `--check` only tells if they are right."""

import json
import sys
from pathlib import Path

from adapterd.dataset.export import EXPORT_FORMATS
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


def rows_of_exports() -> list[str]:
    """One line for each format of an export."""
    head = ["| `--format` | what it is | read again as | example |", "|---|---|---|---|"]
    return head + [
        f"| `{each.name}` | {each.description} | {each.feedback_format} | "
        f"`{json.dumps(each.example, ensure_ascii=False)}` |"
        for each in EXPORT_FORMATS
    ]


def page(text: str) -> str:
    """The page with its tables put anew."""
    return with_table(with_table(text, "formats", rows()), "export formats", rows_of_exports())


if __name__ == "__main__":
    sys.exit(write(PAGE, page))
