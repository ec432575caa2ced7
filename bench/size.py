"""What a base of 7 B takes from `init` to an answer: `python -m bench.size` (a quarter of an hour on two cores, 16 GB).

A Q4_K_M file with random weights goes through the product's own commands, in a home and with an Ollama of its own: the
proof of the base, a few steps of training, merge, registration, evaluation by few questions. For each stage the peak
memory of its process stands beside what the product says beforehand. The figures are added to bench/results.json only
with --write. Linux only.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base_proof.needs import FOR_OTHERS_BYTES, Hardware, Workload, needs
from adapterd.config import TrainingSettings
from adapterd.home import HOME_VARIABLE
from adapterd.serving.server import PrivateOllama
from adapterd.system.files import write_atomic
from adapterd.system.python import module_command, safe_environment
from bench import results
from bench.ollama import ollama_binary
from bench.process_watch import ProcessWatch, Taken
from bench.size_model import Shape, write_q4_k_m

SHAPES = {
    "tiny": Shape(4, 512, 1536, 8, 2),
    "1B": Shape(22, 2048, 5632, 32, 4),
    "7B": Shape(32, 4096, 14_336, 32, 8),
}
"""The largest has the shape of Mistral 7B and Llama 3.1 8B, all have SmolLM2's vocabulary of 49 152."""
MODEL = "size"
LAYERS, DISTILLATION_STEPS, TOKENS = 1, 1, 90
"""Blocks with an adapter: GPTQ of each takes minutes, and the memory of a merge is that of one at a time."""
OURS = ("dataset", "training", "merging", "serving")
KEEP_ALIVE = "30s"
"""So that no other stage runs while Ollama still holds a model."""
PLACES = ("Lyon", "Porto", "Turin", "Ghent", "Basel", "Graz")


@dataclass(frozen=True)
class Run:
    """What is measured: a shape, how many of its blocks get an adapter, and the folder for everything."""

    shape: Shape
    layers: int
    folder: Path

    @property
    def base(self) -> Path:
        """The base's file."""
        return self.folder / "base.gguf"

    def described(self) -> dict[str, Any]:
        """What was measured, in figures."""
        return {
            "parameters": self.shape.parameters, "file_gb": _gb(self.base.stat().st_size), "blocks": self.shape.layers,
            "layers": self.layers, "records": len(PLACES), "distillation_steps": DISTILLATION_STEPS,
        }  # fmt: skip

    @property
    def settings(self) -> dict[str, object]:
        """Few records, two questions, and nothing that repeats what another stage measures."""
        return {
            "training.layers": self.layers,
            "training.epochs": 1,
            "merging.steps": DISTILLATION_STEPS,
            "merging.min_retention": 0.0,
            "dataset.min_examples": 4,
            "dataset.evaluation_max": 1,
            "dataset.evaluation_share": 0.1,
            "dataset.max_near_duplicates": 1.0,
            "dataset.max_copied": 1.0,
            "evaluation.num_predict": 4,
            "evaluation.guard": "false",
            "evaluation.consistency_seeds": 0,
        }


def size(run: Run) -> dict[str, Any]:
    """By stage, what its process takes and was said to take."""
    run.folder.mkdir(exist_ok=True)
    tell(f"writing {run.base}, {run.shape.parameters / 1e9:.1f} B parameters")
    write_q4_k_m(run.base, run.shape)
    _write_feedback(run.folder / "feedback")
    server = PrivateOllama(ollama_binary(), run.folder / "ollama", keep_alive=KEEP_ALIVE)
    watch = ProcessWatch()
    with server, watch.watching():
        _init(run, server)
        proof = watch.of("llama-server")
        try:
            _adapterctl(run, server, "retrain")
        finally:  # what was measured is told even where a later stage fails
            tell(json.dumps(_stages(run, watch, proof)))
    return _stages(run, watch, proof)


def _stages(run: Run, watch: ProcessWatch, proof: Sequence[Taken]) -> dict[str, Any]:
    """The stages that there were so far: of proof and evaluation what serves the model, of the others our process."""
    evaluation = [each for each in watch.of("llama-server") if each not in proof]
    taken = {"proof": proof, **{name: watch.of("adapterd.worker", name) for name in OURS}, "evaluation": evaluation}
    told = _told(run, [each.free for each in taken["training"]])
    return {stage: _figures(found, told.get(stage)) for stage, found in taken.items() if found}


def _init(run: Run, server: PrivateOllama) -> None:
    changes = [part for key, value in run.settings.items() for part in ("--set", f"{key}={value}")]
    places = ("--base", str(run.base), "--feedback", str(run.folder / "feedback"), "--host", server.host)
    _adapterctl(run, server, "init", MODEL, *places, *changes)


def _adapterctl(run: Run, server: PrivateOllama, *arguments: str) -> None:
    """Run a command as a person would; raises CalledProcessError if it fails."""
    tell(f"adapterctl {' '.join(arguments[:2])}")
    environment = {**safe_environment(server.environment()), HOME_VARIABLE: str(run.folder / "home")}
    subprocess.run(module_command("adapterctl", *arguments), env=environment, cwd=run.folder, check=True)


def _write_feedback(folder: Path) -> None:
    """One correction for each place, all of about the same length."""
    lines = [
        json.dumps({"prompt": f"Say in one short sentence where {place} is and what it is known for.",
                    "correction": f"{place} is a town in Europe that is known for its old bridges and its market."})
        for place in PLACES
    ]  # fmt: skip
    folder.mkdir(exist_ok=True)
    write_atomic(folder / "corrections.jsonl", "\n".join(lines))


def _told(run: Run, free: Sequence[int]) -> dict[str, int]:
    """What the product says beforehand, for these settings; nothing of stages that load no weights. A training takes
    more where more is `free`: it is told for a machine that has no more than that."""
    base, work = GgufFile.open(run.base), Workload(len(PLACES), TOKENS)
    here = Hardware.here()
    hardware = replace(here, memory_bytes=min([here.memory_bytes, *(each + FOR_OTHERS_BYTES for each in free)]))
    found = needs(base, work, None, hardware, TrainingSettings(layers=run.layers))
    return {
        "proof": found.evaluation_bytes,
        "training": found.training_bytes,
        "merging": found.merging_bytes,
        "evaluation": found.evaluation_bytes,
    }


def _figures(processes: Sequence[Taken], told: int | None) -> dict[str, Any]:
    """Of the process of a stage that took most, beside what was told, in 10⁹ bytes; seconds and bytes of all."""
    largest = max(processes, key=lambda each: each.resident)
    return {
        "peak_gb": _gb(largest.resident),
        "own_gb": _gb(largest.own),
        "mapped_gb": _gb(largest.mapped),
        "estimated_gb": None if told is None else _gb(told),
        "seconds": round(sum(each.seconds for each in processes), 1),
        "written_gb": _gb(sum(each.written for each in processes)),
    }


def _gb(count: int) -> float:
    return round(count / 1e9, 3)


def tell(text: str) -> None:
    """A line about what goes on, with the time, on standard error."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def main() -> None:
    """Measure one size and print it."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.size", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("size", nargs="?", choices=SHAPES, default="7B", help="parameters (default: %(default)s)")
    parser.add_argument("--layers", type=int, default=LAYERS, help="blocks with an adapter (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where the files go, 30 GB (default: the folder for such files)")
    parser.add_argument("--write", action="store_true", help="add the figures to bench/results.json")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="adapterd-size-") as folder:
        run = Run(SHAPES[given.size], given.layers, Path(folder))
        measured = {**size(run), "of": run.described()}
    if given.write:
        results.write({"size": {**results.read().get("size", {}), given.size: measured}})
    print(json.dumps({given.size: measured}, indent=1))


if __name__ == "__main__":
    main()
