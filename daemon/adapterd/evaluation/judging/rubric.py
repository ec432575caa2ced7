"""Rubrics: what a good answer is, in Markdown, as a judge reads it."""

from importlib.resources import files
from pathlib import Path

from adapterd.config import Task
from adapterd.errors import InputError, reason

MOST_BYTES = 8_000
"""A longer one leaves a small judge no room for what it judges."""


def default_rubric(task: Task) -> str:
    """The rubric of a task that comes with adapterd."""
    return named_rubric(task.value)


def named_rubric(name: str) -> str:
    """A rubric that comes with adapterd."""
    return files("adapterd.evaluation.judging").joinpath("rubrics", f"{name}.md").read_text(encoding="utf-8").strip()


def read_rubric(file: Path) -> str:
    """A person's own rubric. Raises InputError for a file that cannot be read, is no UTF-8 text, is empty, or is larger
    than MOST_BYTES."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    except OSError as exc:
        raise InputError(
            f"The rubric {file} cannot be read: {reason(exc)}.", hint="Name a Markdown file that you can read."
        ) from exc
    if len(content) > MOST_BYTES:
        raise InputError(
            f"The rubric {file} has more than {MOST_BYTES} bytes.",
            hint="Keep what decides; a judge reads it every time.",
        )
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError as exc:
        raise InputError(f"The rubric {file} is no text in UTF-8.", hint="Save it as UTF-8.") from exc
    if not text or "\0" in text:
        raise InputError(
            f"The rubric {file} {'has a null character' if text else 'is empty'}.",
            hint="Write what a good answer is, one point a line.",
        )
    return text
