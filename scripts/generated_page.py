"""What the scripts that write generated pages share: tables between two marks, and `--check`."""

import re
import sys
from collections.abc import Callable
from pathlib import Path


def with_table(text: str, name: str, rows: list[str]) -> str:
    """The text with these rows between `<!-- NAME -->` and `<!-- end -->`, in place of those that stood there."""
    marked = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    table = "\n".join(rows)
    return marked.sub(lambda found: f"{found[1]}{table}\n{found[2]}", text)


def write(path: Path, made: Callable[[str], str]) -> int:
    """Write the page that `made` makes of what the file has, or only compare them, if the script was given `--check`.

    Returns the exit status: 1 if the page was to be checked and is not as it should be.
    """
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    after = made(before)
    if "--check" in sys.argv:
        return int(after != before)
    path.write_text(after, encoding="utf-8")
    return 0
