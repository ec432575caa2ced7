"""What fits into a Mac: `python -m bench.macs` asks the product's own estimates, from headers without weights.

Models in Q4_K_M in the shapes that people pull, a new model's settings, 100 records of 500 tokens. macOS lets the GPU
work in two thirds of the memory of these machines. Nothing of it is measured on a Mac.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base_proof.needs import Hardware, Needs, Workload, needs
from adapterd.config import TrainingSettings
from bench import results, tables
from bench.size_model import Shape, write_header

SHAPES = {
    "llama3.2:1b": Shape(16, 2048, 8192, 32, 8, tied=True, vocabulary=128_256),
    "llama3.2:3b": Shape(28, 3072, 8192, 24, 8, tied=True, vocabulary=128_256),
    "llama3.1:8b": Shape(32, 4096, 14_336, 32, 8, vocabulary=128_256),
    "qwen2.5:14b": Shape(48, 5120, 13_824, 40, 8, vocabulary=152_064),
}
GIGABYTES = (8, 16, 24)
GPU_SHARE = 2 / 3
WORK = Workload()
FEWER_LAYERS = 4


def macs() -> dict[str, Any]:
    """For each shape its parameters, the peak of each stage in GB, and what each size of Mac can do."""
    with tempfile.TemporaryDirectory() as folder:
        return {name: _row(Path(folder) / "header.gguf", shape) for name, shape in SHAPES.items()}


def _row(path: Path, shape: Shape) -> dict[str, Any]:
    write_header(path, shape)
    base = GgufFile.open(path)
    found = {size: needs(base, WORK, None, _mac(size)) for size in GIGABYTES}
    least = {size: needs(base, WORK, None, _mac(size), TrainingSettings(layers=FEWER_LAYERS)) for size in GIGABYTES}
    largest = found[max(GIGABYTES)]
    return {
        "parameters": base.value_count,
        "file_gb": round(sum(tensor.size_bytes for tensor in base.tensors.values()) / 1e9, 1),
        "training_gb": _gb(largest.training_bytes),
        "merging_gb": _gb(largest.merging_bytes),
        "evaluation_gb": _gb(largest.evaluation_bytes),
        "macs": {size: _verdict(found[size], least[size]) for size in GIGABYTES},
    }


def _mac(gigabytes: int) -> Hardware:
    return Hardware(gigabytes << 30, round(GPU_SHARE * (gigabytes << 30)))


def _verdict(found: Needs, with_fewer_layers: Needs) -> str:
    if found.fits:
        return "yes"
    if with_fewer_layers.fits:
        return f"with training.layers = {FEWER_LAYERS}"
    return f"no: {', '.join(with_fewer_layers.too_large)}"


def _gb(count: int) -> float:
    return round(count / 1e9, 1)


if __name__ == "__main__":
    measured = macs()
    results.write({"macs": measured})
    tables.main()
    print(json.dumps(measured, indent=1))
