"""Whether reading feedback takes time in proportion to it: `python -m bench.scaling` prints it for each shape as JSON.

For every shape of input, processor seconds at a size and at four times that size, and their ratio: about 4 where time
is in proportion, about 16 where it grows with the square.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from adapterd.errors import InputError
from adapterd.feedback.formats import parse
from adapterd.feedback.listing import inbox_file
from adapterd.feedback.reader import ParsedPiece, read_file

TIMES = 4
REPEATS = 3
NOW = datetime(2026, 1, 1, tzinfo=UTC)
RECORD = '{"prompt": "Who met?", "output": "The mayor.", "rating": 4, "created_at": "2025-01-01"}'
Shape = tuple[str, int, Callable[[int], str]]
SHAPES: dict[str, Shape] = {
    "a repeated key": (".jsonl", 10_000, lambda n: "{" + "".join(f'"{i}": 1, ' for i in range(n)) + f'"{n - 1}": 2}}'),
    "many keys": (".jsonl", 10_000, lambda n: "{" + ", ".join(f'"{i}": 1' for i in range(n)) + "}"),
    "keys repeated in many objects": (".jsonl", 10_000, lambda n: '{"a": 1, "a": 2}\n' * n),
    "nested lists": (".jsonl", 2_000, lambda n: "[" * n + "]" * n),
    "many nested answers": (
        ".jsonl", 1_000, lambda n: f'{{"prompt": "p", "output": [{", ".join(["[" * 60 + "]" * 60] * n)}]}}',
    ),
    "a long prompt": (".jsonl", 200_000, lambda n: json.dumps({"prompt": "word " * n, "correction": "x"})),
    "a long text of escapes": (".jsonl", 100_000, lambda n: json.dumps({"prompt": "é" * n, "output": "x"})),
    "many turns": (
        ".jsonl", 10_000,
        lambda n: json.dumps({"messages": [{"role": r, "content": "c"} for r in ("user", "assistant")] * n}),
    ),
    "many tags": (
        ".jsonl", 20_000,
        lambda n: json.dumps({"prompt": "p", "output": "x", "failure_tags": ["truncation"] * n}),
    ),
    "many records": (".jsonl", 4_000, lambda n: f"{RECORD}\n" * n),
    "an array of records": (".json", 4_000, lambda n: "[" + ",".join([RECORD] * n) + "]"),
    "an array of faulty elements": (".json", 10_000, lambda n: "[" + ",".join(['{"a": NaN}'] * n) + "]"),
    "faulty lines": (".jsonl", 10_000, lambda n: "{\n" * n),
    "white space": (".json", 1_000_000, lambda n: " \n" * n + "[" + " \n" * n + "1" + " \n" * n + "]"),
    "long numbers": (".jsonl", 200, lambda n: f'{{"prompt": "p", "output": [{", ".join(["9" * 4000] * n)}]}}'),
    "a long fraction": (".jsonl", 200_000, lambda n: f'{{"prompt": "p", "output": [0.{"9" * n}]}}'),
}  # fmt: skip


def seconds(file: Path) -> float:
    """Processor time for reading and judging the file, the least of a few times."""
    took = []
    for _ in range(REPEATS):
        began = time.process_time()
        for piece in read_file(inbox_file(str(file), file.stat())):
            if isinstance(piece, ParsedPiece):
                try:
                    parse(piece.value, received_at=NOW)
                except InputError:
                    continue
        took.append(time.process_time() - began)
    return min(took)


def main() -> None:
    """Measure every shape."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (ending, size, content) in SHAPES.items():
            file = Path(folder) / f"feedback{ending}"
            took = []
            for count in (size, size * TIMES):
                file.write_text(content(count))
                took.append(seconds(file))
            found[name] = {"seconds": [round(each, 5) for each in took], "ratio": round(took[1] / took[0], 1)}
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
