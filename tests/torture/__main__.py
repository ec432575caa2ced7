"""`python -m tests.torture [SCENARIO…] [OPTION…]`: torment the product, print and keep the figures.

Without names, all scenarios, one after the other. The exit status is 1 if a figure that must be 0 is not, or if a
scenario could not be carried out.
"""

import argparse
import importlib
import json
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from tests.torture import report

TERMINATED = 143
SCENARIOS = {
    "kill": "kill",
    "ollama_kill": "ollama_kill",
    "torn_manifest": "torn_manifest",
    "disk_full": "disk_full",
    "race": "race",
    "rollback_ms": "swap",
    "rollback_command_ms": "swap",
    "idle": "idle",
    "ingest": "ingest",
    "fuzz": "fuzz",
    "fuzz_strangers": "fuzz_strangers",
    "poison": "poison",
    "soak": "soak",
    "log": "logs",
    "stop": "logs",
}
"""The module of each; it has `add_options(parser)` and `run(options)`, and `options.scenario` says which is meant."""


def main(arguments: Sequence[str]) -> int:
    """Carry out what was asked for."""
    names = list(takewhile(lambda argument: not argument.startswith("-"), arguments)) or list(SCENARIOS)
    _refuse_unknown(names)
    chosen = {name: _options(name, arguments) for name in names}
    _refuse_options_of_none(chosen)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # so that nothing is left behind
    faults = [fault for name, (options, _) in chosen.items() for fault in _carry_out(name, options)]
    for fault in faults:
        report.say(f"WRONG  {fault}")
    return 1 if faults else 0


def _carry_out(name: str, options: argparse.Namespace) -> list[str]:
    """Run one scenario and keep its figures; returns what is wrong with them."""
    report.say(f"{name} …")
    try:
        figures = _module(name).run(options)
    except Exception:
        traceback.print_exc()
        return [f"{name}: could not be carried out"]
    report.write({report.KEYS.get(name, name): figures})
    report.say(f"  {json.dumps(figures)}")
    return report.wrong(name, figures)


def _options(name: str, arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The scenario's options, and the arguments that it does not know."""
    options, rest = _parser(name).parse_known_args(list(arguments))
    options.scenario = name
    return options, [argument for argument in rest if argument.startswith("-")]


def _parser(name: str) -> argparse.ArgumentParser:
    """What all have in common, then the scenario's own."""
    parser = argparse.ArgumentParser(usage=argparse.SUPPRESS, allow_abbrev=False, add_help=False)
    common = parser.add_argument_group("all")
    common.add_argument("--seed", type=int, default=5, help="of every random choice (default: %(default)s)")
    common.add_argument(
        "--patience-s", type=float, default=300, help="how long to wait for anything (default: %(default)s)"
    )
    common.add_argument("--keep", type=Path, metavar="FOLDER", help="work in this folder, and leave everything there")
    _module(name).add_options(parser.add_argument_group(name))
    return parser


def _module(name: str) -> Any:
    return importlib.import_module(f"tests.torture.{SCENARIOS[name]}")


def _refuse_unknown(names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        sys.exit(f"no scenario {', '.join(unknown)}; there are: {', '.join(SCENARIOS)}")


def _refuse_options_of_none(chosen: Mapping[str, tuple[argparse.Namespace, list[str]]]) -> None:
    """An option that one of several chosen scenarios knows is for that one."""
    unknown = set.intersection(*(set(rest) for _, rest in chosen.values()))
    if unknown & {"-h", "--help"}:
        helps = [_parser(name).format_help() for name in chosen]
        report.say(f"{__doc__}\nScenarios: {', '.join(SCENARIOS)}\n\n" + "\n".join(helps))
        sys.exit()
    if unknown:
        sys.exit(f"no option {', '.join(sorted(unknown))}; --help shows which there are")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
