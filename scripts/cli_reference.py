"""Write docs/cli.md from the commands themselves; `--check` only tells whether it is up to date."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from adapterctl.main import cli
from generated_page import write

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"
WIDTH = 110


def page() -> str:
    """The whole reference as Markdown."""
    head = "# adapterctl\n\nWritten by `make docs` from the commands themselves.\n"
    return head + "".join(_section(path, command) for path, command in _commands("adapterctl", cli))


def _commands(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _commands(f"{path} {name}", inner)


def _section(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=path, max_content_width=WIDTH, terminal_width=WIDTH)
    return f"\n## {path}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"


if __name__ == "__main__":
    sys.exit(write(PAGE, lambda _: page()))
