"""A fast BLAS for child processes that train on a Linux CPU, where MLX's wheel links the slow reference one.

Measured on 2 cores: fp32 matmul at 6 GFLOP/s without, at about 190 with MKL or OpenBLAS put in front.
"""

import os
import sys
from pathlib import Path

from adapterd.errors import ConfigError

VARIABLE = "ADAPTERD_BLAS"
_MULTIARCH = Path("/usr/lib")


def preload_environment() -> dict[str, str]:
    """The variables to add to a child's environment, none where there is nothing to gain; raises ConfigError if
    `ADAPTERD_BLAS` names a file that is not there (empty, it switches the search off)."""
    library = find()
    if library is None:
        return {}
    preload = " ".join(filter(None, (str(library), os.environ.get("LD_PRELOAD"))))
    # MKL gives the same sums in every run only if asked to; it costs nothing measurable.
    return {"LD_PRELOAD": preload, "MKL_CBWR": "AUTO"}


def find() -> Path | None:
    """The library to put in front, if this machine needs one and has one; raises ConfigError as above."""
    if sys.platform != "linux":
        return None
    given = os.environ.get(VARIABLE)
    if given is not None:
        return _given(given)
    # ld.so splits LD_PRELOAD at spaces and colons, and knows no way to escape them.
    usable = (path for path in _candidates() if not set(" :") & set(str(path)))
    return next(usable, None)


def describe() -> str:
    """One sentence for a person who asks why training is slow."""
    if sys.platform != "linux":
        return "not needed: MLX brings its own"
    library = find()
    if library is None:
        return "none found: training on this CPU is about 30 times slower than with mkl or libopenblas0-pthread"
    return str(library)


def _given(name: str) -> Path | None:
    if not name:
        return None
    path = Path(name)
    if not path.is_file():
        raise ConfigError(f"{VARIABLE} is {name}, which is not a file", hint="unset it to search for a fast BLAS")
    return path.absolute()  # a child has a working folder of its own


def _candidates() -> list[Path]:
    mkl = sorted((Path(sys.prefix) / "lib").glob("libmkl_rt.so*"))
    names = ("libblas.so.3", "libopenblas.so.0")
    return mkl + [path for name in names for path in sorted(_MULTIARCH.glob(f"*/openblas-pthread/{name}"))]
