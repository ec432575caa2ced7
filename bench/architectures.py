"""How near the MLX model's logits come to llama.cpp's, for a tiny random file of every supported architecture.

`python -m bench.architectures NAME…` measures those named alone and keeps the others' results.
"""

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from adapterd.base.architectures import ARCHITECTURES
from bench import results, tables

TOKENS = 40
"""Beyond the windows and the original contexts of the tiny files."""
WIDTH = 96
"""Without a whole root, by which Gemma multiplies its embeddings."""
OPTIONS: dict[str, dict[str, Any]] = {
    "smollm3": {"layers": 4},  # of which the last has no rotary positions
    "olmo2": {"layers": 4, "metadata": {"olmo2.attention.sliding_window": 8}},  # as OLMo 3
}


def architectures(names: Iterable[str] = ARCHITECTURES) -> dict[str, dict[str, float]]:
    """The root mean square of the difference of logits, in standard deviations of the logits, and the share of
    positions that agree on the likeliest token.

    In Gemma's, most of the difference is ggml's: on a CPU its GELU comes from a table of 16-bit floats.
    """
    with tempfile.TemporaryDirectory() as folder:
        return {name: _agreement(Path(folder) / f"{name}.gguf", name) for name in names}


def _agreement(path: Path, architecture: str) -> dict[str, float]:
    from tests.support.tiny_gguf import llama_cpp_logits, mlx_logits, write_tiny_gguf

    write_tiny_gguf(path, architecture=architecture, hidden=WIDTH, **OPTIONS.get(architecture, {}))
    ids = np.random.default_rng(1).integers(20, 500, size=TOKENS).tolist()
    ours, served = mlx_logits(path, ids), llama_cpp_logits(path, ids)
    return {
        "rms": float(np.sqrt(np.mean((ours - served) ** 2)) / served.std()),
        "top1": float((ours.argmax(-1) == served.argmax(-1)).mean()),
    }


if __name__ == "__main__":
    measured = results.read()["architectures"] | architectures(sys.argv[1:] or ARCHITECTURES)
    results.write({"architectures": {name: measured[name] for name in ARCHITECTURES if name in measured}})
    tables.main()
