"""What opening a base costs: `python -m bench.opening` prints seconds and memory, by the size of the vocabulary.

The files have as many tokens and merges as the families have, and one small tensor. Each is opened by a child, whose
memory is its own; seconds are of its processor time, megabytes what it took in addition, pages of the file included.
"""

import json
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from adapterd.base.gguf.gguf_file import GgufFile
from bench.ingest import ROOT
from bench.ingest import peak_rss_bytes as taken_bytes

VOCABULARIES = {"llama3": (128_256, 280_147), "qwen2": (151_936, 151_387), "gemma4": (262_144, 514_906)}
"""Tokens and merges."""
TIMES = 5


def opening() -> dict[str, Any]:
    """The most that any of them takes, and each by itself: the median of some times."""
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for name, (tokens, merges) in VOCABULARIES.items():
            file = write(Path(folder) / f"{name}.gguf", tokens, merges)
            runs = [_child(file) for _ in range(TIMES)]
            found[name] = {key: sorted(run[key] for run in runs)[TIMES // 2] for key in ("seconds", "mb")}
    most = {key: max(each[key] for each in found.values()) for key in ("seconds", "mb")}
    return {**most, "vocabularies": {name: {"tokens": VOCABULARIES[name][0], **each} for name, each in found.items()}}


def write(path: Path, tokens: int, merges: int) -> Path:
    """A file with so many tokens and merges of the usual lengths."""
    with closing(gguf.GGUFWriter(path, "llama")) as writer:
        writer.add_tokenizer_model("gpt2")
        writer.add_token_list([f"tok{number}" for number in range(tokens)])
        writer.add_token_types([1] * tokens)
        writer.add_token_merges([f"tok{number % tokens} tok{number * 7 % tokens}" for number in range(merges)])
        writer.add_tensor("token_embd.weight", np.zeros((8, 8), np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    return path


def _child(file: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.opening", str(file)]
    said: dict[str, float] = json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
    return said


def measure(file: Path) -> dict[str, float]:
    """Open it once."""
    before, began = taken_bytes(), time.process_time()
    opened = GgufFile.open(file)
    seconds = time.process_time() - began
    if opened.architecture != "llama" or len(opened.tensors) != 1:
        raise RuntimeError(f"{file} was not read as it was written")
    return {"seconds": round(seconds, 3), "mb": round((taken_bytes() - before) / 1e6, 1)}


def main() -> None:
    """Measure, or be the child."""
    print(json.dumps(measure(Path(sys.argv[1])) if len(sys.argv) > 1 else opening()))


if __name__ == "__main__":
    main()
