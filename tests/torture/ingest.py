"""How quickly feedback is taken in, and in how much memory: the bench, with the counts given here."""

import argparse
from typing import Any

from bench.ingest import ingest_rate

from tests.torture.alone import alone


def add_options(parser: argparse.ArgumentParser) -> None:
    """How much."""
    parser.add_argument("--records", type=int, default=100_000, help="how many records are taken in")
    parser.add_argument("--files", type=int, default=1_000, help="in how many files they come")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Records per second and peak memory of a process that takes them in; all of them have to be accepted."""
    return ingest_rate(options.records, options.files)


if __name__ == "__main__":
    alone(add_options, run)
