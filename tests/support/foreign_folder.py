"""A folder as a download may leave it: every module that a program of ours may import lies in it, and tells of it."""

import sys
from importlib.metadata import packages_distributions
from pathlib import Path

TOLD = "was-imported"
_NEVER_FILES = {"__main__", "antigravity", "this"}


def poison(folder: Path, *, without: tuple[str, ...] = ()) -> Path:
    """Fill the folder with modules of all names that the standard library and installed packages have, and our own.

    One that is imported notes its name beside it, and ends the process.
    """
    names = {*sys.stdlib_module_names, *packages_distributions(), "adapterctl", "adapterd"}
    names |= {"sitecustomize", "usercustomize"}
    for name in sorted(names - _NEVER_FILES - set(without)):
        if name.isidentifier():
            (folder / name).mkdir()
            note = f"open({str(folder / TOLD)!r}, 'a').write({name!r} + ' ')"
            (folder / name / "__init__.py").write_text(f"{note}\nraise SystemExit('{name} is not the library')\n")
    return folder


def imported_from(folder: Path) -> str:
    """The names of the modules there that were imported, none if all is well."""
    told = folder / TOLD
    return told.read_text() if told.exists() else ""
