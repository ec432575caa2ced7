"""Every decision has a number, a date and a status, and stands in the index as it says of itself."""

import re
from datetime import date
from pathlib import Path

import pytest

from tests.support.documents import DOCS, text_of

FOLDER = DOCS / "decisions"
DECISIONS = sorted(FOLDER.glob("[0-9]*.md"))
HEAD = re.compile(
    r"# (?P<number>\d+)\. (?P<title>.+)\n\nDate: (?P<date>[\d-]+)\. "
    r"Status: (?P<status>accepted|superseded by \[decision (?P<by>\d+)\])(?P<more>.*)\.\n"
)


def head(path: Path) -> re.Match[str]:
    found = HEAD.match(path.read_text(encoding="utf-8"))
    assert found, f"{path.name} has to begin with '# N. Title', then 'Date: YYYY-MM-DD. Status: accepted.'"
    return found


def number(path: Path) -> int:
    return int(path.name[:4])


def test_numbers_have_no_gap() -> None:
    assert [number(path) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_decision_has_number_date_and_status(path: Path) -> None:
    assert int(head(path)["number"]) == number(path)
    assert date(2026, 1, 1) <= date.fromisoformat(head(path)["date"])


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_index_repeats_what_a_decision_says_of_itself(path: Path) -> None:
    found = head(path)
    more = found["status"] + found["more"]
    row = f"| [{found['number']}. {found['title']}]({path.name}) | {found['date']} | {more} |"
    assert row in text_of("docs/decisions/README.md").splitlines()


def test_a_superseding_decision_names_the_superseded_one() -> None:
    for old in DECISIONS:
        if by := head(old)["by"]:
            [new] = [path for path in DECISIONS if number(path) == int(by)]
            assert f"Supersedes [decision {number(old)}]" in new.read_text(encoding="utf-8")
