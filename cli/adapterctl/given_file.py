"""A file that is given to a command."""

from pathlib import Path
from typing import Any

import click


class GivenFile(click.Path):
    """The path of a file that is there; a pipe, a device or a folder is refused by a sentence, at once."""

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; raises click.BadParameter, or InputError for what is there and is no file."""
        from adapterd.system.files import open_given

        path: Any = super().convert(value, param, ctx)
        open_given(path).close()
        return path
