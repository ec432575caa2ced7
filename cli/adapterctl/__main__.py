"""`python -m adapterctl` is the same as `adapterctl`: it takes nothing from the current folder, which -m puts first."""

import os
import sys

if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:  # noqa: PTH109 - pathlib might be somebody's there
    del sys.path[0]

from adapterctl.main import main

main()
