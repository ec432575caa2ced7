"""What a merge costs, ours beside the peers' route: `python -m bench.merging [0.1B|1.1B] [--peers-only|--ours-only]`.

The peers need the 16-bit weights: mlx-lm fuses the adapter into them, llama.cpp converts them to GGUF and quantises
that. Ours works on the quantised file alone. Both get the same adapter, the same preloaded BLAS, files that were read
before, and a new process for each stage, so that start-up and imports count on either side.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adapterd.system.blas import preload_environment
from bench.cost import Cost, cost_of
from bench.models import Kind, cache_folder, quantised_file, random_f16, wide_f16
from bench.peers import hugging_face_folder, merge_as_peers, random_adapter

KIND: Kind = "Q4_K_M"
EXAMPLES = 24
TOUCHED_LAYERS = 16
F16_MODELS: dict[str, Callable[[], Path]] = {
    "0.1B": wide_f16,
    "1.1B": lambda: random_f16(layers=22, width=2048, ffn=5632, heads=32, kv_heads=4),
}
"""SmolLM2 widened (30 layers), and a model of TinyLlama's shape with SmolLM2's vocabulary."""
GROWTH_LAYERS, GROWTH_WIDTH = (1, 2, 4, 8, 16), 512
GROWTH_WIDTHS, GROWTH_DEPTH = (512, 1024, 2048), 2
DISTILLED = ("0.1B",)
"""Sizes that are distilled, too: on two cores, the larger one would take half an hour."""


@dataclass(frozen=True)
class Inputs:
    """One model in all the forms that the two sides start from."""

    base: Path
    hugging_face: Path
    adapter: Path

    @classmethod
    def of(cls, size: str) -> "Inputs":
        """Made on first use, then read once, so that neither side waits for the disk."""
        f16 = F16_MODELS[size]()
        inputs = cls(quantised_file(f16, KIND), hugging_face_folder(f16), random_adapter(f16, TOUCHED_LAYERS))
        _read_once([inputs.base, *inputs.hugging_face.iterdir(), *inputs.adapter.iterdir()])
        return inputs


def merge_speed(sizes: Iterable[str] = tuple(F16_MODELS), sides: Iterable[str] = ("ours", "peers")) -> dict[str, Any]:
    """For each size what ours and the `peers` cost, the latter by stage too: `ours_plain` rounds, `ours` has error
    feedback, `ours_distilled` distillation as well.

    `written_mb` counts our clone of the base as well; on a copy-on-write file system (APFS, Btrfs, XFS) that is free,
    and only the touched tensors are written.
    """
    return {size: _of_both(Inputs.of(size), frozenset(sides), distilled=size in DISTILLED) for size in sizes}


def merge_growth() -> dict[str, dict[int, float]]:
    """Seconds of our merge with GPTQ alone, by touched layers (of 16, 512 wide) and by
    width (2 layers); start-up and calibration included."""
    deep = _random_llama(max(GROWTH_LAYERS), GROWTH_WIDTH)
    return {
        "layers": {layers: _seconds_of_ours(deep, layers) for layers in GROWTH_LAYERS},
        "width": {width: _seconds_of_ours(_random_llama(GROWTH_DEPTH, width), GROWTH_DEPTH) for width in GROWTH_WIDTHS},
    }


def _random_llama(layers: int, width: int) -> Path:
    return random_f16(layers=layers, width=width, ffn=3 * width, heads=width // 64, kv_heads=width // 256)


def _seconds_of_ours(f16: Path, layers: int) -> float:
    base, adapter = quantised_file(f16, KIND), random_adapter(f16, layers)
    _read_once([base])
    with _work_folder() as work:
        return _cost_of_ours(base, adapter, work, EXAMPLES, 0).seconds


def _of_both(inputs: Inputs, sides: frozenset[str], *, distilled: bool) -> dict[str, Any]:
    costs: dict[str, Any] = {}
    with _work_folder() as work:
        if "ours" in sides:
            for name, how in (("ours_plain", (0,)), ("ours", (EXAMPLES, 0)), ("ours_distilled", (EXAMPLES,))):
                if name != "ours_distilled" or distilled:
                    costs[name] = asdict(_cost_of_ours(inputs.base, inputs.adapter, work, *how))
        if "peers" in sides:
            stages = merge_as_peers(inputs.hugging_face, inputs.adapter, KIND, work, _environment())
            by_stage = {stage: asdict(cost) for stage, cost in stages.items()}
            costs["peers"] = {**asdict(_one_after_another(stages.values())), "stages": by_stage}
    return costs


def _cost_of_ours(base: Path, adapter: Path, work: Path, *how: int) -> Cost:
    """`how`: the number of examples, and of steps if not the default."""
    command = [sys.executable, "-m", "bench.merge_once", base, adapter, work / "ours.gguf", *how]
    return cost_of(command, _environment())


def _environment() -> dict[str, str]:
    return {**os.environ, **preload_environment()}


@contextmanager
def _work_folder() -> Iterator[Path]:
    """A folder for what is measured, on the disk of the cache: what goes into memory (tmpfs) is not counted."""
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix=".merging.") as name:
        yield Path(name)


def _one_after_another(costs: Iterable[Cost]) -> Cost:
    costs = list(costs)
    return Cost(
        seconds=round(sum(cost.seconds for cost in costs), 2),
        rss_mb=max(cost.rss_mb for cost in costs),
        written_mb=round(sum(cost.written_mb for cost in costs), 1),
    )


def _read_once(files: Iterable[Path]) -> None:
    for file in files:
        with file.open("rb") as handle:
            while handle.read(1 << 24):
                pass


def main() -> None:
    """Print what was measured as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.merging", description="What a merge costs.")
    parser.add_argument("size", nargs="?", choices=list(F16_MODELS), help="one size instead of all")
    one_side = parser.add_mutually_exclusive_group()
    for side in ("peers", "ours"):
        one_side.add_argument(f"--{side}-only", dest="sides", action="store_const", const=(side,))
    arguments = parser.parse_args()
    sizes = [arguments.size] if arguments.size else list(F16_MODELS)
    print(json.dumps(merge_speed(sizes, arguments.sides or ("ours", "peers")), indent=2))


if __name__ == "__main__":
    main()
