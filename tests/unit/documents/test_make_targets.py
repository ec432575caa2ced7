"""Targets of the Makefile that documents, workflows and hooks name exist."""

import re
from pathlib import Path

import pytest

from tests.support.documents import ROOT, pages

TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
NAMED = re.compile(r"(?:`|^\s*(?:- run: |entry: |\$ )?)make ([a-z][a-z-]*)", re.MULTILINE)
PLACES = [*pages(), ROOT / ".pre-commit-config.yaml", *sorted((ROOT / ".github" / "workflows").glob("*.yml"))]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: str(place.relative_to(ROOT)))
def test_targets_that_are_named_exist(place: Path) -> None:
    assert set(NAMED.findall(place.read_text(encoding="utf-8"))) - TARGETS == set()


def test_targets_are_found() -> None:
    assert {"setup", "check", "demo"} <= TARGETS
