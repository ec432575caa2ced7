"""The repository's documents and packages, for tests that compare the ones with the others."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGE_ROOTS = {"adapterd": ROOT / "daemon" / "adapterd", "adapterctl": ROOT / "cli" / "adapterctl"}

_FENCE = re.compile(r"^(?P<fence>```+).*?^(?P=fence)\s*$", re.MULTILINE | re.DOTALL)


def repository_files() -> list[str]:
    """Every file of the repository by its path, without what git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode == 0 and listed.stdout:
        return sorted(name for name in listed.stdout.splitlines() if (ROOT / name).is_file())
    made = {".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".home"}
    paths = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return sorted(str(path) for path in paths if not made & set(path.parts))


def pages() -> list[Path]:
    """Every Markdown page of the repository, by path."""
    return sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / ".github").rglob("*.md")])


def text_of(name: str) -> str:
    """A page by its path in the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def without_code_blocks(text: str) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", text)


def packages() -> Iterator[tuple[str, Path]]:
    """Dotted name and folder of every package of the product, the two roots included."""
    for root, folder in PACKAGE_ROOTS.items():
        for found in sorted(folder.rglob("__init__.py")):
            yield ".".join([root, *found.parent.relative_to(folder).parts]), found.parent


def section(text: str, heading: str) -> str:
    """What stands below a heading of the second level, up to the next one."""
    _, found, rest = text.partition(f"\n## {heading}\n")
    assert found, f"no heading '## {heading}'"
    return rest.partition("\n## ")[0]


def first_cells(table: str) -> list[str]:
    """The first cell of each row of a table in Markdown, without its head."""
    rows = [line for line in table.splitlines() if line.startswith("|")]
    return [row.strip("|").split("|")[0].strip() for row in rows[2:]]
