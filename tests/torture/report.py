"""bench/torture.json: what each scenario found, key by key, on a machine in plain words; and what must be 0 in it."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapterd.system.files import write_atomic

FILE = Path(__file__).parents[2] / "bench" / "torture.json"
_SURVIVED = ("rows_lost", "stuck", "half_promoted", "live_failed", "tracebacks")
MUST_BE_ZERO = {
    "kill": _SURVIVED,
    "ollama_kill": _SURVIVED,
    "torn_manifest": _SURVIVED,
    "disk_full": _SURVIVED,
    "race": ("inconsistent",),
    "soak": _SURVIVED,
    "fuzz": ("crashes", "lost", "http_500"),
    "log": ("lost", "twice"),
    "stop": ("lost",),
    "fuzz_strangers": ("crashes", "outside"),
    "poison": ("promoted", "rolled_back"),
}
AT_MOST = {"log": {"core_percent": 0.1}, "stop": {"p99": 2.0}}
KEYS = {"stop": "stop_s"}
"""Of a scenario whose figures stand under another name."""


def read() -> dict[str, Any]:
    """Everything found so far."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    return found


def write(new: Mapping[str, Any]) -> None:
    """Put these scenarios in place of what stands there, and say which machine it was."""
    from bench.__main__ import machine

    write_atomic(FILE, json.dumps({**read(), "machine": machine(), **new}, indent=2) + "\n")


def wrong(scenario: str, figures: Mapping[str, Any]) -> list[str]:
    """A sentence for each figure of the scenario that must be 0 and is not, or is greater than it may be."""
    return [
        f"{scenario}: {name} is {figures.get(name)}, and must be 0"
        for name in MUST_BE_ZERO.get(scenario, ())
        if figures.get(name) != 0
    ] + [
        f"{scenario}: {name} is {figures[name]}, and must be at most {most}"
        for name, most in AT_MOST.get(scenario, {}).items()
        if figures[name] > most
    ]


def say(text: str) -> None:
    """Tell whoever watches how it goes."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
