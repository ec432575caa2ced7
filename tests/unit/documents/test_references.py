"""What the documents name exists: links, files of the repository, commands with their options."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from adapterctl.main import cli
from tests.support.documents import DOCS, ROOT, pages, repository_files, without_code_blocks

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SPAN = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"^[\w./-]+\.(?:py|sh|toml|j2|jinja|jsonl|svg|plist|service|cfg|ini)$")
COMMAND = re.compile(r"^\$? ?adapterctl(?:\s.*)?$")
OF_A_HOME = {"config.toml", "records.jsonl", "corrections.jsonl", "metrics.jsonl", "learning.svg"}
"""Files that adapterd or its user makes; they are not in the repository."""
ELSEWHERE = {"log.jsonl", "log.2026-11-30.jsonl", "convert_hf_to_gguf.py", "ernie4_5.py", "json.py"}
"""Files of other projects, or of none, that comments and pages speak of."""
CHECKED_ELSEWHERE = {DOCS / "cli.md", *(DOCS / "howto").glob("*.md")}
"""A generated page, and pages that add commands; test_howto.py follows those."""


FILES = repository_files()


def in_the_repository(name: str) -> bool:
    return any(path == name or path.endswith(f"/{name}") for path in FILES)


def commands(page: Path) -> Iterator[str]:
    """Each `adapterctl …` of a page, in its text and in its blocks."""
    text = page.read_text(encoding="utf-8")
    for span in SPAN.findall(without_code_blocks(text).replace("\n", " ")):
        if COMMAND.match(span):
            yield span
    for line in text.splitlines():
        if COMMAND.match(line.strip()):
            yield line.strip()


def unknown_part(command: str) -> str | None:
    """The first word of the command that the command line does not know; None if it knows all of them."""
    words = command.removeprefix("$ ").split("#")[0].split()[1:]
    at: click.Command = cli
    while words and isinstance(at, click.Group) and not words[0].startswith("-"):
        if words[0] in {"…", "COMMAND", "..."}:
            return None
        if words[0] not in at.commands:
            return words[0]
        at = at.commands[words.pop(0)]
    known = {option for parameter in at.params for option in [*parameter.opts, *parameter.secondary_opts]}
    given = [word.split("=")[0] for word in words if re.match(r"--\w|-[a-z]$", word)]
    return next((option for option in given if option not in known | {"--help", "-h"}), None)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_to_a_file(page: Path) -> None:
    links = LINK.findall(without_code_blocks(page.read_text(encoding="utf-8")))
    relative = [link.split("#")[0] for link in links if not re.match(r"[a-z]+:|#", link)]
    assert [link for link in relative if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_exist(page: Path) -> None:
    named = {span for span in SPAN.findall(without_code_blocks(page.read_text(encoding="utf-8"))) if FILE.match(span)}
    unknown = {
        name for name in named - OF_A_HOME - ELSEWHERE if not in_the_repository(name) and not name.startswith(".demo/")
    }
    assert unknown == set()


def test_files_that_code_names_exist() -> None:
    code = [ROOT / name for name in sorted(FILES) if re.match(r"(daemon|cli|bench)/.*\.py$", name)]
    named = {
        (str(path.relative_to(ROOT)), name)
        for path in code
        if path.is_file()
        for name in re.findall(r"[\w./]*\w\.py\b", path.read_text(encoding="utf-8"))
    }
    assert sorted({at for at in named if at[1] not in ELSEWHERE and not in_the_repository(at[1])}) == []


@pytest.mark.parametrize(
    "page", [page for page in pages() if page not in CHECKED_ELSEWHERE], ids=lambda page: page.name
)
def test_commands_that_a_page_names_exist(page: Path) -> None:
    wrong = {command: unknown_part(command) for command in commands(page)}
    assert {command: part for command, part in wrong.items() if part} == {}


@pytest.mark.parametrize(
    ("command", "unknown"),
    [
        ("adapterctl status --check", None),
        ("adapterctl eval freeze --strategy temporal", None),
        ("adapterctl eval thaw", "thaw"),
        ("adapterctl retrain --yesterday", "--yesterday"),
        ("$ adapterctl rollback   # back", None),
    ],
)
def test_unknown_commands_and_options_are_found(command: str, unknown: str | None) -> None:
    assert unknown_part(command) == unknown
