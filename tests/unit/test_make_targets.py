"""The Makefile: every target says what it is for, and checks come in an order in which pytest has the last word."""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Makefile").read_text()
LINTERS = ["ruff", "ruff", "mypy", "lint-imports"]
PHONY = re.findall(r"^\.PHONY: (.*)$", TEXT, re.MULTILINE)[0].split()


def make(*arguments: str) -> list[str]:
    """The lines that make prints, without what the make around these tests hands down."""
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_every_target_says_what_it_is_for() -> None:
    assert [line.split()[0] for line in make("help")] == PHONY
    assert make() == make("help")


def test_check_is_lint_and_then_the_tests() -> None:
    *lint, as_user, tests = make("--dry-run", "check", "PYTEST=pytest")
    assert [line.split()[0] for line in lint] == ["scripts/setup", *[".venv/bin/" + name for name in LINTERS]]
    assert ".venv/bin/python -m tests.support.as_user" in as_user
    assert tests.strip() == 'pytest -m "not long" --hypothesis-profile repeatable'
    assert "exec make --no-print-directory check" in (ROOT / ".ci/run").read_text()


def test_each_tier_takes_arguments() -> None:
    for target, command in [
        ("test", 'pytest -m "not long" --hypothesis-profile repeatable -k words'),
        (
            "test-unit",
            'env -u PYTHONDONTWRITEBYTECODE pytest -m "not long" --hypothesis-profile quick tests/unit -k words',
        ),
        ("test-long", "pytest -m long -k words"),
    ]:
        assert make("--dry-run", target, "PYTEST=pytest", "ARGS=-k words")[-1] == command
