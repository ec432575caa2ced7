"""How feedback is read, kept, taken back and watched over: `python -m bench.feedback [--only PART …]`.

Each part is written to bench/feedback.json when it is done, so an interrupted measurement loses one part at most.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from bench import results

FILE = Path(__file__).parent / "feedback.json"
PARTS: Mapping[str, tuple[str, str]] = {
    "ingest": ("feedback_ingest", "ingest"),
    "formats": ("feedback_formats", "formats"),
    "fuzz": ("feedback_fuzz", "fuzz"),
    "remove": ("feedback_remove", "remove"),
    "leaks": ("leaks", "measure"),
    "pii": ("personal_data", "personal_data"),
}
"""What is measured, by its key in feedback.json: the module of `bench` and its function, loaded when it is its turn."""


def main(names: Sequence[str]) -> None:
    """Measure and keep what was asked for."""
    for name in names or PARTS:
        module, function = PARTS[name]
        found = getattr(import_module(f"bench.{module}"), function)()
        results.write({name: dict(found)}, FILE)
        print(name, json.dumps(found), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.feedback", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=[], metavar="PART", help=", ".join(PARTS))
    main(parser.parse_args().only)
