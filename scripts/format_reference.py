"""Write the table of formats in docs/feedback.md from the registry; `--check` only tells whether it is right."""

import json
import re
import sys
from pathlib import Path

from adapterd.feedback.formats import FORMATS

PAGE = Path(__file__).parent.parent / "docs" / "feedback.md"
MARKED = re.compile(r"(<!-- formats -->\n).*?(<!-- end -->)", re.DOTALL)


def rows() -> list[str]:
    """One line for each format, in the order in which they are tried."""
    head = ["| format | known by | what it is | example |", "|---|---|---|---|"]
    return head + [
        f"| {each.name} | {', '.join(f'`{name}`' for name in each.marks)} | {each.description} | "
        f"`{json.dumps(each.example, ensure_ascii=False)}` |"
        for each in FORMATS
    ]


def page(text: str) -> str:
    """The page with its table put anew."""
    table = "\n".join(rows())
    return MARKED.sub(lambda found: f"{found[1]}{table}\n{found[2]}", text)


def main() -> int:
    """Write or check; the exit status says whether the page was right."""
    text = PAGE.read_text(encoding="utf-8")
    if "--check" in sys.argv:
        return 0 if page(text) == text else 1
    PAGE.write_text(page(text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
