"""Every page is listed in an index, as one kind."""

import re

import pytest

from tests.support.documents import DOCS, text_of

KINDS = {"how-to", "reference", "explanation"}
ROW = re.compile(r"^\| \[(?P<name>[^\]]+)\]\((?P<target>[^)]+)\) \| (?P<kind>[^|]+) \|", re.MULTILINE)
LINES_OF_A_SCREEN = 60
HOW_TO = sorted(path.name for path in (DOCS / "howto").glob("*.md") if path.name != "README.md")
ROWS = {found["target"]: found["kind"] for found in ROW.finditer(text_of("docs/README.md"))}


@pytest.mark.parametrize("name", sorted(path.name for path in DOCS.glob("*.md") if path.name != "README.md"))
def test_page_is_listed(name: str) -> None:
    assert name in ROWS, f"docs/README.md: add a row for {name}"


def test_each_listed_page_is_of_one_kind() -> None:
    assert {target: kind for target, kind in ROWS.items() if kind not in KINDS} == {}


@pytest.mark.parametrize(
    "name", sorted(path.name for path in (DOCS / "howto").glob("*.md") if path.name != "README.md")
)
def test_how_to_page_is_listed(name: str) -> None:
    assert name in text_of("docs/howto/README.md"), f"docs/howto/README.md: add a row for {name}"


def test_readme_is_one_screen_with_a_picture() -> None:
    readme = text_of("README.md")
    assert len(readme.splitlines()) <= LINES_OF_A_SCREEN
    assert re.search(r"!\[[^\]]+\]\(docs/pictures/", readme)
