"""bench/results.json: what was measured, key by key; a new measurement replaces the old one."""

import json
from pathlib import Path
from typing import Any

from adapterd.system.files import write_atomic

FILE = Path(__file__).parent / "results.json"


def read(file: Path = FILE) -> dict[str, Any]:
    """Everything measured so far."""
    measured: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return measured


def write(new: dict[str, Any], file: Path = FILE) -> None:
    """Put these keys in place of what stands there."""
    write_atomic(file, json.dumps({**read(file), **new}, indent=2) + "\n")
