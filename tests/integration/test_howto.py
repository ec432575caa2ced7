"""Each page of docs/howto is followed literally in a copy of the repository, up to the command that shows success."""

from pathlib import Path

import pytest

from tests.support.documents import DOCS
from tests.support.howto import copy_of_repository, follow, steps

PAGES = sorted(page for page in (DOCS / "howto").glob("*.md") if page.name != "README.md")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the repository."""
    return copy_of_repository(tmp_path / "copy")


@pytest.mark.long
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_can_be_followed_literally(page: Path, copy: Path) -> None:
    follow(page, copy)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_is_well_formed(page: Path) -> None:
    found = steps(page.read_text(encoding="utf-8"))
    assert [step.kind for step in found][-1] == "run", "the last step shows that it works"


def test_commands_run_the_copy(tmp_path: Path, copy: Path) -> None:
    page = tmp_path / "page.md"
    where = "import adapterctl, adapterd; print(adapterctl.__file__, adapterd.__file__)"
    page.write_text(
        "<!-- append: cli/adapterctl/__init__.py -->\n```python\nMARK = 1\n```\n"
        f"```sh\npython -c 'import adapterctl; adapterctl.MARK' && python -c '{where}' > where\n"
        "adapterctl --help > help\nmake -n test > made\n```\n"
    )
    follow(page, copy)
    files = (copy / "where").read_text().split()
    assert [Path(file).is_relative_to(copy) for file in files] == [True, True]
    assert "Exit codes" in (copy / "help").read_text()
    assert "scripts/setup" not in (copy / "made").read_text()
