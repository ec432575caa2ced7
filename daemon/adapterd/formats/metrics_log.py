"""`metrics.jsonl`: one line for each step of a training, with its losses. The learning curve is drawn from it."""

from pathlib import Path
from typing import Any

from adapterd.formats.json_files import read_json_lines

METRICS, CURVE = "metrics.jsonl", "learning.svg"
ADDED_LATER: dict[str, Any] = {"end_of_turn_loss": None}
"""What the lines of earlier releases do not have."""


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The steps of the training in a folder, none where it has no such file.

    Raises InputError naming the file and the line that is at fault.
    """
    file = folder / METRICS
    return list(read_json_lines(file, _step, "a step of a training")) if file.is_file() else []


def _step(fields: dict[str, Any]) -> dict[str, Any]:
    if type(fields.get("step")) is not int:
        raise ValueError("it has no field 'step' that is a number")
    fields = ADDED_LATER | fields
    for name in ("loss", "validation_loss", "end_of_turn_loss"):
        if name not in fields or type(fields[name]) not in (int, float, type(None)):
            raise ValueError(f"it has no field {name!r} that is a number or null")
    return fields
