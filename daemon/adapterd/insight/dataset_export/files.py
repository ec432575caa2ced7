"""Files that are there whole or not at all, in a place that a person named."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from adapterd.errors import InputError, reason
from adapterd.system.files import atomic_path, named_path


def require_place(target: Path, names: Sequence[str], *, own: Iterable[Path], force: bool) -> Path:
    """The absolute path of a file that is to be made, or, with `names`, of a folder with files of these names.

    Raises InputError for a place that cannot be reached, for one within a folder of our `own`, for a file where a
    folder is to be and the reverse, for a device or a pipe, where the folder around it is missing, and, unless `force`
    says that it is to be replaced, where there is one of the files.
    """
    target = named_path(target)
    if any(target.resolve().is_relative_to(folder.resolve()) for folder in own):
        raise InputError(f"{target} is in a folder that adapterd reads", hint="give a place elsewhere")
    if target.is_dir() and not names:
        raise InputError(f"{target} is a folder, and one file is to be written", hint="name a file in it")
    if names and (target.exists() or target.is_symlink()) and not target.is_dir():
        raise InputError(f"{target} is a file, and a folder is to be written", hint="give a folder")
    if not target.parent.is_dir():
        raise InputError(f"there is no folder {target.parent}", hint=f"mkdir -p '{target.parent}'")
    _require_free([target / name for name in names] or [target], force=force)
    return target


def _require_free(files: Iterable[Path], *, force: bool) -> None:
    for file in files:
        if file.is_dir():
            raise InputError(f"{file} is a folder", hint="give another place")
        if file.exists() and not file.is_file():
            raise InputError(
                f"{file} is a device or a pipe, and no file that can be replaced",
                hint="--output - writes to standard output",
            )
        if not force and (file.exists() or file.is_symlink()):
            raise InputError(f"{file} is there already", hint="--force replaces it")


class NewFiles:
    """Files that are being written beside their places; each is made when it is first asked for."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.open: dict[Path, IO[bytes]] = {}

    def file(self, path: Path) -> IO[bytes]:
        """The open file that becomes `path`."""
        if path not in self.open:
            partial = self._stack.enter_context(atomic_path(path))
            self.open[path] = self._stack.enter_context(partial.open("wb"))
        return self.open[path]


@contextmanager
def new_files(place: Path, *, is_folder: bool, force: bool) -> Iterator[NewFiles]:
    """Files that get their names when the block ends; where it fails, none is left, nor the folder if it is new.

    `place` is the file, or the folder of several. Raises InputError where they cannot be written, and where one has
    come into being meanwhile.
    """
    is_new = is_folder and not place.exists()
    try:
        if is_new:
            place.mkdir()
        with ExitStack() as stack:
            files = NewFiles(stack)
            yield files
            for file in files.open.values():
                file.flush()
            _require_free(files.open, force=force)
    except BaseException as exc:
        if is_new:
            with suppress(OSError):
                place.rmdir()
        if isinstance(exc, OSError):
            raise InputError(f"{place} cannot be written: {reason(exc)}", hint="give another place") from exc
        raise
