"""A scenario by itself: `python -m tests.torture.race …` prints its figures and keeps none of them."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def alone(
    add_options: Callable[[argparse.ArgumentParser], None], run: Callable[[argparse.Namespace], dict[str, Any]]
) -> None:
    """Carry it out with the options of the command line, which has also those that all scenarios have."""
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--seed", type=int, default=5, help="of every random choice")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work in this folder, and leave everything there")
    add_options(parser)
    parser.set_defaults(scenario="")
    sys.stdout.write(json.dumps(run(parser.parse_args()), indent=2) + "\n")
