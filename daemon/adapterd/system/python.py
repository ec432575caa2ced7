"""Other interpreters of ours, started so that nothing which lies in somebody's current folder is imported.

`python -m` puts the current folder in front of the standard library, so that a file `json.py` in a folder of downloads
would run as a part of this product. `-P` (Python 3.11) keeps it out; `-I` would also hide packages that are installed
for a user or found by PYTHONPATH, and with them this one where it was installed in such a way.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

ISOLATED = "-P"
_AT_START_OR_END = frozenset({"PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONBREAKPOINT"})
_ONE_PLACE = frozenset({"PYTHONHOME", "PYTHONUSERBASE", "PYTHONPYCACHEPREFIX"})


def module_command(module: str, *arguments: str | Path) -> list[str]:
    """The command that runs a module with this interpreter. It belongs with `safe_environment`, and with a working
    folder of our own."""
    return [sys.executable, ISOLATED, "-m", module, *map(str, arguments)]


def safe_environment(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment (this process's own unless one is given) for other interpreters.

    Entries of PYTHONPATH that are empty or relative mean whatever folder the command is given in, and are left out;
    those that are absolute stay, as an installation may depend on them. The same holds of places that are relative.
    Left out, too, is what makes an interpreter run more than it was asked to.
    """
    variables = dict(os.environ if given is None else given)
    kept = {name: value for name, value in variables.items() if name not in _AT_START_OR_END and _is_firm(name, value)}
    if path := [entry for entry in kept.pop("PYTHONPATH", "").split(os.pathsep) if Path(entry).is_absolute()]:
        kept["PYTHONPATH"] = os.pathsep.join(path)
    return {**kept, "PYTHONSAFEPATH": "1"}


def isolate_children() -> None:
    """Have every interpreter that this process starts from now on leave out the current folder, for a library that
    starts them itself (multiprocessing)."""
    os.environ["PYTHONSAFEPATH"] = "1"


def _is_firm(name: str, value: str) -> bool:
    return name not in _ONE_PLACE or all(Path(part).is_absolute() for part in value.split(os.pathsep))
