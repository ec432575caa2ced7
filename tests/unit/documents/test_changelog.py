"""CHANGELOG.md has the format of Keep a Changelog, and a section on homes."""

import re

from adapterd import __version__
from tests.support.documents import text_of

CHANGELOG = text_of("CHANGELOG.md")
KINDS = {"What changes for your home", "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_versions_are_in_brackets_with_a_date() -> None:
    first, *released = re.findall(r"^## (.*)$", CHANGELOG, re.MULTILINE)
    assert first == "[Unreleased]"
    assert [heading for heading in released if not re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", heading)] == []


def test_changes_are_of_known_kinds() -> None:
    assert set(re.findall(r"^### (.*)$", CHANGELOG, re.MULTILINE)) <= KINDS


def test_unreleased_changes_say_what_they_mean_for_a_home() -> None:
    unreleased = CHANGELOG.partition("## [Unreleased]\n")[2].partition("\n## ")[0]
    assert "### What changes for your home\n" in unreleased


def test_version_is_one_that_semantic_versioning_knows() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
