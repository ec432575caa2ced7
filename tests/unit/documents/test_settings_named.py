"""Settings and environment variables that the documents name exist."""

import dataclasses
import re
import typing
from pathlib import Path

import pytest

from adapterd.config.schema import ModelSettings, Settings
from tests.support.documents import DOCS, PACKAGE_ROOTS, ROOT, pages

NO_SETTINGS = {"json", "jsonl", "md", "py", "toml", "server"}
"""What stands behind a dot in names of files, and in Python's `http.server`."""
CHECKED = [page for page in pages() if page.parent != DOCS / "howto"]
"""Pages of docs/howto add settings; test_howto.py follows them."""
VARIABLE = re.compile(r"\bADAPTERD_[A-Z_]+\b")


def sections(kind: type) -> dict[str, set[str]]:
    """For each section of these settings, its keys."""
    hints = typing.get_type_hints(kind)
    return {
        name: {field.name for field in dataclasses.fields(inner)}
        for name, inner in hints.items()
        if isinstance(inner, type) and dataclasses.is_dataclass(inner)
    }


SECTIONS = {**sections(Settings), **sections(ModelSettings)}
NAMED = re.compile(rf"`(?:models\.[\w-]+\.)?(?P<section>{'|'.join(SECTIONS)})\.(?P<key>[a-z_]+)\b")


def variables_of_code() -> set[str]:
    folders = [*PACKAGE_ROOTS.values(), ROOT / "scripts", ROOT / "tests"]
    texts = [
        path.read_text(encoding="utf-8", errors="replace")
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in {"", ".py", ".sh"}
    ]
    return {name for text in texts for name in VARIABLE.findall(text)}


def test_sections_are_found() -> None:
    assert {"ollama", "http", "training", "schedule", "evaluation"} <= SECTIONS.keys()
    assert "hosts" in SECTIONS["training"]


@pytest.mark.parametrize("page", CHECKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_settings_that_a_page_names_exist(page: Path) -> None:
    named = [(found["section"], found["key"]) for found in NAMED.finditer(page.read_text(encoding="utf-8"))]
    assert [f"{section}.{key}" for section, key in named if key not in SECTIONS[section] | NO_SETTINGS] == []


def test_environment_variables_that_documents_name_exist() -> None:
    known = variables_of_code()
    named = {name for page in pages() for name in VARIABLE.findall(page.read_text(encoding="utf-8"))}
    assert named
    assert named - known == set()
