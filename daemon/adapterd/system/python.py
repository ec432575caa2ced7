"""Other interpreters of ours, started so that nothing which lies in somebody's current folder is imported.

`python -m` puts the current folder in front of the standard library, so that a file `json.py` in a folder of downloads
would run as a part of this product. `-P` (Python 3.11) keeps it out; `-I` would also hide packages that are installed
for a user or found by PYTHONPATH, and with them this one where it was installed in such a way.
"""

import os
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

ISOLATED = "-P"
_SAFE_PATH = "PYTHONSAFEPATH"
_LONGEST_INTERPRETER = 240
_LAUNCHER = """#!{interpreter} {isolated}
# Written by `adapterctl service install`; the background item has the name of this file.
import sys

from {module}.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
"""
_AT_START_OR_END = frozenset({"PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONBREAKPOINT"})
_ONE_PLACE = frozenset({"PYTHONHOME", "PYTHONUSERBASE", "PYTHONPYCACHEPREFIX"})
_PLACES = frozenset({"LD_LIBRARY_PATH", "LLAMA_CPP_LIB_PATH"})
"""Folders of libraries, which an installation may depend on; those of macOS (DYLD_…) are left out."""
_NEEDED = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TMP", "TEMP",
    "OLLAMA_MODELS",
    "PYTHONPATH", "PYTHONNOUSERSITE", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONHASHSEED", "PYTHONFAULTHANDLER",
    "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED",
})  # fmt: skip
_NEEDED_KINDS = (
    "LC_",
    "XDG_",
    "ADAPTERD_",
    "OMP_",
    "MKL_",
    "OPENBLAS_",
    "VECLIB_",
    "MLX_",
    "GGML_",
    "METAL_",
    "CUDA_",
    "NCCL_",
)
"""CUDA_HOME or CUDA_PATH is where MLX finds the headers of the kernels that it compiles."""
_NETWORK = frozenset({
    "OLLAMA_HOST", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR",
})  # fmt: skip
"""The way to Ollama, where passwords may stand; proxies are also written in lower case."""
FOR_SSH = frozenset({"SSH_AUTH_SOCK", "SSH_AGENT_PID"})
"""The way to the keys of an agent, for a training on several machines."""


def module_command(module: str, *arguments: str | Path) -> list[str]:
    """The command that runs a module with this interpreter. It belongs with `safe_environment`, and with a working
    folder of our own."""
    return [sys.executable, ISOLATED, "-m", module, *map(str, arguments)]


def interpreter() -> str:
    """The program that runs this process, not a link to it: settings that give rights to programs want that."""
    return os.path.realpath(sys.executable)


def launcher_of(command: Sequence[str]) -> tuple[str, list[str]] | None:
    """A script that runs the module of such a command, and the arguments that are left for it.

    What is started by a script of its own goes by the name of that script, and not by `python3`. It is the interpreter
    that the system starts all the same, not a shell: rights that a person gives are given to that program. None where
    the path of the interpreter cannot stand in the first line of a script.
    """
    interpreter, *rest = command
    if rest[:2] != [ISOLATED, "-m"] or len(rest) < 3 or re.search(r"\s", interpreter):
        return None
    if len(os.fsencode(interpreter)) > _LONGEST_INTERPRETER:
        return None
    module, *arguments = rest[2:]
    return _LAUNCHER.format(interpreter=interpreter, isolated=ISOLATED, module=module), arguments


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
    return {**kept, _SAFE_PATH: "1"}


def worker_environment(
    given: Mapping[str, str] | None = None, *, network: bool = True, more: Collection[str] = ()
) -> dict[str, str]:
    """Of `safe_environment`, what a worker needs: where things are, the language, how many threads; `network` is for
    one that asks Ollama, `more` are further names.

    A shell's environment holds tokens and passwords of other programs, and a worker parses files of strangers.
    """
    return {
        name: value
        for name, value in safe_environment(given).items()
        if _is_needed(name, network=network) or name in more
    }


def _is_needed(name: str, *, network: bool) -> bool:
    known = name in _NEEDED | _ONE_PLACE | _PLACES | {_SAFE_PATH} or name.startswith(_NEEDED_KINDS)
    return known or (network and name.upper() in _NETWORK)


def _is_firm(name: str, value: str) -> bool:
    return name not in _ONE_PLACE | _PLACES or all(Path(part).is_absolute() for part in value.split(os.pathsep))
